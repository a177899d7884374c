use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use kymo_model::{EventType, Timestamp};
use serde::Serialize;

use crate::input::Damage;

/// How many unreadable lines and how many skipped files are named; all are counted.
const NAMED: usize = 100;
/// How many unreadable lines are shown to people.
const SHOWN_LINES: usize = 20;

/// What an import took over and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LossReport {
    /// The files and archive entries that were read.
    pub streams: u64,
    /// How many files were not read, by the reason.
    pub skipped: BTreeMap<String, u64>,
    /// At most 100 of them.
    pub skipped_files: Vec<Skipped>,
    /// Files that could not be read to their end.
    pub damaged: Vec<DamagedInput>,
    /// What each resource gave, by the name that kubectl takes.
    pub resources: BTreeMap<String, ResourceCount>,
    /// How many values could not be read; at most 100 of them are in `unreadable_lines`.
    pub unreadable: u64,
    /// Where and why.
    pub unreadable_lines: Vec<UnreadableLine>,
    /// Events whose stream did not tell when they were received.
    pub missing_times: u64,
    /// Events that were received before the event in front of them in the same feed.
    pub backward_times: u64,
    /// Resources whose plural was guessed from the kind.
    pub guessed_plurals: BTreeSet<String>,
    /// Objects that redaction took something out of.
    pub redacted_objects: u64,
    /// What the source could not tell.
    pub losses: Vec<LossCount>,
    /// What was left out although nothing is lost by it, with counts.
    pub notes: BTreeMap<String, u64>,
    /// What the source says of how it was made, by file: what an export to its format may need.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The API server's version, where the source tells it.
    pub server_version: Option<String>,
    /// What redaction takes out, in words.
    pub dropped: Vec<String>,
    /// The first and the last receive time.
    pub time_span: Option<(Timestamp, Timestamp)>,
}

/// What a source could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Loss {
    /// When changes were received.
    ReceiveTimes,
    /// What objects were after a change.
    Bodies,
    /// Whether something changed, or what did.
    Changes,
    /// That objects were deleted.
    Deletes,
    /// What happened in a stretch of time.
    Gaps,
    /// What kind or resource an object is of.
    Kinds,
    /// Which of the objects of a name it was.
    Uids,
    /// Which version of an object it was.
    ResourceVersions,
    /// In which order changes happened.
    Order,
    /// Members of objects.
    Fields,
    /// Who made a change.
    Actors,
    /// How long something lived.
    Lifecycles,
}

impl Loss {
    /// Returns the word in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReceiveTimes => "receive-times",
            Self::Bodies => "bodies",
            Self::Changes => "changes",
            Self::Deletes => "deletes",
            Self::Gaps => "gaps",
            Self::Kinds => "kinds",
            Self::Uids => "uids",
            Self::ResourceVersions => "resource-versions",
            Self::Order => "order",
            Self::Fields => "fields",
            Self::Actors => "actors",
            Self::Lifecycles => "lifecycles",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often a source could not tell something, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossCount {
    /// What.
    pub what: Loss,
    /// Why, a short phrase.
    pub why: String,
    /// How often.
    pub count: u64,
}

/// A file that was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The file or archive entry.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A file that could not be read to its end; what is in front of the damage was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedInput {
    /// The file or archive entry.
    pub path: String,
    /// How many bytes of it, as it is stored, were read before.
    pub byte: u64,
    /// The line that was being read, from 1, where there are lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

/// A value that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableLine {
    /// The file or archive entry.
    pub path: String,
    /// The line on which the value begins, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for UnreadableLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.reason)
    }
}

impl fmt::Display for DamagedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": near byte {}: {}", self.byte, self.reason)
    }
}

/// What one resource gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResourceCount {
    /// ADDED events, items of lists included.
    pub added: u64,
    /// MODIFIED events.
    pub modified: u64,
    /// DELETED events.
    pub deleted: u64,
    /// Of all these, the ones that a list showed.
    pub listed: u64,
    /// Of all these, the ones that were deduced: deletes from a later list, versions from a patch.
    pub inferred: u64,
    /// Of all these, the ones of which the source does not have the object.
    pub reported: u64,
    /// Repeats of a version that was there already, left out.
    pub duplicates: u64,
    /// Bookmarks.
    pub bookmarks: u64,
    /// Lists that ended.
    pub lists: u64,
    /// ERROR events.
    pub errors: u64,
    /// Objects whose first event is not ADDED: what they were before is not known.
    pub starts_inside: u64,
    /// Times at which resourceVersions went back, each the start of a new epoch.
    pub rewinds: u64,
}

impl ResourceCount {
    /// Returns how many events were stored.
    pub fn events(&self) -> u64 {
        self.added + self.modified + self.deleted
    }

    pub(crate) fn count(&mut self, event_type: EventType) {
        match event_type {
            EventType::Added => self.added += 1,
            EventType::Modified => self.modified += 1,
            EventType::Deleted => self.deleted += 1,
            EventType::Unreadable => {}
        }
    }
}

impl LossReport {
    /// Returns how many events were stored.
    pub fn events(&self) -> u64 {
        self.resources.values().map(ResourceCount::events).sum()
    }

    fn sum(&self, part: impl Fn(&ResourceCount) -> u64) -> u64 {
        self.resources.values().map(part).sum()
    }

    /// Counts something that the source could not tell; `why` is a short phrase.
    pub(crate) fn lose(&mut self, what: Loss, why: &str, count: u64) {
        if count == 0 {
            return;
        }
        let known = self
            .losses
            .iter_mut()
            .find(|loss| loss.what == what && loss.why == why);
        match known {
            Some(loss) => loss.count += count,
            None => self.losses.push(LossCount {
                what,
                why: why.to_owned(),
                count,
            }),
        }
    }

    /// Counts something that was left out although nothing is lost by it.
    pub(crate) fn note(&mut self, what: &str, count: u64) {
        if count == 0 {
            return;
        }
        if let Some(known) = self.notes.get_mut(what) {
            *known += count;
        } else {
            self.notes.insert(what.to_owned(), count);
        }
    }

    pub(crate) fn note_skipped(&mut self, path: String, reason: &str) {
        if let Some(count) = self.skipped.get_mut(reason) {
            *count += 1;
        } else {
            self.skipped.insert(reason.to_owned(), 1);
        }
        if self.skipped_files.len() < NAMED {
            let reason = reason.to_owned();
            self.skipped_files.push(Skipped { path, reason });
        }
    }

    pub(crate) fn note_damage(&mut self, path: &str, damage: &Damage) {
        self.damaged.push(DamagedInput {
            path: path.to_owned(),
            byte: damage.byte,
            line: damage.line,
            reason: damage.reason.clone(),
        });
    }

    pub(crate) fn note_unreadable(&mut self, path: &str, line: u64, reason: &str) {
        self.unreadable += 1;
        if self.unreadable_lines.len() < NAMED {
            self.unreadable_lines.push(UnreadableLine {
                path: path.to_owned(),
                line,
                reason: reason.to_owned(),
            });
        }
    }

    pub(crate) fn note_time(&mut self, ts: Timestamp) {
        self.time_span = Some(match self.time_span {
            None => (ts, ts),
            Some((first, last)) => (first.min(ts), last.max(ts)),
        });
    }

    /// Writes the report for people, a few lines.
    pub fn summary(&self) -> String {
        let resources = self
            .resources
            .values()
            .filter(|count| count.events() > 0)
            .count();
        let mut text = format!(
            "imported {} of {} from {}",
            of(self.events(), "event"),
            of(resources as u64, "resource"),
            of(self.streams, "stream"),
        );
        if let Some((first, last)) = self.time_span {
            line(&mut text, format_args!("  from {first} to {last}"));
        }
        let notes = [
            (self.sum(|count| count.bookmarks), "bookmark", ""),
            (
                self.sum(|count| count.duplicates),
                "repeat",
                " of a version, left out",
            ),
            (
                self.sum(|count| count.inferred),
                "event",
                " inferred: deletes from a later list, versions from patches, pods from lifecycles",
            ),
            (
                self.sum(|count| count.reported),
                "event",
                " of which the source does not have the object",
            ),
            (
                self.sum(|count| count.errors),
                "ERROR event",
                ": a gap begins",
            ),
            (
                self.sum(|count| count.rewinds),
                "new epoch",
                ": resourceVersions went back",
            ),
            (
                self.sum(|count| count.starts_inside),
                "object",
                " whose first event is not ADDED",
            ),
            (self.missing_times, "event", " without a receive time"),
            (
                self.backward_times,
                "event",
                " received before the one in front of it",
            ),
            (
                self.redacted_objects,
                "object",
                " from which something was dropped",
            ),
            (self.unreadable, "value", " that could not be read"),
        ];
        for (number, noun, what) in notes.into_iter().filter(|(number, _, _)| *number > 0) {
            line(&mut text, format_args!("  {}{what}", of(number, noun)));
        }
        for LossCount { what, why, count } in &self.losses {
            line(&mut text, format_args!("  lost: {what}: {why} ({count})"));
        }
        for (what, count) in &self.notes {
            line(&mut text, format_args!("  {what}: {count}"));
        }
        for input in &self.damaged {
            line(&mut text, format_args!("  ends early: {input}"));
        }
        for unreadable in self.unreadable_lines.iter().take(SHOWN_LINES) {
            line(&mut text, format_args!("  unreadable: {unreadable}"));
        }
        for (reason, count) in &self.skipped {
            let of_reason = |file: &&Skipped| file.reason == *reason;
            let first = self.skipped_files.iter().find(of_reason);
            let first = first.map_or("", |file| &file.path);
            line(
                &mut text,
                format_args!(
                    "  skipped {}: {reason}: {first}{}",
                    of(*count, "file"),
                    if *count > 1 { ", …" } else { "" }
                ),
            );
        }
        for resource in &self.guessed_plurals {
            line(
                &mut text,
                format_args!("  guessed the name of the resource `{resource}`"),
            );
        }
        text
    }
}

/// Writes `1 event` or `2 events`.
fn of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Adds a line; writing to a String cannot fail.
fn line(text: &mut String, line: fmt::Arguments<'_>) {
    text.push('\n');
    let written = text.write_fmt(line);
    debug_assert!(written.is_ok());
}
