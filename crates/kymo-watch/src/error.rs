use kymo_model::WatchStatus;
use thiserror::Error;

/// Why a request of discovery failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The request got no answer.
    #[error("GET {path} failed: {message}")]
    Transport {
        /// The path.
        path: String,
        /// What happened, with its causes.
        message: String,
    },
    /// The server refused the request.
    #[error("GET {path} was answered with {}: {}", status.code, status.message)]
    Refused {
        /// The path.
        path: String,
        /// The server's answer.
        status: WatchStatus,
    },
    /// The answer is not what the API promises.
    #[error("GET {path} was answered with something else than {expected}: {source}")]
    Malformed {
        /// The path.
        path: String,
        /// What was expected.
        expected: &'static str,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// The answer is larger than is held in memory.
    #[error("the answer to GET {path} is larger than {limit} bytes")]
    TooLarge {
        /// The path.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A request could not be formed.
    #[error("GET {path} is not a valid request: {source}")]
    Request {
        /// The path.
        path: String,
        /// Why.
        source: http::Error,
    },
}

impl Error {
    /// Tells whether the server could not be reached at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// Tells whether the credentials were not accepted (401).
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.code == 401)
    }

    /// Tells whether the request was forbidden (403).
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.code == 403)
    }
}
