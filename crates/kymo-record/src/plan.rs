use std::fmt;

use kymo_model::Feed;
use kymo_watch::discovery::DiscoveryFailure;

/// What will be recorded, before it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The server's URL.
    pub server: String,
    /// Its version, such as `v1.36.2`.
    pub server_version: Option<String>,
    /// The uid of the namespace kube-system; `None` where it may not be read.
    pub cluster_uid: Option<String>,
    /// What is listed and watched.
    pub feeds: Vec<Feed>,
    /// Whether an existing trace is continued.
    pub resumed: bool,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Something to know before recording, which does not prevent it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The namespace kube-system may not be read, so the trace does not know its cluster.
    NoIdentity,
    /// The user says that the trace is of this cluster; nothing shows it.
    AssumedSameCluster,
    /// A part of what the server serves is not known.
    NotDiscovered {
        /// Such as `metrics.k8s.io/v1beta1`.
        group_version: String,
        /// What happened.
        message: String,
    },
    /// The server's clock differs from ours.
    ClockOffset {
        /// The server's time less ours, in seconds.
        seconds: i64,
    },
}

impl From<&DiscoveryFailure> for Warning {
    fn from(failure: &DiscoveryFailure) -> Self {
        Self::NotDiscovered {
            group_version: failure.group_version.clone(),
            message: failure.message.clone(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity => f.write_str(
                "the namespace kube-system cannot be read: the trace does not know its cluster, \
                 and appending to it will need your word that it is the same",
            ),
            Self::AssumedSameCluster => {
                f.write_str("the trace is taken to be of this cluster because you say so")
            }
            Self::NotDiscovered {
                group_version,
                message,
            } => write!(
                f,
                "{group_version} is not recorded until it can be discovered: {message}"
            ),
            Self::ClockOffset { seconds } if *seconds < 0 => {
                write!(f, "the server's clock is {} s behind ours", -seconds)
            }
            Self::ClockOffset { seconds } => {
                write!(f, "the server's clock is {seconds} s ahead of ours")
            }
        }
    }
}

/// What a session recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its number in the trace.
    pub session: u32,
    /// Events recorded.
    pub events: u64,
    /// Bytes of their objects, after redaction.
    pub received_bytes: u64,
    /// Bytes of the logs on disk.
    pub durable_bytes: u64,
    /// Stretches that were not observed.
    pub gaps: u64,
    /// Feeds at the end.
    pub feeds: usize,
    /// How long it took.
    pub duration: std::time::Duration,
    /// Whether every feed and the log ended in an orderly way. If not, nothing durable is lost
    /// and the next session resumes from it.
    pub clean: bool,
}
