use std::sync::Arc;

use kymo_model::{EventType, Feed, FeedId, GroupResource, ObjectKey, Rv};
use parquet::file::reader::ChunkReader;

use super::batch::Batch;
use super::chain::Chain;
use super::decode::row_of;
use super::kept::{Kept, KeptRow, Link};
use super::reader::{Cursor, Step};
use super::stored::Content;
use super::{Row, SegmentError};

/// See [`SegmentReader::kept_rows`](crate::segment::SegmentReader::kept_rows). Ends after the first error.
///
/// A delete without a body gets the last known one of its object.
#[derive(Debug)]
pub struct KeptRows<R: ChunkReader> {
    cursor: Cursor<R>,
    chain: Chain<Arc<Link>>,
    batch: Option<Arc<Batch>>,
    /// The feed of the last row, and the `apiVersion` of what it watches.
    api_version: Option<(FeedId, Arc<str>)>,
    known: Known,
    failed: bool,
}

/// The last known body of the present object.
#[derive(Debug)]
struct Known {
    object: (GroupResource, ObjectKey),
    body: KnownBody,
}

#[derive(Debug)]
enum KnownBody {
    Nothing,
    Text(Arc<[u8]>),
    Kept(Kept),
}

impl<R: ChunkReader + 'static> KeptRows<R> {
    pub(super) fn new(cursor: Cursor<R>) -> Self {
        Self {
            cursor,
            chain: Chain::default(),
            batch: None,
            api_version: None,
            known: Known {
                object: (GroupResource::new("", ""), ObjectKey::default()),
                body: KnownBody::Nothing,
            },
            failed: false,
        }
    }

    fn read(&mut self) -> Result<Option<KeptRow>, SegmentError> {
        let Step::Row { begins_group } = self.cursor.advance()? else {
            return Ok(None);
        };
        let Some((batch, index)) = self.cursor.place() else {
            return Ok(None);
        };
        let batch = Arc::clone(batch);
        if self
            .batch
            .as_ref()
            .is_none_or(|last| !Arc::ptr_eq(last, &batch))
        {
            // So that what was read before can be forgotten.
            for link in self.chain.versions() {
                link.docs()?;
            }
            self.batch = Some(Arc::clone(&batch));
        }
        let (number, stored) = self.cursor.present()?;
        if begins_group {
            self.chain = Chain::starting_at(number);
        }
        let feed = self
            .cursor
            .reader()
            .feed(stored.feed)
            .ok_or(SegmentError::UnknownFeed {
                row: number,
                feed: stored.feed,
            })?;
        let link = self.chain.advance(&stored, feed, |number, base| {
            let at = (stored.seq, stored.ts);
            Link::new(number, at, (&batch, index), base).map(Arc::new)
        })?;
        let body = match &stored.content {
            Content::Raw(bytes) => Some(Arc::from(*bytes)),
            _ => None,
        };
        let id = FeedId(stored.feed);
        let api_version = match &self.api_version {
            Some((known, api_version)) if *known == id => Arc::clone(api_version),
            _ => Arc::from(feed.resource.api_version()),
        };
        let kept = link.map(|link| Kept {
            batch: Arc::clone(&batch),
            index,
            link,
            feed: id,
            rv: stored.rv.as_deref().map(Rv::new),
            api_version: Arc::clone(&api_version),
            revisions: None,
        });
        let mut row = row_of(&stored, body);
        self.known.take_in(&mut row, feed, kept.as_ref())?;
        self.api_version = Some((id, api_version));
        Ok(Some(KeptRow { row, kept }))
    }
}

impl Known {
    fn take_in(
        &mut self,
        row: &mut Row,
        feed: &Feed,
        kept: Option<&Kept>,
    ) -> Result<(), SegmentError> {
        let event = &mut row.event;
        let resource = &feed.resource;
        let (known, key) = &self.object;
        if *key != event.key || known.group != resource.group || known.resource != resource.resource
        {
            self.object = (resource.group_resource(), event.key.clone());
            self.body = KnownBody::Nothing;
        }
        if event.body.is_none() && kept.is_none() && event.event_type == EventType::Deleted {
            event.body = match &self.body {
                KnownBody::Nothing => None,
                KnownBody::Text(text) => Some(Arc::clone(text)),
                KnownBody::Kept(kept) => Some(kept.text(&event.key)?),
            };
        }
        if event.ends_key() {
            self.body = KnownBody::Nothing;
        } else if event.event_type != EventType::Unreadable {
            if let Some(kept) = kept {
                self.body = KnownBody::Kept(kept.clone());
            } else if let Some(body) = &event.body {
                self.body = KnownBody::Text(Arc::clone(body));
            }
        }
        Ok(())
    }
}

impl<R: ChunkReader + 'static> Iterator for KeptRows<R> {
    type Item = Result<KeptRow, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read().transpose();
        self.failed = !matches!(row, Some(Ok(_)));
        row
    }
}
