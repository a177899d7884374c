//! Lists and watches of Kubernetes resources that lose nothing without saying so.
//!
//! A [`machine::FeedMachine`] decides, without I/O and without a clock: when to list, from which
//! version to watch, what is a gap, what can be deduced. [`run_feed`] carries out its wishes over
//! a `kube::Client` and delivers events, marks and coverage to a [`Sink`]. [`discover`] finds what
//! a server serves.
//!
//! The text of objects is kept byte for byte. Items of lists get the `kind` and `apiVersion` that
//! they lack; with [`FeedOptions::metadata_only`] nothing but metadata is asked for and kept.
//!
//! # Example
//!
//! Records the pods of a cluster until the task is cancelled, printing what comes.
//!
//! ```no_run
//! use std::sync::{Arc, Mutex};
//!
//! use kymo_model::{Feed, FeedId, Scope, SessionClock, SystemClock};
//! use kymo_watch::{
//!     Delivery, FeedConfig, FeedContext, FeedOptions, ResumeFrom, Sink, SinkClosed, discover,
//!     run_feed,
//! };
//! use tokio::sync::{Semaphore, watch};
//! use tokio_util::sync::CancellationToken;
//!
//! struct Print;
//!
//! impl Sink for Print {
//!     async fn deliver(&self, delivery: Delivery) -> Result<(), SinkClosed> {
//!         println!("{delivery:?}");
//!         Ok(())
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = kube::Config::infer().await?;
//! config.default_retry = false;
//! let client = kube::Client::try_from(config)?;
//! let pods = discover(&client).await?.resolve("pods")?.resource.clone();
//! let clock = Mutex::new(SessionClock::new(Arc::new(SystemClock::new())));
//! let context = FeedContext {
//!     clients: watch::channel(client).1,
//!     now: Arc::new(move || clock.lock().expect("not poisoned").now()),
//!     lists: Arc::new(Semaphore::new(4)),
//!     recheck: watch::channel(0).1,
//!     cancel: CancellationToken::new(),
//! };
//! let feed = FeedConfig {
//!     id: FeedId(0),
//!     feed: Feed { resource: pods, scope: Scope::default() },
//!     options: FeedOptions::default(),
//!     resume: ResumeFrom::default(),
//!     seed: 1,
//! };
//! run_feed(context, feed, &Print).await?;
//! # Ok(())
//! # }
//! ```

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
