//! What a trace holds, put aside piece by piece while it is read.
//!
//! The lifecycles of pods stand behind the events, whose times lie between theirs, and an event
//! may tell its time behind its objects. So the file is read once from front to back, and what it
//! held is told from the shelf in the order of time.

use std::collections::{HashMap, HashSet};
use std::fmt;

use kymo_model::{ObjectHead, Timestamp};
use kymo_store::{Aside, Recalled};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hash;
use super::trace::{Config, Gvk, Lifecycle, Who};
use crate::Error;
use crate::import::{Context, Loss, LossReport, redacted};
use crate::input::Damage;
use crate::metered::Meter;
use crate::naming::Naming;
use crate::sorting::{Sorted, Sorting};

/// Objects, and owners of pods, that are remembered to be compared with what stands behind them.
const REMEMBERED: usize = 1 << 20;
const NANOS: i64 = 1_000_000_000;

/// An event without its objects.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct EventHead {
    /// Seconds since the Unix epoch.
    pub(super) ts: i64,
    /// How many objects were made or changed.
    pub(super) applied: u64,
    /// How many objects were deleted.
    pub(super) deleted: u64,
}

/// An object of an event, or why it cannot be read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shelved {
    /// The byte at which it begins.
    pub(super) at: u64,
    pub(super) object: Result<ShelvedObject, String>,
}

/// An object of an event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShelvedObject {
    pub(super) who: Who,
    /// Its JSON text, redacted; `None` where there is no more than its name.
    pub(super) body: Option<Box<str>>,
    pub(super) is_redacted: bool,
}

/// The lifecycle of one pod. The first in order is the first to start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct PodLife {
    /// When its first container started, in seconds since the Unix epoch.
    pub(super) start: i64,
    pub(super) owner: Who,
    /// The stable hash of its spec.
    pub(super) hash: u64,
    /// Its place among the pods of that hash.
    pub(super) sequence: u64,
    /// When its last container ended, if that was before the trace was written.
    pub(super) end: Option<i64>,
}

/// Takes the pieces of a trace.
pub(super) struct Shelf {
    meter: Meter,
    naming: Naming,
    policy: kymo_anonymize::Policy,
    events: Aside,
    applied: Aside,
    deleted: Aside,
    index: Aside,
    /// The event whose objects are coming.
    event: EventHead,
    /// The hash of the last spec of each object, by the object's number.
    specs: HashMap<u64, u64>,
    owners: HashSet<u64>,
    lives: Sorting<PodLife>,
    config: Config,
    report: LossReport,
    /// Whether the version was told, and is known.
    pub(super) has_version: bool,
    /// A version that is not known.
    pub(super) refused_version: Option<u64>,
    /// How many objects whole events have.
    whole: u64,
    /// Why nothing more could be put aside.
    pub(super) failure: Option<Error>,
}

/// What a trace held.
pub(super) struct Held {
    pub(super) events: Recalled,
    pub(super) applied: Recalled,
    pub(super) deleted: Recalled,
    pub(super) lives: Sorted<PodLife>,
    /// The numbers of the objects that come; `None` if there are too many to know.
    pub(super) objects: Option<HashSet<u64>>,
    /// The numbers of the objects that lifecycles belong to; `None` if there are too many to know.
    pub(super) owners: Option<HashSet<u64>>,
    pub(super) config: Config,
    pub(super) report: LossReport,
    /// From where on the file could not be read.
    pub(super) damage: Option<Damage>,
}

/// Nothing more can be put aside; [`Shelf::failure`] says why.
#[derive(Debug)]
pub(super) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be put aside")
    }
}

impl Shelf {
    /// Starts with an empty shelf; `meter` is that of the file.
    pub(super) fn new(meter: Meter, context: &Context) -> Result<Self, Error> {
        let folder = &context.workshop;
        Ok(Self {
            meter,
            naming: Naming::new(""),
            policy: context.policy,
            events: Aside::create(folder)?,
            applied: Aside::create(folder)?,
            deleted: Aside::create(folder)?,
            index: Aside::create(folder)?,
            event: EventHead::default(),
            specs: HashMap::new(),
            owners: HashSet::new(),
            lives: Sorting::new(folder),
            config: Config::default(),
            report: LossReport::default(),
            has_version: false,
            refused_version: None,
            whole: 0,
            failure: None,
        })
    }

    /// Begins a value, which may take as much as the limit allows, and returns where it is.
    pub(super) fn begin(&self) -> u64 {
        self.meter.begin();
        self.meter.position()
    }

    pub(super) fn take_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Takes an object of the present event.
    pub(super) fn take_object(
        &mut self,
        at: u64,
        object: &Value,
        is_deleted: bool,
    ) -> Result<(), Stopped> {
        let shelved = Shelved {
            at,
            object: self.read(object, is_deleted),
        };
        let put = if is_deleted {
            self.event.deleted += 1;
            self.deleted.put(&shelved)
        } else {
            self.event.applied += 1;
            self.applied.put(&shelved)
        };
        self.keep(put)
    }

    fn read(&mut self, object: &Value, is_deleted: bool) -> Result<ShelvedObject, String> {
        let field = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let text = |pointer| field(pointer).unwrap_or_default().to_owned();
        let who = Who {
            gvk: Gvk {
                api_version: text("/apiVersion"),
                kind: text("/kind"),
            },
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        };
        if who.name.is_empty() {
            return Err("an object without a name".to_owned());
        }
        let head = ObjectHead {
            api_version: who.gvk.api_version.clone(),
            kind: who.gvk.kind.clone(),
            namespace: who.namespace.clone(),
            ..ObjectHead::default()
        };
        let named = self.naming.of(&head);
        let named = named.ok_or("an object without kind or apiVersion")?;
        if is_deleted && is_stub(object) {
            return Ok(ShelvedObject {
                who,
                body: None,
                is_redacted: false,
            });
        }
        if !is_deleted && (self.specs.len() < REMEMBERED) {
            self.specs
                .insert(who.number(), hash::of(object.get("spec")));
        }
        let (body, is_redacted) = redacted(self.policy, &named.resource, &object.to_string())?;
        Ok(ShelvedObject {
            who,
            body: Some(body),
            is_redacted,
        })
    }

    /// Ends the present event.
    pub(super) fn end_event(&mut self, ts: i64) -> Result<(), Stopped> {
        let event = EventHead {
            ts,
            ..std::mem::take(&mut self.event)
        };
        self.whole += event.applied + event.deleted;
        let put = self.events.put(&event);
        self.keep(put)
    }

    /// Tells whether something can be told of a trace that cannot be read on.
    pub(super) fn is_of_use(&self) -> bool {
        self.has_version && self.whole > 0
    }

    /// Takes an entry of the index.
    pub(super) fn take_index(&mut self, gvk: &str, name: &str, hash: u64) -> Result<(), Stopped> {
        let number = Who::parse(gvk, name).map(|who| who.number());
        let put = self.index.put(&(number, hash));
        self.keep(put)
    }

    /// Takes the lifecycle of a pod.
    pub(super) fn take_lifecycle(
        &mut self,
        (gvk, name): (&str, &str),
        hash: u64,
        sequence: u64,
        lifecycle: Lifecycle,
    ) -> Result<(), Stopped> {
        let (start, end) = match lifecycle {
            Lifecycle::Empty => {
                self.lose_lifecycle("no container of the pod started");
                return Ok(());
            }
            Lifecycle::Running(start) => (start, None),
            Lifecycle::Finished(start, end) => (start, Some(end)),
        };
        let times = [Some(start), end];
        if times.iter().flatten().any(|ts| timestamp(*ts).is_none()) {
            self.lose_lifecycle("its time is outside the years 1677 to 2262");
            return Ok(());
        }
        if end.is_some_and(|end| end < start) {
            self.lose_lifecycle("it ends before it starts");
            return Ok(());
        }
        let Some(owner) = Who::parse(gvk, name) else {
            self.lose_lifecycle("its owner has no readable kind");
            return Ok(());
        };
        if self.owners.len() < REMEMBERED {
            self.owners.insert(owner.number());
        }
        let pushed = self.lives.push(PodLife {
            start,
            owner,
            hash,
            sequence,
            end,
        });
        self.keep(pushed)
    }

    /// Counts a lifecycle, or the lifecycles of an owner, that cannot be told.
    pub(super) fn lose_lifecycle(&mut self, why: &str) {
        self.report.lose(Loss::Lifecycles, why, 1);
    }

    /// Ends the trace, or what could be read of it.
    pub(super) fn finish(mut self, damage: Option<Damage>) -> Result<Held, Error> {
        if damage.is_some() {
            let left = self.event.applied + self.event.deleted;
            let why = "objects of the event in which the damage is";
            self.report.lose(Loss::Changes, why, left);
            self.lose_lifecycle("all that may be behind the damage");
        }
        let knows_objects = self.specs.len() < REMEMBERED;
        let mut index = self.index.recall()?;
        while let Some((number, hash)) = index.next::<(Option<u64>, u64)>()? {
            match number.and_then(|number| self.specs.get(&number)) {
                Some(spec) if *spec == hash => {}
                Some(_) => self
                    .report
                    .note("index entries with another hash than the object", 1),
                None if knows_objects => {
                    self.report.note("index entries without an object", 1);
                }
                None => {}
            }
        }
        Ok(Held {
            events: self.events.recall()?,
            applied: self.applied.recall()?,
            deleted: self.deleted.recall()?,
            lives: self.lives.finish()?,
            objects: knows_objects.then(|| self.specs.into_keys().collect()),
            owners: (self.owners.len() < REMEMBERED).then_some(self.owners),
            config: self.config,
            report: self.report,
            damage,
        })
    }

    fn keep<T>(&mut self, done: Result<T, impl Into<Error>>) -> Result<T, Stopped> {
        done.map_err(|error| {
            self.failure = Some(error.into());
            Stopped
        })
    }
}

/// Returns the time that many seconds after the Unix epoch; `None` if it cannot be held.
pub(super) fn timestamp(seconds: i64) -> Option<Timestamp> {
    seconds.checked_mul(NANOS).map(Timestamp)
}

/// Whether there is no more than the name of an object.
fn is_stub(object: &Value) -> bool {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let metadata = object.get("metadata").and_then(Value::as_object);
    let is_name = |(name, value): (&String, &Value)| {
        matches!(name.as_str(), "name" | "namespace") || is_nothing(value)
    };
    object.as_object().is_some_and(|fields| {
        fields.iter().all(|(name, value)| {
            matches!(name.as_str(), "apiVersion" | "kind" | "metadata") || is_nothing(value)
        })
    }) && metadata.is_some_and(|metadata| metadata.iter().all(is_name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stub_tells_no_more_than_the_name() {
        let stub = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": "a", "namespace": "b", "annotations": {}, "creationTimestamp": null,
        }});
        assert!(is_stub(&stub));
        let mut labelled = stub.clone();
        labelled["metadata"]["labels"] = json!({"a": "b"});
        assert!(!is_stub(&labelled));
        let mut whole = stub;
        whole["spec"] = json!({"nodeName": "n"});
        assert!(!is_stub(&whole));
    }

    #[test]
    fn seconds_that_nanoseconds_cannot_hold_are_no_time() {
        assert_eq!(timestamp(-2), Some(Timestamp(-2_000_000_000)));
        assert_eq!(timestamp(i64::MAX), None);
        assert_eq!(timestamp(i64::MIN), None);
    }
}
