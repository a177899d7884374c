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
pub(crate) use text::Text;

use crate::Error;
use crate::vault::Vault;

/// What was found under the paths that the user gave.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// What is read.
    pub(crate) entries: Vec<Entry>,
    /// What is not read, with the reason.
    pub(crate) skipped: Vec<(String, &'static str)>,
    /// Archives of which something could not be found, with the place and the reason.
    pub(crate) damaged: Vec<(String, Damage)>,
    /// How many bytes will be read in all, before decompression; `None` if a pipe is among them.
    bytes: Option<u64>,
}

impl Inputs {
    /// Looks at every path; folders are walked in the order of names, links in them not followed.
    ///
    /// `why_skipped` is asked with the path of each file of a folder and each entry of an
    /// archive, except for archives among them. What has to be put aside goes to `workshop`. `go_on` is
    /// asked now and then whether the search may go on.
    pub(crate) fn find(
        paths: &[PathBuf],
        limits: &Limits,
        budget: &Budget,
        workshop: &Path,
        why_skipped: &dyn Fn(&str) -> Option<&'static str>,
        go_on: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let finder = find::Finder {
            limits,
            budget,
            why_skipped,
            go_on,
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
