use std::net::SocketAddr;
use std::path::PathBuf;

use kymo_model::GroupResource;
use thiserror::Error;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// What the user asked for.
    Usage,
    /// The cluster, the disk or a permission.
    Environment,
    /// The content of the trace.
    Data,
    /// kymo itself.
    Bug,
}

/// Why recording could not start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing that says where a cluster is.
    #[error(
        "found no kubeconfig ({}) and this is not a pod of a cluster",
        listed(tried)
    )]
    NoKubeconfig {
        /// Where it was looked for.
        tried: Vec<PathBuf>,
    },
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig{}: {source}", at(path.as_ref()))]
    Kubeconfig {
        /// The file, where one was named.
        path: Option<PathBuf>,
        /// What is wrong.
        source: Box<kube::config::KubeconfigError>,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context `{context}`")]
    UnknownContext {
        /// What was asked for.
        context: String,
        /// The contexts that it has.
        known: Vec<String>,
    },
    /// The kubeconfig names no current context and none was asked for.
    #[error("the kubeconfig has no current context")]
    NoContext {
        /// The contexts that it has.
        known: Vec<String>,
    },
    /// Credentials or certificates of the kubeconfig cannot be used.
    #[error("cannot make a client for {server}: {message}")]
    Client {
        /// The URL.
        server: String,
        /// What is wrong.
        message: String,
    },
    /// No answer from the server.
    #[error("cannot reach {server}: {message}")]
    Unreachable {
        /// The URL.
        server: String,
        /// What happened.
        message: String,
    },
    /// The server's certificate, or ours, was not accepted.
    #[error("no secure connection to {server}: {message}")]
    Tls {
        /// The URL.
        server: String,
        /// What happened.
        message: String,
    },
    /// 401.
    #[error("{server} does not accept the credentials: {message}")]
    Unauthorized {
        /// The URL.
        server: String,
        /// The server's message.
        message: String,
    },
    /// 403.
    #[error("{server} forbids {action}: {message}")]
    Forbidden {
        /// The URL.
        server: String,
        /// What was tried.
        action: &'static str,
        /// The server's message.
        message: String,
    },
    /// Another refusal.
    #[error("{server} refuses {action} ({code}): {message}")]
    Refused {
        /// The URL.
        server: String,
        /// What was tried.
        action: &'static str,
        /// The HTTP status.
        code: u16,
        /// The server's message.
        message: String,
    },
    /// An answer that no API server gives.
    #[error("{server} does not answer like an API server to {action}: {message}")]
    NotAnApiServer {
        /// The URL.
        server: String,
        /// What was tried.
        action: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The server serves no such resource.
    #[error("the server serves no resource `{word}`")]
    UnknownResource {
        /// What was asked for.
        word: String,
        /// A resource with a name close to it.
        suggestion: Option<String>,
    },
    /// The resource cannot be recorded.
    #[error("`{resource}` cannot be listed and watched")]
    NotWatchable {
        /// The resource.
        resource: GroupResource,
    },
    /// The resource's objects are credentials.
    #[error("`{resource}` is not recorded: its objects hold credentials")]
    Denied {
        /// The resource.
        resource: GroupResource,
    },
    /// The server does not take the label selector.
    #[error("the label selector `{selector}` is not valid: {message}")]
    Selector {
        /// What was asked for.
        selector: String,
        /// The server's message.
        message: String,
    },
    /// Nothing is left to record.
    #[error("nothing to record: no resource of the selection can be listed and watched")]
    NothingToRecord,
    /// It cannot be shown that the trace is of this cluster.
    #[error(
        "cannot tell whether trace `{}` is of this cluster: {}",
        trace.display(),
        match expected {
            Some(uid) => format!("it records {uid}, and the namespace kube-system cannot be read"),
            None => "it was recorded without the cluster's identity".to_owned(),
        }
    )]
    ClusterUnknown {
        /// The trace.
        trace: PathBuf,
        /// The uid in the trace.
        expected: Option<String>,
    },
    /// The budget is too small to work in.
    #[error("a memory budget of {budget} bytes is too small: at least {least} are needed")]
    BudgetTooSmall {
        /// What was asked for, in bytes.
        budget: u64,
        /// The least, in bytes.
        least: u64,
    },
    /// Metrics are served on loopback only.
    #[error("metrics are served on a loopback address only, {address} is none")]
    NotLoopback {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot serve metrics on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The trace cannot be written.
    #[error(transparent)]
    Store(#[from] kymo_store::Error),
    /// A trace with pseudonyms cannot be continued: what its objects are called in the cluster is
    /// known to nobody.
    #[error("`{}` is there already, and a recording that is anonymized begins a new trace", trace.display())]
    Continued {
        /// The trace.
        trace: PathBuf,
    },
    /// What the cluster says of itself could not be replaced.
    #[error("cannot anonymize: {source}")]
    Anonymize {
        /// Why not.
        source: kymo_anonymize::Failure,
    },
    /// A thread cannot be started.
    #[error("cannot start the thread `{name}`: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A thread ended by a panic.
    #[error("the thread `{name}` ended by a panic: {message}")]
    Panicked {
        /// Its name.
        name: &'static str,
        /// What it said.
        message: String,
    },
    /// A role cannot be written as YAML.
    #[error("cannot write the role as YAML: {source}")]
    Yaml {
        /// The encoder's answer.
        source: Box<serde_saphyr::ser::Error>,
    },
}

impl Error {
    /// Tells whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::UnknownContext { .. }
            | Self::NoContext { .. }
            | Self::UnknownResource { .. }
            | Self::NotWatchable { .. }
            | Self::Denied { .. }
            | Self::Selector { .. }
            | Self::ClusterUnknown { .. }
            | Self::Continued { .. }
            | Self::BudgetTooSmall { .. }
            | Self::NotLoopback { .. } => Fault::Usage,
            Self::Store(error) if error.is_corruption() => Fault::Data,
            Self::Panicked { .. } | Self::Yaml { .. } => Fault::Bug,
            _ => Fault::Environment,
        }
    }

    /// Says what to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoKubeconfig { .. } => {
                "name one with `--kubeconfig FILE` or in $KUBECONFIG".to_owned()
            }
            Self::UnknownContext { known, .. } | Self::NoContext { known } if !known.is_empty() => {
                format!("`--context` takes one of: {}", known.join(", "))
            }
            Self::Unreachable { .. } => {
                "is the address right, the server up, and a proxy in the way?".to_owned()
            }
            Self::Tls { .. } => {
                "compare certificate-authority and server of the kubeconfig with the server's \
                 certificate"
                    .to_owned()
            }
            Self::Unauthorized { .. } => {
                "the token or certificate may have expired: log in again".to_owned()
            }
            Self::Forbidden { .. } => {
                "`kymo rbac` prints the role that recording needs; `--check` compares it with \
                 what you may do"
                    .to_owned()
            }
            Self::UnknownResource {
                suggestion: Some(suggestion),
                ..
            } => format!("did you mean `{suggestion}`?"),
            Self::UnknownResource { .. } => {
                "`kubectl api-resources` lists what the server serves".to_owned()
            }
            Self::Selector { .. } => "such as `app=web,tier!=cache`".to_owned(),
            Self::ClusterUnknown { .. } => "record into a new trace, or pass \
                `--assume-same-cluster` if you know that it is the same one"
                .to_owned(),
            Self::Continued { .. } => "with the same key, `MERGE TRACE` of `kymo transform` puts \
                two of them together"
                .to_owned(),
            Self::Store(kymo_store::Error::OtherCluster { .. }) => {
                "record into a new trace".to_owned()
            }
            Self::Store(kymo_store::Error::NotATrace { .. }) => {
                "name a directory that does not exist yet".to_owned()
            }
            Self::Store(error) if error.is_disk_full() => {
                "make space; what the trace holds is intact".to_owned()
            }
            Self::Store(error) if error.is_corruption() => {
                "`kymo check` lists what is readable; `kymo repair` writes a copy of it".to_owned()
            }
            Self::NotLoopback { .. } => "such as 127.0.0.1:9464".to_owned(),
            _ => return None,
        })
    }
}

fn listed(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no home directory".to_owned();
    }
    let paths: Vec<String> = paths
        .iter()
        .map(|path| format!("not at `{}`", path.display()))
        .collect();
    paths.join(", ")
}

fn at(path: Option<&PathBuf>) -> String {
    path.map(|path| format!(" `{}`", path.display()))
        .unwrap_or_default()
}
