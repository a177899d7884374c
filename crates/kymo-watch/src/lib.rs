//! Lists and watches of Kubernetes resources.

mod alarm;
mod backoff;
pub mod client;
mod delivery;
pub mod discovery;
mod error;
mod inflate;
pub mod lines;
mod live;
pub mod machine;
mod object;
mod options;
pub mod page;
mod request;

pub use alarm::Alarm;
pub use client::{FeedContext, Now, run_feed};
pub use delivery::{Counters, Delivery, FeedStatus, Phase, Sink, SinkClosed, Transition};
pub use discovery::{Catalogue, ServedResource, discover};
pub use error::Error;
pub use options::{FeedConfig, FeedOptions, LiveObject, ResumeFrom};
pub use request::Request;
