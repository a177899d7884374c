//! A source that holds the story in memory, and misbehaves on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, StringDictionaryBuilder,
    TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use kymo_model::{Cause, Coverage, CoverageState, Event, Feed, FeedId};
use kymo_query::{Batches, Error, EventsRequest, EventsScan, Key, Part, Pruning, Source};
use kymo_store::SessionInfo;

use crate::story;

/// What a source does instead of giving its next batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mischief {
    #[default]
    None,
    /// The decoder panics after the first batch.
    Panic,
    /// What begins a scan panics.
    PanicAtOnce,
    /// The decoder fails after the first batch.
    Fail,
    /// The same batch comes again and again.
    Endless,
    /// The batches do not have the columns that were asked for.
    WrongColumns,
}

/// Counts what is done with a source.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) batches: AtomicUsize,
    /// Parts that are being read.
    pub(crate) open: AtomicUsize,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) mischief: Mischief,
    pub(crate) counts: Arc<Counts>,
}

impl Memory {
    pub(crate) fn that(mischief: Mischief) -> Self {
        Self {
            mischief,
            ..Self::default()
        }
    }
}

fn schema() -> Schema {
    let words = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Schema::new(vec![
        Field::new("seq", DataType::Int64, false),
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            false,
        ),
        Field::new("type", words(), false),
        Field::new("api_group", words(), false),
        Field::new("kind", words(), false),
        Field::new("resource", words(), false),
        Field::new("namespace", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, false),
        Field::new("uid", DataType::Utf8, false),
        Field::new("object", DataType::Utf8, true),
    ])
}

impl Source for Memory {
    fn events_schema(&self) -> SchemaRef {
        Arc::new(schema())
    }

    fn scan(&self, request: &EventsRequest) -> Result<EventsScan, Error> {
        assert!(request.paths.is_empty() && request.predicate.is_none());
        assert!(self.mischief != Mischief::PanicAtOnce, "no such row group");
        let feeds = story::feeds();
        let mut rows: Vec<(i64, Event)> = (1..).zip(story::events()).collect();
        rows.retain(|(_, event)| accepts(request, event, feed_of(&feeds, event)));
        let all = rows.len();
        let columns = request.columns.clone();
        let mut parts: Vec<Vec<RecordBatch>> = vec![Vec::new(); request.parts.min(2)];
        let count = parts.len();
        for (index, rows) in rows.chunks(2).enumerate() {
            let batch = batch(rows, &feeds).project(&columns).unwrap();
            parts[(index / 2) % count].push(batch);
        }
        let parts = parts.into_iter().map(|batches| {
            Arc::new(Planned {
                mischief: self.mischief,
                counts: Arc::clone(&self.counts),
                batches,
            }) as Arc<dyn Part>
        });
        Ok(EventsScan {
            parts: parts.collect(),
            is_sorted: false,
            pruning: Pruning {
                segments: 3,
                segments_read: usize::from(all > 0),
                row_groups: 6,
                row_groups_read: all.div_ceil(2),
            },
            rows: Some(all),
        })
    }

    fn coverage(&self) -> Vec<Coverage> {
        let row = |feed, from, to: Option<u64>, state, cause| Coverage {
            feed: Some(feed),
            epoch: 1,
            session: 1,
            state,
            cause,
            from_rv: None,
            to_rv: None,
            from_seq: None,
            to_seq: None,
            from_ts: Some(story::at(from)),
            to_ts: to.map(story::at),
            detail: None,
        };
        let observed = CoverageState::Observed;
        vec![
            row(story::PODS, 0, Some(10_000), observed, Cause::Start),
            row(
                story::PODS,
                10_000,
                Some(52_000),
                CoverageState::Unobserved,
                Cause::HistoryExpired,
            ),
            row(story::PODS, 52_000, None, observed, Cause::Start),
            row(story::NODES, 0, Some(62_000), observed, Cause::Start),
            row(
                story::NODES,
                62_000,
                Some(63_000),
                CoverageState::Unobserved,
                Cause::Stop,
            ),
            row(story::DEPLOYMENTS, 0, None, observed, Cause::Start),
            row(
                story::SECRETS,
                0,
                None,
                CoverageState::Denied,
                Cause::Forbidden,
            ),
        ]
    }

    fn feeds(&self) -> Vec<(FeedId, Feed)> {
        story::feeds()
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        vec![story::session()]
    }
}

fn feed_of<'a>(feeds: &'a [(FeedId, Feed)], event: &Event) -> &'a Feed {
    &feeds.iter().find(|(id, _)| *id == event.feed).unwrap().1
}

fn accepts(request: &EventsRequest, event: &Event, feed: &Feed) -> bool {
    let conditions = &request.conditions;
    conditions.from.is_none_or(|from| event.ts >= from)
        && conditions.to.is_none_or(|to| event.ts <= to)
        && conditions.accepts(Key::Type, event.event_type.as_str())
        && conditions.accepts(Key::ApiGroup, &feed.resource.group)
        && conditions.accepts(Key::Resource, &feed.resource.resource)
        && conditions.accepts(Key::Kind, &feed.resource.kind)
        && conditions.accepts(Key::Namespace, &event.key.namespace)
        && conditions.accepts(Key::Name, &event.key.name)
        && conditions.accepts(Key::Uid, &event.key.uid)
}

fn batch(rows: &[(i64, Event)], feeds: &[(FeedId, Feed)]) -> RecordBatch {
    let words = |of: &dyn Fn(&Event) -> String| -> ArrayRef {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for (_, event) in rows {
            builder.append_value(of(event));
        }
        Arc::new(builder.finish())
    };
    let text = |of: &dyn Fn(&Event) -> String| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|(_, event)| Some(of(event)))
                .collect::<StringArray>(),
        )
    };
    let feed = |event: &Event| feed_of(feeds, event).resource.clone();
    let ts: TimestampNanosecondArray = rows.iter().map(|(_, event)| Some(event.ts.0)).collect();
    let seq: Int64Array = rows.iter().map(|(seq, _)| Some(*seq)).collect();
    RecordBatch::try_new(
        Arc::new(schema()),
        vec![
            Arc::new(seq),
            Arc::new(ts.with_timezone("UTC")),
            words(&|event| event.event_type.to_string()),
            words(&|event| feed(event).group),
            words(&|event| feed(event).kind),
            words(&|event| feed(event).resource),
            text(&|event| event.key.namespace.clone()),
            text(&|event| event.key.name.clone()),
            text(&|event| event.key.uid.clone()),
            text(&|event| String::from_utf8(event.body.as_ref().unwrap().to_vec()).unwrap()),
        ],
    )
    .unwrap()
}

struct Planned {
    mischief: Mischief,
    counts: Arc<Counts>,
    batches: Vec<RecordBatch>,
}

impl Part for Planned {
    fn open(&self, _: &kymo_query::Counts) -> Result<Batches, Error> {
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Opened {
            mischief: self.mischief,
            counts: Arc::clone(&self.counts),
            batches: self.batches.clone(),
            next: 0,
        }))
    }
}

struct Opened {
    mischief: Mischief,
    counts: Arc<Counts>,
    batches: Vec<RecordBatch>,
    next: usize,
}

impl Iterator for Opened {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.next == 0;
        match self.mischief {
            Mischief::Panic if !first => panic!("index 7 is out of bounds"),
            Mischief::Fail if !first => {
                return Some(Err(kymo_store::Error::Corrupt {
                    path: "000007.parquet".into(),
                    offset: 4711,
                    what: "a checksum does not match",
                }
                .into()));
            }
            Mischief::Endless if !first => self.next = 0,
            _ => {}
        }
        let batch = self.batches.get(self.next)?.clone();
        self.next += 1;
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        if self.mischief == Mischief::WrongColumns {
            let seq: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            return Some(Ok(RecordBatch::try_from_iter([
                ("a", Arc::clone(&seq)),
                ("b", seq),
            ])
            .unwrap()));
        }
        Some(Ok(batch))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }
}
