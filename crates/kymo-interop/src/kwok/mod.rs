//! Recordings and snapshots of KWOK (`kwokctl snapshot`), one YAML document after the other: first
//! the objects that were there, then a `ResourcePatch` for each change.
//!
//! | document | becomes |
//! |---|---|
//! | an object | a listed object when the recording began |
//! | `method: create` | ADDED |
//! | `method: patch` | MODIFIED: a strategic merge of the object before |
//! | `method: delete` | DELETED |
//!
//! A recording has two clocks with two zeros and no absolute time: [`clocks`] brings them
//! together. Two programs write the format, one from watches and one from etcd; what the latter
//! mixes up is in [`changes`].

mod changes;
mod clocks;
mod document;
mod reader;
mod resources;
#[cfg(test)]
mod round_trip;
mod tokens;
mod window;

use crate::Error;
use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use clocks::Clocks;
use reader::RecordingReader;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let known = [".yaml", ".yml"];
    let is_known = known.iter().any(|suffix| path.ends_with(suffix));
    (!is_known).then_some("not .yaml or .yml")
}

/// Tells whether an entry begins with what only KWOK writes.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    [document::GROUP.as_bytes(), tokens::TOKEN.as_bytes()]
        .iter()
        .any(|mark| memchr::memmem::find(sample.start, mark).is_some())
}

/// Makes a reader of each entry.
pub(crate) fn open(
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Vec<Box<dyn ReadItems>>, Error> {
    let mut readers: Vec<Box<dyn ReadItems>> = Vec::with_capacity(entries.len());
    for entry in entries {
        // Its times are looked through first.
        let entry = entry.again(&context.budget)?;
        let clocks = Clocks::read(&entry, context)?;
        readers.push(Box::new(RecordingReader::open(&entry, &clocks, context)?));
    }
    Ok(readers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_and_snapshots_are_known_by_what_only_kwok_writes() {
        let is_kwok = |start: &str| {
            detect(&Sample {
                path: "x",
                start: start.as_bytes(),
            })
        };
        assert!(is_kwok("apiVersion: action.kwok.x-k8s.io/v1alpha1\n"));
        assert!(is_kwok(
            "kind: Pod\nmetadata:\n  creationTimestamp: $(time-offset-nanosecond -5)\n"
        ));
        assert!(!is_kwok("apiVersion: v1\nkind: Pod\n"));
        assert_eq!(why_skipped("a/b.yaml"), None);
        assert!(why_skipped("a/b.json").is_some());
    }
}
