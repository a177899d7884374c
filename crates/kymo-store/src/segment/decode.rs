use std::borrow::Cow;
use std::sync::Arc;

use kymo_model::{Event, Feed, FeedId, Rv, Timestamp};

use super::chain::{Chain, MANAGED, key_of, patch};
use super::json::{Doc, Parser};
use super::shadow::{Head, join};
use super::stored::{Content, Stored, usual_version};
use super::{Row, SegmentError};

/// The two documents of one version.
#[derive(Clone, Debug, Default)]
pub(super) struct Docs {
    pub(super) body: Doc,
    pub(super) managed: Doc,
}

/// Rebuilds versions from rows, in order, from the start of a row group.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    chain: Chain<Arc<Docs>>,
}

impl Decoder {
    /// Starts at a row that is not the first.
    pub(super) fn starting_at(row: u64) -> Self {
        Self {
            chain: Chain::starting_at(row),
        }
    }

    /// Takes the next row and returns its version, if it has one that is not raw.
    pub(super) fn advance(
        &mut self,
        row: &Stored<'_>,
        feed: &Feed,
    ) -> Result<Option<Arc<Docs>>, SegmentError> {
        self.chain
            .advance(row, feed, |number, base| match (&row.content, base) {
                (Content::Keyframe { body, managed }, _) => Ok(Arc::new(Docs {
                    body: parse(number, body)?,
                    managed: managed.map_or(Ok(Doc::default()), |text| parse(number, text))?,
                })),
                (Content::Patch { body, managed, .. }, Some(mut docs)) => {
                    let target = Arc::make_mut(&mut docs);
                    patch(number, row.ts, &mut target.body, "", body)?;
                    patch(number, row.ts, &mut target.managed, MANAGED, managed)?;
                    Ok(docs)
                }
                _ => Err(SegmentError::Row {
                    row: number,
                    what: "it has no version",
                }),
            })
    }
}

/// Parses the text of a keyframe.
pub(super) fn parse(row: u64, text: &str) -> Result<Doc, SegmentError> {
    Parser::document(text.as_bytes(), None).map_err(|_| SegmentError::Row {
        row,
        what: "its body is not JSON",
    })
}

/// Returns the columns of the head as they are put back into a body.
pub(super) fn head_of(row: &Stored<'_>, feed: &Feed) -> Head {
    let own = |text: Option<&str>| text.map(str::to_owned);
    Head {
        kind: own(row.kind),
        api_version: Some(feed.resource.api_version()),
        name: own(row.name),
        namespace: own(row.namespace),
        uid: own(row.uid.as_deref()),
        rv: own(row.rv.as_deref()),
        generation: row.generation,
        created: row.created,
        deleted: row.deleted,
    }
}

/// Returns the body: the raw bytes, or the version put together.
pub(super) fn body_of<'a>(
    number: u64,
    row: &Stored<'a>,
    feed: &Feed,
    docs: Option<&Docs>,
) -> Result<Option<Cow<'a, [u8]>>, SegmentError> {
    match (&row.content, docs) {
        (Content::Raw(bytes), _) => Ok(Some(Cow::Borrowed(bytes))),
        (_, Some(docs)) => join(&head_of(row, feed), &docs.body, &docs.managed)
            .map(|text| Some(Cow::Owned(text)))
            .ok_or(SegmentError::Row {
                row: number,
                what: "its body cannot be put together",
            }),
        _ => Ok(None),
    }
}

/// Puts an event together from its columns and its body.
pub(super) fn row_of(row: &Stored<'_>, body: Option<Arc<[u8]>>) -> Row {
    let rv = match row.event_rv.as_deref() {
        Some(own) => Some(own).filter(|own| !own.is_empty()),
        None => usual_version(row.event_type, row.certainty, row.rv.as_deref()),
    };
    Row {
        seq: row.seq,
        session: row.session,
        event: Event {
            feed: FeedId(row.feed),
            ts: Timestamp(row.ts),
            not_before: row.not_before.map(Timestamp),
            event_type: row.event_type,
            certainty: row.certainty,
            epoch: row.epoch,
            key: key_of(row),
            rv: rv.map(Rv::new),
            body,
            request: row
                .request
                .as_ref()
                .map(|request| Arc::new(request.to_request())),
        },
    }
}
