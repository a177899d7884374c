//! Finds out what format the input is.

use std::path::PathBuf;

use super::context::Context;
use super::format::Format;
use crate::Error;
use crate::input::Entry;

/// Entries that are looked into at most: an archive of a hundred thousand files is known long
/// before its end.
const LOOKED_INTO: usize = 1000;

/// Finds the one format of the entries.
pub(super) fn detect(
    paths: &[PathBuf],
    entries: &[Entry],
    context: &Context,
) -> Result<Format, Error> {
    let mut found: Vec<(Format, &str)> = Vec::new();
    for entry in entries.iter().take(LOOKED_INTO) {
        let start = entry.start(&context.budget)?;
        let sample = entry.sample(&start);
        // What the user names may be called as it likes.
        let is_tried =
            |format: &Format| entry.is_named || format.why_skipped(&entry.path).is_none();
        let format = Format::ALL
            .iter()
            .find(|format| is_tried(format) && format.detect(&sample));
        if let Some(format) = format
            && !found.iter().any(|(known, _)| known == format)
        {
            found.push((*format, &entry.name));
        }
    }
    match found.as_slice() {
        [(format, _)] => Ok(*format),
        [] => Err(Error::UnknownInput {
            paths: super::names(paths),
        }),
        several => Err(Error::MixedFormats {
            found: several
                .iter()
                .map(|(format, name)| format!("{format} (`{name}`)"))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}
