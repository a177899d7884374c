use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Trace;
use crate::contents::lineage_of;
use crate::directory::Directory;
use crate::error::Error;
use crate::fs::FileChunks;
use crate::fs::{Filesystem, RealFs};
use crate::maintenance::{
    Verify, merge_meta, records_of, write_and_verify, write_revised_and_verify,
};
use crate::record::SessionInfo;
use crate::segment::{NewRow, Revised, Revisions, SegmentMeta, SegmentOptions, SegmentSummary};

/// Writes everything of a trace as one sealed `.parquet` file; see [`write_file`].
pub fn pack(trace: &Path, out: &Path) -> Result<SegmentSummary, Error> {
    let fs = Arc::new(RealFs);
    Trace::open_with(fs.clone(), trace)?.write_single(fs, out, &SegmentOptions::default())
}

/// Writes rows, in the order of a segment, as one sealed `.parquet` file, which must not exist. The
/// file gets its name when it is complete, checked and durable; after an error there is none.
///
/// Of `meta`, `counts`, `first_ts` and `last_ts` are found in the rows, and `sessions` keeps those
/// that rows or records name.
///
/// What makes the rows may fail in ways of its own, `E`. What is only known after the last row is
/// put into the metadata by `complete`.
pub fn write_file<T: Into<NewRow>, E: From<Error>>(
    fs: Arc<dyn Filesystem>,
    path: &Path,
    rows: impl Iterator<Item = Result<T, E>>,
    meta: SegmentMeta,
    options: &SegmentOptions,
    complete: impl FnOnce(&mut SegmentMeta),
) -> Result<SegmentSummary, E> {
    let sessions: BTreeMap<u32, SessionInfo> = meta
        .sessions
        .iter()
        .map(|session| (session.number, session.clone()))
        .collect();
    named(fs, path, |directory, temporary| {
        let (summary, _) = write_and_verify(
            directory,
            temporary,
            rows,
            meta,
            &sessions,
            options,
            Verify::Stored,
            complete,
        )?;
        Ok(summary)
    })
}

/// Lets a file be written under another name, and gives it its own when that is done. After an
/// error there is none.
fn named<E: From<Error>>(
    fs: Arc<dyn Filesystem>,
    path: &Path,
    write: impl FnOnce(&Directory, &Path) -> Result<SegmentSummary, E>,
) -> Result<SegmentSummary, E> {
    if fs.kind(path).map_err(Error::io("look at", path))?.is_some() {
        let path = path.to_owned();
        return Err(Error::Exists { path }.into());
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = Directory::new(fs, parent);
    let summary = match write(&directory, temporary) {
        Ok(summary) => summary,
        Err(error) => {
            drop(directory.fs.remove(temporary));
            return Err(error);
        }
    };
    directory
        .fs
        .rename(temporary, path)
        .map_err(Error::io("rename", temporary))?;
    directory.sync()?;
    Ok(summary)
}

/// What revisions change in a sealed trace whose rows need not be put together for that.
#[derive(Debug)]
pub struct RevisedTrace {
    revised: Revised<FileChunks>,
    source: SegmentMeta,
}

impl RevisedTrace {
    /// Writes it as [`write_file`] does. Columns that stay the same are copied as they are
    /// compressed.
    pub fn write(
        &self,
        fs: Arc<dyn Filesystem>,
        path: &Path,
        mut meta: SegmentMeta,
        options: &SegmentOptions,
        complete: impl FnOnce(&mut SegmentMeta),
    ) -> Result<SegmentSummary, Error> {
        meta.counts.clone_from(&self.source.counts);
        meta.sessions.clone_from(&self.source.sessions);
        (meta.first_ts, meta.last_ts) = (self.source.first_ts, self.source.last_ts);
        complete(&mut meta);
        named(fs, path, |directory, temporary| {
            write_revised_and_verify(directory, temporary, &self.revised, &meta, options)
        })
    }
}

impl Trace {
    /// Writes everything readable as one sealed `.parquet` file, as [`write_file`] does.
    pub fn write_single(
        &self,
        fs: Arc<dyn Filesystem>,
        path: &Path,
        options: &SegmentOptions,
    ) -> Result<SegmentSummary, Error> {
        write_file(fs, path, self.merge(false)?, self.meta(), options, |_| {})
    }

    /// Finds what changes if `done` is done to the objects of events, by their numbers, which it is
    /// asked once for each. `None` if rows have to be put together for it, or the trace is not one
    /// segment; [`Self::kept_rows`] is for those.
    pub fn revised<E: From<Error>>(
        &self,
        done: impl FnMut(u64) -> Result<Option<Arc<Revisions>>, E>,
    ) -> Result<Option<RevisedTrace>, E> {
        let contents = self.contents();
        let ([segment], true) = (contents.segments.as_slice(), contents.logs.is_empty()) else {
            return Ok(None);
        };
        let path = contents.directory.join(&segment.entry.name);
        let found = Revised::find(&segment.reader, done, |error| {
            Error::segment(&path)(error).into()
        })?;
        Ok(found.map(|revised| RevisedTrace {
            revised,
            source: segment.reader.meta().clone(),
        }))
    }

    /// Puts together what all parts say of themselves.
    pub fn meta(&self) -> SegmentMeta {
        let (mut meta, sessions) = self.whole_meta();
        meta.sessions = sessions.into_values().collect();
        meta
    }

    /// Returns a digest of the whole content: of the sealed parts as they were sealed, of what is
    /// not sealed event by event. It does not depend on where the trace lies.
    pub fn digest(&self) -> Result<[u8; 32], Error> {
        let mut hasher = blake3::Hasher::new();
        for segment in self.segments() {
            hasher.update(&segment.reader().digest());
        }
        let mut bytes = Vec::new();
        self.visit_tail(|row| {
            bytes.clear();
            bytes.extend_from_slice(&row.seq.to_le_bytes());
            bytes.extend_from_slice(&row.event.ts.0.to_le_bytes());
            bytes.extend_from_slice(row.event.event_type.as_str().as_bytes());
            let body = row.event.body.as_deref().unwrap_or_default();
            bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
            hasher.update(&bytes).update(body);
            Ok(())
        })?;
        Ok(*hasher.finalize().as_bytes())
    }

    /// Puts together what all parts say of themselves.
    pub(crate) fn whole_meta(&self) -> (SegmentMeta, BTreeMap<u32, SessionInfo>) {
        let contents = self.contents();
        let (mut meta, mut sessions) = merge_meta(&contents.segments);
        sessions.extend(contents.sessions.clone());
        let logs: Vec<_> = contents.logs.iter().collect();
        let every = |number: u32| {
            contents.catalog.logs.contains_key(&number)
                || contents
                    .catalog
                    .segments
                    .keys()
                    .any(|(_, segment)| *segment == number)
        };
        let numbers: Vec<u32> = contents
            .missing
            .iter()
            .map(|(number, _)| *number)
            .filter(|number| every(*number))
            .collect();
        meta.records.extend(records_of(contents, &logs, &numbers));
        meta.records.sort_by_key(|record| record.seq);
        meta.trace_id = contents.catalog.identity.trace_id;
        meta.cluster_uid
            .clone_from(&contents.catalog.identity.cluster_uid);
        meta.feeds = contents
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
        meta.lineage = contents
            .lineage
            .iter()
            .filter(|step| lineage_of(&meta.records).all(|known| known != *step))
            .cloned()
            .collect();
        meta.first_seq = 1;
        meta.last_seq = contents.next_seq.saturating_sub(1);
        (meta, sessions)
    }
}
