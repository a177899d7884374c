//! The table `coverage`.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use datafusion::arrow::error::ArrowError;
use kymo_model::{Coverage, Feed, FeedId, Rv, Timestamp};

/// One row for each stretch of a feed: what it was, why, from where to where.
///
/// A stretch that concerns every feed has no resource.
pub(super) fn coverage(
    rows: &[Coverage],
    feeds: &[(FeedId, Feed)],
) -> Result<RecordBatch, ArrowError> {
    let by_id: HashMap<FeedId, &Feed> = feeds.iter().map(|(id, feed)| (*id, feed)).collect();
    let feed = |row: &Coverage| row.feed.and_then(|id| by_id.get(&id).copied());
    let text = |of: &dyn Fn(&Coverage) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let number = |of: fn(&Coverage) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let time = |of: fn(&Coverage) -> Option<Timestamp>| -> ArrayRef {
        let times: TimestampNanosecondArray =
            rows.iter().map(|row| of(row).map(|ts| ts.0)).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let rv = |rv: &Option<Rv>| rv.as_ref().map(ToString::to_string);
    RecordBatch::try_from_iter_with_nullable([
        (
            "feed",
            number(|row| row.feed.map(|feed| i64::from(feed.0))),
            true,
        ),
        (
            "api_group",
            text(&|row| feed(row).map(|feed| feed.resource.group.clone())),
            true,
        ),
        (
            "resource",
            text(&|row| feed(row).map(|feed| feed.resource.resource.clone())),
            true,
        ),
        (
            "scope",
            text(&|row| feed(row).map(|feed| feed.scope.to_string())),
            true,
        ),
        ("epoch", number(|row| Some(i64::from(row.epoch))), false),
        ("session", number(|row| Some(i64::from(row.session))), false),
        (
            "state",
            text(&|row| Some(row.state.as_str().to_owned())),
            false,
        ),
        (
            "cause",
            text(&|row| Some(row.cause.as_str().to_owned())),
            false,
        ),
        ("from_rv", text(&|row| rv(&row.from_rv)), true),
        ("to_rv", text(&|row| rv(&row.to_rv)), true),
        (
            "from_seq",
            number(|row| row.from_seq.and_then(|seq| i64::try_from(seq).ok())),
            true,
        ),
        (
            "to_seq",
            number(|row| row.to_seq.and_then(|seq| i64::try_from(seq).ok())),
            true,
        ),
        ("from_ts", time(|row| row.from_ts), true),
        ("to_ts", time(|row| row.to_ts), true),
        ("detail", text(&|row| row.detail.clone()), true),
    ])
}
