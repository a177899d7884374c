//! From what libraries report to whose fault it is and what to do.

use kymo_interop::Error as ImportError;
use kymo_record::{Error as RecordError, Fault};
use kymo_store::Error as StoreError;

use crate::command_error::{CommandError, Kind};

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl CommandError {
    /// Says what is wrong with a trace.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        let kind = match error {
            StoreError::Exists { .. } | StoreError::NotATrace { .. } => Kind::Usage,
            error if error.is_corruption() => Kind::Corrupt,
            _ => Kind::Environment,
        };
        let told = Self::of(kind, error);
        match store_hint(error) {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}

#[cfg(feature = "query")]
impl From<arrow::error::ArrowError> for CommandError {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::IoError(_, error) => error.into(),
            error => Self::of(Kind::Bug, &error),
        }
    }
}

#[cfg(feature = "query")]
impl From<kymo_query::Error> for CommandError {
    fn from(error: kymo_query::Error) -> Self {
        Self::of_query(&error)
    }
}

#[cfg(feature = "query")]
impl CommandError {
    /// Says what is wrong with a query.
    pub(crate) fn of_query(error: &kymo_query::Error) -> Self {
        use kymo_query::{Error, ErrorKind};
        if let Error::Store { source } = error {
            return Self::of_store(source);
        }
        let kind = match error.kind() {
            ErrorKind::Input => Kind::Usage,
            ErrorKind::Data => Kind::Corrupt,
            ErrorKind::Environment | ErrorKind::Limit => Kind::Environment,
            ErrorKind::Bug => Kind::Bug,
        };
        let told = Self::of(kind, error);
        match (error, error.hint()) {
            (_, Some(hint)) => told.hint(hint),
            (Error::Resources { .. }, None) => {
                told.hint("allow more with `--memory-limit`, or ask for less")
            }
            (Error::Timeout { .. }, None) => {
                told.hint("allow more with `--timeout`, or ask for less")
            }
            _ => told,
        }
    }
}

#[cfg(feature = "query")]
impl CommandError {
    /// Says what is wrong with a transform.
    pub(crate) fn of_transform(error: &kymo_transform::Error) -> Self {
        use kymo_transform::Error;
        let kind = match error {
            Error::Store { source } => return Self::of_store(source),
            Error::Query { source } | Error::Condition { source, .. } => {
                return Self::of_query(source);
            }
            Error::Stopped => return Self::environment("interrupted"),
            Error::Statement { .. }
            | Error::Patch { .. }
            | Error::Update { .. }
            | Error::TimeOutOfRange { .. }
            | Error::TooLarge { .. } => Kind::Usage,
            Error::Object { .. } | Error::Unparsable { .. } => Kind::Corrupt,
            Error::Workspace { .. } | Error::Changed | Error::Anonymize { .. } => Kind::Environment,
            _ => Kind::Bug,
        };
        let told = Self::of(kind, error);
        match error {
            Error::Statement {
                hint: Some(hint), ..
            }
            | Error::Patch {
                hint: Some(hint), ..
            } => told.hint(hint),
            Error::TooLarge { .. } => told.hint(
                "take some namespaces of it first: `kymo transform TRACE -e \"KEEP OBJECTS WHERE namespace IN (…) WITH OWNED\"`",
            ),
            Error::Anonymize {
                source: kymo_anonymize::Failure::TooManyNames { .. },
                ..
            } => told.hint("allow more with `--memory-limit`"),
            _ => told,
        }
    }
}

impl From<kymo_anonymize::KeyError> for CommandError {
    fn from(error: kymo_anonymize::KeyError) -> Self {
        use kymo_anonymize::KeyError;
        let told = Self::of(Kind::Usage, &error);
        match &error {
            KeyError::Readable { path, .. } => told.hint(format!(
                "`chmod 600 {}`, and think about who may have read it",
                path.display()
            )),
            KeyError::Short { .. } | KeyError::Form { .. } | KeyError::Weak { .. } => {
                told.hint("`--new-key FILE` makes a good one")
            }
            _ => told,
        }
    }
}

impl From<kymo_anonymize::PolicyError> for CommandError {
    fn from(error: kymo_anonymize::PolicyError) -> Self {
        Self::of(Kind::Usage, &error)
    }
}

fn store_hint(error: &StoreError) -> Option<String> {
    Some(match error {
        StoreError::Locked { .. } => "end it, or use another trace".to_owned(),
        StoreError::Exists { .. } => "name a place where nothing is".to_owned(),
        StoreError::NotATrace { .. } => {
            "a trace is a directory that kymo made, or a `.parquet` file that it exported"
                .to_owned()
        }
        StoreError::NewerFormat { .. } => "use a newer kymo".to_owned(),
        error if error.is_disk_full() => "make space; what the trace holds is intact".to_owned(),
        error if error.is_corruption() => {
            "`kymo check` lists what is readable; `kymo repair` writes a copy of it".to_owned()
        }
        _ => return None,
    })
}

#[cfg(feature = "query")]
impl From<kymo_leaktest::Error> for CommandError {
    fn from(error: kymo_leaktest::Error) -> Self {
        match error {
            kymo_leaktest::Error::Store(error) => error.into(),
            kymo_leaktest::Error::Parquet { .. } => Self::of(Kind::Corrupt, &error),
            error => Self::of(Kind::Environment, &error),
        }
    }
}

impl From<RecordError> for CommandError {
    fn from(error: RecordError) -> Self {
        let kind = match error.fault() {
            Fault::Usage => Kind::Usage,
            Fault::Data => Kind::Corrupt,
            Fault::Bug => Kind::Bug,
            _ => Kind::Environment,
        };
        let hint = error.hint().or_else(|| match &error {
            RecordError::Store(error) => store_hint(error),
            _ => None,
        });
        let kind = match &error {
            RecordError::Store(StoreError::NotATrace { .. } | StoreError::OtherCluster { .. }) => {
                Kind::Usage
            }
            _ => kind,
        };
        let error = Self::of(kind, &error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        if let ImportError::Store(error) = error {
            return error.into();
        }
        let kind = if error.is_bad_request() {
            Kind::Usage
        } else if error.is_bad_input() {
            Kind::Corrupt
        } else {
            Kind::Environment
        };
        let hint = match &error {
            ImportError::NoTime { .. } => Some(
                "give the first time with `--start 2026-11-21T02:07:16Z`; `kymo import watch` also takes `--live`, for the time of reading",
            ),
            ImportError::StartIsTold { .. } => Some(
                "leave out `--start`; to move a trace in time, `SHIFT TIME` of `kymo transform` does it",
            ),
            ImportError::OutputExists { .. } => Some("name a trace that does not exist yet"),
            ImportError::NoInput { .. } | ImportError::NoEvent { .. } => {
                Some("`kymo import FORMAT --help` tells what is read")
            }
            ImportError::UnknownInput { .. } | ImportError::MixedFormats { .. } => {
                Some("name the format: `kymo import FORMAT PATH...`")
            }
            error if error.is_over_limit() => Some(
                "if you trust the file, allow more with `--max-decoded`, `--max-ratio` or `--max-entries`",
            ),
            _ => None,
        };
        let error = Self::of(kind, &error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
