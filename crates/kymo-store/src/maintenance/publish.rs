use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use kymo_model::{EventType, FeedId, Timestamp};
use parquet::file::reader::ChunkReader;

use crate::contents::open_segment_file;
use crate::directory::{Directory, segment_name};
use crate::error::Error;
use crate::fs::Output;
use crate::manifest::{Entry, SegmentEntry, hex};
use crate::record::SessionInfo;
use crate::segment::{
    NewRow, Revised, Row, SegmentMeta, SegmentOptions, SegmentSummary, SegmentWriter,
};
use crate::writer::Shared;

/// What becomes a segment, and what it replaces.
pub(crate) struct Product<'a> {
    pub(crate) rows: Box<dyn Iterator<Item = Result<Row, Error>> + Send + 'a>,
    pub(crate) meta: SegmentMeta,
    pub(crate) known_sessions: &'a BTreeMap<u32, SessionInfo>,
    pub(crate) logs: &'a [u32],
    /// Of the logs, those that go to quarantine rather than being removed.
    pub(crate) damaged_logs: &'a [u32],
    pub(crate) segments: &'a [u32],
}

/// Writes a segment, checks what was written, puts it in place, and only then removes what it
/// replaces. After an error everything is as before, but for a file that nothing names.
pub(crate) fn publish(shared: &Shared, product: Product<'_>) -> Result<SegmentEntry, Error> {
    let directory = &shared.directory;
    let number = shared.next_number();
    let name = segment_name(number);
    let temporary = format!("{name}.tmp");
    let path = directory.join(&temporary);
    let written = write_and_verify(
        directory,
        &path,
        product.rows,
        product.meta,
        product.known_sessions,
        &shared.options.segment,
        Verify::Versions,
        |_| {},
    );
    let (summary, meta) = match written {
        Ok(written) => written,
        Err(error) => {
            drop(directory.remove(&temporary));
            return Err(error);
        }
    };
    fail::fail_point!(crate::failpoint::SEAL_BEFORE_RENAME);
    let target = directory.join(&name);
    directory
        .fs
        .rename(&path, &target)
        .map_err(Error::io("rename", &path))?;
    fail::fail_point!(crate::failpoint::SEAL_AFTER_RENAME);
    directory.sync()?;
    let segment = SegmentEntry {
        number,
        name,
        first_seq: meta.first_seq,
        next_seq: meta.last_seq.saturating_add(1).max(meta.first_seq),
        rows: summary.rows,
        bytes: summary.bytes,
        digest: hex(&summary.digest),
    };
    let replaced = replaced_files(shared, product.logs, product.segments);
    shared.manifest().append(Entry::Sealed {
        segment: segment.clone(),
        logs: product.logs.to_vec(),
        segments: product.segments.to_vec(),
    })?;
    fail::fail_point!(crate::failpoint::SEAL_BEFORE_UNLINK);
    for (number, name) in replaced {
        let result = if product.damaged_logs.contains(&number) {
            directory.set_aside(&name)
        } else {
            directory.remove(&name)
        };
        // What stays is set aside by the next open.
        if let Err(error) = result {
            tracing::warn!(%error, "a replaced file stays");
        }
    }
    Ok(segment)
}

fn replaced_files(shared: &Shared, logs: &[u32], segments: &[u32]) -> Vec<(u32, String)> {
    let manifest = shared.manifest();
    let catalog = &manifest.catalog;
    let logs = logs
        .iter()
        .filter_map(|number| Some((*number, catalog.logs.get(number)?.name.clone())));
    let segments = catalog
        .segments
        .values()
        .filter(|segment| segments.contains(&segment.number))
        .map(|segment| (segment.number, segment.name.clone()));
    logs.chain(segments).collect()
}

/// How a segment is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Every version is put together.
    Versions,
    /// What is stored is compared with what was written; each patch was applied before.
    Stored,
}

/// Writes a segment file and reads it back. The file is durable then, its name is not.
#[expect(
    clippy::too_many_arguments,
    reason = "what is written, what of it is known, and how it is done"
)]
pub(crate) fn write_and_verify<T: Into<NewRow>, E: From<Error>>(
    directory: &Directory,
    path: &Path,
    rows: impl Iterator<Item = Result<T, E>>,
    mut meta: SegmentMeta,
    known_sessions: &BTreeMap<u32, SessionInfo>,
    options: &SegmentOptions,
    verify: Verify,
    complete: impl FnOnce(&mut SegmentMeta),
) -> Result<(SegmentSummary, SegmentMeta), E> {
    let fs = directory.fs.as_ref();
    let file = fs.create(path).map_err(Error::io("create", path))?;
    let mut output = Output::new(file);
    let written = write_rows(
        &mut output,
        path,
        rows,
        &mut meta,
        known_sessions,
        options,
        complete,
    )?;
    output.sync().map_err(Error::io("sync", path))?;
    let reader = open_segment_file(fs, path)?;
    let found = match verify {
        Verify::Versions => reader.verify(),
        Verify::Stored => reader.verify_stored(options.threads),
    };
    let found = found.map_err(Error::segment(path))?;
    let mismatch = |what| E::from(mismatch(path, what));
    if found.rows != written.rows {
        return Err(mismatch("the number of rows"));
    }
    if (found.first_seq, found.last_seq) != (written.first_seq, written.last_seq) {
        return Err(mismatch("the range of seqs"));
    }
    if found.digest != written.digest {
        return Err(mismatch("the digest of the content"));
    }
    if reader.meta() != &meta {
        return Err(mismatch("the metadata"));
    }
    Ok((found, meta))
}

fn mismatch(path: &Path, what: &'static str) -> Error {
    let path = path.to_owned();
    Error::SealMismatch { path, what }
}

/// Writes what becomes of a segment as [`write_and_verify`] does.
pub(crate) fn write_revised_and_verify<R: ChunkReader + 'static>(
    directory: &Directory,
    path: &Path,
    revised: &Revised<R>,
    meta: &SegmentMeta,
    options: &SegmentOptions,
) -> Result<SegmentSummary, Error> {
    let fs = directory.fs.as_ref();
    let file = fs.create(path).map_err(Error::io("create", path))?;
    let mut output = Output::new(file);
    let written = revised.write(&mut output, meta, options);
    let (written, made) = written.map_err(Error::segment(path))?;
    output.sync().map_err(Error::io("sync", path))?;
    let reader = open_segment_file(fs, path)?;
    let is_held = revised
        .is_held_by(&reader, &made)
        .map_err(Error::segment(path))?;
    if !is_held {
        return Err(mismatch(path, "a column"));
    }
    if reader.digest() != written.digest {
        return Err(mismatch(path, "the digest of the content"));
    }
    if reader.meta() != meta {
        return Err(mismatch(path, "the metadata"));
    }
    Ok(written)
}

/// Writes rows and the metadata that only they tell.
fn write_rows<W: Write + Send, T: Into<NewRow>, E: From<Error>>(
    output: W,
    path: &Path,
    rows: impl Iterator<Item = Result<T, E>>,
    meta: &mut SegmentMeta,
    known_sessions: &BTreeMap<u32, SessionInfo>,
    options: &SegmentOptions,
    complete: impl FnOnce(&mut SegmentMeta),
) -> Result<SegmentSummary, E> {
    let mut writer =
        SegmentWriter::new(output, &meta.feeds, options.clone()).map_err(Error::segment(path))?;
    let mut counts: BTreeMap<(FeedId, EventType), u64> = BTreeMap::new();
    let mut sessions: BTreeSet<u32> = meta.records.iter().map(|record| record.session).collect();
    let mut times: Option<(Timestamp, Timestamp)> = None;
    for row in rows {
        let new: NewRow = row?.into();
        let row = new.row();
        *counts
            .entry((row.event.feed, row.event.event_type))
            .or_default() += 1;
        sessions.insert(row.session);
        let ts = row.event.ts;
        times = Some(times.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts))));
        writer.push_new(&new).map_err(Error::segment(path))?;
    }
    fail::fail_point!(crate::failpoint::SEAL_TMP);
    meta.counts = counts
        .into_iter()
        .map(|((feed, event_type), count)| (feed, event_type, count))
        .collect();
    meta.first_ts = times.map(|times| times.0);
    meta.last_ts = times.map(|times| times.1);
    meta.sessions = sessions
        .iter()
        .filter_map(|number| known_sessions.get(number).cloned())
        .collect();
    complete(meta);
    Ok(writer.finish(meta).map_err(Error::segment(path))?)
}
