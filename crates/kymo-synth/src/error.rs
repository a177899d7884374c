use std::path::PathBuf;

/// What can go wrong in making a trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A manifest is not what it has to be.
    #[error("{file}:{line}: {reason}")]
    Manifest {
        /// The file, or what stands for a manifest in a script.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file that a script names cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that a script names is none, or is too large.
    #[error("`{}` {reason}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What is asked for cannot be made.
    #[error("{message}")]
    Order {
        /// Why.
        message: String,
        /// Which of the orders, from 0; `None` where it is about all.
        order: Option<usize>,
    },
    /// There are more objects or events than can be numbered.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there can be.
        limit: u64,
    },
    /// An object that was made cannot be written as JSON; a bug.
    #[error("an object of kind {kind} cannot be written")]
    Object {
        /// Its kind.
        kind: String,
        /// Why.
        source: serde_json::Error,
    },
    /// What happens cannot be put aside.
    #[error("cannot keep what happens in a temporary file in `{}`", path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Whoever watches wants no more.
    #[error("stopped")]
    Stopped,
    /// The output cannot be written.
    #[error(transparent)]
    Store {
        /// Why.
        #[from]
        source: kymo_store::Error,
    },
}

impl Error {
    pub(crate) fn order(order: usize, message: impl Into<String>) -> Self {
        Self::Order {
            message: message.into(),
            order: Some(order),
        }
    }
}
