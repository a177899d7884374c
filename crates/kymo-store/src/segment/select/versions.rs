use std::borrow::Cow;
use std::iter::{Flatten, Peekable};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch, TimestampNanosecondArray};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use kymo_model::Feed;
use parquet::file::reader::ChunkReader;

use super::super::SegmentError;
use super::super::batch::{Batch, Bodies, Need};
use super::super::chain::{MANAGED, patch};
use super::super::decode::{Docs, body_of, parse};
use super::super::json::{At, Doc, Parser, quoted};
use super::super::reader::SegmentReader;
use super::super::stored::{Content, Stored};
use super::super::times::write_seconds;
use super::bases::Bases;
use super::columns::ColumnBatches;
use super::path::{JsonPath, find};
use super::ranges::RowRanges;
use super::track::{HeadMember, Source, Tracks, Values};

/// The most versions that are held at a time because later rows need them. The rows of one object
/// need one, and objects served under several groups one for each group.
const MOST_HELD: usize = 1024;

/// What is wanted of the versions of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The values at these paths.
    pub paths: Vec<JsonPath>,
    /// The whole body.
    pub bodies: bool,
}

/// The versions of some rows of a row group, in order; see
/// [`SegmentReader::versions`](crate::segment::SegmentReader::versions). Ends after the first error.
#[derive(Debug)]
pub struct Versions<R: ChunkReader> {
    reader: SegmentReader<R>,
    /// The number of the row group's first row in the segment.
    first: u64,
    bases: Bases,
    wanted: Peekable<Flatten<std::vec::IntoIter<Range<usize>>>>,
    needed: Flatten<std::vec::IntoIter<Range<usize>>>,
    batches: ColumnBatches,
    batch: Option<Rows>,
    /// The present row in the batch, plus one.
    index: usize,
    plan: Plan,
    /// Versions that later rows need.
    held: Vec<(usize, Known)>,
    present: Present,
}

/// How rows are read.
#[derive(Debug)]
struct Plan {
    sources: Vec<Source>,
    paths: Vec<JsonPath>,
    tracks: Tracks,
    /// Whole documents are followed.
    docs: bool,
    /// The whole body of a row is looked into for a path.
    whole: bool,
    managed: bool,
    /// Columns of the head are read.
    head: bool,
}

/// What is known of a version.
#[derive(Clone, Debug, Default)]
struct Known {
    values: Values,
    docs: Option<Arc<Docs>>,
}

#[derive(Debug, Default)]
struct Present {
    row: usize,
    known: Option<Known>,
    /// The whole body, parsed, where a path needs it.
    body: Option<Doc>,
}

/// A batch of rows with the columns that versions are made of.
#[derive(Debug)]
enum Rows {
    /// Bodies and times.
    Bodies(TimestampNanosecondArray, Box<Bodies>),
    /// Everything that an object is made of.
    Whole(Box<Batch>),
}

impl Rows {
    fn new(batch: &RecordBatch, plan: &Plan) -> Result<Self, SegmentError> {
        if plan.head {
            return Ok(Self::Whole(Box::new(Batch::new(batch, plan.need())?)));
        }
        let ts = batch
            .column_by_name("ts")
            .and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>())
            .ok_or(SegmentError::Column { column: "ts" })?;
        let bodies = Bodies::new(batch, plan.managed)?;
        Ok(Self::Bodies(ts.clone(), Box::new(bodies)))
    }

    fn len(&self) -> usize {
        match self {
            Self::Bodies(ts, _) => ts.len(),
            Self::Whole(batch) => batch.rows(),
        }
    }

    fn content(&self, index: usize, number: u64) -> Result<(i64, Content<'_>), SegmentError> {
        match self {
            Self::Bodies(ts, bodies) => Ok((ts.value(index), bodies.content(index, number)?)),
            Self::Whole(batch) => {
                let row = batch.row(index, number)?;
                Ok((row.ts, row.content))
            }
        }
    }
}

impl Plan {
    fn new(wanted: &Wanted) -> Self {
        let mut tracks = Tracks::default();
        let sources: Vec<Source> = wanted
            .paths
            .iter()
            .map(|path| tracks.source_of(path))
            .collect();
        let whole = sources.iter().any(|source| matches!(source, Source::Whole));
        let docs = wanted.bodies || whole;
        let in_head = sources
            .iter()
            .any(|source| matches!(source, Source::Head(..)));
        Self {
            paths: wanted.paths.clone(),
            managed: docs || tracks.need_managed_fields(),
            head: docs || in_head,
            sources,
            tracks,
            docs,
            whole,
        }
    }

    fn need(&self) -> Need {
        if self.managed {
            Need::Whole
        } else {
            Need::Body
        }
    }

    fn columns(&self) -> Vec<&'static str> {
        if self.head {
            return self.need().columns();
        }
        let mut columns = vec!["ts", "base", "keyframe", "patch", "raw"];
        if self.managed {
            columns.extend(["managed_fields", "managed_fields_patch"]);
        }
        columns
    }
}

impl<R: ChunkReader + 'static> Versions<R> {
    pub(in super::super) fn new(
        reader: &SegmentReader<R>,
        group: usize,
        rows: &RowRanges,
        wanted: &Wanted,
    ) -> Result<Self, SegmentError> {
        let plan = Plan::new(wanted);
        let first = reader.first_row(group)?;
        let mut distances = Vec::with_capacity(reader.group_rows(group)?);
        if !rows.is_empty() {
            for batch in reader.columns(group, None, &["base"], 1 << 14)? {
                let batch = batch?;
                let base = batch
                    .column_by_name("base")
                    .and_then(|column| column.as_primitive_opt::<Int32Type>())
                    .ok_or(SegmentError::Column { column: "base" })?;
                distances.extend(base.iter());
            }
        }
        let bases = Bases::new(rows, distances, first)?;
        let batches = reader.bodies_of(group, &bases.needed, &plan.columns())?;
        Ok(Self {
            reader: reader.clone(),
            first,
            wanted: rows.ranges().to_vec().into_iter().flatten().peekable(),
            needed: bases.needed.ranges().to_vec().into_iter().flatten(),
            bases,
            batches,
            batch: None,
            index: 0,
            plan,
            held: Vec::new(),
            present: Present::default(),
        })
    }

    /// Returns how many rows are read, those that others need included.
    pub fn rows_read(&self) -> usize {
        self.bases.needed.len()
    }

    /// Goes to the next row; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Version<'_>>, SegmentError> {
        loop {
            let Some(row) = self.needed.next() else {
                return Ok(None);
            };
            self.index += 1;
            if self
                .batch
                .as_ref()
                .is_none_or(|batch| self.index > batch.len())
            {
                let batch = self.batches.next().transpose()?;
                let batch = batch.ok_or_else(|| self.wrong(row, "its row group ends too early"))?;
                self.batch = Some(Rows::new(&batch, &self.plan)?);
                self.index = 1;
            }
            self.follow(row)?;
            if self.wanted.next_if_eq(&row).is_some() {
                return self.version().map(Some);
            }
        }
    }

    fn wrong(&self, row: usize, what: &'static str) -> SegmentError {
        SegmentError::Row {
            row: self.first + row as u64,
            what,
        }
    }

    fn number(&self) -> u64 {
        self.first + self.present.row as u64
    }

    /// Puts the version of the present row together, and keeps it if a later row needs it.
    fn follow(&mut self, row: usize) -> Result<(), SegmentError> {
        let base = match self.bases.base(row) {
            Some(base) => Some(self.give(base, row)?),
            None => None,
        };
        self.present = Present {
            row,
            ..Present::default()
        };
        let Some(batch) = &self.batch else {
            return Ok(());
        };
        let number = self.first + row as u64;
        let (ts, content) = batch.content(self.index - 1, number)?;
        let known = self.plan.follow(number, ts, &content, base)?;
        if self.bases.last_use(row).is_some() {
            let known = known
                .clone()
                .ok_or_else(|| self.wrong(row, "a patch refers to it, and it holds no version"))?;
            if self.held.len() >= MOST_HELD {
                return Err(self.wrong(row, "too many versions are needed by later rows"));
            }
            self.held.push((row, known));
        }
        self.present.known = known;
        Ok(())
    }

    /// Returns a version that was kept, for a row that needs it; it is given away to the last.
    fn give(&mut self, base: usize, row: usize) -> Result<Known, SegmentError> {
        let place = self.held.iter().rposition(|(held, _)| *held == base);
        let found = match place {
            Some(place) if self.bases.last_use(base) == Some(row) => {
                // What is on show is dropped, so that nothing else shares the documents.
                self.present = Present::default();
                Some(self.held.swap_remove(place).1)
            }
            Some(place) => self.held.get(place).map(|(_, known)| known.clone()),
            None => None,
        };
        found.ok_or_else(|| self.wrong(row, "its patch refers to a row that holds no version"))
    }

    fn version(&mut self) -> Result<Version<'_>, SegmentError> {
        let number = self.number();
        let batch = self.batch.as_ref().ok_or(SegmentError::Row {
            row: number,
            what: "there is no such row",
        })?;
        let (mut stored, mut feed) = (None, None);
        let content = match batch {
            Rows::Bodies(..) => batch.content(self.index - 1, number)?.1,
            Rows::Whole(whole) => {
                let row = whole.row(self.index - 1, number)?;
                feed = Some(
                    self.reader
                        .feed(row.feed)
                        .ok_or(SegmentError::UnknownFeed {
                            row: number,
                            feed: row.feed,
                        })?,
                );
                let content = row.content.clone();
                stored = Some(row);
                content
            }
        };
        let raw = match content {
            Content::Raw(bytes) => Some(bytes),
            _ => None,
        };
        if self.plan.whole
            && raw.is_none()
            && let (Some(stored), Some(feed)) = (&stored, feed)
        {
            let docs = self
                .present
                .known
                .as_ref()
                .and_then(|known| known.docs.as_deref());
            let body = body_of(number, stored, feed, docs)?;
            self.present.body = body.and_then(|body| Parser::document(&body, None).ok());
        }
        Ok(Version {
            number,
            plan: &self.plan,
            present: &self.present,
            raw,
            stored,
            feed,
        })
    }
}

impl Plan {
    fn follow(
        &self,
        number: u64,
        ts: i64,
        content: &Content<'_>,
        base: Option<Known>,
    ) -> Result<Option<Known>, SegmentError> {
        match (content, base) {
            (Content::Nothing | Content::Raw(_), _) => Ok(None),
            (Content::Keyframe { body, managed }, _) => {
                let docs = if self.docs {
                    Some(Arc::new(Docs {
                        body: parse(number, body)?,
                        managed: managed.map_or(Ok(Doc::default()), |text| parse(number, text))?,
                    }))
                } else {
                    None
                };
                let values = self
                    .tracks
                    .of_keyframe(number, body, *managed, docs.as_deref())?;
                Ok(Some(Known { values, docs }))
            }
            (Content::Patch { body, managed, .. }, Some(mut known)) => {
                self.tracks.patch(number, ts, content, &mut known.values)?;
                if let Some(docs) = &mut known.docs {
                    let docs = Arc::make_mut(docs);
                    patch(number, ts, &mut docs.body, "", body)?;
                    patch(number, ts, &mut docs.managed, MANAGED, managed)?;
                }
                Ok(Some(known))
            }
            (Content::Patch { .. }, None) => Err(SegmentError::Row {
                row: number,
                what: "it has no version",
            }),
        }
    }
}

/// The version of one row.
#[derive(Debug)]
pub struct Version<'a> {
    number: u64,
    plan: &'a Plan,
    present: &'a Present,
    raw: Option<&'a [u8]>,
    stored: Option<Stored<'a>>,
    feed: Option<&'a Feed>,
}

impl<'a> Version<'a> {
    /// Returns the row, counted from the first of its row group.
    pub fn row(&self) -> usize {
        self.present.row
    }

    /// Returns its number in the segment.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the bytes of a body that is kept as it came; it has no values at paths.
    pub fn raw(&self) -> Option<&'a [u8]> {
        self.raw
    }

    /// Tells whether the row has a body.
    pub fn has_body(&self) -> bool {
        self.raw.is_some() || self.present.known.is_some()
    }

    /// Returns the body as text, or the raw bytes; `None` where there is none.
    ///
    /// Bodies must be [`Wanted`].
    pub fn body(&self) -> Result<Option<Cow<'a, [u8]>>, SegmentError> {
        if let Some(raw) = self.raw {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        match (&self.stored, self.feed) {
            (Some(stored), Some(feed)) => {
                let known = self.present.known.as_ref();
                body_of(
                    self.number,
                    stored,
                    feed,
                    known.and_then(|known| known.docs.as_deref()),
                )
            }
            _ => Ok(None),
        }
    }

    /// Returns the JSON text at the path with this index among those [`Wanted`]; `None` where there
    /// is nothing, or the body is raw.
    pub fn value(&self, index: usize) -> Option<Cow<'a, str>> {
        let known = self.present.known.as_ref()?;
        let text = |doc: &'a Doc, at| std::str::from_utf8(doc.value(at)).ok().map(Cow::Borrowed);
        match self.plan.sources.get(index)? {
            Source::Followed { index, rest } => {
                let doc = known.values.get(*index)?;
                text(doc, find(doc, At::ROOT, rest)?)
            }
            Source::Head(member, index) => self.head(*member).map(Cow::Owned).or_else(|| {
                let doc = known.values.get(*index)?;
                text(doc, At::ROOT)
            }),
            Source::Whole => {
                let doc = self.present.body.as_ref()?;
                text(
                    doc,
                    find(doc, At::ROOT, self.plan.paths.get(index)?.steps())?,
                )
            }
        }
    }

    fn head(&self, member: HeadMember) -> Option<String> {
        let (row, feed) = (self.stored.as_ref()?, self.feed?);
        let time = |seconds: Option<i64>| write_seconds(seconds?).map(|time| format!("\"{time}\""));
        let text = |text: Option<&str>| text.map(quoted);
        match member {
            HeadMember::Kind => text(row.kind),
            HeadMember::ApiVersion => text(Some(&feed.resource.api_version())),
            HeadMember::Name => text(row.name),
            HeadMember::Namespace => text(row.namespace),
            HeadMember::Uid => text(row.uid.as_deref()),
            HeadMember::ResourceVersion => text(row.rv.as_deref()),
            HeadMember::Generation => row.generation.map(|number| number.to_string()),
            HeadMember::Created => time(row.created),
            HeadMember::Deleted => time(row.deleted),
        }
    }
}
