//! Records a cluster into a trace.
//!
//! A [`Recorder`] lists and watches every resource of a [`Selection`], takes out what must not
//! be stored, and hands the rest to one thread that owns the trace's log. A feed that fails is
//! started again and the gap is recorded; a disk that is full or loses a write is waited out.
//! Memory stays under a budget: when too much is on the way to the log the feeds stop reading,
//! and what the server then cuts off is resumed.
//!
//! ```no_run
//! # async fn example() -> Result<(), kymo_record::Error> {
//! use std::sync::Arc;
//!
//! use kymo_model::SystemClock;
//! use kymo_record::{Config, Recorder};
//! use tokio_util::sync::CancellationToken;
//!
//! let mut config = Config::new("prod.kymo");
//! config.duration = Some(std::time::Duration::from_secs(600));
//! let recorder = Recorder::connect(config, Arc::new(SystemClock::new())).await?;
//! for warning in &recorder.plan().warnings {
//!     eprintln!("warning: {warning}");
//! }
//! let summary = recorder.run(CancellationToken::new()).await?;
//! eprintln!("{} events", summary.events);
//! # Ok(())
//! # }
//! ```

mod budget;
mod cluster;
mod config;
mod credentials;
mod discovery;
pub mod endpoint;
mod error;
mod gate;
mod inlet;
mod keeper;
mod kubeconfig;
mod ledger;
mod maintenance;
mod plan;
pub mod rbac;
mod recorder;
mod selection;
mod session;
mod sink;
mod status;
mod supervisor;
mod tally;
mod trace;
mod transport;
mod veil;

pub use cluster::Cluster;
pub use config::{Config, Connection, Selection};
pub use error::{Error, Fault};
pub use plan::{Plan, Summary, Warning};
pub use recorder::{Recorder, record};
pub use status::{FeedCounts, Status};
pub use veil::Anonymize;
