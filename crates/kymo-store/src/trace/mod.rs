//! The read side of a trace: no lock, and damage is told rather than fatal.

mod single;
mod stats;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{Coverage, Feed, FeedId, Timestamp};

pub use single::{RevisedTrace, pack, write_file};
pub use stats::{Count, Stats};

use crate::check::Finding;
use crate::contents::{Contents, OpenSegment, lineage_of, open_segment_file};
use crate::coverage;
use crate::directory::Directory;
use crate::error::{Error, Format};
use crate::fs::{EntryKind, FileChunks, Filesystem, RealFs};
use crate::log::Item;
use crate::maintenance::{Filled, LastBodies, Merge, RowSource, SortedRows, sources_of};
use crate::manifest::{Catalog, Entry, SegmentEntry, hex};
use crate::record::{LogRecord, PlacedRecord, SessionInfo, TraceIdentity};
use crate::segment::{KeptRow, Row, SegmentReader};

/// A trace as it was when it was opened: a directory, or one sealed `.parquet` file.
///
/// It may be written to meanwhile; what was open stays readable.
#[derive(Debug)]
pub struct Trace {
    path: PathBuf,
    contents: Contents,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
}

/// A sealed part of a trace.
#[derive(Clone, Debug)]
pub struct Segment {
    inner: OpenSegment,
}

impl Segment {
    /// Returns what the manifest says of it.
    pub fn entry(&self) -> &SegmentEntry {
        &self.inner.entry
    }

    /// Returns its reader.
    pub fn reader(&self) -> &Arc<SegmentReader<FileChunks>> {
        &self.inner.reader
    }
}

/// How many bytes of bodies [`Trace::tail`] holds at a time.
const TAIL_CHUNK_BYTES: usize = 24 << 20;

impl Trace {
    /// Opens a trace. Damage is told by [`Trace::findings`] and [`Trace::coverage`]; an error means
    /// that there is no trace, it has a newer format, or the operating system refused.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(Arc::new(RealFs), path)
    }

    /// Opens a trace of another file system.
    pub fn open_with(fs: Arc<dyn Filesystem>, path: &Path) -> Result<Self, Error> {
        // The path of the trace itself may be a link; what is inside may not.
        let kind = fs.kind(path).map_err(Error::io("look at", path))?;
        let contents = match kind {
            Some(EntryKind::File) => open_single(fs, path)?,
            Some(_) => Contents::load(&Directory::new(fs, path))?,
            None => {
                let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(Error::io("open", path)(missing));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            feeds: Arc::new(contents.feeds.clone()),
            contents,
        })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns which trace it is.
    pub fn identity(&self) -> &TraceIdentity {
        &self.contents.catalog.identity
    }

    /// Returns the version of the format in which it was made.
    pub fn format(&self) -> Format {
        self.contents.catalog.format
    }

    /// Returns the feeds by their number.
    pub fn feeds(&self) -> &BTreeMap<FeedId, Feed> {
        &self.feeds
    }

    /// Returns the sessions in order.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionInfo> {
        self.contents.sessions.values()
    }

    /// Returns how the trace came to be, oldest first.
    pub fn lineage(&self) -> &[serde_json::Value] {
        &self.contents.lineage
    }

    /// Returns the records that are not events, in order.
    pub fn records(&self) -> impl Iterator<Item = &PlacedRecord> {
        self.contents.records()
    }

    /// Returns what is wrong with the trace, as far as opening it told.
    pub fn findings(&self) -> &[Finding] {
        &self.contents.findings
    }

    /// Returns what was observed of each feed, and what not, damage included.
    pub fn coverage(&self) -> Vec<Coverage> {
        coverage::fold(self.contents.records(), self.contents.lost())
    }

    /// Returns the sealed parts in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        self.contents.segments.iter().map(|inner| Segment {
            inner: inner.clone(),
        })
    }

    /// Returns the events that are not sealed, in the order of a segment. A delete without a body
    /// gets the last known one. Memory is bounded; the logs are read several times.
    pub fn tail(&self) -> Result<Tail, Error> {
        let older = LastBodies::new(
            self.contents.segments.clone(),
            self.contents.directory.clone(),
            self.feeds.clone(),
        );
        let rows = Filled::new(self.unsealed()?, self.feeds.clone());
        Ok(Tail {
            rows: rows.with_older(older),
        })
    }

    fn unsealed(&self) -> Result<SortedRows, Error> {
        let logs = self.contents.logs.iter().map(|log| log.reader.clone());
        SortedRows::new(logs.collect(), &self.feeds, TAIL_CHUNK_BYTES)
    }

    /// Returns how many events are not sealed.
    pub fn tail_rows(&self) -> u64 {
        let logs = self.contents.logs.iter();
        logs.flat_map(|log| log.tally.counts.values()).sum()
    }

    /// Returns the earliest time of an event that is not sealed; `None` without one.
    pub fn tail_from(&self) -> Option<Timestamp> {
        let logs = self.contents.logs.iter();
        logs.filter_map(|log| log.tally.first_ts).min()
    }

    /// Hands out the events that are not sealed in the order in which they came.
    pub fn visit_tail(&self, mut visit: impl FnMut(Row) -> Result<(), Error>) -> Result<(), Error> {
        for log in &self.contents.logs {
            log.reader.read(|item| {
                let Item::Event {
                    seq,
                    session,
                    bytes,
                } = item
                else {
                    return Ok(());
                };
                match bytes.decode() {
                    Ok(LogRecord::Event(event)) => visit(Row {
                        seq,
                        session,
                        event,
                    }),
                    _ => Err(Error::corrupt(
                        log.reader.path(),
                        0,
                        "an event in a whole frame has no meaning",
                    )),
                }
            })?;
        }
        Ok(())
    }

    /// Returns every event in the order of a segment, one after the other.
    pub fn rows(&self) -> Result<impl Iterator<Item = Result<Row, Error>> + Send + use<>, Error> {
        self.merge(false)
    }

    /// Returns every event in the order of a segment, with its body as the segment holds it where the
    /// trace is one segment.
    pub fn kept_rows(
        &self,
    ) -> Result<Box<dyn Iterator<Item = Result<KeptRow, Error>> + Send>, Error> {
        if let ([segment], true) = (
            self.contents.segments.as_slice(),
            self.contents.logs.is_empty(),
        ) {
            let path = self.contents.directory.join(&segment.entry.name);
            let rows = segment.reader.kept_rows().map_err(Error::segment(&path))?;
            return Ok(Box::new(
                rows.map(move |row| row.map_err(Error::segment(&path))),
            ));
        }
        Ok(Box::new(self.rows()?.map(|row| row.map(KeptRow::from))))
    }

    /// Returns every event in the order of a segment without its body, where that can be left out.
    pub fn heads(&self) -> Result<impl Iterator<Item = Result<Row, Error>> + Send + use<>, Error> {
        let mut sources: Vec<RowSource> = Vec::new();
        for segment in &self.contents.segments {
            let path = self.contents.directory.join(&segment.entry.name);
            let heads = segment.reader.heads().map_err(Error::segment(&path))?;
            sources.push(Box::new(
                heads.map(move |row| row.map_err(Error::segment(&path))),
            ));
        }
        if !self.contents.logs.is_empty() {
            sources.push(Box::new(self.unsealed()?));
        }
        Ok(Merge::new(sources, self.feeds.clone(), false))
    }

    /// Merges rows of segments, each in the order of its segment, and all rows that are not sealed.
    /// A delete without a body gets the last known one, if its object's rows before it are among
    /// them.
    pub fn merged(
        &self,
        mut sealed: Vec<Box<dyn Iterator<Item = Result<Row, Error>> + Send>>,
    ) -> Result<impl Iterator<Item = Result<Row, Error>> + Send + use<>, Error> {
        if !self.contents.logs.is_empty() {
            sealed.push(Box::new(self.unsealed()?));
        }
        let rows = Merge::new(sealed, self.feeds.clone(), false);
        Ok(Filled::new(rows, self.feeds.clone()))
    }

    pub(crate) fn merge(&self, tolerant: bool) -> Result<Filled<Merge>, Error> {
        let mut sources = sources_of(&self.contents.directory, &self.contents.segments)?;
        if !self.contents.logs.is_empty() {
            let tail: RowSource = Box::new(self.unsealed()?);
            sources.push(tail);
        }
        let rows = Merge::new(sources, self.feeds.clone(), tolerant);
        Ok(Filled::new(rows, self.feeds.clone()))
    }

    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    pub(crate) fn contents_mut(&mut self) -> &mut Contents {
        &mut self.contents
    }
}

/// The events of a trace that are not sealed, in the order of a segment.
#[derive(Debug)]
pub struct Tail {
    rows: Filled<SortedRows>,
}

impl Iterator for Tail {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}

fn open_single(fs: Arc<dyn Filesystem>, path: &Path) -> Result<Contents, Error> {
    let reader = open_segment_file(fs.as_ref(), path)?;
    let meta = reader.meta();
    let identity = TraceIdentity {
        trace_id: meta.trace_id,
        cluster_uid: meta.cluster_uid.clone(),
    };
    let first = meta.sessions.first();
    let created = first.map(|session| session.started).unwrap_or_default();
    let mut catalog = Catalog::new(identity, created);
    let file = fs.open_read(path).map_err(Error::io("open", path))?;
    let entry = SegmentEntry {
        number: 1,
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        first_seq: meta.first_seq,
        next_seq: meta.last_seq.saturating_add(1).max(meta.first_seq),
        rows: reader.num_rows(),
        bytes: file.len().map_err(Error::io("read", path))?,
        digest: hex(&reader.digest()),
    };
    catalog.apply(Entry::Sealed {
        segment: entry.clone(),
        logs: Vec::new(),
        segments: Vec::new(),
    });
    let parent = path.parent().unwrap_or(Path::new(""));
    Ok(Contents {
        directory: Directory::new(fs, parent),
        next_seq: entry.next_seq,
        feeds: meta.feeds.iter().cloned().collect(),
        sessions: meta
            .sessions
            .iter()
            .map(|session| (session.number, session.clone()))
            .collect(),
        lineage: meta
            .lineage
            .iter()
            .chain(lineage_of(&meta.records))
            .cloned()
            .collect(),
        catalog,
        segments: vec![OpenSegment {
            entry,
            reader: Arc::new(reader),
        }],
        logs: Vec::new(),
        missing: Vec::new(),
        findings: Vec::new(),
        orphans: Vec::new(),
        manifest_faults: false,
    })
}
