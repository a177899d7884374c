use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use kymo_model::{Cause, Coverage, CoverageState, EventType, Feed, GroupResource, Timestamp};
use kymo_store::{Stats, Trace};
use serde::Serialize;

use crate::command_error::CommandError;
use crate::ui::{Align, Table, Ui, bytes, count, escape_line, of};

/// Show what is in a trace
///
/// Its time span, cluster, sessions, how many events of each resource and type, their rates and
/// size, what was observed and what not, and how the trace came to be.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// The trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value_t = InspectFormat::Text, value_name = "FORMAT")]
    format: InspectFormat,
}

/// How an inspection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum InspectFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Gaps that the text names; JSON has them all.
const NAMED_GAPS: usize = 20;

/// Shows it.
pub(crate) fn inspect(ui: &Ui, args: &InspectArgs) -> Result<(), CommandError> {
    let trace = Trace::open(&args.trace)?;
    let inspection = Inspection::of(&trace);
    let mut out = ui.stdout(false);
    match args.format {
        InspectFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &inspection).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        InspectFormat::Text => inspection.write(out.as_mut(), ui.width())?,
    }
    out.flush()?;
    drop(out);
    for finding in trace.findings() {
        ui.warning(&format!("{}: {}", finding.place, finding.message));
    }
    if !trace.findings().is_empty() {
        ui.message("hint: `kymo check` reads everything and says more");
    }
    Ok(())
}

#[derive(Serialize)]
struct Inspection {
    trace: String,
    id: String,
    format: String,
    cluster: Option<String>,
    first: Option<String>,
    last: Option<String>,
    seconds: Option<f64>,
    events: u64,
    events_per_second: Option<f64>,
    bytes: u64,
    bytes_per_event: Option<f64>,
    segments: usize,
    logs: usize,
    resources: Vec<Resource>,
    sessions: Vec<Session>,
    feeds: usize,
    gaps: Vec<Gap>,
    lineage: Vec<serde_json::Value>,
}

#[derive(Default, Serialize)]
struct Resource {
    #[serde(rename = "resource")]
    name: String,
    added: u64,
    modified: u64,
    deleted: u64,
    unreadable: u64,
    events: u64,
    events_per_minute: Option<f64>,
}

#[derive(Serialize)]
struct Session {
    number: u32,
    started: String,
    tool: String,
    command: String,
    server_version: Option<String>,
    dropped: Vec<String>,
}

#[derive(Serialize)]
struct Gap {
    resource: Option<String>,
    scope: Option<String>,
    session: u32,
    state: &'static str,
    cause: &'static str,
    from: Option<String>,
    to: Option<String>,
    seconds: Option<f64>,
    detail: Option<String>,
}

impl Inspection {
    fn of(trace: &Trace) -> Self {
        let stats = trace.stats();
        let size = stats.segment_bytes + stats.log_bytes;
        let seconds = stats
            .first_ts
            .zip(stats.last_ts)
            .map(|(first, last)| last.since(first).as_secs_f64());
        let rate = |events: u64| seconds.filter(|s| *s > 0.0).map(|s| events as f64 / s);
        let identity = trace.identity();
        let coverage = trace.coverage();
        Self {
            trace: trace.path().display().to_string(),
            id: identity.trace_id.to_string(),
            format: trace.format().to_string(),
            cluster: identity.cluster_uid.clone(),
            first: stats.first_ts.map(time),
            last: stats.last_ts.map(time),
            seconds,
            events: stats.events,
            events_per_second: rate(stats.events),
            bytes: size,
            bytes_per_event: (stats.events > 0).then(|| size as f64 / stats.events as f64),
            segments: stats.segments,
            logs: stats.logs,
            resources: resources(&stats, &rate),
            sessions: trace
                .sessions()
                .map(|session| Session {
                    number: session.number,
                    started: time(session.started),
                    tool: session.tool.clone(),
                    command: session.command.clone(),
                    server_version: session.server_version.clone(),
                    dropped: session.dropped.clone(),
                })
                .collect(),
            feeds: trace.feeds().len(),
            gaps: coverage
                .iter()
                .enumerate()
                .filter(|(index, row)| is_gap(row, coverage.iter().skip(index + 1)))
                .map(|(_, row)| row)
                .map(|row| gap(row, row.feed.and_then(|id| trace.feeds().get(&id))))
                .collect(),
            lineage: trace.lineage().to_vec(),
        }
    }

    fn write(&self, out: &mut dyn Write, width: Option<usize>) -> std::io::Result<()> {
        let line = |text: &str| escape_line(text).into_owned();
        let parts = [
            of(self.segments as u64, "segment"),
            of(self.logs as u64, "log"),
        ]
        .join(", ");
        writeln!(
            out,
            "trace     {} ({}, {parts})",
            line(&self.trace),
            bytes(self.bytes)
        )?;
        writeln!(out, "id        {} (format {})", self.id, self.format)?;
        let cluster = self.cluster.as_deref().unwrap_or("unknown");
        let version = self
            .sessions
            .iter()
            .rev()
            .find_map(|session| session.server_version.as_deref());
        let version = version
            .map(|version| format!(" ({version})"))
            .unwrap_or_default();
        writeln!(out, "cluster   {}", line(&format!("{cluster}{version}")))?;
        if let (Some(first), Some(last), Some(seconds)) = (&self.first, &self.last, self.seconds) {
            writeln!(out, "time      {first} to {last} ({seconds:.1} s)")?;
        }
        write!(out, "events    {}", count(self.events))?;
        if let Some(rate) = self.events_per_second {
            write!(out, ", {rate:.1}/s")?;
        }
        if let Some(each) = self.bytes_per_event {
            write!(out, ", {each:.1} bytes each")?;
        }
        writeln!(out, "\n")?;
        self.write_resources(out, width)?;
        writeln!(out)?;
        for session in &self.sessions {
            let Session {
                number,
                started,
                tool,
                command,
                ..
            } = session;
            writeln!(
                out,
                "session {number}: {} ({}), began {started}",
                line(command),
                line(tool)
            )?;
            if !session.dropped.is_empty() {
                writeln!(out, "  dropped: {}", line(&session.dropped.join("; ")))?;
            }
        }
        writeln!(out)?;
        let (feeds, gaps) = (
            of(self.feeds as u64, "feed"),
            of(self.gaps.len() as u64, "gap"),
        );
        writeln!(out, "coverage  {feeds}, {gaps}")?;
        self.write_gaps(out, width)?;
        for step in &self.lineage {
            writeln!(out, "lineage   {}", line(&lineage_line(step)))?;
        }
        Ok(())
    }

    fn write_resources(&self, out: &mut dyn Write, width: Option<usize>) -> std::io::Result<()> {
        let numbers = [
            "added",
            "modified",
            "deleted",
            "unreadable",
            "events",
            "per minute",
        ];
        let mut columns = vec![("resource".to_owned(), Align::Left)];
        columns.extend(numbers.map(|name| (name.to_owned(), Align::Right)));
        let mut table = Table::new(columns, width);
        for row in &self.resources {
            let rate = row
                .events_per_minute
                .map(|rate| format!("{rate:.1}"))
                .unwrap_or_default();
            let cells = [
                row.added,
                row.modified,
                row.deleted,
                row.unreadable,
                row.events,
            ]
            .map(count);
            let row = [row.name.clone()].into_iter().chain(cells).chain([rate]);
            table.push(&row.collect::<Vec<_>>(), out)?;
        }
        table.finish(out)
    }

    fn write_gaps(&self, out: &mut dyn Write, width: Option<usize>) -> std::io::Result<()> {
        if self.gaps.is_empty() {
            return Ok(());
        }
        let names = ["resource", "state", "cause", "from", "to", "detail"];
        let mut table = Table::new(
            names.map(|name| (name.to_owned(), Align::Left)).to_vec(),
            width,
        );
        for gap in self.gaps.iter().take(NAMED_GAPS) {
            let or_blank = |text: &Option<String>| text.clone().unwrap_or_default();
            let row = [
                gap.resource.clone().unwrap_or_else(|| "(all)".to_owned()),
                gap.state.to_owned(),
                gap.cause.to_owned(),
                or_blank(&gap.from),
                or_blank(&gap.to),
                or_blank(&gap.detail),
            ];
            table.push(&row, out)?;
        }
        table.finish(out)?;
        if self.gaps.len() > NAMED_GAPS {
            writeln!(
                out,
                "and {} more: `--format json` has them all",
                self.gaps.len() - NAMED_GAPS
            )?;
        }
        Ok(())
    }
}

fn time(ts: Timestamp) -> String {
    ts.to_string()
}

fn resources(stats: &Stats, rate: &dyn Fn(u64) -> Option<f64>) -> Vec<Resource> {
    let mut resources: BTreeMap<&GroupResource, Resource> = BTreeMap::new();
    for row in &stats.counts {
        let resource = resources.entry(&row.resource).or_default();
        let number = match row.event_type {
            EventType::Added => &mut resource.added,
            EventType::Modified => &mut resource.modified,
            EventType::Deleted => &mut resource.deleted,
            EventType::Unreadable => &mut resource.unreadable,
        };
        *number += row.events;
        resource.events += row.events;
    }
    let mut rows: Vec<Resource> = resources
        .into_iter()
        .map(|(name, row)| Resource {
            name: name.to_string(),
            events_per_minute: rate(row.events).map(|rate| rate * 60.0),
            ..row
        })
        .collect();
    rows.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.name.cmp(&b.name)));
    rows
}

/// The stretch after the last stop is no gap: the trace does not claim to know it.
fn is_gap<'a>(row: &Coverage, mut later: impl Iterator<Item = &'a Coverage>) -> bool {
    if matches!(row.state, CoverageState::Observed | CoverageState::Absent) {
        return false;
    }
    let is_stop = row.state == CoverageState::Unobserved && row.cause == Cause::Stop;
    !is_stop || later.any(|next| next.feed == row.feed && next.state == CoverageState::Observed)
}

fn gap(row: &Coverage, feed: Option<&Feed>) -> Gap {
    Gap {
        resource: feed.map(|feed| feed.resource.group_resource().to_string()),
        scope: feed.map(|feed| feed.scope.to_string()),
        session: row.session,
        state: row.state.as_str(),
        cause: row.cause.as_str(),
        from: row.from_ts.map(time),
        to: row.to_ts.map(time),
        seconds: row
            .from_ts
            .zip(row.to_ts)
            .map(|(from, to)| to.since(from).as_secs_f64()),
        detail: row.detail.clone(),
    }
}

/// Shortens a step of the lineage to what it was, when and with what.
fn lineage_line(step: &serde_json::Value) -> String {
    let texts = ["command", "operation", "tool", "at"];
    let found: Vec<&str> = texts
        .iter()
        .filter_map(|key| step.get(key)?.as_str())
        .collect();
    if found.is_empty() {
        step.to_string()
    } else {
        found.join(", ")
    }
}
