//! Inputs as a user names them: files, folders, archives, standard input, compressed or not.
//!
//! Whatever is found becomes an [`Entry`] that can be opened at any time and in any order.
//! Archives that can only be read front to back are read when they are found, and their entries
//! are put aside.

mod cap;
mod decode;
mod documents;
mod entry;
mod find;
mod place;
mod pool;
mod source;
mod tar;
mod text;
mod yaml;
mod zip;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cap::Limits;
pub(crate) use cap::{Budget, Damage};
pub(crate) use documents::{Body, Content, Document, Documents};
pub(crate) use entry::{Entry, Sample};
pub(crate) use place::ReadSeek;
pub(crate) use text::Text;

use crate::Error;
use crate::vault::Vault;

/// What is done with zip archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Archives {
    /// Their entries are read.
    #[default]
    Open,
    /// The format reads them itself.
    Whole,
}

/// What was found under the paths that the user gave.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// What is read.
    pub(crate) entries: Vec<Entry>,
    /// What is not read, with the reason.
    pub(crate) skipped: Vec<(String, &'static str)>,
    /// Archives that could not be read to their end, with the place and the reason.
    pub(crate) damaged: Vec<(String, Damage)>,
    /// How many bytes will be read in all, before decompression; `None` if a pipe is among them.
    pub(crate) bytes: Option<u64>,
}

impl Inputs {
    /// Looks at every path; folders are walked in the order of names, links in them not followed.
    ///
    /// `why_skipped` is asked with the path of each file of a folder and each entry of an
    /// archive, except for archives among them; `archives` with the path and the beginning of each zip
    /// archive. What has to be put aside goes to `workshop`.
    pub(crate) fn find(
        paths: &[PathBuf],
        limits: &Limits,
        budget: &Budget,
        workshop: &Path,
        why_skipped: &dyn Fn(&str) -> Option<&'static str>,
        archives: &dyn Fn(&Sample<'_>) -> Archives,
    ) -> Result<Self, Error> {
        let finder = find::Finder {
            limits,
            budget,
            archives,
            why_skipped,
            vault: Arc::new(Vault::new(workshop)),
            found: Self {
                bytes: Some(0),
                ..Self::default()
            },
            entries: 0,
        };
        finder.find(paths)
    }
}
