use std::fmt;
use std::time::Duration;

use kymo_model::Rv;

/// Something about a feed that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alarm {
    /// 401: the credentials are not accepted. A fresh client may help.
    Unauthorized {
        /// The server's message.
        message: String,
    },
    /// 403: the resource may not be read.
    Forbidden {
        /// The server's message.
        message: String,
    },
    /// 404 or 405: the resource is not served.
    NotServed {
        /// The server's message.
        message: String,
    },
    /// 429 or 503: the server asks to wait.
    Throttled {
        /// How long.
        wait: Duration,
        /// The server's message.
        message: String,
    },
    /// The history between two versions is gone.
    HistoryExpired {
        /// The last version delivered.
        from: Option<Rv>,
    },
    /// resourceVersions went backwards.
    HistoryRewound {
        /// The last version delivered.
        from: Option<Rv>,
        /// The older version that the server showed.
        found: Rv,
    },
    /// A line could not be read twice; its bytes were kept.
    UnreadableLine {
        /// The version before it.
        after: Option<Rv>,
        /// What is wrong with it.
        reason: String,
    },
    /// An audit found differences.
    Discrepancy {
        /// The version of the audit.
        at: Rv,
        /// How many objects differ.
        objects: usize,
    },
    /// The watch was silent for too long and is opened again.
    Silent {
        /// For how long.
        silence: Duration,
    },
    /// A request failed and is tried again.
    RequestFailed {
        /// When it is tried again.
        wait: Duration,
        /// What happened.
        message: String,
    },
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized { message } => write!(f, "credentials are not accepted: {message}"),
            Self::Forbidden { message } => write!(f, "forbidden: {message}"),
            Self::NotServed { message } => write!(f, "not served: {message}"),
            Self::Throttled { wait, message } => {
                write!(f, "throttled for {:.1} s: {message}", wait.as_secs_f64())
            }
            Self::HistoryExpired { from: Some(from) } => {
                write!(f, "the history after version {from} has expired")
            }
            Self::HistoryExpired { from: None } => f.write_str("the history has expired"),
            Self::HistoryRewound {
                from: Some(from),
                found,
            } => write!(f, "history went back from version {from} to {found}"),
            Self::HistoryRewound { from: None, found } => {
                write!(f, "history went back to version {found}")
            }
            Self::UnreadableLine { after, reason } => {
                f.write_str("kept a line that cannot be read")?;
                if let Some(after) = after {
                    write!(f, " after version {after}")?;
                }
                write!(f, ": {reason}")
            }
            Self::Discrepancy { at, objects } => {
                write!(
                    f,
                    "the audit at version {at} found {objects} objects that differ"
                )
            }
            Self::Silent { silence } => {
                write!(
                    f,
                    "no byte for {:.0} s; connecting again",
                    silence.as_secs_f64()
                )
            }
            Self::RequestFailed { wait, message } => {
                write!(f, "{message}; next attempt in {:.1} s", wait.as_secs_f64())
            }
        }
    }
}
