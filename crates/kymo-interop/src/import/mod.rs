//! What all formats share: from the paths that the user names to a sealed trace.
//!
//! A format makes readers of its entries ([`item::ReadItems`]). Their items are brought into one
//! order ([`merge`]) and folded into what a recorder would have written ([`fold`]).

pub(crate) mod bodies;
mod context;
mod damaged;
mod detection;
mod feed;
mod fold;
mod format;
mod item;
mod live;
mod loss;
mod merge;
pub(crate) mod minted;
mod pipeline;
mod redaction;

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Cause, Clock, Feed, FeedId};
use kymo_store::fs::RealFs;
use kymo_store::segment::SegmentOptions;
use kymo_store::{LogRecord, SessionInfo, Trace, TraceIdentity, Writer, WriterOptions};

pub(crate) use context::{Context, Opened};
pub use format::{Format, UnknownFormat};
pub(crate) use item::{Item, Named, Object, ReadItems, What};
pub use loss::{DamagedInput, Loss, LossCount, LossReport, ResourceCount, Skipped, UnreadableLine};
pub use merge::MissingTimes;
pub(crate) use redaction::{redacted, redacted_whole};

use crate::Error;
use crate::input::{Budget, Inputs, Limits};
use damaged::Damaged;
use fold::{Fold, Log};
use merge::Merge;
use pipeline::Pipeline;

/// What to import, from where to where.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The format; `None` finds it out.
    pub format: Option<Format>,
    /// Files, folders, archives; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// The trace to make: a folder, or one file when the name ends in `.parquet`.
    pub output: PathBuf,
    /// What is dropped before anything is written.
    pub policy: Policy,
    /// Bounds on what the inputs may make us do.
    pub limits: Limits,
    /// Where times come from that the inputs do not hold.
    pub missing_times: MissingTimes,
    /// A file that says what the columns of tables mean; `None` takes the mappings that kymo has.
    pub mapping: Option<PathBuf>,
    /// Program and version for the trace's metadata.
    pub tool: String,
    /// Fixes what is random: the id of the trace.
    pub seed: Option<u64>,
}

impl ImportOptions {
    /// Imports `paths` into `output` with the default policy and limits.
    pub fn new(format: Option<Format>, paths: Vec<PathBuf>, output: PathBuf) -> Self {
        Self {
            format,
            paths,
            output,
            policy: Policy::default(),
            limits: Limits::default(),
            missing_times: MissingTimes::default(),
            mapping: None,
            tool: concat!("kymo ", env!("CARGO_PKG_VERSION")).to_owned(),
            seed: None,
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The inputs are read.
    Reading {
        /// How many events were taken so far.
        events: u64,
        /// How many bytes of the inputs were read so far, before decompression.
        bytes: u64,
        /// How many there are in all, as far as that is known: not of a pipe.
        total: Option<u64>,
    },
    /// Everything is read; the trace is being sealed.
    Sealing,
}

/// An odd number that spreads a small seed over all bits.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Imports files of other tools into a new trace.
///
/// The trace is made beside its final place and renamed when it is complete, so a failed import
/// leaves nothing. `progress` is told how far the work is and can end it.
pub fn import(
    options: &ImportOptions,
    clock: &Arc<dyn Clock>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<LossReport, Error> {
    let output = &options.output;
    let write_failed = |source| Error::Write {
        path: output.clone(),
        source,
    };
    if fs::symlink_metadata(output).is_ok() {
        return Err(Error::OutputExists {
            path: output.clone(),
        });
    }
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Everything is made in here and is gone with it when something fails.
    let workshop = tempfile::Builder::new()
        .prefix(".kymo-import-")
        .tempdir_in(folder)
        .map_err(write_failed)?;
    let context = Context {
        policy: options.policy,
        limits: options.limits,
        budget: Budget::new(options.limits),
        workshop: workshop.path().to_owned(),
        missing_times: options.missing_times.clone(),
        mapping: options.mapping.clone(),
        clock: Arc::clone(clock),
    };
    let mut made = workshop.path().join("trace");
    let report = fill(options, &context, &made, progress)?;
    if output
        .extension()
        .is_some_and(|extension| extension == "parquet")
    {
        let packed = workshop.path().join("trace.parquet");
        Trace::open(&made)?.write_single(Arc::new(RealFs), &packed, &SegmentOptions::default())?;
        made = packed;
    }
    fs::rename(&made, output).map_err(write_failed)?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(write_failed)?;
    Ok(report)
}

/// Opens the inputs with their format.
fn open(
    options: &ImportOptions,
    context: &Context,
    report: &mut LossReport,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<(Format, Opened), Error> {
    let paths = &options.paths;
    let formats = match &options.format {
        Some(format) => std::slice::from_ref(format),
        None => Format::ALL,
    };
    let why_skipped = |path: &str| {
        let mut reasons = formats.iter().map(|format| format.why_skipped(path));
        let first = reasons.next().flatten();
        first.filter(|_| reasons.all(|reason| reason.is_some()))
    };
    let inputs = Inputs::find(
        paths,
        &context.limits,
        &context.budget,
        &context.workshop,
        &why_skipped,
        &mut || go_on(progress(reading(0, &context.budget))),
    )?;
    if inputs.entries.is_empty() && inputs.damaged.is_empty() {
        return Err(Error::NoInput {
            paths: names(paths),
        });
    }
    let mut skipped = inputs.skipped;
    let mut entries = inputs.entries;
    let format = if let Some(format) = options.format {
        format
    } else {
        let format = detection::detect(paths, &entries, context)?;
        entries.retain(|entry| {
            let reason = format.why_skipped(&entry.path);
            let reason = reason.filter(|_| !entry.is_named);
            skipped.extend(reason.map(|reason| (entry.name.clone(), reason)));
            reason.is_none()
        });
        format
    };
    for (path, reason) in skipped {
        report.note_skipped(path, reason);
    }
    report.streams = entries.len() as u64;
    let mut opened = format.open(entries, context)?;
    if !inputs.damaged.is_empty() {
        opened.readers.push(Box::new(Damaged::new(inputs.damaged)));
    }
    report.server_version.clone_from(&opened.server_version);
    Ok((format, opened))
}

/// Reads everything into a trace at `trace`.
fn fill(
    options: &ImportOptions,
    context: &Context,
    trace: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<LossReport, Error> {
    let clock = &context.clock;
    let mut report = LossReport {
        dropped: options.policy.dropped(),
        ..LossReport::default()
    };
    let (format, opened) = open(options, context, &mut report, progress)?;
    let command = format!("import {format}");
    let missing_times = options.missing_times.clone();
    let merge = Merge::new(opened.readers, missing_times, Arc::clone(clock))?;

    let mut identity = TraceIdentity::new(opened.cluster_uid.clone());
    if let Some(seed) = options.seed {
        let random = u128::from(seed)
            .wrapping_add(1)
            .wrapping_mul(SPREAD)
            .to_be_bytes();
        identity.trace_id = uuid::Builder::from_random_bytes(random).into_uuid();
    }
    let mut writer = Writer::create(
        Arc::new(RealFs),
        trace,
        identity,
        Arc::clone(clock),
        writer_options(),
    )?;
    let session = writer.begin_session(SessionInfo {
        started: clock.now(),
        tool: options.tool.clone(),
        command: command.clone(),
        cluster_uid: opened.cluster_uid,
        server_version: opened.server_version,
        dropped: options.policy.dropped(),
        ..SessionInfo::default()
    })?;
    let mut fold = Fold::new(format.rules(), session, report);
    let events = Cell::new(0u64);
    let mut merge = Pipeline::start(merge).drain(
        |timed| {
            events.set(events.get() + 1);
            fold.take(timed, &mut writer)
        },
        || progress(reading(events.get(), &context.budget)),
    )?;
    let mut report = fold.finish(&mut writer)?;
    merge.finish(&mut report);
    // A log of which all was left out for a reason is a log all the same.
    if report.resources.is_empty() && report.notes.is_empty() {
        return Err(nothing(format, &options.paths, &report));
    }
    go_on(progress(Progress::Sealing))?;
    let lineage = serde_json::json!({
        "tool": &options.tool,
        "command": command,
        "at": clock.now().to_string(),
        "report": &report,
    });
    writer.append(LogRecord::Lineage(lineage))?;
    // The session ends when the source ends, not now, and nothing is left that is not sealed.
    if let Some((_, ts)) = report.time_span {
        let cause = Cause::Stop;
        writer.append(LogRecord::SessionEnd { ts, cause })?;
    }
    writer.seal_now()?;
    Ok(report)
}

/// Syncs seldom: a failed import leaves nothing anyway.
fn writer_options() -> WriterOptions {
    WriterOptions {
        commit_bytes: 64 << 20,
        rotate_bytes: 1 << 30,
        rotate_events: 250_000,
        ballast_bytes: 0,
        seal_chunk_bytes: 64 << 20,
        ..WriterOptions::default()
    }
}

fn reading(events: u64, budget: &Budget) -> Progress {
    let total = budget.bytes_total();
    let read = budget.bytes_read();
    Progress::Reading {
        events,
        // What was closed and opened again may be read twice.
        bytes: total.map_or(read, |total| read.min(total)),
        total,
    }
}

fn go_on(answer: ControlFlow<()>) -> Result<(), Error> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    names.join(", ")
}

fn nothing(format: Format, paths: &[PathBuf], report: &LossReport) -> Error {
    let damaged = report.damaged.first().map(ToString::to_string);
    let unreadable = || report.unreadable_lines.first().map(ToString::to_string);
    let first = damaged
        .or_else(unreadable)
        .unwrap_or_else(|| "there was none".to_owned());
    Error::NoEvent {
        format,
        paths: names(paths),
        first,
    }
}

impl Log for Writer {
    fn feed(&mut self, feed: &Feed) -> Result<FeedId, Error> {
        Ok(Writer::feed(self, feed)?)
    }

    fn append(&mut self, record: LogRecord) -> Result<(), Error> {
        Ok(Writer::append(self, record)?)
    }
}
