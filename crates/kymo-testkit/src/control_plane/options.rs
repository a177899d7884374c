//! What a control plane is made of.

use std::fmt;
use std::time::Duration;

/// A program of the control plane, in the order in which they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The store, with one member.
    Etcd,
    /// The API server.
    ApiServer,
    /// The built-in controllers: Deployments, garbage collection, namespaces and so on.
    ControllerManager,
    /// The scheduler, which binds pods to nodes.
    Scheduler,
    /// kwok, which plays the kubelet of every node.
    Kwok,
}

impl Component {
    /// Names the program file.
    pub fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// How the API server writes objects to etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageFormat {
    /// JSON, which the [oracle](crate::oracle) can read.
    #[default]
    Json,
    /// Protobuf, as real clusters do.
    Protobuf,
}

/// A user known to the API server by a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The secret that the user presents.
    pub token: String,
    /// The user's name, for RBAC.
    pub user: String,
    /// The user's groups, for RBAC.
    pub groups: Vec<String>,
}

/// Chooses what [`ControlPlane::start`](super::ControlPlane::start) starts and how.
///
/// The default is etcd and kube-apiserver only, without fsync, storing JSON and never compacting.
#[derive(Debug, Clone)]
pub struct Options {
    /// Starts kube-controller-manager.
    pub controller_manager: bool,
    /// Starts kube-scheduler.
    pub scheduler: bool,
    /// Starts kwok, which makes every node ready and runs the pods bound to it.
    pub kwok: bool,
    /// Lets etcd call fsync; off is faster and loses nothing when only processes are killed.
    pub fsync: bool,
    /// How the API server writes objects to etcd.
    pub storage: StorageFormat,
    /// How often the API server compacts etcd's history; `None` never.
    pub compaction_interval: Option<Duration>,
    /// Serves watches from the API server's memory (as real clusters do) rather than from etcd.
    pub watch_cache: bool,
    /// Watch cache sizes, as (`resource` or `resource.group`, size); 0 turns the cache of that
    /// resource off.
    pub watch_cache_sizes: Vec<(String, u32)>,
    /// Bounds below which the API server does not end a watch; the end comes between this and twice
    /// this. `None` is the server's own default of 30 minutes.
    pub min_watch_duration: Option<Duration>,
    /// Users with bearer tokens.
    pub tokens: Vec<Token>,
    /// Writes each request's metadata to [`ControlPlane::audit`](super::ControlPlane::audit).
    pub audit: bool,
    /// More arguments for kube-apiserver, after the launcher's own.
    pub api_server_args: Vec<String>,
    /// Keeps the folder with data and logs when the plane stops. `KYMO_KEEP_CONTROL_PLANE=1` does
    /// the same for all.
    pub keep_folder: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controller_manager: false,
            scheduler: false,
            kwok: false,
            fsync: false,
            storage: StorageFormat::Json,
            compaction_interval: None,
            watch_cache: true,
            watch_cache_sizes: Vec::new(),
            min_watch_duration: None,
            tokens: Vec::new(),
            audit: true,
            api_server_args: Vec::new(),
            keep_folder: false,
        }
    }
}

impl Options {
    /// Starts all programs, so that Deployments get pods and pods run.
    pub fn with_pods() -> Self {
        Self {
            controller_manager: true,
            scheduler: true,
            kwok: true,
            ..Self::default()
        }
    }

    /// Lists the programs to start, in order.
    pub fn components(&self) -> Vec<Component> {
        [
            (true, Component::Etcd),
            (true, Component::ApiServer),
            (self.controller_manager, Component::ControllerManager),
            (self.scheduler, Component::Scheduler),
            (self.kwok, Component::Kwok),
        ]
        .into_iter()
        .filter_map(|(wanted, component)| wanted.then_some(component))
        .collect()
    }
}
