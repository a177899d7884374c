//! What an expert may do beside reading the traces, after asking for it.

use std::path::{Component, Path, PathBuf};

use datafusion::sql::parser::{CopyToStatement, Statement};
use datafusion::sql::sqlparser::ast::{ObjectType, Statement as SqlStatement};
use url::Url;

use crate::Error;

const NEW_FILES_ONLY: &str = "COPY writes a new file; it never takes the place of another";
const NOT_INTO_A_TRACE: &str = "a query never writes into a trace";
const NO_NETWORK: &str = "a table can be files of this machine, and nothing of the network";
const FILES_ONLY: &str = "COPY writes files of this machine only";

/// Watches over the traces of a session whose statements may do more than read.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Where the traces are, without links.
    traces: Vec<PathBuf>,
}

impl Guard {
    /// Watches over the traces at these paths.
    pub(crate) fn over<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        Self {
            traces: paths.into_iter().map(real).collect(),
        }
    }

    /// Tells whether a statement that does more than read may run: it changes the session only.
    pub(super) fn permits(statement: &SqlStatement) -> bool {
        match statement {
            SqlStatement::CreateTable(_)
            | SqlStatement::CreateView(_)
            | SqlStatement::Set(_)
            | SqlStatement::ShowVariable { .. } => true,
            SqlStatement::Drop { object_type, .. } => {
                matches!(object_type, ObjectType::Table | ObjectType::View)
            }
            _ => false,
        }
    }

    /// Returns the tables that a statement drops, without the names of their traces.
    pub(crate) fn dropped(statement: &Statement) -> Vec<String> {
        let Statement::Statement(sql) = statement else {
            return Vec::new();
        };
        let SqlStatement::Drop { names, .. } = sql.as_ref() else {
            return Vec::new();
        };
        let last = names.iter().filter_map(|name| name.0.last()?.as_ident());
        last.map(|ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        })
        .collect()
    }

    /// Refuses a table whose files are not on this machine.
    pub(super) fn check_location(location: &str) -> Result<(), Error> {
        match Url::parse(location) {
            Ok(url) if url.scheme() != "file" => Err(Error::Refused {
                what: format!("CREATE EXTERNAL TABLE at '{location}'"),
                reason: NO_NETWORK,
            }),
            _ => Ok(()),
        }
    }

    /// Refuses to write over a file or into a trace.
    pub(super) fn check_copy(&self, copy: &CopyToStatement) -> Result<(), Error> {
        let refused = |reason| Error::Refused {
            what: format!("COPY TO '{}'", copy.target),
            reason,
        };
        let path = path_of(&copy.target).ok_or_else(|| refused(FILES_ONLY))?;
        if path.symlink_metadata().is_ok() {
            return Err(refused(NEW_FILES_ONLY));
        }
        let place = real_place(&path).ok_or_else(|| refused(NOT_INTO_A_TRACE))?;
        if self.traces.iter().any(|trace| place.starts_with(trace)) {
            return Err(refused(NOT_INTO_A_TRACE));
        }
        Ok(())
    }
}

/// Returns the file that a target means; `None` if it is none of this machine.
fn path_of(target: &str) -> Option<PathBuf> {
    match Url::parse(target) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().ok(),
        Ok(_) => None,
        // The engine would take it for a pattern.
        Err(_) if target.contains(['*', '?', '[']) => None,
        Err(_) => Some(PathBuf::from(target)),
    }
}

/// Returns where a file that is not there yet would be, without links; `None` if that cannot be
/// told.
fn real_place(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    if path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    // The nearest folder that is there; the engine makes those below it.
    path.ancestors().skip(1).find_map(|folder| {
        let real = folder.canonicalize().ok()?;
        Some(real.join(path.strip_prefix(folder).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::{CopyToSource, DFParser};

    use super::*;

    fn copy(target: &str) -> CopyToStatement {
        let sql = format!("COPY (SELECT 1) TO '{target}' STORED AS CSV");
        match DFParser::parse_sql(&sql).unwrap().pop_front().unwrap() {
            Statement::CopyTo(copy) => {
                assert!(matches!(copy.source, CopyToSource::Query(_)));
                copy
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_file_is_written_only_where_nothing_is_and_never_into_a_trace() {
        let room = tempfile::tempdir().unwrap();
        let trace = room.path().join("trace.kymo");
        std::fs::create_dir(&trace).unwrap();
        std::fs::write(room.path().join("there.csv"), "").unwrap();
        std::os::unix::fs::symlink(&trace, room.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/nowhere", room.path().join("dangling.csv")).unwrap();
        let guard = Guard::over([&trace]);
        let checked = |target: &str| guard.check_copy(&copy(target));
        let within = |name: &str| room.path().join(name).display().to_string();
        for name in ["new.csv", "new/folder/new.csv", "trace.kymo.csv"] {
            assert!(checked(&within(name)).is_ok(), "{name}");
            assert!(
                checked(&format!("file://{}", within(name))).is_ok(),
                "{name}"
            );
        }
        for name in [
            "there.csv",
            "dangling.csv",
            "trace.kymo",
            "trace.kymo/new.csv",
            "trace.kymo/a/b.csv",
            "link/new.csv",
            "new/../trace.kymo/new.csv",
        ] {
            assert!(checked(&within(name)).is_err(), "{name}");
        }
        let url = format!("file://{}", within("trace.kymo/new.csv"));
        assert!(checked(&url).is_err());
        for target in ["http://host/x.csv", "s3://bucket/x.csv", "tr*/x.csv"] {
            assert!(checked(target).is_err(), "{target}");
        }
    }
}
