//! What an API server serves, and which of it can be recorded.

mod catalogue;
mod fetch;
mod resolve;

pub use catalogue::{Catalogue, DiscoveryFailure, ServedResource, is_denied};
pub use fetch::discover;
pub use resolve::UnknownResource;
