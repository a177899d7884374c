//! Traces of SimKube, version 2.
//!
//! A trace is one `MessagePack` value, or the same as JSON: what SimKube was told to record, events
//! with the objects that were applied and deleted in a second, an index with the hash of each
//! object, and the lifecycles of pods. The first event has what was there when the trace begins.
//!
//! An applied object was added if it was not there, else modified, or is the same once more: then
//! it is a repeat and counted. Uids are made, as the source has none. Lifecycles become pods.

mod hash;
mod objects;
mod part_maps;
mod parts;
mod pod;
mod pods;
mod reader;
mod replay;
mod shelf;
mod templates;
#[cfg(test)]
mod tests;
mod trace;

use crate::Error;
use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use reader::TraceReader;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with(['_', '.']) {
        return Some("its name begins with `_` or `.`");
    }
    let known = [".sktrace", ".msgpack", ".json"];
    // SimKube exports to a file of this name.
    let is_known = name == "trace" || known.iter().any(|suffix| name.ends_with(suffix));
    (!is_known).then_some("not .sktrace, .msgpack or .json")
}

/// Tells whether an entry begins as a trace does.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    match sample.start {
        // A map; its first key is one of the parts, and short.
        [0x81..=0x8f, length @ 0xa0..=0xbf, rest @ ..] => {
            let key = rest.get(..usize::from(length & 0x1f)).unwrap_or_default();
            matches!(
                key,
                b"version" | b"config" | b"events" | b"index" | b"pod_lifecycles"
            )
        }
        // An array of the five parts; the version and the map or array of the config.
        [0x95, 0x00..=0x7f, 0x80..=0x9f | 0xdc..=0xdf, ..] => true,
        start => {
            let start = start.trim_ascii_start();
            let has = |word: &str| memchr::memmem::find(start, word.as_bytes()).is_some();
            start.starts_with(b"{") && has("\"trackedObjects\"") && has("\"events\"")
        }
    }
}

/// Makes one reader of all entries: what they tell of an object is told of one object.
pub(crate) fn open(
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Vec<Box<dyn ReadItems>>, Error> {
    Ok(vec![Box::new(TraceReader::open(entries, context)?)])
}
