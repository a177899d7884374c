//! Which files of a directory count.

use std::collections::BTreeSet;
use std::io;

use uuid::Uuid;

use crate::check::{Finding, Severity};
use crate::contents::open_segment;
use crate::directory::{Directory, MANIFEST, log_name, number_of, segment_name};
use crate::error::Error;
use crate::header::{FileHeader, FileKind};
use crate::log::LogReader;
use crate::manifest::{Catalog, Entry, LogEntry, SegmentEntry, hex, load};

/// What a look at a directory told.
#[derive(Debug)]
pub(crate) struct Survey {
    /// What counts: what the manifest names, and what fills its holes.
    pub(crate) catalog: Catalog,
    /// Files that are named and not there.
    pub(crate) missing_files: BTreeSet<String>,
    /// Files that nothing needs.
    pub(crate) orphans: Vec<String>,
    pub(crate) manifest_faults: bool,
    pub(crate) findings: Vec<Finding>,
}

/// Looks at a directory without changing anything.
pub(crate) fn survey(directory: &Directory) -> Result<Survey, Error> {
    let files: BTreeSet<String> = match directory.files() {
        Ok(files) => files.into_iter().collect(),
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => {
            return Err(not_a_trace(directory, "it is no directory"));
        }
        Err(error) => return Err(error),
    };
    let mut findings = Vec::new();
    let (mut catalog, manifest_faults) = read_manifest(directory, &files, &mut findings)?;

    let named: BTreeSet<String> = catalog
        .logs
        .values()
        .map(|log| log.name.clone())
        .chain(
            catalog
                .segments
                .values()
                .map(|segment| segment.name.clone()),
        )
        .collect();
    let is_ours = |name: &String| {
        number_of(name).is_some() && (name.ends_with(".wal") || name.ends_with(".parquet"))
    };
    let mut orphans: Vec<String> = files
        .iter()
        .filter(|name| (is_ours(name) || name.ends_with(".tmp")) && !named.contains(*name))
        .cloned()
        .collect();
    let mut missing_files: BTreeSet<String> = named.difference(&files).cloned().collect();
    if manifest_faults || !missing_files.is_empty() {
        adopt(
            directory,
            &mut catalog,
            &mut missing_files,
            &mut orphans,
            &mut findings,
        )?;
    }
    // Numbers are never used twice, whoever has them now.
    for number in files.iter().filter_map(|name| number_of(name)) {
        catalog.apply(Entry::NextNumber {
            number: number.saturating_add(1).min(u32::MAX / 2),
        });
    }
    Ok(Survey {
        catalog,
        missing_files,
        orphans,
        manifest_faults,
        findings,
    })
}

fn not_a_trace(directory: &Directory, reason: &'static str) -> Error {
    Error::NotATrace {
        path: directory.path.clone(),
        reason,
    }
}

fn read_manifest(
    directory: &Directory,
    files: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Result<(Catalog, bool), Error> {
    let mut find = |message: String| {
        findings.push(Finding {
            severity: Severity::Error,
            place: MANIFEST.to_owned(),
            message,
        });
    };
    let loaded = match load(directory, None) {
        Ok(loaded) => loaded,
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let Some(trace_id) = identify(directory, files)? else {
                return Err(not_a_trace(directory, "it has no manifest"));
            };
            find("the manifest is missing".to_owned());
            let identity = crate::record::TraceIdentity {
                trace_id,
                cluster_uid: None,
            };
            return Ok((Catalog::new(identity, kymo_model::Timestamp(0)), true));
        }
        Err(Error::Corrupt { .. }) => {
            let Some(trace_id) = identify(directory, files)? else {
                return Err(not_a_trace(directory, "its manifest is none"));
            };
            load(directory, Some(trace_id))?
        }
        Err(error) => return Err(error),
    };
    for (offset, what) in &loaded.faults {
        find(format!("{what} (byte {offset})"));
    }
    Ok((loaded.catalog, !loaded.faults.is_empty()))
}

/// Finds the id of the trace in its logs and segments.
fn identify(directory: &Directory, files: &BTreeSet<String>) -> Result<Option<Uuid>, Error> {
    for name in files.iter().filter(|name| number_of(name).is_some()) {
        if name.ends_with(".wal") {
            if let Some(header) = log_header(directory, name)? {
                return Ok(Some(header.trace_id));
            }
        } else if name.ends_with(".parquet")
            && let Some(segment) = readable(open_segment(directory, name))?
        {
            return Ok(Some(segment.meta().trace_id));
        }
    }
    Ok(None)
}

fn log_header(directory: &Directory, name: &str) -> Result<Option<FileHeader>, Error> {
    let path = directory.join(name);
    match directory.fs.open_read(&path) {
        Ok(file) => FileHeader::read(file.as_ref(), &path, FileKind::Log),
        Err(_) => Ok(None),
    }
}

/// Turns damage into nothing; refusals stay errors.
fn readable<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_corruption() => Ok(None),
        Err(Error::Io { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes files of the same trace that hold seqs which no named file holds.
fn adopt(
    directory: &Directory,
    catalog: &mut Catalog,
    missing_files: &mut BTreeSet<String>,
    orphans: &mut Vec<String>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let trace_id = catalog.identity.trace_id;
    let mut logs = Vec::new();
    let mut segments = Vec::new();
    for name in orphans.iter() {
        let Some(number) = number_of(name) else {
            continue;
        };
        if name == &log_name(number) {
            if let Some(header) =
                log_header(directory, name)?.filter(|header| header.trace_id == trace_id)
            {
                logs.push((LogEntry::new(number, header.first_seq), header));
            }
        } else if name == &segment_name(number)
            && let Some(segment) = readable(open_segment(directory, name))?
            && segment.meta().trace_id == trace_id
        {
            let meta = segment.meta();
            segments.push(SegmentEntry {
                number,
                name: name.clone(),
                first_seq: meta.first_seq,
                next_seq: meta.last_seq.saturating_add(1).max(meta.first_seq),
                rows: segment.num_rows(),
                bytes: directory.length(name)?,
                digest: hex(&segment.digest()),
            });
            catalog.identity.cluster_uid = catalog
                .identity
                .cluster_uid
                .take()
                .or_else(|| meta.cluster_uid.clone());
        }
    }
    // A log that follows tells where the one before ends.
    for (_, header) in &logs {
        if let Some(end) = header.previous {
            catalog.ends.entry(end.number).or_insert(end);
        }
    }
    let mut held = Vec::new();
    for segment in catalog.segments.values() {
        if !missing_files.contains(&segment.name) {
            held.push((segment.first_seq, segment.next_seq));
        }
    }
    for log in catalog.logs.values() {
        if !missing_files.contains(&log.name) {
            held.push((log.first_seq, log_end(directory, catalog, log)?));
        }
    }
    let is_free = |held: &[(u64, u64)], from: u64, to: u64| {
        from < to && held.iter().all(|(start, end)| to <= *start || *end <= from)
    };
    let mut adopted = |name: &str| {
        findings.push(Finding {
            severity: Severity::Warning,
            place: name.to_owned(),
            message: "not in the manifest; taken because it fills a hole".to_owned(),
        });
    };
    segments.sort_by_key(|segment| {
        std::cmp::Reverse((segment.next_seq - segment.first_seq, segment.number))
    });
    for segment in segments {
        if is_free(&held, segment.first_seq, segment.next_seq) {
            held.push((segment.first_seq, segment.next_seq));
            adopted(&segment.name);
            orphans.retain(|name| name != &segment.name);
            catalog.apply(Entry::Sealed {
                segment,
                logs: Vec::new(),
                segments: Vec::new(),
            });
        }
    }
    for (log, _) in logs {
        let end = log_end(directory, catalog, &log)?;
        if is_free(&held, log.first_seq, end) {
            held.push((log.first_seq, end));
            adopted(&log.name);
            orphans.retain(|name| name != &log.name);
            catalog.apply(Entry::Log {
                log,
                previous: None,
            });
        }
    }
    // What is missing and wholly held by another file was replaced by it.
    let is_held = |from: u64, to: u64| held.iter().any(|(start, end)| *start <= from && to <= *end);
    catalog.segments.retain(|_, segment| {
        let gone =
            missing_files.contains(&segment.name) && is_held(segment.first_seq, segment.next_seq);
        if gone {
            missing_files.remove(&segment.name);
        }
        !gone
    });
    let ends = &catalog.ends;
    catalog.logs.retain(|number, log| {
        let to = ends.get(number).map_or(log.first_seq, |end| end.next_seq);
        let gone = missing_files.contains(&log.name) && is_held(log.first_seq, to);
        if gone {
            missing_files.remove(&log.name);
        }
        !gone
    });
    Ok(())
}

/// Returns the seq behind a log's last event; reads the log if need be.
fn log_end(directory: &Directory, catalog: &Catalog, log: &LogEntry) -> Result<u64, Error> {
    if let Some(end) = catalog.ends.get(&log.number) {
        return Ok(end.next_seq);
    }
    let path = directory.join(&log.name);
    let Ok(file) = directory.fs.open_read(&path) else {
        return Ok(log.first_seq);
    };
    let reader = LogReader::new(file, &path, catalog.identity.trace_id, log, None)?;
    let end = readable(reader.read(|_| Ok(())))?;
    Ok(end.map_or(log.first_seq, |summary| summary.end.next_seq))
}
