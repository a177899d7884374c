//! What a trace says beside its events, with pseudonyms.

use std::collections::{BTreeMap, BTreeSet};

use kymo_anonymize::{Anonymizer, Failure, Names, Policy};
use kymo_model::{Feed, FeedId, GroupResource, ResourceType, Rv};
use kymo_store::segment::SegmentMeta;
use kymo_store::{LogRecord, SessionInfo, Trace};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Before;
use super::versions::Ranks;
use crate::Error;
use crate::lineage::{TOOL, hex};

/// Words of the commands of sessions.
const COMMANDS: &[&str] = &[
    "anonymize",
    "audit",
    "auto",
    "capture",
    "csv",
    "dump",
    "etcd",
    "import",
    "k8shark",
    "kss",
    "kwok",
    "openb",
    "record",
    "simkube",
    "snapshot",
    "synthesize",
    "transform",
    "watch",
    "workload",
    "workload-csv",
];

/// Learns the versions that records tell of.
pub(crate) fn learn(trace: &Trace, ranks: &mut Ranks) {
    let feeds = trace.feeds();
    for placed in trace.meta().records {
        each_version(&placed.record, |feed, version| {
            for feed in feeds.values().filter(|known| is_of(feeds, feed, known)) {
                ranks.learn(&feed.resource.resource, Some(version));
            }
        });
    }
}

/// Tells whether a record about a feed, or about all, is about this one.
fn is_of(feeds: &BTreeMap<FeedId, Feed>, feed: Option<FeedId>, known: &Feed) -> bool {
    feed.is_none_or(|feed| feeds.get(&feed) == Some(known))
}

fn each_version(record: &LogRecord, mut take: impl FnMut(Option<FeedId>, &Rv)) {
    match record {
        LogRecord::Mark { feed, rv, .. }
        | LogRecord::Transition {
            feed, rv: Some(rv), ..
        } => take(Some(*feed), rv),
        LogRecord::Gap(gap) => {
            for version in gap.from_rv.iter().chain(&gap.to_rv) {
                take(gap.feed, version);
            }
        }
        _ => {}
    }
}

/// Returns what the output says of itself. Nothing of the input's lineage is left.
pub(crate) fn replace(
    trace: &Trace,
    before: &Before,
    anonymizer: &mut Anonymizer,
    ranks: &Ranks,
) -> Result<SegmentMeta, Error> {
    let mut meta = trace.meta();
    let failed = |source| Error::Anonymize { seq: 0, source };
    let plurals: BTreeMap<FeedId, String> = trace
        .feeds()
        .iter()
        .map(|(id, feed)| (*id, feed.resource.resource.clone()))
        .collect();
    meta.trace_id = name_of(trace, before, anonymizer);
    if let Some(cluster) = &mut meta.cluster_uid {
        *cluster = anonymizer.unique_id(cluster).map_err(failed)?;
    }
    for (_, feed) in &mut meta.feeds {
        *feed = anonymizer.feed(feed).map_err(failed)?;
    }
    for session in &mut meta.sessions {
        self::session(session, anonymizer).map_err(failed)?;
    }
    meta.lineage = Vec::new();
    meta.records
        .retain(|placed| !matches!(placed.record, LogRecord::Lineage(_)));
    for placed in &mut meta.records {
        record(&mut placed.record, anonymizer, ranks, &plurals).map_err(failed)?;
    }
    Ok(meta)
}

/// Returns the one step of the output's lineage. It has no path, no script and no digest of the
/// input but one that depends on the key.
pub(crate) fn step(
    trace: &Trace,
    before: &Before,
    anonymizer: &mut Anonymizer,
) -> Result<Value, Error> {
    let digest = hex(&anonymizer.digest(&hex(&trace.digest()?)));
    let records = trace.meta().records;
    let steps =
        trace
            .lineage()
            .iter()
            .chain(records.iter().filter_map(|placed| match &placed.record {
                LogRecord::Lineage(step) => Some(step),
                _ => None,
            }));
    let told = steps
        .filter_map(|step| step.get("partial")?.as_array())
        .flatten()
        .map(|resource| {
            let text = |field: &str| resource.get(field).and_then(Value::as_str);
            GroupResource::new(
                text("api_group").unwrap_or_default(),
                text("resource").unwrap_or_default(),
            )
        });
    let all: BTreeSet<GroupResource> = told.chain(before.partial.iter().cloned()).collect();
    let mut partial = Vec::new();
    for GroupResource { group, resource } in all {
        let resource = anonymizer
            .resource(&ResourceType {
                group,
                version: String::new(),
                resource,
                kind: String::new(),
                namespaced: false,
            })
            .map_err(|source| Error::Anonymize { seq: 0, source })?;
        partial.push(json!({"api_group": resource.group, "resource": resource.resource}));
    }
    Ok(json!({
        "tool": TOOL,
        "command": "anonymize",
        "policy": anonymizer.policy().name,
        "inputs": [{"digest": digest}],
        "partial": partial,
    }))
}

/// Gives the output a name of its own: the same trace, key and policy give the same.
fn name_of(trace: &Trace, before: &Before, anonymizer: &Anonymizer) -> Uuid {
    let input = trace.identity().trace_id;
    let policy = anonymizer.policy().canonical();
    let bytes = anonymizer.digest(&format!("trace {input} {policy}{}", before.name));
    Uuid::from_bytes(bytes)
}

fn session(session: &mut SessionInfo, anonymizer: &mut Anonymizer) -> Result<(), Failure> {
    session.started = anonymizer.time(session.started);
    if let Some(cluster) = &mut session.cluster_uid {
        *cluster = anonymizer.unique_id(cluster)?;
    }
    if anonymizer.policy().names == Names::Keep {
        return Ok(());
    }
    let is_own = session.tool.strip_prefix("kymo ").is_some_and(|version| {
        version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    if !is_own {
        "kymo".clone_into(&mut session.tool);
    }
    if !session
        .command
        .split_whitespace()
        .all(|word| COMMANDS.contains(&word))
    {
        "import".clone_into(&mut session.command);
    }
    if let Some(version) = &mut session.server_version {
        *version = anonymizer.version(version)?;
    }
    let known = Policy {
        managed_fields: false,
    }
    .dropped();
    for words in &mut session.dropped {
        if !known.contains(words) {
            *words = anonymizer.free_text(words)?;
        }
    }
    session.clock_offset_ns = None;
    Ok(())
}

fn record(
    record: &mut LogRecord,
    anonymizer: &mut Anonymizer,
    ranks: &Ranks,
    plurals: &BTreeMap<FeedId, String>,
) -> Result<(), Failure> {
    let plural = |feed: Option<FeedId>| {
        feed.and_then(|feed| plurals.get(&feed))
            .map(String::as_str)
            .unwrap_or_default()
    };
    match record {
        LogRecord::SessionEnd { ts, .. } => *ts = anonymizer.time(*ts),
        LogRecord::Mark { feed, rv, ts } => {
            *ts = anonymizer.time(*ts);
            *rv = ranks.replace(plural(Some(*feed)), rv, anonymizer);
        }
        LogRecord::Transition {
            feed,
            ts,
            rv,
            detail,
            ..
        } => {
            *ts = anonymizer.time(*ts);
            if let Some(rv) = rv {
                *rv = ranks.replace(plural(Some(*feed)), rv, anonymizer);
            }
            if let Some(detail) = detail {
                *detail = anonymizer.free_text(detail)?;
            }
        }
        LogRecord::Session(info) => session(info, anonymizer)?,
        LogRecord::ClockStep(step) => step.at = anonymizer.time(step.at),
        LogRecord::Gap(gap) => {
            gap.from_ts = gap.from_ts.map(|time| anonymizer.time(time));
            gap.to_ts = gap.to_ts.map(|time| anonymizer.time(time));
            let plural = plural(gap.feed);
            for version in gap.from_rv.iter_mut().chain(&mut gap.to_rv) {
                *version = ranks.replace(plural, version, anonymizer);
            }
            if let Some(detail) = &mut gap.detail {
                *detail = anonymizer.free_text(detail)?;
            }
        }
        LogRecord::Feed { feed, .. } => *feed = anonymizer.feed(feed)?,
        // Rows hold the events, and the output has a lineage of its own.
        LogRecord::Event(_) | LogRecord::Lineage(_) => {}
    }
    Ok(())
}
