//! Reads and writes the formats of other tools.
//!
//! [`watch`] imports raw watch streams: the wrapped lines `{"recv": …, "event": …}`, wrapped
//! lists, and what `kubectl get RES --watch --output-watch-events -o json` prints. It takes the
//! same path from a line to the store as the recorder.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use kymo_interop::watch::{ImportOptions, import};
//! use kymo_model::{Clock, SystemClock};
//!
//! let options = ImportOptions::new(vec!["streams/".into()], "prod.kymo".into());
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
//! let report = import(&options, &clock, &mut |_| ControlFlow::Continue(()))?;
//! println!("{}", report.summary());
//! # Ok::<(), kymo_interop::Error>(())
//! ```

mod error;
mod input;
mod kinds;
pub mod watch;

pub use error::Error;
pub use input::Limits;
