use std::borrow::Cow;

use kymo_model::{Certainty, EventType};

use super::json::Edit;
use super::request::StoredRequest;

/// A row as the file holds it: what [`super::encode`] makes and [`super::decode`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) seq: u64,
    pub(super) ts: i64,
    pub(super) not_before: Option<i64>,
    pub(super) event_type: EventType,
    pub(super) certainty: Certainty,
    pub(super) feed: u32,
    pub(super) session: u32,
    pub(super) epoch: u32,
    pub(super) kind: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) uid: Option<Cow<'a, str>>,
    /// The version in the body where that is taken apart, or else the event's.
    pub(super) rv: Option<Cow<'a, str>>,
    pub(super) generation: Option<i64>,
    pub(super) created: Option<i64>,
    pub(super) deleted: Option<i64>,
    /// The event's version where it is not the usual one, see [`usual_version`]; empty: it has
    /// none.
    pub(super) event_rv: Option<Cow<'a, str>>,
    pub(super) request: Option<StoredRequest<'a>>,
    pub(super) content: Content<'a>,
}

/// Returns the version of an event whose row has `rv`, unless the row says otherwise: an inferred
/// delete has none, and shows the last known body.
pub(super) fn usual_version(
    event_type: EventType,
    certainty: Certainty,
    rv: Option<&str>,
) -> Option<&str> {
    match (event_type, certainty) {
        (EventType::Deleted, Certainty::Inferred) => None,
        _ => rv,
    }
}

/// How a row holds its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// It has none.
    Nothing,
    /// The bytes as they came.
    Raw(&'a [u8]),
    /// The whole body less its head.
    Keyframe {
        body: &'a str,
        managed: Option<&'a str>,
    },
    /// What changed since the version that the row `base` rows before holds.
    Patch {
        base: u32,
        body: Vec<Op<'a>>,
        managed: Vec<Op<'a>>,
    },
}

/// One operation of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op<'a> {
    pub(super) edit: Edit,
    pub(super) path: &'a str,
    pub(super) value: OpValue<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpValue<'a> {
    /// A removal has none.
    None,
    /// JSON text.
    Json(&'a str),
    /// A time of whole seconds, this many before the second of the row's `ts`.
    Age(i32),
}

/// Set in the type of a row that holds what rows of format 1.0 do not; theirs keep their digest.
const WITH_EVENT_VERSION: u8 = 0x40;
const WITH_REQUEST: u8 = 0x80;

/// Rows are handed to the hash function in pieces of about this many bytes: many blocks at once
/// take it a fraction of the time.
const DIGEST_BYTES: usize = 64 << 10;

/// The digest over rows, in order, independent of pages, encodings and compression.
#[derive(Debug, Default)]
pub(super) struct Digest {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Digest {
    pub(super) fn row(&mut self, row: &Stored<'_>) {
        let buffer = &mut self.buffer;
        buffer.extend_from_slice(&row.seq.to_le_bytes());
        buffer.extend_from_slice(&row.ts.to_le_bytes());
        let with = |is_there: bool, bit: u8| if is_there { bit } else { 0 };
        buffer.push(
            row.event_type as u8
                | with(row.event_rv.is_some(), WITH_EVENT_VERSION)
                | with(row.request.is_some(), WITH_REQUEST),
        );
        buffer.push(row.certainty as u8);
        for number in [row.feed, row.session, row.epoch] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
        for number in [row.not_before, row.generation, row.created, row.deleted] {
            buffer.push(u8::from(number.is_some()));
            buffer.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
        }
        for text in [
            row.kind,
            row.namespace,
            row.name,
            row.uid.as_deref(),
            row.rv.as_deref(),
        ] {
            push_text(buffer, text);
        }
        match &row.content {
            Content::Nothing => buffer.push(0),
            Content::Raw(bytes) => {
                buffer.push(1);
                buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                buffer.extend_from_slice(bytes);
            }
            Content::Keyframe { body, managed } => {
                buffer.push(2);
                push_text(buffer, Some(body));
                push_text(buffer, *managed);
            }
            Content::Patch {
                base,
                body,
                managed,
            } => {
                buffer.push(3);
                buffer.extend_from_slice(&base.to_le_bytes());
                for ops in [body, managed] {
                    buffer.extend_from_slice(&(ops.len() as u64).to_le_bytes());
                    for op in ops {
                        buffer.push(op.edit as u8);
                        push_text(buffer, Some(op.path));
                        match op.value {
                            OpValue::None => buffer.push(0),
                            OpValue::Json(text) => push_text(buffer, Some(text)),
                            OpValue::Age(age) => {
                                buffer.push(2);
                                buffer.extend_from_slice(&age.to_le_bytes());
                            }
                        }
                    }
                }
            }
        }
        if row.event_rv.is_some() {
            push_text(buffer, row.event_rv.as_deref());
        }
        if let Some(request) = &row.request {
            request.put(buffer);
        }
        if buffer.len() >= DIGEST_BYTES {
            self.hasher.update(buffer);
            buffer.clear();
        }
    }

    /// Returns the digest of the rows since the last call and begins anew.
    pub(super) fn take(&mut self) -> [u8; 32] {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
        let digest = *self.hasher.finalize().as_bytes();
        self.hasher.reset();
        digest
    }
}

/// Adds a text with its length to what a digest is made of.
pub(super) fn push_text(buffer: &mut Vec<u8>, text: Option<&str>) {
    buffer.push(u8::from(text.is_some()));
    if let Some(text) = text {
        buffer.extend_from_slice(&(text.len() as u64).to_le_bytes());
        buffer.extend_from_slice(text.as_bytes());
    }
}

/// The digest of a segment: over those of its row groups and its metadata.
pub(super) fn segment_digest(groups: &[[u8; 32]], meta: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(groups.len() as u64).to_le_bytes());
    for group in groups {
        hasher.update(group);
    }
    hasher.update(meta.as_bytes());
    *hasher.finalize().as_bytes()
}
