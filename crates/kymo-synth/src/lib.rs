//! Objects and whole lives of objects, made from manifests and distributions.
//!
//! A [`Plan`] says what shall be in a cluster and when. [`Synthesis`] lets it happen: a scheduler
//! that puts pods on nodes, controllers that make and replace pods and write their status, kubelets
//! that start and end containers. What happened is written as the rows of a trace, in the order of a
//! segment. The same plan gives the same rows.

mod arrival;
mod catalog;
mod clock;
mod cluster;
mod column;
mod defaults;
mod distribution;
mod error;
mod fit;
mod managed;
mod manifest;
mod node;
mod order;
mod order_of_rows;
mod pod;
mod profile;
mod progress;
mod random;
mod records;
mod stay;
mod story;
mod text;
mod timeline;
mod trace;

pub use arrival::Arrival;
pub use cluster::{Cluster, Needs};
pub use column::column;
pub use distribution::Distribution;
pub use error::Error;
pub use fit::{Distance, Fit, FitScript, Tuning};
pub use manifest::{Manifest, read_text};
pub use order::{
    Crash, Known, LabelValue, NodeOrder, OutageKind, OutageOrder, Placement, Plan, Stages, Updates,
    With, WorkloadOrder,
};
pub use profile::Profile;
pub use progress::{Progress, Unwatched};
pub use stay::{Stay, ranks};
pub use story::Tally;
pub use trace::{NewRows, Rows, Synthesis};
