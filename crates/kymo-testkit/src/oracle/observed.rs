//! What is compared with the history: rows, coverage, and where bodies may differ.

use serde_json::Value;

use super::history::Op;
use super::identity::{ObjectId, Resource};

/// How sure a recorded row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// A watch event: the version and what happened are exact.
    Seen,
    /// An object of a list: the version is exact, whether it was new is not known.
    Listed,
    /// A deletion concluded from a list: neither its version nor its body is known.
    Inferred,
    /// A listed version behind which others were missed.
    Coalesced,
}

/// A row of a recording.
#[derive(Debug, Clone)]
pub struct ObservedEvent {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The namespace; empty when there is none.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The resource version; `None` for an inferred deletion.
    pub rv: Option<u64>,
    /// What happened.
    pub op: Op,
    /// How sure that is.
    pub certainty: Certainty,
    /// The object; `None` when it is not to be compared.
    pub body: Option<Value>,
}

/// A stretch of coverage of a resource: the changes with `from_rv < rv <= to_rv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The only namespace covered; `None` for all.
    pub namespace: Option<String>,
    /// The state at this version was known already.
    pub from_rv: u64,
    /// The last version covered.
    pub to_rv: u64,
    /// Whether the recording says that it has every change. Stretches of which it says otherwise,
    /// and what lies outside all stretches, may be recorded in part.
    pub observed: bool,
}

impl Interval {
    /// Tells whether a change lies inside.
    pub(super) fn holds(&self, id: &ObjectId, rv: u64) -> bool {
        self.from_rv < rv
            && rv <= self.to_rv
            && self
                .namespace
                .as_ref()
                .is_none_or(|only| *only == id.namespace)
    }
}

/// Where recorded bodies may differ from etcd's.
#[derive(Debug, Clone)]
pub struct Allowances {
    /// Annotations that the recording drops.
    pub annotations: Vec<String>,
    /// Top-level members that the recording drops from a resource's objects.
    pub members: Vec<(Resource, Vec<String>)>,
    /// Whether `metadata.managedFields` is dropped.
    pub managed_fields: bool,
    /// What the API server puts in when it reads an object that was stored without.
    pub defaults: Vec<ReadDefault>,
}

/// A member that is not in etcd and yet in every answer of the API server.
#[derive(Debug, Clone)]
pub struct ReadDefault {
    /// Of which objects.
    pub resource: Resource,
    /// The JSON pointer of the object that holds the member.
    pub parent: String,
    /// The member.
    pub member: String,
    /// Its value.
    pub value: Value,
}

impl Default for Allowances {
    /// Allows what kymo's default policy drops (the last-applied annotation and Secrets' payloads)
    /// and the phase of a new claim, which is stored only when it changes.
    fn default() -> Self {
        let payload = ["data", "stringData"].map(str::to_owned).to_vec();
        Self {
            annotations: vec!["kubectl.kubernetes.io/last-applied-configuration".to_owned()],
            members: vec![(Resource::new("", "secrets"), payload)],
            managed_fields: false,
            defaults: vec![ReadDefault {
                resource: Resource::new("", "persistentvolumeclaims"),
                parent: "/status".to_owned(),
                member: "phase".to_owned(),
                value: Value::from("Pending"),
            }],
        }
    }
}
