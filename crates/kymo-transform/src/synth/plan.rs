//! Statements become a plan.

use std::path::Path;

use kymo_model::{Timestamp, parse_duration};
use kymo_store::Trace;
use kymo_synth::{
    Arrival, Crash, Distribution, LabelValue, Manifest, NodeOrder, OutageKind, OutageOrder,
    Placement, Plan, Stages, Stay, Updates, With, WorkloadOrder,
};

use super::call;
use crate::Error;
use crate::language::{
    Action, Call, CrashWord, DocumentText, ManifestText, Outage, Place, PlacementWord, StageWord,
    Statement, Synthesize, SynthesizeOptions, TimePoint, UpdatesClause,
};

/// A plan, and which statement asked for what of it.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) nodes: Vec<Place>,
    pub(crate) workloads: Vec<Place>,
}

/// Makes a plan of `SYNTHESIZE` statements. Paths are from `base`.
pub(crate) fn plan(
    statements: &[&Statement],
    base: &Path,
    mut plan: Plan,
) -> Result<Planned, Error> {
    for statement in statements {
        if let Action::Synthesize(Synthesize::Time { span, from, after }) = &statement.action {
            plan.lead = after.unwrap_or(0);
            plan.span = Some(span.saturating_add(plan.lead));
            if let Some(from) = from {
                plan.start = from
                    .text
                    .parse()
                    .map_err(|_| refused("this is no time", from.place))?;
            }
            plan.start = Timestamp(plan.start.0.saturating_sub(plan.lead));
        }
    }
    let mut planned = Planned {
        plan,
        nodes: Vec::new(),
        workloads: Vec::new(),
    };
    for statement in statements {
        if let Action::Synthesize(synthesize) = &statement.action {
            planned.add(synthesize, statement.place, base)?;
        }
    }
    Ok(planned)
}

impl Planned {
    /// Puts the place into an error of the synthesis.
    pub(crate) fn explain(&self, error: kymo_synth::Error) -> Error {
        match error {
            kymo_synth::Error::Stopped => Error::Stopped,
            kymo_synth::Error::Store { source } => source.into(),
            kymo_synth::Error::Order { message, order } => {
                let place =
                    order.and_then(|order| self.workloads.get(order).or(self.nodes.get(order)));
                let first = self.workloads.first().or(self.nodes.first());
                refused(&message, place.or(first).copied().unwrap_or_default())
            }
            other => refused(
                &other.to_string(),
                self.workloads.first().copied().unwrap_or_default(),
            ),
        }
    }

    fn add(&mut self, synthesize: &Synthesize, place: Place, base: &Path) -> Result<(), Error> {
        let start = Start {
            first: self.plan.start,
            lead: self.plan.lead,
        };
        match synthesize {
            Synthesize::Time { .. } => {}
            Synthesize::ManagedFields => self.plan.managed_fields = true,
            Synthesize::Updates { shares } => {
                let shares = shares.iter();
                let shares = shares.map(|(kind, share)| (kind.clone(), share.value));
                self.plan.updates.extend(shares);
            }
            Synthesize::Nodes { count, options } => {
                let Common {
                    at,
                    until,
                    arrival,
                    startup,
                    manifests,
                } = common(options, start, base)?;
                let manifest = manifests.into_iter().find(|each| each.kind() == "Node");
                if let (None, Some(text)) = (&manifest, &options.manifest) {
                    return Err(refused(
                        "the manifest has no object of kind Node",
                        text.place,
                    ));
                }
                let labels = options.labels.iter().map(|(label, values)| {
                    let value = match values.as_slice() {
                        [value] => LabelValue::Fixed(value.clone()),
                        several => LabelValue::Cycle(several.to_vec()),
                    };
                    (label.clone(), value)
                });
                self.plan.nodes.push(NodeOrder {
                    count: *count,
                    pattern: options
                        .named
                        .clone()
                        .unwrap_or_else(|| "node-{i}".to_owned()),
                    manifest,
                    labels: labels.collect(),
                    at,
                    until,
                    arrival,
                    startup,
                    leases: options
                        .leases
                        .then(|| options.lease_interval.unwrap_or(RENEWAL)),
                    updates: updates(options.updates.as_ref(), base)?,
                    heartbeats: options.heartbeats,
                });
                self.nodes.push(place);
            }
            Synthesize::Outage {
                kind,
                nodes,
                at,
                lasts,
            } => self.plan.outages.push(OutageOrder {
                kind: match kind {
                    Outage::Failure => OutageKind::Failure,
                    Outage::Drain => OutageKind::Drain,
                    Outage::Removal => OutageKind::Removal,
                },
                nodes: nodes.clone(),
                at: offset(at, start)?,
                lasts: *lasts,
            }),
            Synthesize::Workload {
                kind,
                namespace,
                name,
                options,
            } => {
                let Common {
                    at,
                    until,
                    arrival,
                    startup,
                    manifests,
                } = common(options, start, base)?;
                let drawn = |call: &Option<Call>| {
                    call.as_ref()
                        .map(|call| call::distribution(call, base))
                        .transpose()
                };
                let mut scale = Vec::new();
                for (replicas, when) in &options.scale {
                    scale.push((offset(when, start)?.max(at), *replicas));
                }
                let mut rollouts = Vec::new();
                for (when, patch) in &options.rollouts {
                    let patch = patch.as_ref().map(document).transpose()?;
                    rollouts.push((offset(when, start)?.max(at), patch));
                }
                self.plan.workloads.push(WorkloadOrder {
                    kind: kind.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    manifests,
                    replicas: options.replicas,
                    at,
                    until,
                    arrival,
                    startup,
                    runtime: drawn(&options.runtime)?,
                    lifetime: drawn(&options.lifetime)?,
                    failures: options.failures.as_ref().map_or(0.0, |share| share.value),
                    restarts: drawn(&options.restarts)?,
                    crash: match options.restart_reason {
                        Some(CrashWord::Completed) => Crash::Completed,
                        Some(CrashWord::OutOfMemory) => Crash::OutOfMemory,
                        Some(CrashWord::Error) | None => Crash::Error,
                    },
                    evictions: options.evictions.as_ref().map_or(0.0, |share| share.value),
                    namespaces: options.namespaces.as_slice().into(),
                    placement: placement(options.placement.as_ref(), base)?,
                    scale: scale.into(),
                    rollouts: rollouts.into(),
                    pods: options.pods,
                    stages: stages(&options.stages),
                    updates: updates(options.updates.as_ref(), base)?,
                    with: With {
                        events: options.events,
                        slices: options.slices,
                        reasons: (!options.reasons.is_empty())
                            .then(|| options.reasons.as_slice().into()),
                    },
                });
                self.workloads.push(place);
            }
        }
        Ok(())
    }
}

/// When things begin, and how long after that the trace does.
#[derive(Clone, Copy)]
struct Start {
    first: Timestamp,
    lead: i64,
}

/// What clauses of nodes and of workloads have in common.
struct Common {
    at: i64,
    until: Option<i64>,
    arrival: Option<Arrival>,
    startup: Option<Distribution>,
    manifests: Vec<Manifest>,
}

fn common(options: &SynthesizeOptions, start: Start, base: &Path) -> Result<Common, Error> {
    let at = match &options.at {
        Some(at) => offset(at, start)?,
        None => 0,
    };
    let until = match &options.until {
        Some(point) => {
            let until = offset(point, start)?;
            if until <= at {
                return Err(refused("it ends before it begins", point.place));
            }
            Some(until)
        }
        None => None,
    };
    let arrival = options.arrival.as_ref();
    let startup = options.startup.as_ref();
    Ok(Common {
        at,
        until,
        arrival: arrival.map(|call| call::arrival(call, base)).transpose()?,
        startup: startup
            .map(|call| call::distribution(call, base))
            .transpose()?,
        manifests: match &options.manifest {
            Some(text) => manifests(text, base)?,
            None => Vec::new(),
        },
    })
}

fn placement(word: Option<&PlacementWord>, base: &Path) -> Result<Placement, Error> {
    Ok(match word {
        Some(PlacementWord::None) => Placement::None,
        Some(PlacementWord::Binpack) => Placement::Binpack,
        Some(PlacementWord::Spread) | None => Placement::Spread,
        Some(PlacementWord::Like { path, place }) => {
            let trace = Trace::open(&base.join(path)).map_err(kymo_synth::Error::from);
            let read = trace.and_then(|trace| Stay::of(&trace));
            let (stays, nodes) = read.map_err(|error| refused(&error.to_string(), *place))?;
            if stays.is_empty() {
                return Err(refused("no pod of this trace was bound to a node", *place));
            }
            Placement::Like(kymo_synth::ranks(&stays, &nodes).into())
        }
    })
}

/// What could not be read of the trace that a script is about.
pub(super) fn unread(error: kymo_synth::Error) -> Error {
    match error {
        kymo_synth::Error::Store { source } => source.into(),
        other => refused(&other.to_string(), Place::default()),
    }
}

/// From one renewal of a Lease to the next when nothing is said.
const RENEWAL: i64 = 10_000_000_000;

fn updates(clause: Option<&UpdatesClause>, base: &Path) -> Result<Option<Updates>, Error> {
    let Some(clause) = clause else {
        return Ok(None);
    };
    let patches: Result<Vec<_>, Error> = clause.patches.iter().map(document).collect();
    Ok(Some(Updates {
        count: clause.count,
        arrival: call::arrival(&clause.arrival, base)?,
        patches: patches?.into(),
    }))
}

fn document(text: &DocumentText) -> Result<serde_json::Value, Error> {
    serde_json::from_str(&text.text).map_err(|error| refused(&error.to_string(), text.place))
}

fn stages(said: &[(StageWord, crate::language::Number)]) -> Stages {
    let mut stages = Stages::default();
    for (stage, share) in said {
        match stage {
            StageWord::Accepted => stages.accepted = share.value,
            StageWord::Ready => stages.ready = Some(share.value),
            StageWord::Stopped => stages.stopped = share.value,
            StageWord::Released => stages.released = share.value,
        }
    }
    stages
}

fn manifests(text: &ManifestText, base: &Path) -> Result<Vec<Manifest>, Error> {
    let read = if text.is_inline {
        Manifest::parse(&text.text, "manifest")
    } else {
        Manifest::read(&base.join(&text.text))
    };
    read.map_err(|error| {
        let mut message = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            message = format!("{message}: {source}");
        }
        refused(&message, text.place)
    })
}

/// Returns how long after things begin a time is that counts from where the trace does.
fn offset(point: &TimePoint, start: Start) -> Result<i64, Error> {
    if let Ok(at) = point.text.parse::<Timestamp>() {
        return match at.0.checked_sub(start.first.0) {
            Some(offset) if offset >= 0 => Ok(offset),
            _ => Err(refused("this is before the trace begins", point.place)),
        };
    }
    let offset = parse_duration(&point.text).ok();
    match offset.and_then(|offset| offset.checked_add(start.lead)) {
        Some(offset) if offset >= 0 => Ok(offset),
        _ => Err(refused(
            if start.lead > 0 {
                "this is before what `SYNTHESIZE TIME … AFTER` says"
            } else {
                "this counts from the start of the trace: it must not be negative"
            },
            point.place,
        )),
    }
}

fn refused(message: &str, place: Place) -> Error {
    Error::Statement {
        message: message.to_owned(),
        place,
        hint: None,
    }
}
