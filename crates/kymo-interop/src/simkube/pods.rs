//! The pods that lifecycles tell of.
//!
//! A lifecycle says when the first container of a pod started and when the last one ended, nothing
//! else. The pod is made of the template that its owner has at that time. It appears running, as
//! nothing is known of it before; where the owner comes later than its pod, with the owner. When
//! its containers have ended it is gone if the owner would have started them again, for then
//! nothing but a delete ends them; else it has succeeded, as SimKube lets it, and goes when its
//! owner goes. All this is marked as inferred.
//!
//! Where the owner is a pod itself, the lifecycle is that of the owner and becomes its status.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectKey};
use serde_json::{Map, Value, json};

use super::hash;
use super::objects::{Objects, Source, object};
use super::shelf::{PodLife, timestamp};
use super::templates::Fit;
use super::trace::{Gvk, Who};
use crate::Error;
use crate::import::{Item, Loss, LossReport, Named, What, minted, redacted};
use crate::sorting::Sorted;

/// Why a lifecycle gives no pod.
const OWNER_MISSING: &str = "its owner is not there when it starts or later";
/// What SimKube notes in the pods that it makes: the stable hash of the spec.
const HASH_NOTE: &str = "simkube.io/pod-spec-stable-hash";
/// And their place among the pods of that hash.
const SEQUENCE_NOTE: &str = "simkube.io/pod-sequence-number";
/// The longest part of an owner's name that goes into the name of a pod.
const OWNER_IN_NAME: usize = 200;

/// A pod that a lifecycle tells of.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    key: ObjectKey,
    body: Body,
    start: i64,
    /// When it ended, once it has.
    end: Option<i64>,
}

#[derive(Clone, Debug)]
enum Body {
    /// It is made of a template.
    Made {
        fit: Fit,
        owner: Arc<Who>,
        owner_uid: Arc<str>,
        hash: u64,
        sequence: u64,
    },
    /// The trace has it.
    Own(Arc<Value>),
}

/// The end of a pod's containers; the earliest is the greatest.
#[derive(Debug)]
struct Ending {
    at: Reverse<(i64, u64)>,
    owner: Who,
    pod: Pod,
}

impl PartialEq for Ending {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Ending {}

impl PartialOrd for Ending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// The lifecycles of one trace.
pub(super) struct Pods {
    source: Arc<str>,
    /// Which of the traces of the import it is.
    number: u32,
    policy: Policy,
    named: Option<Arc<Named>>,
    lives: Sorted<PodLife>,
    /// Lifecycles whose owner is yet to come.
    waiting: HashMap<Who, Vec<PodLife>>,
    /// Lifecycles whose owner has just come, at that time.
    awake: VecDeque<(i64, PodLife)>,
    endings: BinaryHeap<Ending>,
    count: u64,
    /// When the trace begins.
    begin: Option<i64>,
    /// The numbers of all objects that come; `None` if that is not known.
    objects: Option<HashSet<u64>>,
    pub(super) report: LossReport,
}

impl Pods {
    /// Starts before the first lifecycle.
    pub(super) fn new(
        source: Arc<str>,
        number: u32,
        policy: Policy,
        lives: Sorted<PodLife>,
        objects: Option<HashSet<u64>>,
        begin: Option<i64>,
    ) -> Self {
        Self {
            source,
            number,
            policy,
            named: None,
            lives,
            waiting: HashMap::new(),
            awake: VecDeque::new(),
            endings: BinaryHeap::new(),
            count: 0,
            begin,
            objects,
            report: LossReport::default(),
        }
    }

    /// Returns the time of the next change.
    pub(super) fn due(&self) -> Option<i64> {
        let awake = self.awake.front().map(|(at, _)| *at);
        let end = self.endings.peek().map(|ending| ending.at.0.0);
        let start = self.lives.peek().map(|life| life.start);
        [awake, end, start].into_iter().flatten().min()
    }

    /// Tells that an object has come.
    pub(super) fn wake(&mut self, owner: &Who, at: i64) {
        if self.waiting.is_empty() {
            return;
        }
        let lives = self.waiting.remove(owner).unwrap_or_default();
        self.awake.extend(lives.into_iter().map(|life| (at, life)));
    }

    /// Takes the next change.
    pub(super) fn step(&mut self, objects: &mut Objects) -> Result<Option<Item>, Error> {
        let due = self.due();
        if let Some((at, life)) = self.awake.pop_front() {
            return Ok(self.start(at, life, objects));
        }
        if self.endings.peek().map(|ending| ending.at.0.0) == due
            && let Some(ending) = self.endings.pop()
        {
            return Ok(self.end(ending, objects));
        }
        Ok(match self.lives.next()? {
            Some(life) => self.start(life.start, life, objects),
            None => None,
        })
    }

    /// Ends the trace: what still waits waits in vain.
    pub(super) fn finish(&mut self) {
        let lost = self.waiting.values().map(Vec::len).sum::<usize>();
        self.report
            .lose(Loss::Lifecycles, OWNER_MISSING, lost as u64);
        self.waiting.clear();
    }

    fn start(&mut self, now: i64, life: PodLife, objects: &mut Objects) -> Option<Item> {
        let Some(owner) = objects.live(&life.owner) else {
            let number = life.owner.number();
            if self
                .objects
                .as_ref()
                .is_none_or(|all| all.contains(&number))
            {
                self.waiting
                    .entry(life.owner.clone())
                    .or_default()
                    .push(life);
            } else {
                self.report.lose(Loss::Lifecycles, OWNER_MISSING, 1);
            }
            return None;
        };
        let owner_uid: Arc<str> = owner.uid.as_str().into();
        let (pod, event_type) = match &owner.source {
            Source::Itself(body) => {
                let pod = Pod {
                    key: ObjectKey {
                        namespace: life.owner.namespace.clone(),
                        name: life.owner.name.clone(),
                        uid: owner.uid.clone(),
                    },
                    body: Body::Own(Arc::clone(body)),
                    start: life.start,
                    end: None,
                };
                self.tell_whether(hash_of_spec(body) == Some(life.hash));
                (pod, EventType::Modified)
            }
            Source::Templates(templates) if !templates.is_empty() => {
                let Some(fit) = templates.fit(life.hash) else {
                    let why = "its hash is that of none of the owner's templates";
                    self.report.lose(Loss::Lifecycles, why, 1);
                    return None;
                };
                self.tell_whether(fit.is_proven);
                (self.make(&life, fit, owner_uid), EventType::Added)
            }
            _ => {
                let why = "its owner has no pod template";
                self.report.lose(Loss::Lifecycles, why, 1);
                return None;
            }
        };
        let why = "when a pod was created is not told: it appears when its first container started";
        self.report.lose(Loss::Lifecycles, why, 1);
        if self.begin == Some(life.start) {
            let what = "pods that may have run before the trace begins, and begin with it";
            self.report.note(what, 1);
        }
        let not_before = (now > life.start).then_some(life.start);
        let item = self.item(now, not_before, event_type, &pod);
        if let Some(end) = life.end {
            self.count += 1;
            self.endings.push(Ending {
                at: Reverse((end.max(now), self.count)),
                owner: life.owner,
                pod,
            });
        }
        item
    }

    fn end(&mut self, ending: Ending, objects: &mut Objects) -> Option<Item> {
        let Ending { at, owner, mut pod } = ending;
        let now = at.0.0;
        pod.end = Some(now);
        match &pod.body {
            Body::Own(_) => {
                let live = objects.live(&owner).filter(|live| live.uid == pod.key.uid);
                if live.is_none() {
                    let why = "it ends after its pod was deleted";
                    self.report.lose(Loss::Lifecycles, why, 1);
                    return None;
                }
                // The trace may have changed the pod since it started.
                let body = match live.map(|live| &live.source) {
                    Some(Source::Itself(body)) => Body::Own(Arc::clone(body)),
                    _ => pod.body.clone(),
                };
                let pod = Pod { body, ..pod };
                self.item(now, None, EventType::Modified, &pod)
            }
            Body::Made { fit, owner_uid, .. } => {
                let policy = fit.spec().get("restartPolicy").and_then(Value::as_str);
                let starts_again = policy.is_none_or(|policy| policy == "Always");
                let live = objects
                    .live_mut(&owner)
                    .filter(|live| *live.uid == **owner_uid);
                match live {
                    Some(live) if !starts_again => {
                        live.ended.push(pod.clone());
                        let why = "when a pod that had ended was deleted is not told";
                        self.report.lose(Loss::Deletes, why, 1);
                        self.item(now, None, EventType::Modified, &pod)
                    }
                    _ => self.item(now, None, EventType::Deleted, &pod),
                }
            }
        }
    }

    /// Tells that a pod goes with its owner.
    pub(super) fn collect(&mut self, now: i64, pod: &Pod) -> Option<Item> {
        self.item(now, None, EventType::Deleted, pod)
    }

    fn tell_whether(&mut self, is_proven: bool) {
        let what = if is_proven {
            "pods whose spec has the hash of their lifecycle"
        } else {
            "pods whose spec has another hash than their lifecycle"
        };
        self.report.note(what, 1);
    }

    fn make(&self, life: &PodLife, fit: Fit, owner_uid: Arc<str>) -> Pod {
        let kind = life.owner.gvk.to_string();
        let tag = hash::of_text(&[&kind, &life.hash.to_string()]) & 0xff_ffff_ffff;
        let mut stem = life.owner.name.as_str();
        let mut length = stem.len().min(OWNER_IN_NAME);
        while !stem.is_char_boundary(length) {
            length -= 1;
        }
        stem = stem.get(..length).unwrap_or_default();
        let mut key = ObjectKey {
            namespace: life.owner.namespace.clone(),
            name: format!("{stem}-{tag:010x}-{}", life.sequence),
            uid: String::new(),
        };
        key.uid = minted::uid("pods", &key, self.number);
        Pod {
            key,
            body: Body::Made {
                fit,
                owner: Arc::new(life.owner.clone()),
                owner_uid,
                hash: life.hash,
                sequence: life.sequence,
            },
            start: life.start,
            end: None,
        }
    }

    fn item(
        &mut self,
        now: i64,
        not_before: Option<i64>,
        event_type: EventType,
        pod: &Pod,
    ) -> Option<Item> {
        let named = self.named(pod)?;
        let text = pod.text();
        let what = match redacted(self.policy, &named.resource, &text) {
            Ok((body, is_redacted)) => What::Object(object(
                event_type,
                Certainty::Inferred,
                not_before.and_then(timestamp),
                pod.key.clone(),
                Some(body),
                is_redacted,
            )),
            Err(reason) => What::Unreadable { reason },
        };
        Some(Item {
            recv: timestamp(now),
            source: Arc::clone(&self.source),
            line: 0,
            named: Some(named),
            what,
        })
    }

    fn named(&mut self, pod: &Pod) -> Option<Arc<Named>> {
        if self.named.is_none() {
            let pods = Gvk {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
            };
            self.named = Objects::new().named(&pods, &pod.key.namespace);
        }
        self.named.clone()
    }
}

impl Pod {
    fn spec(&self) -> Option<&Value> {
        match &self.body {
            Body::Made { fit, .. } => Some(fit.spec()),
            Body::Own(body) => body.get("spec"),
        }
    }

    fn status(&self) -> Value {
        let started = second(self.start);
        let (phase, state) = match self.end {
            None => ("Running", json!({"running": {"startedAt": started}})),
            Some(end) => (
                "Succeeded",
                json!({"terminated": {"startedAt": started, "finishedAt": second(end)}}),
            ),
        };
        let containers = self
            .spec()
            .and_then(|spec| spec.get("containers"))
            .and_then(Value::as_array);
        let statuses: Vec<Value> = containers
            .into_iter()
            .flatten()
            .filter_map(|container| container.get("name"))
            .map(|name| json!({"name": name, "state": state}))
            .collect();
        json!({"phase": phase, "containerStatuses": statuses})
    }

    fn text(&self) -> String {
        let mut body = match &self.body {
            Body::Own(body) => body.as_ref().clone(),
            Body::Made {
                fit,
                owner,
                owner_uid,
                hash,
                sequence,
            } => {
                let mut metadata = fit.metadata().clone();
                let notes = metadata
                    .entry("annotations")
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(notes) = notes {
                    notes.insert(HASH_NOTE.to_owned(), hash.to_string().into());
                    notes.insert(SEQUENCE_NOTE.to_owned(), sequence.to_string().into());
                }
                metadata.insert("name".to_owned(), self.key.name.as_str().into());
                if !self.key.namespace.is_empty() {
                    metadata.insert("namespace".to_owned(), self.key.namespace.as_str().into());
                }
                metadata.insert("uid".to_owned(), self.key.uid.as_str().into());
                let owner = json!([{
                    "apiVersion": owner.gvk.api_version,
                    "kind": owner.gvk.kind,
                    "name": owner.name,
                    "uid": **owner_uid,
                    "controller": true,
                }]);
                metadata.insert("ownerReferences".to_owned(), owner);
                json!({
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": metadata,
                    "spec": fit.spec(),
                })
            }
        };
        if let Some(fields) = body.as_object_mut() {
            fields.insert("status".to_owned(), self.status());
        }
        body.to_string()
    }
}

fn hash_of_spec(pod: &Value) -> Option<u64> {
    hash::of_stable(pod.get("spec")?)
}

/// Writes a time as Kubernetes does, in whole seconds.
fn second(seconds: i64) -> String {
    let text = timestamp(seconds).unwrap_or_default().to_string();
    text.replace(".000000000Z", "Z")
}
