use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::command_error::CommandError;

/// A file of mode 0600 that gets its name when it is complete, and never takes the place of
/// another.
pub(crate) struct NewFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl NewFile {
    /// Starts it in the folder where it will be.
    pub(crate) fn create(path: &Path) -> Result<Self, CommandError> {
        if path.symlink_metadata().is_ok() {
            return Err(
                CommandError::usage(format!("`{}` exists already", path.display()))
                    .hint("name a place where nothing is"),
            );
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".kymo-query-")
            .tempfile_in(folder)
            .map_err(|error| failed(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Returns what writes to it.
    pub(crate) fn writer(&self) -> Result<Box<dyn Write + Send>, CommandError> {
        let file: File = self
            .file
            .reopen()
            .map_err(|error| failed(&self.path, &error))?;
        Ok(Box::new(BufWriter::new(file)))
    }

    /// Gives it its name.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        let Self { path, file } = self;
        file.as_file()
            .sync_all()
            .map_err(|error| failed(&path, &error))?;
        file.persist_noclobber(&path)
            .map_err(|error| failed(&path, &error.error))?;
        Ok(())
    }
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::environment(format!("cannot write `{}`", path.display())).caused_by(error)
}
