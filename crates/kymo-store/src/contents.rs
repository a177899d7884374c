//! What a trace directory holds, as far as it can be read.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, Coverage, CoverageState, EventType, Feed, FeedId, ResourceType, Rv, Scope,
    Timestamp,
};

use crate::check::{Finding, Severity};
use crate::directory::Directory;
use crate::error::Error;
use crate::fs::{FileChunks, Filesystem};
use crate::header::LogEnd;
use crate::log::{Item, LogReader, LogSummary, Lost};
use crate::maintenance::thin_marks;
use crate::manifest::{Catalog, LogEntry, SegmentEntry};
use crate::record::{LogRecord, PlacedRecord, SessionInfo};
use crate::segment::{SegmentError, SegmentReader};
use crate::survey::{Survey, survey};

/// A segment that could be opened.
#[derive(Clone, Debug)]
pub(crate) struct OpenSegment {
    pub(crate) entry: SegmentEntry,
    pub(crate) reader: Arc<SegmentReader<FileChunks>>,
}

/// A log that could be opened, with what one reading of it told.
#[derive(Clone, Debug)]
pub(crate) struct OpenLog {
    pub(crate) entry: LogEntry,
    pub(crate) reader: LogReader,
    pub(crate) summary: LogSummary,
    pub(crate) tally: Tally,
    /// Its records that are not events, with a mark behind each feed's last seen event; of marks in
    /// a row only the last.
    pub(crate) records: Vec<PlacedRecord>,
    /// Gaps that were found in it now.
    pub(crate) lost: Vec<Coverage>,
}

/// Numbers of events by feed and type, and the times of the first and the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: BTreeMap<(FeedId, EventType), u64>,
    pub(crate) first_ts: Option<Timestamp>,
    pub(crate) last_ts: Option<Timestamp>,
    /// The last event of each feed that the watch delivered.
    pub(crate) seen: BTreeMap<FeedId, (u64, Rv, Timestamp)>,
}

impl Tally {
    pub(crate) fn add(
        &mut self,
        seq: u64,
        feed: FeedId,
        event_type: EventType,
        certainty: Certainty,
        ts: Timestamp,
        rv: Option<&str>,
    ) {
        *self.counts.entry((feed, event_type)).or_default() += 1;
        self.first_ts = Some(self.first_ts.map_or(ts, |first| first.min(ts)));
        self.last_ts = Some(self.last_ts.map_or(ts, |last| last.max(ts)));
        if let (Certainty::Seen, Some(rv)) = (certainty, rv) {
            self.seen.insert(feed, (seq, Rv::new(rv), ts));
        }
    }
}

/// A trace directory, read once from end to end less the bodies of sealed events.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) directory: Directory,
    pub(crate) catalog: Catalog,
    pub(crate) segments: Vec<OpenSegment>,
    pub(crate) logs: Vec<OpenLog>,
    pub(crate) feeds: BTreeMap<FeedId, Feed>,
    pub(crate) sessions: BTreeMap<u32, SessionInfo>,
    /// Gaps for files that are missing or cannot be read at all, by the number of the file.
    pub(crate) missing: Vec<(u32, Coverage)>,
    pub(crate) lineage: Vec<serde_json::Value>,
    pub(crate) findings: Vec<Finding>,
    /// Files that belong to no trace or are not needed.
    pub(crate) orphans: Vec<String>,
    pub(crate) manifest_faults: bool,
    /// The seq of the next event.
    pub(crate) next_seq: u64,
}

/// How often an open starts again because a compaction took a file away meanwhile.
const ATTEMPTS: u32 = 1000;

impl Contents {
    /// Reads a directory. Damage is told in the result; an error means that there is no trace, it
    /// is of a newer format, or the operating system refused.
    pub(crate) fn load(directory: &Directory) -> Result<Self, Error> {
        let mut found = survey(directory)?;
        let mut settled = found.missing_files.is_empty();
        for _ in 0..ATTEMPTS {
            if settled && let Some(contents) = Self::try_load(directory, &found)? {
                return Ok(contents);
            }
            let again = survey(directory)?;
            // A file that the same manifest names before and after a look at the directory, and
            // that is not there, was not replaced by another: it is gone.
            settled = again.missing_files.is_empty()
                || (again.catalog == found.catalog && again.missing_files == found.missing_files);
            found = again;
        }
        let restless = io::Error::other("it changes faster than it can be read");
        Err(Error::io("read", &directory.path)(restless))
    }

    /// Reads what a survey found; `None` if a file vanished since.
    fn try_load(directory: &Directory, survey: &Survey) -> Result<Option<Self>, Error> {
        let mut contents = Self {
            directory: directory.clone(),
            catalog: survey.catalog.clone(),
            segments: Vec::new(),
            logs: Vec::new(),
            feeds: BTreeMap::new(),
            sessions: BTreeMap::new(),
            missing: Vec::new(),
            lineage: Vec::new(),
            findings: survey.findings.clone(),
            orphans: survey.orphans.clone(),
            manifest_faults: survey.manifest_faults,
            next_seq: survey.catalog.next_seq(),
        };
        for entry in survey.catalog.segments.values() {
            if survey.missing_files.contains(&entry.name) {
                let detail = format!("{} is missing", entry.name);
                contents.lose(entry.number, entry.first_seq, entry.next_seq, detail);
                continue;
            }
            match open_segment(directory, &entry.name) {
                Ok(reader) => contents.add_segment(entry, reader),
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) if error.is_corruption() => {
                    contents.find(Severity::Error, &entry.name, error.to_string());
                    let detail = format!("{} cannot be read", entry.name);
                    contents.lose(entry.number, entry.first_seq, entry.next_seq, detail);
                }
                Err(error) => return Err(error),
            }
        }
        let order: Vec<_> = survey.catalog.logs.values().cloned().collect();
        for (index, entry) in order.iter().enumerate() {
            let end = survey.catalog.ends.get(&entry.number).copied();
            if survey.missing_files.contains(&entry.name) {
                let next = order.get(index + 1).map(|next| next.first_seq);
                let next = end.map(|end| end.next_seq).or(next);
                let detail = format!("{} is missing", entry.name);
                let next = next.unwrap_or(entry.first_seq).max(entry.first_seq);
                contents.lose(entry.number, entry.first_seq, next, detail);
                continue;
            }
            let path = directory.join(&entry.name);
            let file = match directory.fs.open_read(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(Error::io("open", &path)(error)),
            };
            let trace_id = survey.catalog.identity.trace_id;
            let reader = LogReader::new(file, &path, trace_id, entry, end)?;
            contents.add_log(entry, reader)?;
        }
        contents.name_unknown_feeds();
        contents.drop_known_gaps();
        Ok(Some(contents))
    }

    fn add_segment(&mut self, entry: &SegmentEntry, reader: SegmentReader<FileChunks>) {
        let meta = reader.meta();
        if meta.trace_id != self.catalog.identity.trace_id {
            let message = "the segment belongs to another trace".to_owned();
            self.find(Severity::Error, &entry.name, message);
            let detail = format!("{} belongs to another trace", entry.name);
            self.lose(entry.number, entry.first_seq, entry.next_seq, detail);
            return;
        }
        self.feeds.extend(meta.feeds.iter().cloned());
        for session in &meta.sessions {
            self.sessions.insert(session.number, session.clone());
        }
        let steps = meta.lineage.iter().chain(lineage_of(&meta.records));
        for step in steps {
            if !self.lineage.contains(step) {
                self.lineage.push(step.clone());
            }
        }
        self.segments.push(OpenSegment {
            entry: entry.clone(),
            reader: Arc::new(reader),
        });
    }

    fn add_log(&mut self, entry: &LogEntry, reader: LogReader) -> Result<(), Error> {
        let mut tally = Tally::default();
        let mut lost = Vec::new();
        let (mut last_ts, path) = (None, reader.path().to_owned());
        let (feeds, sessions) = (&mut self.feeds, &mut self.sessions);
        let mut records = Vec::new();
        let mut before_lost: Option<usize> = None;
        let result = reader.read(|item| {
            let ts = match item {
                Item::Event { seq, bytes, .. } => {
                    let event = bytes.event().map_err(|_| {
                        Error::corrupt(&path, 0, "an event in a whole frame has no meaning")
                    })?;
                    tally.add(
                        seq,
                        event.feed,
                        event.event_type,
                        event.certainty,
                        event.ts,
                        event.rv,
                    );
                    Some(event.ts)
                }
                Item::Record {
                    seq,
                    session,
                    record,
                } => {
                    let ts = record.ts();
                    keep_record(seq, session, record, feeds, sessions, &mut records);
                    ts
                }
                Item::Lost(stretch) => {
                    before_lost = Some(lost.len());
                    lost.push((stretch, last_ts, None));
                    None
                }
            };
            if let (Some(ts), Some(index)) = (ts, before_lost)
                && let Some((_, _, to_ts)) = lost.get_mut(index)
            {
                *to_ts = Some(ts);
                before_lost = None;
            }
            last_ts = ts.or(last_ts);
            Ok(())
        });
        let summary = match result {
            Ok(summary) => summary,
            Err(error) if error.is_corruption() => {
                self.find(Severity::Error, &entry.name, error.to_string());
                let detail = format!("{} cannot be read to its end", entry.name);
                let from = tally.seen.values().map(|seen| seen.0 + 1).max();
                let from = from.unwrap_or(entry.first_seq).max(entry.first_seq);
                let end = self.catalog.ends.get(&entry.number).map(|end| end.next_seq);
                self.lose(entry.number, from, end.unwrap_or(from), detail);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !summary.header_is_whole {
            let message = "the header of the log is damaged".to_owned();
            self.find(Severity::Error, &entry.name, message);
        }
        if let Some((from, to)) = summary.torn {
            self.find(
                Severity::Note,
                &entry.name,
                format!(
                    "ends in {} bytes that are no whole frame, at byte {from}",
                    to - from
                ),
            );
        }
        let mut gaps = Vec::new();
        for (stretch, from_ts, to_ts) in lost {
            self.find(
                Severity::Error,
                &entry.name,
                format!(
                    "damaged at byte {}: {} events are lost from seq {}",
                    stretch.offset,
                    stretch.next_seq - stretch.from_seq,
                    stretch.from_seq
                ),
            );
            gaps.push(gap_of(&stretch, from_ts, to_ts, &entry.name));
        }
        self.next_seq = self.next_seq.max(summary.end.next_seq);
        self.lineage.extend(lineage_of(&records).cloned());
        mark_last_seen(&mut records, &tally.seen);
        self.logs.push(OpenLog {
            entry: entry.clone(),
            reader,
            summary,
            tally,
            records,
            lost: gaps,
        });
        Ok(())
    }

    fn find(&mut self, severity: Severity, place: &str, message: String) {
        self.findings.push(Finding {
            severity,
            place: place.to_owned(),
            message,
        });
    }

    fn lose(&mut self, number: u32, from_seq: u64, next_seq: u64, detail: String) {
        let place = detail.split(' ').next().unwrap_or_default().to_owned();
        if !self.findings.iter().any(|finding| finding.place == place) {
            self.find(Severity::Error, &place, detail.clone());
        }
        self.missing
            .push((number, gap(from_seq, next_seq, 0, detail)));
    }

    /// Returns the records that are not events, in the order of files.
    pub(crate) fn records(&self) -> impl Iterator<Item = &PlacedRecord> {
        let segments = self
            .segments
            .iter()
            .flat_map(|segment| segment.reader.meta().records.iter());
        let logs = self.logs.iter().flat_map(|log| log.records.iter());
        segments.chain(logs)
    }

    /// Returns the gaps that were found now; those that a writer found before are records.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &Coverage> {
        let missing = self.missing.iter().map(|(_, gap)| gap);
        missing.chain(self.logs.iter().flat_map(|log| log.lost.iter()))
    }

    /// Drops the gaps that a writer has put on record already.
    fn drop_known_gaps(&mut self) {
        let known: Vec<_> = self
            .records()
            .filter_map(|placed| match &placed.record {
                LogRecord::Gap(gap) if gap.cause == Cause::Corrupt => {
                    Some((gap.from_seq, gap.to_seq))
                }
                _ => None,
            })
            .collect();
        let is_new = |gap: &Coverage| !known.contains(&(gap.from_seq, gap.to_seq));
        self.missing.retain(|(_, gap)| is_new(gap));
        for log in &mut self.logs {
            log.lost.retain(is_new);
        }
    }

    /// Gives feeds whose definition was lost a name, so that their events can still be read.
    fn name_unknown_feeds(&mut self) {
        let named: Vec<FeedId> = self
            .logs
            .iter()
            .flat_map(|log| log.tally.counts.keys().map(|(feed, _)| *feed))
            .filter(|feed| !self.feeds.contains_key(feed))
            .collect();
        for feed in named {
            self.feeds.entry(feed).or_insert_with(|| Feed {
                resource: ResourceType {
                    group: String::new(),
                    version: String::new(),
                    resource: format!("unknown-{}", feed.0),
                    kind: String::new(),
                    namespaced: true,
                },
                scope: Scope::default(),
            });
        }
    }

    /// Returns the end of the last log, where the manifest does not tell it.
    pub(crate) fn open_end(&self) -> Option<(&OpenLog, LogEnd)> {
        let log = self.logs.last()?;
        let known = self.catalog.ends.contains_key(&log.entry.number);
        (!known).then_some((log, log.summary.end))
    }
}

/// Puts a mark behind the last event that the watch delivered of each feed: what is resumed from
/// is then known without the events.
fn mark_last_seen(records: &mut Vec<PlacedRecord>, seen: &BTreeMap<FeedId, (u64, Rv, Timestamp)>) {
    for (feed, (seq, rv, ts)) in seen {
        let place = records.partition_point(|record| record.seq <= *seq);
        let near = place.checked_sub(1).and_then(|place| records.get(place));
        let session = near.or(records.first()).map_or(0, |record| record.session);
        let mark = PlacedRecord {
            seq: seq + 1,
            session,
            record: LogRecord::Mark {
                feed: *feed,
                rv: rv.clone(),
                ts: *ts,
            },
        };
        records.insert(place, mark);
    }
    thin_marks(records);
}

pub(crate) fn lineage_of(records: &[PlacedRecord]) -> impl Iterator<Item = &serde_json::Value> {
    records.iter().filter_map(|placed| match &placed.record {
        LogRecord::Lineage(step) => Some(step),
        _ => None,
    })
}

fn keep_record(
    seq: u64,
    session: u32,
    record: LogRecord,
    feeds: &mut BTreeMap<FeedId, Feed>,
    sessions: &mut BTreeMap<u32, SessionInfo>,
    records: &mut Vec<PlacedRecord>,
) {
    match record {
        LogRecord::Feed { id, feed } => {
            feeds.insert(id, feed);
        }
        LogRecord::Session(info) => {
            sessions.insert(info.number, info);
        }
        record => {
            // Of marks in a row only the last of a feed says something.
            if let LogRecord::Mark { feed, .. } = &record {
                let same = records.iter().rposition(|placed| match &placed.record {
                    LogRecord::Mark { feed: other, .. } => other == feed,
                    _ => true,
                });
                if let Some(place) = same
                    && let Some(placed) = records.get(place)
                    && matches!(placed.record, LogRecord::Mark { .. })
                {
                    records.remove(place);
                }
            }
            records.push(PlacedRecord {
                seq,
                session,
                record,
            });
        }
    }
}

fn gap(from_seq: u64, next_seq: u64, session: u32, detail: String) -> Coverage {
    Coverage {
        feed: None,
        epoch: 0,
        session,
        state: CoverageState::Unobserved,
        cause: Cause::Corrupt,
        from_rv: None,
        to_rv: None,
        from_seq: Some(from_seq),
        to_seq: Some(next_seq.saturating_sub(1)),
        from_ts: None,
        to_ts: None,
        detail: Some(detail),
    }
}

fn gap_of(
    lost: &Lost,
    from_ts: Option<Timestamp>,
    to_ts: Option<Timestamp>,
    name: &str,
) -> Coverage {
    let detail = format!("{name} is damaged at byte {}", lost.offset);
    Coverage {
        from_ts: from_ts.or(lost.after),
        to_ts,
        ..gap(lost.from_seq, lost.next_seq, lost.session, detail)
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Opens a segment of a directory.
pub(crate) fn open_segment(
    directory: &Directory,
    name: &str,
) -> Result<SegmentReader<FileChunks>, Error> {
    open_segment_file(directory.fs.as_ref(), &directory.join(name))
}

/// Opens a segment file.
pub(crate) fn open_segment_file(
    fs: &dyn Filesystem,
    path: &std::path::Path,
) -> Result<SegmentReader<FileChunks>, Error> {
    let file = fs.open_read(path).map_err(Error::io("open", path))?;
    let chunks = FileChunks::new(file).map_err(Error::io("read", path))?;
    SegmentReader::open(chunks).map_err(Error::segment(path))
}

impl Error {
    pub(crate) fn segment(path: &std::path::Path) -> impl FnOnce(SegmentError) -> Self {
        let path = path.to_owned();
        move |source| Self::Segment { path, source }
    }
}
