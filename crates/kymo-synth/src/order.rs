//! What is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::Timestamp;

use crate::{Arrival, Distribution, Manifest};

/// Everything that shall be in a trace. All times are nanoseconds after its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is drawn depends on this number.
    pub seed: u64,
    /// And on this text, such as the name of the trace to which things are added.
    pub salt: String,
    /// When things begin.
    pub start: Timestamp,
    /// How long things go on until the trace begins, with a list of what is there then.
    pub lead: i64,
    /// How long it lasts, that time included; until everything that was asked for has come and is at rest without one.
    pub span: Option<i64>,
    /// The nodes.
    pub nodes: Vec<NodeOrder>,
    /// What happens to nodes.
    pub outages: Vec<OutageOrder>,
    /// The workloads and other objects.
    pub workloads: Vec<WorkloadOrder>,
    /// Kinds whose controllers write after every change, and how large a share of these updates is
    /// seen. Controllers of other kinds gather changes before they write.
    pub updates: BTreeMap<String, f64>,
    /// Whether objects say who wrote which of their fields.
    pub managed_fields: bool,
    /// What the trace to which it is added has already.
    pub known: Known,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 0,
            salt: String::new(),
            // 2026-01-01T00:00:00Z
            start: Timestamp(1_767_225_600_000_000_000),
            lead: 0,
            span: None,
            nodes: Vec::new(),
            outages: Vec::new(),
            workloads: Vec::new(),
            updates: BTreeMap::new(),
            managed_fields: false,
            known: Known::default(),
        }
    }
}

/// What a trace has already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Names of its namespaces.
    pub namespaces: Vec<String>,
    /// Its nodes, as they were last.
    pub nodes: Vec<serde_json::Value>,
    /// The room that its pods take.
    pub stays: Vec<crate::Stay>,
}

/// Nodes of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeOrder {
    /// How many.
    pub count: u64,
    /// Their names; `{i}` stands for the number of the node, `{i:04}` for its number in four digits.
    pub pattern: String,
    /// A Node to make them of.
    pub manifest: Option<Manifest>,
    /// Labels besides.
    pub labels: Vec<(String, LabelValue)>,
    /// When the first one comes.
    pub at: i64,
    /// When they go.
    pub until: Option<i64>,
    /// How they come; all at once without it.
    pub arrival: Option<Arrival>,
    /// From when a node is there until it is ready.
    pub startup: Option<Distribution>,
    /// From one renewal of their Leases to the next; without it they have none.
    pub leases: Option<i64>,
    /// Reports besides.
    pub updates: Option<Updates>,
    /// Whether they report their status every five minutes.
    pub heartbeats: bool,
}

/// The value of a label of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelValue {
    /// The same for all.
    Fixed(String),
    /// One after the other, and again from the first.
    Cycle(Vec<String>),
}

/// Something that happens to nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutageOrder {
    /// What.
    pub kind: OutageKind,
    /// Names of the nodes; `*` stands for any characters.
    pub nodes: String,
    /// When.
    pub at: i64,
    /// For how long; for ever without it. Not for a removal.
    pub lasts: Option<i64>,
}

/// What happens to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// The kubelet does not answer any more.
    Failure,
    /// It is cordoned and its pods are evicted.
    Drain,
    /// It is drained and deleted.
    Removal,
}

/// A workload, or any other objects.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadOrder {
    /// The kind, in the API's spelling.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name; with `{i}` the name of each of several.
    pub name: String,
    /// The objects of the manifest: one of the kind, and others that come with it.
    pub manifests: Vec<Manifest>,
    /// How many pods a workload has, or how many objects there are; as the manifest says without.
    pub replicas: Option<u64>,
    /// When it comes.
    pub at: i64,
    /// When it is deleted.
    pub until: Option<i64>,
    /// How its pods come, or the objects.
    pub arrival: Option<Arrival>,
    /// From a pod's creation until it runs.
    pub startup: Option<Distribution>,
    /// How long a pod of a Job works, or a bare pod that is not restarted.
    pub runtime: Option<Distribution>,
    /// From when a pod runs until it is deleted and replaced.
    pub lifetime: Option<Distribution>,
    /// The share of pods that fail where others succeed: of Jobs, and bare pods with a run time.
    pub failures: f64,
    /// From when a container is ready until it crashes.
    pub restarts: Option<Distribution>,
    /// How it ends then.
    pub crash: Crash,
    /// The share of the pods with a lifetime that are evicted at its end.
    pub evictions: f64,
    /// Where objects of other kinds are put, one after the other; in `namespace` without.
    pub namespaces: Arc<[String]>,
    /// On which nodes the pods are put.
    pub placement: Placement,
    /// Other numbers of replicas, and from when on.
    pub scale: Arc<[(i64, u64)]>,
    /// When it is rolled out anew, and what is merged into its template then.
    pub rollouts: Arc<[(i64, Option<serde_json::Value>)]>,
    /// How many pods come in all: `arrival` says when, and the controller follows. Without it the
    /// controller makes and deletes pods.
    pub pods: Option<u64>,
    /// Which updates of a pod there are besides the ones that every pod has.
    pub stages: Stages,
    /// How objects of other kinds change.
    pub updates: Option<Updates>,
    /// What else is written.
    pub with: With,
}

/// Changes of objects, one after the other of each in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Updates {
    /// How many there are in all.
    pub count: u64,
    /// When they come, counted from when the first object does.
    pub arrival: Arrival,
    /// What is merged into an object, one after the other; `{now}` in it stands for the time.
    pub patches: Arc<[serde_json::Value]>,
}

/// Shares of pods that have an update of their own for something. What has none is seen with the
/// next update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stages {
    /// The kubelet has seen the pod.
    pub accepted: f64,
    /// Containers that run are ready; those with a readiness probe without it.
    pub ready: Option<f64>,
    /// Containers have ended after the pod was deleted.
    pub stopped: f64,
    /// The kubelet needs no grace any more.
    pub released: f64,
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            accepted: 1.0,
            ready: None,
            stopped: 1.0,
            released: 1.0,
        }
    }
}

/// What is written besides the objects themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct With {
    /// Events of the scheduler, the kubelet and the controllers.
    pub events: bool,
    /// Only those of these reasons.
    pub reasons: Option<Arc<[String]>>,
    /// `EndpointSlices` of the Services that come with a workload.
    pub slices: bool,
}

/// How a container ends that is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crash {
    /// With an error.
    #[default]
    Error,
    /// It needs more memory than it may.
    OutOfMemory,
    /// Well, although it should go on.
    Completed,
}

impl Crash {
    /// Returns the exit code and the reason that the kubelet tells.
    pub(crate) fn told(self) -> (u8, &'static str) {
        match self {
            Self::Error => (1, "Error"),
            Self::OutOfMemory => (137, "OOMKilled"),
            Self::Completed => (0, "Completed"),
        }
    }
}

/// Where pods are put.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Placement {
    /// Nowhere: a scheduler does it when the trace is replayed.
    None,
    /// Where the fewest pods are.
    #[default]
    Spread,
    /// Where the least is left.
    Binpack,
    /// Where so large a share of nodes has fewer pods; one share after the other, and again from the
    /// first.
    Like(Arc<[f64]>),
}

/// The name of one of several, from a pattern such as `node-{i:04}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePattern {
    before: String,
    width: Option<usize>,
    behind: String,
}

impl NamePattern {
    /// Reads a pattern; the number comes last, behind a minus, where it has no place.
    pub(crate) fn new(pattern: &str, count: u64) -> Result<Self, String> {
        let Some((before, rest)) = pattern.split_once("{i") else {
            let several = if count > 1 { "-" } else { "" };
            return Ok(Self {
                before: format!("{pattern}{several}"),
                width: (count > 1).then_some(0),
                behind: String::new(),
            });
        };
        let read = rest.split_once('}').and_then(|(format, behind)| {
            let width = match format.strip_prefix(':') {
                Some(width) => width.parse().ok().filter(|width| *width <= 20)?,
                None if format.is_empty() => 0,
                None => return None,
            };
            Some((width, behind))
        });
        match read {
            Some((width, behind)) if !behind.contains('{') => Ok(Self {
                before: before.to_owned(),
                width: Some(width),
                behind: behind.to_owned(),
            }),
            _ => Err(format!(
                "`{pattern}` is no pattern of names: write `{{i}}` or `{{i:04}}` for the number"
            )),
        }
    }

    pub(crate) fn name(&self, number: u64) -> String {
        let Self {
            before,
            width,
            behind,
        } = self;
        match width {
            Some(width) => format!("{before}{number:0width$}{behind}", width = *width),
            None => format!("{before}{behind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_number_where_the_pattern_says() {
        let name = |pattern: &str, count, number| {
            NamePattern::new(pattern, count).map(|pattern| pattern.name(number))
        };
        assert_eq!(name("node-{i:04}", 9, 7).unwrap(), "node-0007");
        assert_eq!(name("n{i}.x", 9, 12).unwrap(), "n12.x");
        assert_eq!(name("node", 9, 7).unwrap(), "node-7");
        assert_eq!(name("node", 1, 0).unwrap(), "node");
        for wrong in ["a{i", "a{i:x}", "a{j}{i}{i}", "a{i:99}", "{ix}"] {
            assert!(name(wrong, 2, 0).is_err(), "{wrong}");
        }
    }
}
