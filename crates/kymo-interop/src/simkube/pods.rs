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

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType};
use serde_json::Value;

use super::hash;
use super::objects::{Objects, Source, object};
use super::pod::{Body, Pod};
use super::shelf::{PodLife, timestamp};
use super::trace::{Gvk, Who};
use crate::Error;
use crate::import::{Item, Loss, LossReport, Named, What, redacted};
use crate::sorting::Sorted;

/// Why a lifecycle gives no pod.
const OWNER_MISSING: &str = "its owner is not there when it starts or later";
/// Lifecycles that wait for their owners at a time.
const WAITING: usize = 1 << 20;

/// The lifecycles of one trace.
pub(super) struct Pods {
    source: Arc<str>,
    /// Which of the traces of the import it is.
    number: u32,
    policy: Policy,
    named: Option<Arc<Named>>,
    lives: Sorted<PodLife>,
    /// Lifecycles whose owner is yet to come, and how many these are.
    waiting: HashMap<Who, Vec<PodLife>>,
    waiting_count: usize,
    /// Lifecycles whose owner has just come, at that time.
    awake: VecDeque<(i64, PodLife)>,
    /// The pods that run, by the time at which they end and a number.
    endings: BTreeMap<(i64, u64), (Who, Pod)>,
    count: u64,
    /// When the first pod was made, and when one was last told.
    made: Option<(i64, i64)>,
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
            waiting_count: 0,
            awake: VecDeque::new(),
            endings: BTreeMap::new(),
            count: 0,
            made: None,
            begin,
            objects,
            report: LossReport::default(),
        }
    }

    /// Returns the time of the next change.
    pub(super) fn due(&self) -> Option<i64> {
        let awake = self.awake.front().map(|(at, _)| *at);
        let end = self.endings.first_key_value().map(|(at, _)| at.0);
        let start = self.lives.peek().map(|life| life.start);
        [awake, end, start].into_iter().flatten().min()
    }

    /// Tells that an object has come.
    pub(super) fn wake(&mut self, owner: &Who, at: i64) {
        if self.waiting.is_empty() {
            return;
        }
        let lives = self.waiting.remove(owner).unwrap_or_default();
        self.waiting_count -= lives.len();
        self.awake.extend(lives.into_iter().map(|life| (at, life)));
    }

    fn wait(&mut self, life: PodLife) {
        let number = life.owner.number();
        let comes = self
            .objects
            .as_ref()
            .is_none_or(|objects| objects.contains(&number));
        if !comes || self.waiting_count >= WAITING {
            self.report.lose(Loss::Lifecycles, OWNER_MISSING, 1);
            return;
        }
        self.waiting_count += 1;
        let waiting = self.waiting.entry(life.owner.clone()).or_default();
        waiting.push(life);
    }

    /// Takes the next change.
    pub(super) fn step(&mut self, objects: &mut Objects) -> Result<Option<Item>, Error> {
        let due = self.due();
        if let Some((at, life)) = self.awake.pop_front() {
            return Ok(self.start(at, life, objects));
        }
        if let Some(ending) = self.endings.first_entry()
            && Some(ending.key().0) == due
        {
            let ((now, _), (owner, pod)) = ending.remove_entry();
            return Ok(self.end(now, &owner, pod, objects));
        }
        Ok(match self.lives.next()? {
            Some(life) => self.start(life.start, life, objects),
            None => None,
        })
    }

    /// Ends the trace: what still waits waits in vain. Tells, once, that there is no list of pods.
    pub(super) fn finish(&mut self, objects: &mut Objects) -> Option<Item> {
        let lost = std::mem::take(&mut self.waiting_count) as u64;
        self.report.lose(Loss::Lifecycles, OWNER_MISSING, lost);
        self.waiting.clear();
        let (first, last) = self.made.take()?;
        let what = What::Gap {
            from: timestamp(first),
            detail: "pods are made of lifecycles: others are missing, and when they were pending"
                .to_owned(),
        };
        let named = self.named(objects);
        Some(self.say(last, named, what))
    }

    fn start(&mut self, now: i64, life: PodLife, objects: &mut Objects) -> Option<Item> {
        let Some(owner) = objects.live(&life.owner) else {
            self.wait(life);
            return None;
        };
        let (pod, event_type, is_proven) = match &owner.source {
            Source::Itself(body) => {
                let spec_hash = body.get("spec").and_then(hash::of_stable);
                let pod = Pod::own(&life, &owner.uid, body);
                (pod, EventType::Modified, spec_hash == Some(life.hash))
            }
            Source::Templates(templates) if !templates.is_empty() => {
                let Some(fit) = templates.fit(life.hash) else {
                    let why = "its hash is that of none of the owner's templates";
                    self.report.lose(Loss::Lifecycles, why, 1);
                    return None;
                };
                let is_proven = fit.is_proven;
                let pod = Pod::made(&life, fit, owner.uid.as_str().into(), self.number);
                (pod, EventType::Added, is_proven)
            }
            _ => {
                let why = "its owner has no pod template";
                self.report.lose(Loss::Lifecycles, why, 1);
                return None;
            }
        };
        self.report.note(
            if is_proven {
                "pods whose spec has the hash of their lifecycle"
            } else {
                "pods whose spec has another hash than their lifecycle"
            },
            1,
        );
        if event_type == EventType::Added {
            let why =
                "when a pod was created is not told: it appears when its first container started";
            self.report.lose(Loss::Lifecycles, why, 1);
            self.made = self.made.or(Some((now, now)));
        }
        if self.begin == Some(life.start) {
            let what = "pods that may have run before the trace begins, and begin with it";
            self.report.note(what, 1);
        }
        let not_before = (now > life.start).then_some(life.start);
        let item = self.item(now, not_before, event_type, &pod, objects);
        if let Some(end) = life.end {
            self.count += 1;
            let at = (end.max(now), self.count);
            self.endings.insert(at, (life.owner, pod));
        }
        Some(item)
    }

    fn end(&mut self, now: i64, owner: &Who, mut pod: Pod, objects: &mut Objects) -> Option<Item> {
        pod.end = Some(now);
        match &pod.body {
            Body::Own(_) => {
                let live = objects.live(owner).filter(|live| live.uid == pod.key.uid);
                if live.is_none() {
                    let why = "it ends after its pod was deleted";
                    self.report.lose(Loss::Lifecycles, why, 1);
                    return None;
                }
                // The trace may have changed the pod since it started.
                if let Some(Source::Itself(body)) = live.map(|live| &live.source) {
                    pod.body = Body::Own(Arc::clone(body));
                }
                Some(self.item(now, None, EventType::Modified, &pod, objects))
            }
            Body::Made { fit, owner_uid, .. } => {
                let policy = fit.spec().get("restartPolicy").and_then(Value::as_str);
                let starts_again = policy.is_none_or(|policy| policy == "Always");
                let live = objects
                    .live_mut(owner)
                    .filter(|live| *live.uid == **owner_uid);
                let event_type = match live {
                    Some(live) if !starts_again => {
                        live.ended.push(pod.clone());
                        let why = "when a pod that had ended was deleted is not told";
                        self.report.lose(Loss::Deletes, why, 1);
                        EventType::Modified
                    }
                    _ => EventType::Deleted,
                };
                Some(self.item(now, None, event_type, &pod, objects))
            }
        }
    }

    /// Tells that a pod goes with its owner.
    pub(super) fn collect(&mut self, now: i64, pod: &Pod, objects: &mut Objects) -> Item {
        self.item(now, None, EventType::Deleted, pod, objects)
    }

    fn item(
        &mut self,
        now: i64,
        not_before: Option<i64>,
        event_type: EventType,
        pod: &Pod,
        objects: &mut Objects,
    ) -> Item {
        self.made = self.made.map(|(first, last)| (first, last.max(now)));
        let named = self.named(objects);
        let text = pod.text();
        let redacted = match &named {
            Some(named) => redacted(self.policy, &named.resource, &text),
            None => Err("pods have no name".to_owned()),
        };
        let what = match redacted {
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
        self.say(now, named, what)
    }

    fn say(&self, now: i64, named: Option<Arc<Named>>, what: What) -> Item {
        Item {
            recv: timestamp(now),
            source: Arc::clone(&self.source),
            line: 0,
            named,
            what,
        }
    }

    fn named(&mut self, objects: &mut Objects) -> Option<Arc<Named>> {
        if self.named.is_none() {
            let pods = Gvk {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
            };
            self.named = objects.named(&pods, "any");
        }
        self.named.clone()
    }
}
