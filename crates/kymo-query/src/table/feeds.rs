//! The tables `feeds` and `sessions`.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampNanosecondArray,
};
use datafusion::arrow::error::ArrowError;
use kymo_model::{Feed, FeedId};
use kymo_store::SessionInfo;

/// One row for each list and watch: `feed`, the resource, and which objects of it.
pub(super) fn feeds(feeds: &[(FeedId, Feed)]) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&Feed) -> Option<&str>| -> ArrayRef {
        let values = feeds.iter().map(|(_, feed)| of(feed));
        Arc::new(values.collect::<StringArray>())
    };
    let numbers: Int64Array = feeds.iter().map(|(id, _)| Some(i64::from(id.0))).collect();
    let namespaced: BooleanArray = feeds
        .iter()
        .map(|(_, feed)| Some(feed.resource.namespaced))
        .collect();
    RecordBatch::try_from_iter_with_nullable([
        ("feed", Arc::new(numbers) as ArrayRef, false),
        ("api_group", text(|feed| Some(&feed.resource.group)), false),
        (
            "api_version",
            text(|feed| Some(&feed.resource.version)),
            false,
        ),
        (
            "resource",
            text(|feed| Some(&feed.resource.resource)),
            false,
        ),
        ("kind", text(|feed| Some(&feed.resource.kind)), false),
        ("namespaced", Arc::new(namespaced) as ArrayRef, false),
        (
            "namespace",
            text(|feed| feed.scope.namespace.as_deref()),
            true,
        ),
        (
            "label_selector",
            text(|feed| feed.scope.label_selector.as_deref()),
            true,
        ),
    ])
}

/// One row for each run of a recorder or importer.
pub(super) fn sessions(sessions: &[SessionInfo]) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&SessionInfo) -> Option<&str>| -> ArrayRef {
        Arc::new(sessions.iter().map(of).collect::<StringArray>())
    };
    let numbers: Int64Array = sessions
        .iter()
        .map(|session| Some(i64::from(session.number)))
        .collect();
    let started: TimestampNanosecondArray = sessions
        .iter()
        .map(|session| Some(session.started.0))
        .collect();
    let mut dropped = ListBuilder::new(StringBuilder::new());
    let mut offsets = Int64Builder::new();
    for session in sessions {
        dropped.append_value(session.dropped.iter().map(Some));
        offsets.append_option(session.clock_offset_ns);
    }
    RecordBatch::try_from_iter_with_nullable([
        ("session", Arc::new(numbers) as ArrayRef, false),
        (
            "started",
            Arc::new(started.with_timezone("UTC")) as ArrayRef,
            false,
        ),
        ("tool", text(|session| Some(&session.tool)), false),
        ("command", text(|session| Some(&session.command)), false),
        (
            "cluster",
            text(|session| session.cluster_uid.as_deref()),
            true,
        ),
        (
            "server_version",
            text(|session| session.server_version.as_deref()),
            true,
        ),
        ("dropped", Arc::new(dropped.finish()) as ArrayRef, false),
        (
            "clock_offset_ns",
            Arc::new(offsets.finish()) as ArrayRef,
            true,
        ),
    ])
}
