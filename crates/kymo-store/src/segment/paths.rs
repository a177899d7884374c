use std::borrow::Cow;
use std::sync::Arc;

use kymo_model::{Certainty, EventType, Feed, Timestamp};
use parquet::file::reader::ChunkReader;

use super::SegmentError;
use super::batch::Need;
use super::chain::{Chain, MANAGED, patch, value_text};
use super::decode::{Decoder, body_of, parse};
use super::json::{At, Doc, Edit, Parser, is_under, segments};
use super::reader::{Cursor, SegmentReader, Step};
use super::stored::{Content, Op, Stored};

/// Where the value of a pointer is found.
#[derive(Clone, Debug)]
enum Source {
    /// In a column, or where that is null in the tracked value with this index: what is not in its
    /// usual form (`"creationTimestamp": null`) stays in the body.
    Head(HeadMember, usize),
    /// In the tracked value with this index, further down at these segments.
    Tracked { index: usize, rest: Vec<String> },
    /// Only in the whole body: it is the root, `metadata`, or a raw body is needed.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadMember {
    Kind,
    ApiVersion,
    Name,
    Namespace,
    Uid,
    ResourceVersion,
    Generation,
    Created,
    Deleted,
}

const HEAD: [(&str, HeadMember); 9] = [
    ("/kind", HeadMember::Kind),
    ("/apiVersion", HeadMember::ApiVersion),
    ("/metadata/name", HeadMember::Name),
    ("/metadata/namespace", HeadMember::Namespace),
    ("/metadata/uid", HeadMember::Uid),
    ("/metadata/resourceVersion", HeadMember::ResourceVersion),
    ("/metadata/generation", HeadMember::Generation),
    ("/metadata/creationTimestamp", HeadMember::Created),
    ("/metadata/deletionTimestamp", HeadMember::Deleted),
];

/// A value that is followed through patches: at the longest part of a pointer that names members
/// only, because indices of arrays shift.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Track {
    pointer: String,
    is_managed: bool,
}

/// The tracked values of one version.
#[derive(Clone, Debug, Default)]
struct Values(Vec<Option<Arc<Doc>>>);

/// See [`SegmentReader::paths`].
#[derive(Debug)]
pub struct Paths<R: ChunkReader> {
    cursor: Cursor<R>,
    sources: Vec<Source>,
    tracks: Vec<Track>,
    pointers: Vec<String>,
    chain: Chain<Values>,
    whole: Option<Decoder>,
    /// The tracked values of the present row.
    values: Values,
    /// The body of the present row where it must be whole.
    body: Option<Doc>,
}

/// The present row of [`Paths`].
#[derive(Debug)]
pub struct PathRow<'a> {
    stored: Stored<'a>,
    feed: &'a Feed,
    sources: &'a [Source],
    values: &'a Values,
    pointers: &'a [String],
    body: Option<&'a Doc>,
    is_raw: bool,
}

impl<R: ChunkReader + 'static> Paths<R> {
    pub(super) fn new(
        reader: &SegmentReader<R>,
        groups: Vec<usize>,
        pointers: &[&str],
    ) -> Result<Self, SegmentError> {
        let mut tracks: Vec<Track> = Vec::new();
        let mut sources = Vec::new();
        for pointer in pointers {
            sources.push(source_of(pointer, &mut tracks));
        }
        let needs_all = sources.iter().any(|source| matches!(source, Source::Whole))
            || tracks.iter().any(|track| track.is_managed);
        let need = if needs_all { Need::Whole } else { Need::Body };
        let whole = sources
            .iter()
            .any(|source| matches!(source, Source::Whole))
            .then(Decoder::default);
        Ok(Self {
            cursor: reader.cursor(groups, need)?,
            sources,
            tracks,
            pointers: pointers.iter().map(|&pointer| pointer.to_owned()).collect(),
            chain: Chain::default(),
            whole,
            values: Values::default(),
            body: None,
        })
    }

    /// Goes to the next row; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<PathRow<'_>>, SegmentError> {
        let Step::Row { begins_group } = self.cursor.advance()? else {
            return Ok(None);
        };
        let (number, stored) = self.cursor.present()?;
        let feed = self
            .cursor
            .reader()
            .feed(stored.feed)
            .ok_or(SegmentError::UnknownFeed {
                row: number,
                feed: stored.feed,
            })?;
        if begins_group {
            self.chain = Chain::starting_at(number);
            if let Some(decoder) = &mut self.whole {
                *decoder = Decoder::starting_at(number);
            }
        }
        let tracks = &self.tracks;
        let values = self.chain.advance(&stored, feed, |number, base| {
            follow(tracks, number, &stored, base)
        })?;
        self.values = values.unwrap_or_else(|| Values(vec![None; tracks.len()]));
        let is_raw = matches!(stored.content, Content::Raw(_));
        self.body = None;
        if let Some(decoder) = &mut self.whole {
            let docs = decoder.advance(&stored, feed)?;
            if let Some(body) = body_of(number, &stored, feed, docs.as_deref())? {
                self.body = Parser::document(&body, None).ok();
            }
        } else if let Content::Raw(bytes) = &stored.content {
            self.body = Parser::document(bytes, None).ok();
        }
        Ok(Some(PathRow {
            stored,
            feed,
            sources: &self.sources,
            values: &self.values,
            pointers: &self.pointers,
            body: self.body.as_ref(),
            is_raw,
        }))
    }
}

fn source_of(pointer: &str, tracks: &mut Vec<Track>) -> Source {
    if let Some((_, member)) = HEAD.iter().find(|(path, _)| *path == pointer) {
        return Source::Head(*member, track(tracks, pointer.to_owned()));
    }
    if HEAD.iter().any(|(path, _)| is_under(path, pointer)) {
        return Source::Whole;
    }
    let Some(parts) = segments(pointer) else {
        return Source::Whole;
    };
    let (mut prefix, mut rest) = (String::new(), Vec::new());
    for segment in parts {
        let is_index = segment.bytes().all(|byte| byte.is_ascii_digit());
        if rest.is_empty() && !is_index {
            super::json::push_segment(&mut prefix, &segment);
        } else {
            rest.push(segment.into_owned());
        }
    }
    if prefix.is_empty() || prefix == "/metadata" {
        return Source::Whole;
    }
    let index = track(tracks, prefix);
    Source::Tracked { index, rest }
}

/// Returns the index of the value at `pointer` among those that are followed.
fn track(tracks: &mut Vec<Track>, pointer: String) -> usize {
    let track = Track {
        is_managed: is_under(&pointer, MANAGED),
        pointer,
    };
    tracks
        .iter()
        .position(|known| *known == track)
        .unwrap_or_else(|| {
            tracks.push(track);
            tracks.len() - 1
        })
}

/// Returns the tracked values of a row from those of the version that its patch refers to.
fn follow(
    tracks: &[Track],
    number: u64,
    row: &Stored<'_>,
    base: Option<Values>,
) -> Result<Values, SegmentError> {
    match (&row.content, base) {
        (Content::Keyframe { body, managed }, _) => {
            let (mut parsed_body, mut parsed_managed) = (None, None);
            let mut values = Vec::with_capacity(tracks.len());
            for track in tracks {
                let (cell, text, root) = if track.is_managed {
                    (&mut parsed_managed, managed.unwrap_or("null"), MANAGED)
                } else {
                    (&mut parsed_body, *body, "")
                };
                let doc = match cell {
                    Some(doc) => doc,
                    None => cell.insert(parse(number, text)?),
                };
                values.push(if track.is_managed && managed.is_none() {
                    None
                } else {
                    below(doc, track.pointer.get(root.len()..).unwrap_or_default())
                });
            }
            Ok(Values(values))
        }
        (Content::Patch { body, managed, .. }, Some(mut values)) => {
            for (track, value) in tracks.iter().zip(&mut values.0) {
                let ops = if track.is_managed { managed } else { body };
                for op in ops {
                    touch(number, row.ts, &track.pointer, value, op)?;
                }
            }
            Ok(values)
        }
        _ => Err(SegmentError::Row {
            row: number,
            what: "it has no version",
        }),
    }
}

/// Applies one operation to a tracked value, if it touches it.
fn touch(
    number: u64,
    ts: i64,
    pointer: &str,
    value: &mut Option<Arc<Doc>>,
    op: &Op<'_>,
) -> Result<(), SegmentError> {
    if is_under(op.path, pointer) {
        if op.path.len() == pointer.len() {
            *value = match op.edit {
                Edit::Remove => None,
                Edit::Add | Edit::Replace => {
                    Some(Arc::new(parse(number, &value_text(number, ts, op.value)?)?))
                }
            };
            return Ok(());
        }
        let Some(doc) = value else {
            return Err(SegmentError::Row {
                row: number,
                what: "its patch changes a part of what is not there",
            });
        };
        return patch(
            number,
            ts,
            Arc::make_mut(doc),
            pointer,
            std::slice::from_ref(op),
        );
    }
    if is_under(pointer, op.path) {
        *value = match op.edit {
            Edit::Remove => None,
            Edit::Add | Edit::Replace => {
                let doc = parse(number, &value_text(number, ts, op.value)?)?;
                below(&doc, pointer.get(op.path.len()..).unwrap_or_default())
            }
        };
    }
    Ok(())
}

/// Copies out what stands at a pointer.
fn below(doc: &Doc, pointer: &str) -> Option<Arc<Doc>> {
    let parts: Vec<Cow<'_, str>> = segments(pointer)?.collect();
    doc.find(At::ROOT, parts.iter().map(AsRef::as_ref))
        .map(|at| Arc::new(doc.extract(at)))
}

impl PathRow<'_> {
    /// The event's number in the trace.
    pub fn seq(&self) -> u64 {
        self.stored.seq
    }

    /// When the change was received.
    pub fn ts(&self) -> Timestamp {
        Timestamp(self.stored.ts)
    }

    /// What happened.
    pub fn event_type(&self) -> EventType {
        self.stored.event_type
    }

    /// How sure the trace is of it.
    pub fn certainty(&self) -> Certainty {
        self.stored.certainty
    }

    /// The feed that observed it.
    pub fn feed(&self) -> &Feed {
        self.feed
    }

    /// The namespace; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.stored.namespace.unwrap_or_default()
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.stored.name.unwrap_or_default()
    }

    /// The uid; empty where the source did not tell it.
    pub fn uid(&self) -> &str {
        self.stored.uid.as_deref().unwrap_or_default()
    }

    /// Returns the JSON text at the pointer with this index; `None` where there is nothing.
    pub fn value(&self, index: usize) -> Option<Cow<'_, str>> {
        let pointer = self.pointers.get(index)?;
        match self.sources.get(index)? {
            Source::Tracked { index, rest } if !self.is_raw => {
                let doc = self.values.0.get(*index)?.as_deref()?;
                let at = doc.find(At::ROOT, rest.iter().map(String::as_str))?;
                std::str::from_utf8(doc.value(at)).ok().map(Cow::Borrowed)
            }
            Source::Head(member, index) if !self.is_raw => {
                self.head(*member).map(Cow::Owned).or_else(|| {
                    let doc = self.values.0.get(*index)?.as_deref()?;
                    Some(Cow::Borrowed(doc.as_str()))
                })
            }
            _ => {
                let doc = self.body?;
                let parts: Vec<Cow<'_, str>> = segments(pointer)?.collect();
                let at = doc.find(At::ROOT, parts.iter().map(AsRef::as_ref))?;
                std::str::from_utf8(doc.value(at)).ok().map(Cow::Borrowed)
            }
        }
    }

    fn head(&self, member: HeadMember) -> Option<String> {
        if matches!(self.stored.content, Content::Nothing) {
            return None;
        }
        let row = &self.stored;
        let time = |seconds: Option<i64>| {
            super::times::write_seconds(seconds?).map(|time| format!("\"{time}\""))
        };
        let text = |text: Option<&str>| text.map(super::json::quoted);
        match member {
            HeadMember::Kind => text(row.kind),
            HeadMember::ApiVersion => text(Some(&self.feed.resource.api_version())),
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
