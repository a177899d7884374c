//! Rows that come in any order and leave in the order of a segment.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{Feed, FeedId};

use crate::contents::open_segment_file;
use crate::error::Error;
use crate::fs::{Filesystem, Output, RealFs};
use crate::maintenance::{Merge, RowSource, key_of};
use crate::segment::{Row, SegmentMeta, SegmentOptions, SegmentWriter};

/// What a row takes beside its body, about.
const ROW_BYTES: usize = 256;

/// How many runs are merged into a larger one. Each that is open holds pages of its columns, so they
/// must not become many, whatever the number of rows.
const FAN_IN: usize = 8;

/// Sorts rows in bounded memory: what does not fit goes to the disk in sorted runs, compressed as
/// segments are.
pub struct Spool {
    directory: PathBuf,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    memory: usize,
    rows: Vec<Row>,
    bytes: usize,
    /// By how often their rows were merged; fewer than [`FAN_IN`] of each.
    runs: Vec<Vec<PathBuf>>,
    next_run: u64,
}

impl Spool {
    /// Makes an empty spool that holds about `memory` bytes of rows; its files are made in
    /// `directory`, which must exist, and removed as the rows are read.
    pub fn new(directory: &Path, feeds: Arc<BTreeMap<FeedId, Feed>>, memory: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            feeds,
            memory,
            rows: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
            next_run: 0,
        }
    }

    /// Takes a row. Its feed must be known, and no two rows may have the same key.
    pub fn push(&mut self, row: Row) -> Result<(), Error> {
        self.bytes += ROW_BYTES + row.event.body.as_ref().map_or(0, |body| body.len());
        self.rows.push(row);
        if self.bytes >= self.memory {
            self.write_run()?;
        }
        Ok(())
    }

    /// Tells whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.runs.is_empty()
    }

    /// Gives all rows back in the order of a segment and is empty then.
    pub fn drain(
        &mut self,
    ) -> Result<impl Iterator<Item = Result<Row, Error>> + Send + use<>, Error> {
        self.sort();
        self.bytes = 0;
        let runs = std::mem::take(&mut self.runs).into_iter().flatten();
        let mut sources = open_runs(runs.collect())?;
        let rest = std::mem::take(&mut self.rows);
        sources.push(Box::new(rest.into_iter().map(Ok)));
        Ok(Merge::new(sources, self.feeds.clone(), false))
    }

    fn sort(&mut self) {
        let feeds = &self.feeds;
        self.rows
            .sort_by(|a, b| key_of(a, feeds).cmp(&key_of(b, feeds)));
    }

    fn write_run(&mut self) -> Result<(), Error> {
        self.sort();
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut run = self.write(rows.into_iter().map(Ok))?;
        for level in 0.. {
            if self.runs.len() == level {
                self.runs.push(Vec::new());
            }
            let Some(runs) = self.runs.get_mut(level) else {
                break;
            };
            runs.push(run);
            if runs.len() < FAN_IN {
                break;
            }
            let sources = open_runs(std::mem::take(runs))?;
            run = self.write(Merge::new(sources, self.feeds.clone(), false))?;
        }
        Ok(())
    }

    /// Writes rows that are in order into a file of their own.
    fn write(&mut self, rows: impl Iterator<Item = Result<Row, Error>>) -> Result<PathBuf, Error> {
        let path = self
            .directory
            .join(format!("run-{:06}.parquet", self.next_run));
        self.next_run += 1;
        let file = RealFs.create(&path).map_err(Error::io("create", &path))?;
        let mut output = Output::new(file);
        let options = SegmentOptions {
            zstd_level: 1,
            verify_patches: false,
            ..SegmentOptions::default()
        };
        let feeds: Vec<(FeedId, Feed)> = self
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
        let mut writer =
            SegmentWriter::new(&mut output, &feeds, options).map_err(Error::segment(&path))?;
        for row in rows {
            writer.push(&row?).map_err(Error::segment(&path))?;
        }
        let meta = SegmentMeta {
            feeds,
            ..SegmentMeta::default()
        };
        writer.finish(&meta).map_err(Error::segment(&path))?;
        output.flush().map_err(Error::io("write", &path))?;
        Ok(path)
    }
}

/// Opens runs to be read side by side. Their names are gone then.
fn open_runs(runs: Vec<PathBuf>) -> Result<Vec<RowSource>, Error> {
    let (fs, count) = (RealFs, runs.len());
    let open = |path: PathBuf| {
        let reader = open_segment_file(&fs, &path)?;
        // The open file is enough; without a name nothing is left behind.
        fs.remove(&path).map_err(Error::io("remove", &path))?;
        let rows = reader.rows_beside(count).map_err(Error::segment(&path))?;
        let rows = rows.map(move |row| row.map_err(Error::segment(&path)));
        Ok(Box::new(rows) as RowSource)
    };
    runs.into_iter().map(open).collect()
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("directory", &self.directory)
            .field("rows", &self.rows.len())
            .field("runs", &self.runs.iter().flatten().count())
            .finish_non_exhaustive()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        for run in self.runs.iter().flatten() {
            // Left for whoever removes the directory.
            drop(RealFs.remove(run));
        }
    }
}

#[cfg(test)]
mod tests {
    use kymo_model::{
        Certainty, Event, EventType, FeedId, ObjectKey, ResourceType, Scope, Timestamp,
    };

    use super::*;
    use crate::segment::RowKey;

    fn pods() -> Arc<BTreeMap<FeedId, Feed>> {
        let resource = ResourceType {
            group: String::new(),
            version: "v1".to_owned(),
            resource: "pods".to_owned(),
            kind: "Pod".to_owned(),
            namespaced: true,
        };
        let feed = Feed {
            resource,
            scope: Scope::default(),
        };
        Arc::new([(FeedId(0), feed)].into())
    }

    fn row(seq: u64, name: &str) -> Row {
        let body = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","uid":"u-{name}"}},"n":{seq}}}"#
        );
        Row {
            seq,
            session: 1,
            event: Event {
                feed: FeedId(0),
                ts: Timestamp(seq as i64),
                not_before: None,
                event_type: EventType::Modified,
                certainty: Certainty::Seen,
                epoch: 0,
                key: ObjectKey {
                    namespace: String::new(),
                    name: name.to_owned(),
                    uid: format!("u-{name}"),
                },
                rv: None,
                body: Some(Arc::from(body.into_bytes())),
                request: None,
            },
        }
    }

    #[test]
    fn rows_leave_in_order_whether_or_not_they_fit_into_memory() {
        // Each row a run of its own, so that runs of runs are merged; some rows in each; all of them.
        for memory in [1, 2_000, 1 << 20] {
            let directory = tempfile::tempdir().unwrap();
            let feeds = pods();
            let mut spool = Spool::new(directory.path(), feeds.clone(), memory);
            let mut rows: Vec<Row> = (0..100)
                .map(|seq| row(seq, &format!("pod-{}", (seq * 37) % 23)))
                .collect();
            for row in &rows {
                spool.push(row.clone()).unwrap();
                let runs = directory.path().read_dir().unwrap().count();
                assert!(runs < 3 * FAN_IN, "{runs} runs");
            }
            let found: Vec<Row> = spool.drain().unwrap().map(Result::unwrap).collect();
            let feed = &feeds[&FeedId(0)];
            rows.sort_by(|a, b| RowKey::of(a, feed).cmp(&RowKey::of(b, feed)));
            assert_eq!(found, rows);
            assert!(spool.is_empty());
            assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{memory}");
        }
    }
}
