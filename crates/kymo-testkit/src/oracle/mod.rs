//! What really happened, read from etcd itself, and its comparison with what was recorded.
//!
//! An [`Oracle`] watches all of etcd through its JSON gateway and shares no code with kymo's
//! recorder. The API server has to store JSON
//! ([`StorageFormat::Json`](crate::control_plane::StorageFormat::Json)). A resource version is the
//! etcd revision that made it, so [`compare`] can hold recorded rows against the history exactly.

mod comparison;
mod difference;
mod etcd;
mod history;
mod identity;
mod observed;
mod report;
mod watching;

pub use comparison::{compare, compare_with};
pub use etcd::{Change, Etcd, KeyValue};
pub use history::{History, Op, Revision};
pub use identity::{ObjectId, Resource};
pub use observed::{Allowances, Certainty, Interval, ObservedEvent, ReadDefault};
pub use report::{Fault, Report, Tally};
pub use watching::Oracle;
