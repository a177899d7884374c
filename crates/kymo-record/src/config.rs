use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Anonymize;
use kymo_anonymize::Policy;
use kymo_store::WriterOptions;
use kymo_watch::FeedOptions;

/// Where the API server is and who we are to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// A kubeconfig file; `None`: `$KUBECONFIG`, `~/.kube/config`, then the service account of
    /// the pod that we run in.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; `None`: its current one.
    pub context: Option<String>,
}

/// What is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Resources by the names that kubectl takes; empty: all that can be listed and watched,
    /// less those whose objects hold credentials.
    pub resources: Vec<String>,
    /// Namespaces; empty: all, and cluster-scoped objects too. With namespaces, a resource that
    /// has none is recorded only when it is named.
    pub namespaces: Vec<String>,
    /// A label selector.
    pub label_selector: Option<String>,
    /// Whether to record Secrets, their metadata only, when no resources are named.
    pub secrets: bool,
}

/// How to record.
#[derive(Clone, Debug)]
pub struct Config {
    /// The trace, a directory that may exist.
    pub trace: PathBuf,
    /// The cluster.
    pub connection: Connection,
    /// What of it.
    pub selection: Selection,
    /// What is taken out of objects before they are stored.
    pub policy: Policy,
    /// How names are replaced before they are stored; `None`: they are not.
    pub anonymize: Option<Anonymize>,
    /// Stop after this time; `None`: when told to.
    pub duration: Option<Duration>,
    /// The memory to stay under, in bytes.
    pub memory_budget: u64,
    /// Where to serve metrics and health, on loopback; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// Append to a trace although it cannot be shown that it is of the same cluster.
    pub assume_same_cluster: bool,
    /// Program and version, for the session's record.
    pub tool: String,
    /// The command, for the session's record.
    pub command: String,
    /// How often to ask what the server serves, besides whenever its types change.
    pub discovery_interval: Duration,
    /// How long a stop may take.
    pub stop_limit: Duration,
    /// How feeds behave; sizes in it are lowered to fit the memory budget.
    pub feed: FeedOptions,
    /// How the trace is written; sizes in it are lowered to fit the memory budget.
    pub writer: WriterOptions,
}

impl Config {
    /// The memory budget unless told otherwise, in bytes.
    pub const DEFAULT_MEMORY_BUDGET: u64 = 128 << 20;
    /// The smallest memory budget, in bytes.
    pub const LEAST_MEMORY_BUDGET: u64 = 32 << 20;

    /// Records everything that may be recorded of the current context into `trace`.
    pub fn new(trace: impl Into<PathBuf>) -> Self {
        Self {
            trace: trace.into(),
            connection: Connection::default(),
            selection: Selection::default(),
            policy: Policy::default(),
            anonymize: None,
            duration: None,
            memory_budget: Self::DEFAULT_MEMORY_BUDGET,
            metrics: None,
            assume_same_cluster: false,
            tool: concat!("kymo ", env!("CARGO_PKG_VERSION")).to_owned(),
            command: "record".to_owned(),
            discovery_interval: Duration::from_mins(1),
            stop_limit: Duration::from_secs(5),
            feed: FeedOptions::default(),
            writer: WriterOptions::default(),
        }
    }
}
