//! `SYNTHESIZE`: from statements to what `kymo-synth` makes.

mod beside;
mod call;
mod fit;
mod plan;
mod run;

pub(crate) use beside::beside;
pub(crate) use call::{check_arrival, check_distribution};
pub use fit::{Distance, Fitted, fit};
pub use run::{Synth, SynthReport};
