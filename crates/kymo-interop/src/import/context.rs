use std::path::PathBuf;
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::Clock;

use super::item::ReadItems;
use super::merge::MissingTimes;
use crate::input::{Budget, Limits};

/// What the reader of a format may need besides its entries.
#[derive(Clone)]
pub(crate) struct Context {
    /// What is dropped of objects.
    pub(crate) policy: Policy,
    /// Bounds on the input.
    pub(crate) limits: Limits,
    /// What is left of the bounds that all entries share.
    pub(crate) budget: Budget,
    /// A folder for what has to be put aside; it is gone after the import.
    pub(crate) workshop: PathBuf,
    /// Where times come from that the input does not hold.
    pub(crate) missing_times: MissingTimes,
    /// What the columns of tables mean, where the user says it.
    pub(crate) mapping: Option<PathBuf>,
    /// The time of day.
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a format made of its entries.
pub(crate) struct Opened {
    /// Readers; what each gives is in the order of time.
    pub(crate) readers: Vec<Box<dyn ReadItems>>,
    /// The API server's version, where the source tells it.
    pub(crate) server_version: Option<String>,
    /// The uid of the kube-system namespace, where the source tells it.
    pub(crate) cluster_uid: Option<String>,
}

impl From<Vec<Box<dyn ReadItems>>> for Opened {
    fn from(readers: Vec<Box<dyn ReadItems>>) -> Self {
        Self {
            readers,
            server_version: None,
            cluster_uid: None,
        }
    }
}
