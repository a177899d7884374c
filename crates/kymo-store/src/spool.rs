//! Rows that come in any order and leave in the order of a segment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{Feed, FeedId};

use crate::aside::{Aside, Recalled};
use crate::error::Error;
use crate::maintenance::{Merge, RowSource, key_of};
use crate::segment::Row;

/// What a row takes beside its body, about.
const ROW_BYTES: usize = 256;

/// How many runs are merged into a larger one. Each that is open holds a window of its stream and two
/// buffers, less than a megabyte, so they must not become many, whatever the number of rows.
const FAN_IN: usize = 32;

/// Sorts rows in bounded memory: what does not fit goes to the disk in sorted runs.
///
/// A run is a stream of rows and not a segment: neighbours in it are versions of one object, which
/// zstd makes almost as small as patches are, without reading a document or finding a patch.
pub struct Spool {
    directory: PathBuf,
    feeds: Arc<BTreeMap<FeedId, Feed>>,
    memory: usize,
    rows: Vec<Row>,
    bytes: usize,
    /// By how often their rows were merged; fewer than [`FAN_IN`] of each, from each spool that joined.
    runs: Vec<Vec<Recalled>>,
}

impl Spool {
    /// Makes an empty spool that holds about `memory` bytes of rows; its files, which have no names,
    /// are in `directory`, which must exist.
    pub fn new(directory: &Path, feeds: Arc<BTreeMap<FeedId, Feed>>, memory: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            feeds,
            memory,
            rows: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
        }
    }

    /// Takes a row. No two rows may have the same key.
    pub fn push(&mut self, row: Row) -> Result<(), Error> {
        self.bytes += ROW_BYTES + row.event.body.as_ref().map_or(0, |body| body.len());
        self.rows.push(row);
        if self.bytes >= self.memory {
            self.write_run()?;
        }
        Ok(())
    }

    /// Takes all rows of another one. Its runs are read beside the own ones, so few spools should be joined.
    pub fn join(&mut self, mut other: Self) -> Result<(), Error> {
        if !other.rows.is_empty() {
            other.write_run()?;
        }
        for (level, runs) in other.runs.into_iter().enumerate() {
            match self.runs.get_mut(level) {
                Some(own) => own.extend(runs),
                None => self.runs.push(runs),
            }
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
        if !self.runs.is_empty() && !self.rows.is_empty() {
            // What is left need not lie in memory while everything is read.
            self.write_run()?;
        }
        self.sort();
        self.bytes = 0;
        let runs = std::mem::take(&mut self.runs);
        let mut sources: Vec<RowSource> = runs.into_iter().flatten().map(rows_of).collect();
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
            let sources = std::mem::take(runs).into_iter().map(rows_of).collect();
            run = self.write(Merge::new(sources, self.feeds.clone(), false))?;
        }
        Ok(())
    }

    /// Writes rows that are in order into a file of their own.
    fn write(&self, rows: impl Iterator<Item = Result<Row, Error>>) -> Result<Recalled, Error> {
        let mut run = Aside::create(&self.directory)?;
        for row in rows {
            run.put(&row?)?;
        }
        run.recall()
    }
}

/// Reads the rows of a run.
fn rows_of(mut run: Recalled) -> RowSource {
    Box::new(std::iter::from_fn(move || run.next().transpose()))
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

#[cfg(test)]
mod tests {
    use kymo_model::{
        Certainty, Event, EventType, FeedId, ObjectKey, Request, ResourceType, Rv, Scope, Timestamp,
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
        let request = Request {
            verb: "patch".to_owned(),
            groups: vec!["system:nodes".to_owned()],
            ..Request::default()
        };
        Row {
            seq,
            session: 1,
            event: Event {
                feed: FeedId(0),
                ts: Timestamp(seq as i64),
                not_before: seq.is_multiple_of(3).then_some(Timestamp(seq as i64 - 1)),
                event_type: EventType::Modified,
                certainty: Certainty::Seen,
                epoch: 0,
                key: ObjectKey {
                    namespace: String::new(),
                    name: name.to_owned(),
                    uid: format!("u-{name}"),
                },
                rv: (!seq.is_multiple_of(4)).then(|| Rv::new(seq.to_string())),
                body: (!seq.is_multiple_of(5)).then(|| Arc::from(body.into_bytes())),
                request: seq.is_multiple_of(7).then(|| Arc::new(request)),
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
            let mut rows: Vec<Row> = (0..1_500)
                .map(|seq| row(seq, &format!("pod-{}", (seq * 37) % 23)))
                .collect();
            for row in &rows {
                spool.push(row.clone()).unwrap();
                let runs = spool.runs.iter().flatten().count();
                assert!(runs < 2 * FAN_IN, "{runs} runs");
            }
            let mut other = Spool::new(directory.path(), feeds.clone(), memory);
            for row in (1_500..1_600).map(|seq| row(seq, "pod-7")) {
                other.push(row.clone()).unwrap();
                rows.push(row);
            }
            spool.join(other).unwrap();
            let found: Vec<Row> = spool.drain().unwrap().map(Result::unwrap).collect();
            let feed = &feeds[&FeedId(0)];
            rows.sort_by(|a, b| RowKey::of(a, feed).cmp(&RowKey::of(b, feed)));
            assert_eq!(found, rows);
            assert!(spool.is_empty());
            assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{memory}");
        }
    }
}
