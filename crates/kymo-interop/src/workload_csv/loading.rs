//! Reads tables and puts what their rows say in the order of time.

use std::io;
use std::path::Path;

use csv::ByteRecord;
use kymo_store::{Aside, Recalled};
use serde::{Deserialize, Serialize};

use super::mapping::{GpuResources, Mapping, Subject, Times, Zero};
use super::rows::{Fields, NodeRow, PodRow};
use super::tables::{self, Layout, shipped};
use super::titles;
use crate::Error;
use crate::import::{Context, Loss, LossReport};
use crate::input::Entry;
use crate::metered::{Meter, Metered};
use crate::sorting::{Sorted, Sorting};

/// Titles of an unknown table that are shown.
const SHOWN_TITLES: usize = 30;
/// Letters of each.
const SHOWN_LETTERS: usize = 40;

/// What a row says of one time. The first in order is the first to be told.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Change {
    /// Nanoseconds from the zero; of nodes the least there is where the zero is none of the
    /// table's.
    pub(super) at: i64,
    pub(super) place: Place,
    pub(super) what: Told,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// Whether it is a pod: nodes are there before.
    pub(super) is_pod: bool,
    pub(super) file: usize,
    pub(super) line: u64,
}

/// What a row says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Told {
    Listed(NodeRow),
    Created(PodRow),
    Scheduled(PodRow),
    Deleted(PodRow),
}

/// A row that cannot be read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bad {
    pub(super) file: usize,
    pub(super) line: u64,
    pub(super) reason: String,
}

/// The rows of all files, while they are read.
pub(super) struct Rows {
    changes: Sorting<Change>,
    bad: Aside,
    report: LossReport,
    damage: Vec<Error>,
    /// The last time at which a pod that ran was deleted, and how many were then.
    last_deleted: Option<(i64, u64)>,
    /// The mapping that was given; one that kymo has otherwise.
    given: Option<Vec<Mapping>>,
    meaning: Option<Meaning>,
    /// When the first pod was created.
    first_created: Option<i64>,
}

/// What is the same for all files.
#[derive(Debug)]
pub(super) struct Meaning {
    /// The data set.
    name: String,
    pub(super) times: Times,
    pub(super) gpus: GpuResources,
}

/// The rows of all files in their order.
pub(super) struct Ordered {
    pub(super) changes: Sorted<Change>,
    /// The rows that cannot be read, in the order of the files.
    pub(super) bad: Recalled,
    /// What the files do not tell.
    pub(super) report: LossReport,
    /// The files that cannot be read to their end.
    pub(super) damage: Vec<Error>,
    /// What the files mean; `None` without a file.
    pub(super) meaning: Option<Meaning>,
    /// When the first pod was created.
    pub(super) first_created: Option<i64>,
}

impl Rows {
    /// Starts without a row.
    pub(super) fn new(context: &Context) -> Result<Self, Error> {
        let given = context.mapping.as_deref().map(Mapping::read).transpose()?;
        Ok(Self {
            changes: Sorting::new(&context.workshop),
            bad: Aside::create(&context.workshop)?,
            report: LossReport::default(),
            damage: Vec::new(),
            last_deleted: None,
            given: given.map(|mapping| vec![mapping]),
            meaning: None,
            first_created: None,
        })
    }

    /// Puts all rows in order.
    pub(super) fn order(mut self) -> Result<Ordered, Error> {
        if let Some((_, count)) = self.last_deleted {
            let why = "pods that ran and were deleted at the last time of the file: \
                       it may have ended before them";
            self.report.lose(Loss::Deletes, why, count);
        }
        Ok(Ordered {
            changes: self.changes.finish()?,
            bad: self.bad.recall()?,
            report: self.report,
            damage: self.damage,
            meaning: self.meaning,
            first_created: self.first_created,
        })
    }

    /// Reads a file, up to its damage if it has any; `file` is its number.
    pub(super) fn read(
        &mut self,
        file: usize,
        entry: &Entry,
        context: &Context,
    ) -> Result<(), Error> {
        let given = self.given.take();
        let mappings = given.as_deref().unwrap_or(shipped());
        let read = self.read_rows(file, entry, mappings, context);
        self.given = given;
        match read {
            Err(error) if error.damage().is_some() => {
                self.damage.push(error);
                Ok(())
            }
            done => done,
        }
    }

    fn read_rows(
        &mut self,
        file: usize,
        entry: &Entry,
        mappings: &[Mapping],
        context: &Context,
    ) -> Result<(), Error> {
        let meter = Meter::new(context.limits.value_bytes);
        let text = Metered::new(entry.open(&context.budget)?, meter.clone());
        let mut csv = csv::ReaderBuilder::new();
        let mut csv = csv.has_headers(false).flexible(true).from_reader(text);
        let mut record = ByteRecord::new();
        let mut next = |record: &mut ByteRecord| {
            meter.begin();
            csv.read_byte_record(record).map_err(|error| Error::Read {
                path: entry.name.clone(),
                source: match error.into_kind() {
                    csv::ErrorKind::Io(source) => source,
                    kind => io::Error::new(io::ErrorKind::InvalidData, format!("{kind:?}")),
                },
            })
        };
        next(&mut record)?;
        let titles = titles(&record);
        let layout = Layout::of(mappings, &titles).ok_or_else(|| match &context.mapping {
            Some(path) => unmapped(&entry.name, path, mappings, &titles),
            None => unknown(&entry.name, &titles),
        })?;
        let mapping = layout.mapping;
        let meaning = self.meaning.get_or_insert_with(|| Meaning {
            name: mapping.name.clone(),
            times: mapping.times.clone(),
            gpus: mapping.gpus.clone(),
        });
        if meaning.name != mapping.name {
            return Err(Error::Malformed {
                path: entry.name.clone(),
                place: "line 1".to_owned(),
                reason: format!(
                    "it is of {}, and the files before it are of {}",
                    mapping.name, meaning.name
                ),
            });
        }
        while next(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            self.take(file, line, &layout, &record)?;
            for title in &layout.unknown {
                let why = format!("the column `{title}` is not known");
                self.report.lose(Loss::Fields, &why, 1);
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        file: usize,
        line: u64,
        layout: &Layout<'_>,
        record: &ByteRecord,
    ) -> Result<(), Error> {
        let fields = Fields { layout, record };
        let place = Place {
            is_pod: layout.table.subject == Subject::Pod,
            file,
            line,
        };
        let taken = match layout.table.subject {
            Subject::Node => fields.node().map(|row| {
                let what = Told::Listed(row);
                let at = match layout.mapping.times {
                    Times::Calendar(_)
                    | Times::Counted {
                        zero: Zero::Epoch, ..
                    } => i64::MIN,
                    Times::Counted { .. } => 0,
                };
                vec![Change { at, place, what }]
            }),
            Subject::Pod => fields.pod().map(|row| {
                self.note_deleted(&row);
                let first = self.first_created.get_or_insert(row.created);
                *first = row.created.min(*first);
                changes(place, row)
            }),
        };
        match taken {
            Ok(changes) => {
                for change in changes {
                    self.changes.push(change)?;
                }
                Ok(())
            }
            Err(reason) => Ok(self.bad.put(&Bad { file, line, reason })?),
        }
    }

    fn note_deleted(&mut self, row: &PodRow) {
        let Some(at) = row.deleted.filter(|_| row.phase == "Running") else {
            return;
        };
        self.last_deleted = match self.last_deleted {
            Some((last, count)) if last == at => Some((last, count + 1)),
            Some((last, count)) if last > at => Some((last, count)),
            _ => Some((at, 1)),
        };
    }
}

/// Says that no table that is known has the columns of a file.
fn unknown(name: &str, titles: &[&str]) -> Error {
    let shown = titles.iter().take(SHOWN_TITLES);
    let shown: Vec<String> = shown
        .map(|title| title.chars().take(SHOWN_LETTERS).collect::<String>())
        .map(|title| format!("`{title}`"))
        .collect();
    Error::Malformed {
        path: name.to_owned(),
        place: "line 1".to_owned(),
        reason: format!(
            "its columns ({}) are those of no table that is known: {}",
            shown.join(", "),
            tables::known(shipped()),
        ),
    }
}

/// Says which columns a file lacks that the mapping needs.
fn unmapped(name: &str, mapping: &Path, mappings: &[Mapping], titles: &[&str]) -> Error {
    let tables = mappings.iter().flat_map(|mapping| &mapping.tables);
    let lacks: Vec<String> = tables
        .map(|table| {
            let columns: Vec<String> = tables::lacks(table, titles)
                .into_iter()
                .map(|title| format!("`{title}`"))
                .collect();
            let subject = tables::plural(table.subject);
            format!("{} for `{subject}`", columns.join(", "))
        })
        .collect();
    Error::MissingColumns {
        path: name.to_owned(),
        mapping: mapping.to_owned(),
        columns: lacks.join(", and "),
    }
}

/// What a pod's row says of each of its times.
fn changes(place: Place, row: PodRow) -> Vec<Change> {
    let mut changes = Vec::with_capacity(3);
    let mut push = |at, what| changes.push(Change { at, place, what });
    if let Some(at) = row.scheduled {
        push(at, Told::Scheduled(row.clone()));
    }
    if let Some(at) = row.deleted {
        push(at, Told::Deleted(row.clone()));
    }
    push(row.created, Told::Created(row));
    changes
}
