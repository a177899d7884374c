//! Raw watch streams into a trace.
//!
//! What is read: one JSON value after the other, a line each or pretty-printed, of these forms:
//!
//! | form | written by |
//! |---|---|
//! | `{"recv": TIME, "event": {"type": …, "object": …}}` | recorders that note the receive time |
//! | `{"recv": TIME, "list": {"kind": "PodList", "items": […]}}` | the list before a watch |
//! | `{"type": …, "object": …}` | `kubectl get RES --watch --output-watch-events -o json` |
//! | `{"kind": "PodList", "items": […]}` | `kubectl get RES -o json` |
//!
//! in files, folders, tar and zip archives and standard input, each compressed with gzip or zstd
//! or not. A name such as `apps_v1_deployments.ndjson` tells the resource; else kind and
//! apiVersion of the objects do.
//!
//! Objects at the beginning of a stream without times are taken as listed as long as only ADDED
//! comes: kubectl prints the initial list so.

mod fold;
mod item;
mod list;
mod loss;
mod merge;
mod naming;
mod spool;
mod stream;
mod values;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Cause, Clock, Feed, FeedId};
use kymo_store::fs::RealFs;
use kymo_store::segment::SegmentOptions;
use kymo_store::{LogRecord, SessionInfo, Trace, TraceIdentity, Writer, WriterOptions};

pub use loss::{LossReport, ResourceCount, Skipped, UnreadableLine};
pub use merge::MissingTimes;

use crate::input::{Budget, Inputs};
use crate::{Error, Limits};
use fold::{Fold, Log};
use merge::{Merge, Source};
use spool::Spool;
use stream::StreamReader;

/// What to import, from where to where.
#[derive(Clone, Debug)]
pub struct ImportOptions {
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
    /// Program and version for the trace's metadata.
    pub tool: String,
    /// Fixes what is random: the id of the trace.
    pub seed: Option<u64>,
}

impl ImportOptions {
    /// Imports `paths` into `output` with the default policy and limits.
    pub fn new(paths: Vec<PathBuf>, output: PathBuf) -> Self {
        Self {
            paths,
            output,
            policy: Policy::default(),
            limits: Limits::default(),
            missing_times: MissingTimes::default(),
            tool: concat!("kymo ", env!("CARGO_PKG_VERSION")).to_owned(),
            seed: None,
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Reading: events taken so far.
    Reading {
        /// How many.
        events: u64,
    },
    /// Everything is read; the trace is being sealed.
    Sealing,
}

/// An odd number that spreads a small seed over all bits.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
/// Items between two reports of progress.
const PROGRESS_ITEMS: u64 = 1024;

/// Imports watch streams into a new trace.
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
    let inputs = Inputs::find(&options.paths, &options.limits)?;
    if inputs.streams.is_empty() && inputs.tapes.is_empty() {
        return Err(Error::NoStream {
            paths: names(&options.paths),
        });
    }
    // Everything is made in here and is gone with it when something fails.
    let workshop = tempfile::Builder::new()
        .prefix(".kymo-import-")
        .tempdir_in(folder)
        .map_err(write_failed)?;
    let mut made = workshop.path().join("trace");
    let report = fill(options, inputs, &made, workshop.path(), clock, progress)?;
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

/// Reads everything into a trace at `trace`.
fn fill(
    options: &ImportOptions,
    inputs: Inputs,
    trace: &Path,
    workshop: &Path,
    clock: &Arc<dyn Clock>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<LossReport, Error> {
    let budget = Budget::new(options.limits);
    let mut report = LossReport {
        dropped: options.policy.dropped(),
        ..LossReport::default()
    };
    let sources = open(options, inputs, workshop, &budget, &mut report)?;
    report.streams = sources.len() as u64;
    let mut merge = Merge::new(sources, options.missing_times.clone(), Arc::clone(clock))?;

    let mut identity = TraceIdentity::new(None);
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
        command: "import watch".to_owned(),
        dropped: options.policy.dropped(),
        ..SessionInfo::default()
    })?;
    let mut fold = Fold::new(session, report);
    let mut items = 0u64;
    while let Some(timed) = merge.next()? {
        fold.take(timed, &mut writer)?;
        items += 1;
        if items.is_multiple_of(PROGRESS_ITEMS) {
            go_on(progress(Progress::Reading { events: items }))?;
        }
    }
    let report = fold.finish(&mut writer)?;
    if report.resources.is_empty() {
        return Err(nothing(&options.paths, &report));
    }
    go_on(progress(Progress::Sealing))?;
    let lineage = serde_json::json!({
        "tool": &options.tool,
        "command": "import watch",
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

fn open(
    options: &ImportOptions,
    inputs: Inputs,
    workshop: &Path,
    budget: &Budget,
    report: &mut LossReport,
) -> Result<Vec<Source>, Error> {
    let (policy, limit) = (options.policy, options.limits.value_bytes);
    let mut skipped = inputs.skipped;
    let mut sources = Vec::new();
    for stream in inputs.streams {
        let text = stream.open(budget)?;
        let reader = StreamReader::new(stream.name, &stream.file_name, text, policy, limit);
        sources.push(Source::Stream(Box::new(reader)));
    }
    if !inputs.tapes.is_empty() {
        let mut spool = Spool::create(workshop)?;
        for tape in &inputs.tapes {
            tape.for_each(&options.limits, budget, &mut skipped, |name, stem, text| {
                let reader = StreamReader::new(name, &stem, text, policy, limit);
                sources.push(Source::Spool(spool.put(reader)?));
                Ok(())
            })?;
        }
    }
    report.skipped = skipped
        .into_iter()
        .map(|(path, reason)| Skipped {
            path,
            reason: reason.to_owned(),
        })
        .collect();
    Ok(sources)
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

fn nothing(paths: &[PathBuf], report: &LossReport) -> Error {
    let first = report.unreadable_lines.first().map_or_else(
        || "there was none".to_owned(),
        |line| format!("{}:{}: {}", line.path, line.line, line.reason),
    );
    Error::NoEvent {
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
