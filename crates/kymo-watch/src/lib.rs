//! Lists and watches of Kubernetes resources.

mod alarm;
pub mod client;
mod delivery;
pub mod discovery;
mod error;
mod options;

pub use alarm::Alarm;
pub use client::{FeedContext, Now, run_feed};
pub use delivery::{Counters, Delivery, FeedStatus, Phase, Sink, SinkClosed, Transition};
pub use discovery::{Catalogue, ServedResource, discover};
pub use error::Error;
pub use options::{FeedConfig, FeedOptions, LiveObject, ResumeFrom};
