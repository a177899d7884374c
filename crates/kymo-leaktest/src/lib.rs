//! The leak test: does anything that identifies survive in an anonymized trace?
//!
//! It knows nothing of the code that anonymizes. Every identifying token of the original is taken
//! out of it (`identify`, `token`), spelled in the ways in which software spells such things
//! (`spelling`), and searched in everything that the output holds: values, keys, what is encoded
//! inside them (`decode`), and the bytes of its files and Parquet pages (`physical`).

mod decode;
mod error;
mod identify;
mod leak;
mod physical;
mod search;
mod secret;
mod shape;
mod spelling;
mod token;
mod trace;
mod uniqueness;
mod verify;
mod vocabulary;

pub use error::Error;
pub use leak::{Leak, LeakReport, Place};
pub use token::Class;
pub use uniqueness::Uniqueness;
pub use verify::verify;
