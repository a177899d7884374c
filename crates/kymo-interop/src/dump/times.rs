//! When a dump was made.

use std::io::{self, Read as _};

use kymo_model::Timestamp;

use super::layout::Group;
use crate::Error;
use crate::input::{Budget, Damage, Entry};

/// Where the time of a dump comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimeSource {
    /// The user.
    Given,
    /// A file of the dump that says so.
    Timestamp,
    /// The last change of its files.
    Modified,
    /// The newest time inside its objects, as its files seem to be older.
    Objects,
}

impl TimeSource {
    /// Returns the words of the loss report.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Given => "dumps have no receive times: the given time was taken",
            Self::Timestamp => {
                "dumps have no receive times: the last time in `timestamp` was taken"
            }
            Self::Modified => {
                "dumps have no receive times: the time at which a file was changed last was taken"
            }
            Self::Objects => {
                "dumps have no receive times: the newest creationTimestamp was taken, as the files \
                 are said to be older"
            }
        }
    }
}

/// More of such a file is not read.
const TIMESTAMP_BYTES: u64 = 64 << 10;

/// Finds out when a dump was made, without reading its objects.
pub(super) fn of_group(
    group: &Group,
    budget: &Budget,
) -> Result<Option<(Timestamp, TimeSource)>, Error> {
    let mut noted = None;
    for file in &group.timestamps {
        noted = noted.max(last_noted(file, budget)?);
    }
    if let Some(time) = noted {
        return Ok(Some((time, TimeSource::Timestamp)));
    }
    let modified = group.files.iter().filter_map(|file| file.modified).max();
    Ok(modified.map(|time| (time, TimeSource::Modified)))
}

/// Reads the last time of a file that has one on each line.
fn last_noted(file: &Entry, budget: &Budget) -> Result<Option<Timestamp>, Error> {
    let mut bytes = Vec::new();
    match file
        .open(budget)?
        .take(TIMESTAMP_BYTES)
        .read_to_end(&mut bytes)
    {
        Ok(_) => {}
        // What came before the damage counts.
        Err(error) if Damage::of(&error).is_some() => {}
        Err(source) => return Err(failed(file, source)),
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(go_time).max())
}

pub(super) fn failed(file: &Entry, source: io::Error) -> Error {
    Error::Read {
        path: file.name.clone(),
        source,
    }
}

/// Reads a time as Go prints it, `2021-08-03 10:12:00.016988581 +0000 UTC m=+0.38`, or RFC 3339.
fn go_time(line: &str) -> Option<Timestamp> {
    let line = line.trim();
    if let Ok(time) = line.parse() {
        return Some(time);
    }
    let mut parts = line.split(' ');
    let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let (hours, minutes) = zone.split_at_checked(3)?;
    format!("{date}T{time}{hours}:{minutes}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::dump::layout;

    #[test]
    fn the_timestamp_file_of_a_must_gather_is_read() {
        let entry = |path: &str, bytes: &str, modified| {
            let mut entry = Entry::of_bytes(path, bytes.as_bytes());
            entry.modified = Some(Timestamp(modified));
            entry.is_named = false;
            entry
        };
        let lines = "2021-08-03 12:11:56.91501602 +0200 CEST m=+1.651641915\n\
                     2021-08-03 10:14:13.5 +0000 UTC m=+138.368642668\nnonsense\n";
        let pods = "mg/namespaces/shop/core/pods.yaml";
        let budget = Budget::new(Limits::default());
        let time = |entries: Vec<Entry>| {
            let groups = layout::group(entries);
            assert_eq!(groups.len(), 1);
            of_group(&groups[0], &budget).unwrap().unwrap()
        };
        let (noted, source) = time(vec![entry(pods, "", 5), entry("mg/timestamp", lines, 7)]);
        assert_eq!(noted.to_string(), "2021-08-03T10:14:13.500000000Z");
        assert_eq!(source, TimeSource::Timestamp);
        let other = "mg/namespaces/a/core/pods.yaml";
        assert_eq!(
            time(vec![
                entry(pods, "", 5),
                entry(other, "", 9),
                entry("mg/timestamp", "?", 7)
            ]),
            (Timestamp(9), TimeSource::Modified)
        );
    }

    #[test]
    fn times_of_other_shapes_are_left_alone() {
        for line in [
            "",
            "2021-08-03",
            "2021-08-03 12:11:56 UTC",
            "a b c",
            "2021-08-03 12:11:56 +é0 x",
        ] {
            assert_eq!(go_time(line), None, "{line}");
        }
        assert!(go_time("2021-08-03T10:14:13Z").is_some());
    }
}
