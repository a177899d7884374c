use serde_json::{Map, Value};

use super::clock::{Clock, LISTED};
use super::text;
use crate::clock::SECOND;

/// What was seen of a pod.
#[derive(Debug, Default)]
pub(super) struct PodLife {
    pub(super) owner: String,
    /// When it was made.
    pub(super) begin: Option<i64>,
    /// What it was like first.
    first: Value,
    running: Option<i64>,
    ended: Option<(i64, bool)>,
    leaving: Option<i64>,
    is_ready: bool,
    is_bound: bool,
    /// Whether its containers run that shall run for ever.
    is_up: bool,
    restarts: u64,
    /// When its containers were up, and when one crashed then.
    pub(super) spells: Vec<(i64, Option<i64>)>,
    /// How containers crashed, for each crash that tells.
    pub(super) crashes: Vec<String>,
    pub(super) is_evicted: bool,
    /// Updates of its own for what a pod goes through.
    pub(super) stages: Seen,
    grace: i64,
    /// Its node.
    pub(super) node: String,
    /// Whether it was evicted as by a drain.
    pub(super) is_drained: bool,
    /// The number at the end of its name, as those of `StatefulSets` have one.
    ordinal: Option<u64>,
    /// Whether it is deleted again without being told: by a rollout, by fewer replicas or with its
    /// node.
    pub(super) is_explained: bool,
}

/// Which updates of its own a pod had, and which it could have had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) accepted: Option<bool>,
    pub(super) ready: Option<bool>,
    pub(super) stopped: Option<bool>,
    pub(super) released: Option<bool>,
}

impl PodLife {
    /// Takes what was seen at a time, or what was there already ([`LISTED`]).
    pub(super) fn take(&mut self, pod: &Value, ts: i64, is_gone: bool) {
        if self.begin.is_none() {
            self.begin = Some(ts);
            self.first = pod.clone();
            let name = text(pod, "/metadata/name");
            let ordinal = name.rsplit_once('-').map(|(_, ordinal)| ordinal);
            self.ordinal = ordinal.and_then(|ordinal| ordinal.parse().ok());
        }
        if self.node.is_empty() {
            self.node = text(pod, "/spec/nodeName");
        }
        self.owner = text(pod, "/metadata/ownerReferences/0/uid");
        if is_gone {
            return;
        }
        let phase = text(pod, "/status/phase");
        let is_bound = !text(pod, "/spec/nodeName").is_empty();
        let is_accepted = pod.pointer("/status/startTime").is_some();
        if is_bound && self.is_bound && is_accepted && self.stages.accepted.is_none() {
            self.stages.accepted = Some(phase == "Pending");
        }
        self.is_bound |= is_bound;
        let was_leaving = self.leaving.is_some();
        self.is_evicted |= condition(pod, "DisruptionTarget");
        self.is_drained |= told(pod, "DisruptionTarget") == "EvictionByEvictionAPI";
        if phase == "Running" && !was_leaving {
            self.look_for_crashes(pod, ts);
        }
        match phase.as_str() {
            "Running" => {
                let is_first = self.running.is_none();
                self.running.get_or_insert(ts);
                let is_ready = condition(pod, "Ready");
                if is_ready && !self.is_ready {
                    self.is_ready = true;
                    self.stages.ready = Some(!is_first);
                }
            }
            phase @ ("Succeeded" | "Failed") if !was_leaving => {
                self.ended.get_or_insert((ts, phase == "Succeeded"));
            }
            _ => {}
        }
        let Some(grace) = pod.pointer("/metadata/deletionGracePeriodSeconds") else {
            return;
        };
        let grace = grace.as_i64().unwrap_or_default();
        self.leaving.get_or_insert(ts);
        let could_stop = self.is_bound && self.ended.is_none();
        if !was_leaving && could_stop {
            self.stages.stopped = Some(false);
            self.stages.released = Some(false);
        }
        if was_leaving && could_stop {
            if grace == 0 && self.grace > 0 {
                self.stages.released = Some(true);
            } else if grace == self.grace {
                self.stages.stopped = Some(true);
            }
        }
        self.grace = grace;
    }

    /// Finds out whether a container has crashed or is up again. Containers of pods that end by
    /// themselves only count where they were started again.
    fn look_for_crashes(&mut self, pod: &Value, ts: i64) {
        let goes_on = text(&self.first, "/spec/restartPolicy") == "Always";
        let containers = pod.pointer("/status/containerStatuses");
        let containers = containers.and_then(Value::as_array);
        let (mut restarts, mut is_down, mut reason) = (0, false, String::new());
        for container in containers.into_iter().flatten() {
            let count = container.get("restartCount").and_then(Value::as_u64);
            restarts += count.unwrap_or_default();
            let has_ended = container.pointer("/state/terminated").is_some();
            is_down |= has_ended && goes_on;
            is_down |= text(container, "/state/waiting/reason") == "CrashLoopBackOff";
            for state in ["state", "lastState"] {
                let told = text(container, &format!("/{state}/terminated/reason"));
                if reason.is_empty() {
                    reason = told;
                }
            }
        }
        let is_first = self.spells.is_empty();
        let has_restarted = !is_first && restarts > self.restarts;
        if self.is_up && (is_down || has_restarted) {
            self.is_up = false;
            if let Some((_, crash)) = self.spells.last_mut() {
                *crash = Some(ts);
                self.crashes.push(reason);
            }
        }
        self.restarts = restarts;
        if !self.is_up && !is_down {
            self.is_up = true;
            self.spells.push((ts, None));
        }
    }

    /// When it was made, from the beginning.
    pub(super) fn came(&self, clock: Clock) -> i64 {
        // What it belongs to is made before it.
        let behind = if self.begin == Some(LISTED) {
            SECOND
        } else {
            0
        };
        clock.at(self.begin.unwrap_or_default()) + behind
    }

    /// When it ran first, from the beginning.
    fn ran(&self, clock: Clock) -> Option<i64> {
        match self.running? {
            LISTED => Some(self.came(clock) + SECOND),
            running => Some(clock.at(running)),
        }
    }

    /// From its creation until it runs.
    pub(super) fn startup(&self, clock: Clock) -> i64 {
        let ran = self.ran(clock);
        ran.map_or(i64::MAX, |ran| (ran - self.came(clock)).max(0))
    }

    /// From when it runs, or is made if it never does, until it ends or is deleted.
    pub(super) fn life(&self, clock: Clock) -> i64 {
        self.runtime(clock).min(self.lifetime(clock))
    }

    /// From when it runs until it ends.
    pub(super) fn runtime(&self, clock: Clock) -> i64 {
        self.until(self.own_end().map(|(ended, _)| ended), clock)
    }

    /// From when it runs until it is deleted.
    pub(super) fn lifetime(&self, clock: Clock) -> i64 {
        self.until(self.leaving.filter(|_| !self.is_explained), clock)
    }

    /// Returns when it was deleted, if it was before it had ended.
    pub(super) fn left(&self) -> Option<i64> {
        // One that is evicted can have been said to have failed.
        self.leaving
            .filter(|_| self.ended.is_none() || self.is_evicted)
    }

    /// Returns when it ended by itself, and whether well.
    fn own_end(&self) -> Option<(i64, bool)> {
        self.ended
            .filter(|_| !self.is_explained || !self.is_evicted)
    }

    /// Tells whether its controller deletes it again: because of a rollout at one of these times, or
    /// because there are fewer replicas, of which there were so many since when.
    pub(super) fn is_replaced(&self, rollouts: &[i64], replicas: &[(i64, u64)]) -> bool {
        let (Some(begin), Some(left)) = (self.begin, self.left()) else {
            return false;
        };
        let is_rolled = rollouts.iter().any(|at| begin < *at && *at <= left);
        let known = replicas.iter().rev().find(|(since, _)| *since <= left);
        let surplus = known.zip(self.ordinal);
        is_rolled || surplus.is_some_and(|((_, replicas), ordinal)| ordinal >= *replicas)
    }

    fn until(&self, end: Option<i64>, clock: Clock) -> i64 {
        let begin = self.ran(clock).unwrap_or_else(|| self.came(clock));
        end.map_or(i64::MAX, |end| (clock.at(end) - begin).max(0))
    }

    /// The pod as a user wrote it, about, and what it has in common with others of its like.
    pub(super) fn manifest(&self) -> Value {
        let mut spec = self.first.get("spec").cloned().unwrap_or_default();
        if let Some(spec) = spec.as_object_mut() {
            for name in ["nodeName", "priority", "preemptionPolicy", "hostname"] {
                spec.shift_remove(name);
            }
            let is_token = |each: &Value| text(each, "/name").starts_with("kube-api-access-");
            drop_each(spec, "volumes", is_token);
            drop_each(spec, "tolerations", |each| {
                each.get("tolerationSeconds")
                    .is_some_and(|seconds| seconds == 300)
            });
            for list in ["initContainers", "containers"] {
                let containers = spec.get_mut(list).and_then(Value::as_array_mut);
                for container in containers.into_iter().flatten() {
                    if let Some(container) = container.as_object_mut() {
                        drop_each(container, "volumeMounts", is_token);
                    }
                }
            }
        }
        let mut metadata = Map::new();
        if let Some(labels) = self.first.pointer("/metadata/labels") {
            metadata.insert("labels".to_owned(), labels.clone());
        }
        serde_json::json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec})
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> String {
        text(&self.first, "/metadata/namespace")
    }

    /// Its name, without the letters that the API server made up.
    pub(super) fn name(&self) -> String {
        let prefix = text(&self.first, "/metadata/generateName");
        if prefix.is_empty() {
            return text(&self.first, "/metadata/name");
        }
        prefix.trim_end_matches('-').to_owned()
    }

    /// Forgets what only matters where nothing owns it.
    pub(super) fn forget(&mut self) {
        self.first = Value::Null;
    }

    /// How it ended by itself, if it did.
    pub(super) fn success(&self) -> Option<bool> {
        self.own_end().map(|(_, is_success)| is_success)
    }
}

/// Takes some out of a list, and the list if nothing is left.
fn drop_each(members: &mut Map<String, Value>, name: &str, is_meant: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(list)) = members.get_mut(name) {
        list.retain(|each| !is_meant(each));
        if list.is_empty() {
            members.shift_remove(name);
        }
    }
}

fn condition(object: &Value, kind: &str) -> bool {
    conditions(object)
        .any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
}

/// The reason of a condition.
fn told(object: &Value, kind: &str) -> String {
    let found = conditions(object).find(|condition| text(condition, "/type") == kind);
    found.map_or_else(String::new, |condition| text(condition, "/reason"))
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    let conditions = object.pointer("/status/conditions");
    conditions.and_then(Value::as_array).into_iter().flatten()
}
