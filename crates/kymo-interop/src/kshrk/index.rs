//! The files of an archive that tell about its records.

use std::fmt;
use std::io::Read;

use kymo_model::Timestamp;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The newest version of the format that is read.
pub(super) const NEWEST: i64 = 2;

/// `metadata.json`. The address of the server is in it too, which is nobody's business.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    /// 0 and 1 are the first version.
    pub(super) format_version: i64,
    /// Such as `v1.36.1`.
    pub(super) kubernetes_version: String,
    /// Answers that were the same as the one before and were not stored.
    pub(super) deduplicated_count: u64,
}

/// `index.json` or `watch-index.json`: the records of each path. Version 1 has the paths on top,
/// version 2 below `entries`.
#[derive(Debug, Default)]
pub(super) struct Index(pub(super) Vec<(String, IndexEntry)>);

/// The records of a path, in the order in which they were made; the arrays are parallel.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IndexEntry {
    /// The numbers of the records.
    #[serde(deserialize_with = "list_or_null")]
    pub(super) seqs: Vec<u64>,
    /// The names of the records in archives from before version 1, which were tar archives.
    #[serde(deserialize_with = "list_or_null")]
    pub(super) record_ids: Vec<String>,
    /// When they were made.
    #[serde(deserialize_with = "list_or_null")]
    pub(super) times: Vec<Time>,
    /// ADDED, MODIFIED or DELETED, in the index of watches.
    #[serde(deserialize_with = "list_or_null")]
    pub(super) event_types: Vec<String>,
}

/// A time, `None` if it is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(input)?.parse().ok()))
    }
}

fn list_or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

impl IndexEntry {
    /// Returns how many records it names.
    pub(super) fn len(&self) -> u64 {
        self.numbers().count() as u64
    }

    /// Returns the numbers of its records; those that have names are counted.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        let named = 0..self.record_ids.len() as u64;
        self.seqs.iter().copied().chain(named)
    }
}

impl Index {
    /// Reads an index, at most `limit` bytes of it.
    pub(super) fn read(input: impl Read, limit: u64) -> Result<Self, String> {
        let mut input = input.take(limit);
        let read = serde_json::from_reader(&mut input);
        if input.limit() == 0 {
            return Err(format!(
                "longer than {limit} bytes, which is more than its records need"
            ));
        }
        read.map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(IndexVisitor)
    }
}

struct IndexVisitor;

impl<'de> Visitor<'de> for IndexVisitor {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of API paths")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Index, A::Error> {
        let (mut bare, mut entries) = (Vec::new(), None);
        while let Some(key) = map.next_key::<String>()? {
            if key.starts_with('/') {
                bare.push((key, map.next_value()?));
            } else if key == "entries" {
                entries = map.next_value::<Option<Index>>()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        match entries {
            Some(_) if !bare.is_empty() => Err(serde::de::Error::custom(
                "paths both on top and below `entries`",
            )),
            Some(entries) => Ok(entries),
            None => Ok(Index(bare)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Index, String> {
        Index::read(text.as_bytes(), 10_000)
    }

    const ENTRY: &str = r#"{"api_path":"/a","seqs":[0,2],"times":["2026-04-09T10:00:00Z","never"],"counts":[1,1],"event_types":null}"#;

    #[test]
    fn both_versions_of_the_index_are_read() {
        let bare = format!(r#"{{"/a":{ENTRY},"/b":{{"record_ids":["x"]}}}}"#);
        let wrapped = format!(r#"{{"checksum":[1],"entries":{bare}}}"#);
        for text in [bare, wrapped] {
            let Index(entries) = read(&text).unwrap();
            assert_eq!((entries.len(), entries[0].0.as_str()), (2, "/a"));
            let entry = &entries[0].1;
            assert_eq!(entry.seqs, [0, 2]);
            assert!(entry.times[0].0.is_some() && entry.times[1].0.is_none());
            assert_eq!(entries[1].1.record_ids, ["x"]);
        }
        assert!(read("{}").unwrap().0.is_empty());
        assert!(read(r#"{"entries":null}"#).unwrap().0.is_empty());
    }

    #[test]
    fn an_index_of_another_shape_is_refused_with_the_reason() {
        for (text, reason) in [
            ("null", "a map of API paths"),
            ("[]", "a map of API paths"),
            (r#"{"/a":null}"#, "null"),
            (r#"{"/a":{"seqs":[-1]}}"#, "invalid value"),
            (r#"{"/a":{"seqs":[0.5]}}"#, "invalid type"),
            (r#"{"/a":{"#, "EOF"),
            (r#"{"entries":{"/a":{}},"/b":{}}"#, "both on top and below"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let long = format!(r#"{{"/a":{{}}{}"#, " ".repeat(20_000));
        assert!(read(&long).unwrap_err().contains("longer than 10000"));
    }
}
