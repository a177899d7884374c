//! Reads and writes the formats of other tools.
//!
//! [`import`] takes the files that people have: watch streams, audit logs, dumps, recordings of
//! other tools. Objects take the same path from a line to the store as in the recorder.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use kymo_interop::{Format, ImportOptions, import};
//! use kymo_model::{Clock, SystemClock};
//!
//! let options = ImportOptions::new(Some(Format::Watch), vec!["streams/".into()], "prod.kymo".into());
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
//! let report = import(&options, &clock, &mut |_| ControlFlow::Continue(()))?;
//! println!("{}", report.summary());
//! # Ok::<(), kymo_interop::Error>(())
//! ```

mod audit;
mod dump;
mod error;
mod import;
mod input;
mod json;
mod kinds;
mod kshrk;
mod kss;
mod kwok;
mod metered;
mod naming;
mod simkube;
mod sorting;
mod vault;
mod watch;
mod workload_csv;

pub use error::Error;
pub use import::{
    DamagedInput, Format, ImportOptions, Loss, LossCount, LossReport, MissingTimes, Progress,
    ResourceCount, Skipped, UnknownFormat, UnreadableLine, import,
};
pub use input::Limits;
pub use workload_csv::workload_mapping_schema;
