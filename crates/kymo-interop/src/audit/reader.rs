//! Reads all logs of an import as one: in the order of time, however they were rotated.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kymo_model::Timestamp;
use memchr::memmem;

use super::change::Change;
use super::intake::Intake;
use super::order::Window;
use super::records::Records;
use super::resolve::Resolver;
use crate::Error;
use crate::import::{Context, Item, Loss, LossReport, ReadItems};
use crate::input::{Budget, Entry};

/// How much earlier than its first line a log may begin: lines are not quite in order.
const SLACK: Duration = Duration::from_mins(1);

/// A log that is being read.
struct Log {
    name: Arc<str>,
    records: Records,
    /// Changes that were read and not taken yet.
    changes: VecDeque<Change>,
}

/// A log that is not open yet.
struct Closed {
    entry: Entry,
    /// About when it begins; `None` where its beginning does not tell.
    first: Option<Timestamp>,
}

/// Reads audit logs.
pub(super) struct AuditReader {
    /// By their beginning, the first last.
    closed: Vec<Closed>,
    /// A log that ended leaves its place empty.
    open: Vec<Option<Log>>,
    /// The next change of each log.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    budget: Budget,
    limit: usize,
    intake: Intake,
    window: Window,
    resolver: Resolver,
    ready: VecDeque<Item>,
    has_ended: bool,
}

impl AuditReader {
    /// Looks at the beginning of each entry.
    pub(super) fn new(entries: Vec<Entry>, context: &Context) -> Result<Self, Error> {
        let mut closed = Vec::with_capacity(entries.len());
        for entry in entries {
            let first = begins(&entry.start(&context.budget)?);
            closed.push(Closed { entry, first });
        }
        // Stable, so that logs that begin together are read in the order of their names.
        closed.sort_by_key(|log| log.first);
        closed.reverse();
        Ok(Self {
            closed,
            open: Vec::new(),
            heads: BinaryHeap::new(),
            budget: context.budget.clone(),
            limit: context.limits.value_bytes,
            intake: Intake::default(),
            window: Window::default(),
            resolver: Resolver::new(context),
            ready: VecDeque::new(),
            has_ended: false,
        })
    }

    /// Opens the logs that begin before the next change.
    fn open_due(&mut self) -> Result<(), Error> {
        loop {
            let next = self.heads.peek().map(|Reverse((at, _))| *at);
            let is_due = self
                .closed
                .last()
                .is_some_and(|log| match (log.first, next) {
                    (Some(first), Some(next)) => first <= next.saturating_add(SLACK),
                    _ => true,
                });
            if !is_due {
                return Ok(());
            }
            let Some(Closed { entry, .. }) = self.closed.pop() else {
                return Ok(());
            };
            let text = entry.open(&self.budget)?;
            self.open.push(Some(Log {
                name: Arc::from(entry.name.as_str()),
                records: Records::new(text, self.limit),
                changes: VecDeque::new(),
            }));
            self.fill(self.open.len() - 1)?;
        }
    }

    /// Reads on in a log up to its next change.
    fn fill(&mut self, index: usize) -> Result<(), Error> {
        let Some(place) = self.open.get_mut(index) else {
            return Ok(());
        };
        let Some(log) = place else { return Ok(()) };
        while log.changes.is_empty() {
            match log.records.next() {
                Ok(Some((line, record))) => {
                    self.intake.take(record, &log.name, line, &mut log.changes);
                }
                Ok(None) => {
                    *place = None;
                    return Ok(());
                }
                // Where the input is damaged, this log ends and the others go on.
                Err(source) => {
                    let path = log.name.to_string();
                    *place = None;
                    return Err(Error::Read { path, source });
                }
            }
            self.intake.give_up(false, &mut log.changes);
        }
        if let Some(change) = log.changes.front() {
            self.heads.push(Reverse((change.at, index)));
        }
        Ok(())
    }

    /// Takes the next change of all logs.
    fn step(&mut self) -> Result<(), Error> {
        self.open_due()?;
        let Some(Reverse((_, index))) = self.heads.pop() else {
            let mut changes = VecDeque::new();
            self.intake.give_up(true, &mut changes);
            for change in changes {
                self.window.push(change);
            }
            self.has_ended = true;
            return Ok(());
        };
        if let Some(Some(log)) = self.open.get_mut(index) {
            if let Some(change) = log.changes.pop_front() {
                self.window.push(change);
            }
            if let Some(next) = log.changes.front() {
                self.heads.push(Reverse((next.at, index)));
                return Ok(());
            }
        }
        self.fill(index)
    }
}

impl ReadItems for AuditReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if let Some(item) = self.intake.broken.pop_front() {
                return Ok(Some(item));
            }
            if let Some(change) = self.window.pop(self.has_ended) {
                let Intake {
                    resources, tally, ..
                } = &mut self.intake;
                if let Some(item) = self.resolver.resolve(change, resources, tally)? {
                    return Ok(Some(item));
                }
                continue;
            }
            if self.has_ended {
                self.ready.extend(self.resolver.finish());
                if self.ready.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            self.step()?;
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        self.intake.tally.report(report);
        let why = "lines came too late to be put in order";
        report.lose(Loss::Order, why, self.window.late());
    }
}

/// Finds the first time in the beginning of a log, whatever its events are wrapped in.
fn begins(start: &[u8]) -> Option<Timestamp> {
    let names: [&[u8]; 3] = [b"stageTimestamp", b"requestReceivedTimestamp", b"timestamp"];
    names.into_iter().find_map(|name| {
        let at = memmem::find(start, name)?;
        let rest = start.get(at + name.len()..)?;
        let rest = rest.get(..rest.len().min(64))?;
        let from = rest.iter().position(u8::is_ascii_digit)?;
        let rest = rest.get(from..)?;
        let to = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        std::str::from_utf8(rest.get(..to)?).ok()?.parse().ok()
    })
}
