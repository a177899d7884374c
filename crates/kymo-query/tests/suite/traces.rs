//! The story as traces on disk.

use std::path::PathBuf;
use std::sync::Arc;

use kymo_model::{Cause, Feed, FeedId, ManualClock};
use kymo_store::fs::RealFs;
use kymo_store::{LogRecord, TraceIdentity, Writer, WriterOptions};
use tempfile::TempDir;

use crate::{audited, story};

/// A trace that is removed when it is dropped.
pub(crate) struct Story {
    name: &'static str,
    folder: TempDir,
}

impl Story {
    /// Returns its name and its path.
    pub(crate) fn named(&self) -> (String, PathBuf) {
        (self.name.to_owned(), self.folder.path().join("trace"))
    }
}

/// All events are in the log.
pub(crate) fn unsealed(name: &'static str) -> Story {
    write(name, &story::feeds(), story::records(), None)
}

/// All events are in segments.
pub(crate) fn sealed(name: &'static str) -> Story {
    write(name, &story::feeds(), story::records(), Some(usize::MAX))
}

/// The first records are in a segment, the others in the log.
pub(crate) fn half_sealed(name: &'static str) -> Story {
    write(name, &story::feeds(), story::records(), Some(9))
}

/// The story of an audit log; its first records are in a segment, the others in the log.
pub(crate) fn audited(name: &'static str) -> Story {
    write(name, &audited::feeds(), audited::records(), Some(6))
}

pub(crate) fn write(
    name: &'static str,
    feeds: &[(FeedId, Feed)],
    records: Vec<LogRecord>,
    seal_after: Option<usize>,
) -> Story {
    let story = Story {
        name,
        folder: tempfile::tempdir().unwrap(),
    };
    let clock = Arc::new(ManualClock::new(story::START));
    let mut writer = Writer::create(
        Arc::new(RealFs),
        &story.named().1,
        TraceIdentity::new(Some("c0ffee".into())),
        clock.clone(),
        WriterOptions::default(),
    )
    .unwrap();
    writer.begin_session(story::session()).unwrap();
    for (id, feed) in feeds {
        assert_eq!(writer.feed(feed).unwrap(), *id);
    }
    for (index, record) in records.into_iter().enumerate() {
        if seal_after == Some(index) {
            writer.commit().unwrap();
            writer.seal_now().unwrap();
        }
        if let Some(ts) = record.ts() {
            clock.step_to(ts);
        }
        writer.append(record).unwrap();
    }
    writer.commit().unwrap();
    if seal_after == Some(usize::MAX) {
        writer.seal_now().unwrap();
    }
    writer.close(Cause::Stop).unwrap();
    story
}
