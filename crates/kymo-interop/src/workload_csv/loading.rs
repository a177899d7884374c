//! Reads tables and puts what their rows say in the order of time.

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

use super::rows::{Fields, NodeRow, PodRow};
use super::tables::{self, Layout, Subject};
use super::titles;
use crate::Error;
use crate::import::{Context, Loss, LossReport};
use crate::input::Entry;
use crate::metered::{Meter, Metered};
use crate::sorting::{Sorted, Sorting};
use crate::spool::{Spool, Unspool};

/// What a row says of one time. The first in order is the first to be told.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Change {
    /// Nanoseconds from the zero.
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
    bad: Spool,
    report: LossReport,
    /// The last time at which a pod that ran was deleted, and how many were then.
    last_deleted: Option<(i64, u64)>,
    unit_name: &'static str,
}

/// The rows of all files in their order.
pub(super) struct Ordered {
    pub(super) changes: Sorted<Change>,
    /// The rows that cannot be read, in the order of the files.
    pub(super) bad: Unspool,
    /// What the files do not tell.
    pub(super) report: LossReport,
    /// The unit of the times in words.
    pub(super) unit_name: &'static str,
}

impl Rows {
    /// Starts without a row.
    pub(super) fn new(context: &Context) -> Result<Self, Error> {
        Ok(Self {
            changes: Sorting::new(&context.workshop),
            bad: Spool::create(&context.workshop)?,
            report: LossReport::default(),
            last_deleted: None,
            unit_name: "",
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
            bad: self.bad.rewind()?,
            report: self.report,
            unit_name: self.unit_name,
        })
    }

    /// Reads a file; `file` is its number.
    pub(super) fn read(
        &mut self,
        file: usize,
        entry: &Entry,
        context: &Context,
    ) -> Result<(), Error> {
        let name = &entry.name;
        let meter = Meter::new(context.limits.value_bytes);
        let text = Metered::new(entry.open(&context.budget)?, meter.clone());
        let mut csv = csv::ReaderBuilder::new();
        let mut csv = csv.has_headers(false).flexible(true).from_reader(text);
        let mut record = ByteRecord::new();
        let mut read = |record: &mut ByteRecord| {
            meter.begin();
            csv.read_byte_record(record).map_err(|error| Error::Read {
                path: name.clone(),
                source: error.into(),
            })
        };
        read(&mut record)?;
        let titles = titles(&record);
        let Some(layout) = Layout::of(&titles) else {
            let titles: Vec<_> = titles
                .iter()
                .take(30)
                .map(|title| format!("`{}`", title.chars().take(40).collect::<String>()))
                .collect();
            return Err(Error::Malformed {
                path: name.clone(),
                place: "line 1".to_owned(),
                reason: format!(
                    "its columns ({}) are those of no table that is known: {}",
                    titles.join(", "),
                    tables::known(),
                ),
            });
        };
        self.unit_name = layout.table.unit_name;
        let mut count = 0;
        while read(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            self.take(file, line, &layout, &record)?;
            count += 1;
        }
        for title in &layout.unknown {
            let why = format!("the column `{title}` is not known");
            self.report.lose(Loss::Fields, &why, count);
        }
        Ok(())
    }

    fn take(
        &mut self,
        file: usize,
        line: u64,
        layout: &Layout,
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
                vec![Change { at: 0, place, what }]
            }),
            Subject::Pod => fields.pod().map(|row| {
                self.note_deleted(&row);
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
            Err(reason) => self.bad.put(&Bad { file, line, reason }),
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
