use std::io;
use std::path::PathBuf;

use kymo_model::ObjectKey;
use kymo_store::segment::SegmentError;
use thiserror::Error;

use crate::language::Place;

/// Why a trace could not be transformed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement makes no sense for this trace.
    #[error("{message}")]
    Statement {
        /// What does not fit.
        message: String,
        /// Where in the script.
        place: Place,
        /// What to do instead.
        hint: Option<String>,
    },
    /// An expression of a statement could not be asked.
    #[error("{source}")]
    Condition {
        /// What the query says.
        source: Box<kymo_query::Error>,
        /// Where the expression stands in the script.
        place: Place,
        /// In which line of the query the expression begins, from 1; those before are ours.
        first_line: u64,
    },
    /// A question about the trace could not be answered.
    #[error(transparent)]
    Query {
        /// What the query says.
        source: Box<kymo_query::Error>,
    },
    /// The query gave what was not asked for.
    #[error("a question of kymo's own was not answered as expected: {message}")]
    Answer {
        /// What differs.
        message: String,
    },
    /// A trace has too much in it for one script.
    #[error(
        "a script that makes the like of this trace would have {bytes} bytes, over the limit of {limit}"
    )]
    TooLarge {
        /// How long it would be.
        bytes: usize,
        /// How long a script may be.
        limit: usize,
    },
    /// A patch does not fit an object.
    #[error("the patch does not fit {kind} {}: {reason}", name_of(object))]
    Patch {
        /// The kind of the object.
        kind: String,
        /// The object.
        object: Box<ObjectKey>,
        /// The number of the event in the input of the statement.
        seq: u64,
        /// Why not.
        reason: String,
        /// Where the patch stands in the script.
        place: Place,
        /// What to do instead.
        hint: Option<String>,
    },
    /// What a statement makes of an event cannot be.
    #[error("event {seq}, {}: {reason}", name_of(object))]
    Update {
        /// The number of the event in the input of the statement.
        seq: u64,
        /// The object.
        object: ObjectKey,
        /// Why not.
        reason: String,
        /// Where in the script.
        place: Place,
    },
    /// The text of an object is not JSON.
    #[error("event {seq}, {}: the object is not JSON: {source}", name_of(object))]
    Object {
        /// The number of the event.
        seq: u64,
        /// The object.
        object: ObjectKey,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The text of an object is not JSON; nothing of it is told.
    #[error("event {seq}: the object is not JSON at line {line}, column {column}")]
    Unparsable {
        /// The number of the event.
        seq: u64,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An object could not be written as JSON.
    #[error("event {seq}: the object could not be written")]
    Unwritable {
        /// The number of the event.
        seq: u64,
    },
    /// An event could not be anonymized; nothing of it is told.
    #[error("{}{source}", if *seq == 0 { String::new() } else { format!("event {seq}: ") })]
    Anonymize {
        /// The number of the event; 0 for what the trace says of itself.
        seq: u64,
        /// Why not.
        source: kymo_anonymize::Failure,
    },
    /// A time leaves the years 1677 to 2262.
    #[error(
        "event {seq}, {}: its time would be outside the years 1677 to 2262",
        name_of(object)
    )]
    TimeOutOfRange {
        /// The number of the event.
        seq: u64,
        /// The object.
        object: ObjectKey,
        /// The statement.
        place: Place,
    },
    /// A trace could not be read or written.
    #[error(transparent)]
    Store {
        /// What the store says.
        source: Box<kymo_store::Error>,
    },
    /// The directory for intermediate results cannot be used.
    #[error("cannot use `{}` for intermediate results: {source}", path.display())]
    Workspace {
        /// The directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The input changed while it was read.
    #[error("the input has other events than when it was read before")]
    Changed,
    /// kymo failed in a way that it should not.
    #[error("a fault in kymo: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The work was stopped.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Says at which event anonymizing failed.
    pub(crate) fn anonymize(seq: u64) -> impl Fn(kymo_anonymize::Failure) -> Self {
        move |source| Self::Anonymize { seq, source }
    }
}

impl From<kymo_store::Error> for Error {
    fn from(source: kymo_store::Error) -> Self {
        match source {
            // What a step said of a row while it was written.
            kymo_store::Error::Segment {
                path,
                source: SegmentError::Revision { row, source },
            } => source.downcast::<Self>().map_or_else(
                |source| Self::Store {
                    source: Box::new(kymo_store::Error::Segment {
                        path,
                        source: SegmentError::Revision { row, source },
                    }),
                },
                |own| *own,
            ),
            source => Self::Store {
                source: Box::new(source),
            },
        }
    }
}

impl From<kymo_query::Error> for Error {
    fn from(source: kymo_query::Error) -> Self {
        Self::Query {
            source: Box::new(source),
        }
    }
}

fn name_of(object: &ObjectKey) -> String {
    if object.namespace.is_empty() {
        format!("`{}`", object.name)
    } else {
        format!("`{}/{}`", object.namespace, object.name)
    }
}
