use std::sync::Arc;

use rand::Rng as _;
use serde_json::{Value, json};

use super::event::Reason;
use super::queue::Action;
use super::{NONE, Sort, Story};
use crate::clock::{MILLI, SECOND};
use crate::defaults::{as_object, object};
use crate::order::{Placement, Stages, WorkloadOrder};
use crate::pod::{Group, NameForm, Shape, Step};
use crate::{Distribution, Error};

/// A pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) group: u32,
    /// Its number among all objects.
    pub(crate) object: u32,
    /// The letters at the end of its name.
    pub(crate) suffix: [u8; 5],
    pub(crate) ordinal: u32,
    /// Its node; [`NONE`] before it is bound.
    pub(crate) node: u32,
    /// The last number of its address.
    pub(crate) address: u8,
    pub(crate) stage: Step,
    /// Its controller among the sets; [`NONE`] without.
    pub(super) set: u32,
    /// Its place among the pods of the set; [`NONE`] where the set does not count it any more.
    pub(super) slot: u32,
    order: u32,
    /// The number of its last event.
    pub(super) last: u32,
    /// Its number among the pods of its order.
    nth: u64,
    /// From its creation until it runs; `i64::MAX`: never.
    startup: i64,
    /// From then until it ends or is deleted; `i64::MAX`: never.
    life: i64,
    fails: bool,
    pub(super) is_ready: bool,
    pub(super) is_leaving: bool,
    /// Whether it is on its way out and was ready.
    is_fading: bool,
    has_ended: bool,
    /// Whether the trace does not end before it has run.
    is_essential: bool,
    restarts: u16,
}

impl Pod {
    /// Tells whether its containers have ended for good.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended
    }

    /// Tells whether nothing says when it ends.
    pub(super) fn stays(&self) -> bool {
        self.life == i64::MAX
    }
}

/// What is said of a pod when it is made.
pub(super) struct Birth {
    pub(super) group: u32,
    pub(super) order: u32,
    pub(super) set: u32,
    pub(super) ordinal: u32,
    pub(super) is_essential: bool,
}

/// From a pod's creation until it runs, when nothing is said: 0.8 s to 3 s, seldom longer.
const STARTUP: Distribution = Distribution::Lognormal {
    p50: 1.5e9,
    p99: 5e9,
};

/// From when a pod says that it is evicted until it is deleted.
const EVICTION: i64 = 20 * MILLI;

/// How long the kubelet tries to pull an image until it says that it cannot.
const PULL: i64 = 2 * SECOND;

/// How long a pod of a Job works when nothing is said.
const RUNTIME: Distribution = Distribution::Lognormal {
    p50: 30e9,
    p99: 120e9,
};

impl Story<'_> {
    /// Makes a pod now; returns its number.
    pub(super) fn create_pod(&mut self, birth: &Birth) -> Result<u32, Error> {
        let plan = self.plan;
        let Some(order) = plan.workloads.get(birth.order as usize) else {
            return Ok(NONE);
        };
        let number = self.pods.len() as u32;
        let object = self.object(Sort::Pod, number)?;
        let mut rng = self.seed.stream("pod", u64::from(object));
        let nth = self.count_pod_of(birth.order);
        let startup = order.startup.as_ref().unwrap_or(&STARTUP);
        let startup = startup.nth(nth, &mut rng);
        let ends = self.works(birth);
        let life = match (&order.runtime, &order.lifetime) {
            (Some(runtime), _) if ends => runtime.nth(nth, &mut rng),
            (None, _) if ends => RUNTIME.sample(&mut rng),
            (_, Some(lifetime)) => lifetime.nth(nth, &mut rng),
            _ => i64::MAX,
        };
        let fails = ends && rng.random::<f64>() < order.failures;
        let letters = self.letters.draw(birth.group, &mut rng)?;
        self.pods.push(Pod {
            group: birth.group,
            object,
            suffix: letters,
            ordinal: birth.ordinal,
            node: NONE,
            address: 2,
            stage: Step::Created,
            set: birth.set,
            slot: NONE,
            order: birth.order,
            last: 0,
            startup: startup.max(4 * MILLI),
            nth,
            life,
            fails,
            is_ready: false,
            is_leaving: false,
            is_fading: false,
            has_ended: false,
            is_essential: birth.is_essential,
            restarts: 0,
        });
        self.note_pod(number, Step::Created)?;
        let never_runs = order.placement == Placement::None || startup == i64::MAX;
        if never_runs && ends {
            if let Some(pod) = self.pods.get(number as usize).cloned() {
                self.delete_working(number, &pod);
            }
        } else if never_runs && life < i64::MAX {
            self.after(life, Action::Pod(number, Step::Terminating));
        }
        if order.placement != Placement::None {
            let delay = self.until_scheduled(number);
            self.pod_after(number, delay, Action::Schedule(number));
        }
        Ok(number)
    }

    /// Counts the pods of an order; returns how many came before.
    fn count_pod_of(&mut self, order: u32) -> u64 {
        let Some(prepared) = self.prepared.get_mut(order as usize) else {
            return 0;
        };
        prepared.pods_made += 1;
        prepared.pods_made - 1
    }

    /// Counts how often pods of an order were ready; returns how often before.
    fn count_spell_of(&mut self, order: u32) -> u64 {
        let Some(prepared) = self.prepared.get_mut(order as usize) else {
            return 0;
        };
        prepared.spells += 1;
        prepared.spells - 1
    }

    /// Tells whether a pod is evicted when its life is over.
    fn is_evicted(&mut self, pod: &Pod) -> bool {
        let order = self.plan.workloads.get(pod.order as usize);
        let share = order.map_or(0.0, |order| order.evictions);
        let Some(prepared) = self.prepared.get_mut(pod.order as usize) else {
            return false;
        };
        let nth = prepared.ends;
        prepared.ends += 1;
        let upto = |count: u64| (count as f64 * share + 1e-9).floor();
        upto(nth + 1) > upto(nth)
    }

    /// Tells whether a pod is one of those that have an update of their own for something.
    fn has_stage(&self, pod: &Pod, share_of: impl Fn(&Stages) -> f64) -> bool {
        let order = self.plan.workloads.get(pod.order as usize);
        let share = order.map_or(1.0, |order| share_of(&order.stages));
        // Of any so many pods in a row as many as the share says.
        let upto = |count: u64| (count as f64 * share + 1e-9).floor();
        upto(pod.nth + 1) > upto(pod.nth)
    }

    /// Tells whether the containers of such a pod end by themselves.
    fn works(&self, birth: &Birth) -> bool {
        let shape = self
            .groups
            .get(birth.group as usize)
            .map(|group| &group.shape);
        shape.is_some_and(|shape| !shape.restarts)
    }

    fn until_scheduled(&self, pod: u32) -> i64 {
        let startup = self.pods.get(pod as usize).map_or(0, |pod| pod.startup);
        (startup / 4).min(10 * MILLI)
    }

    fn pod_after(&mut self, pod: u32, delay: i64, action: Action) {
        let is_essential = self
            .pods
            .get(pod as usize)
            .is_some_and(|pod| pod.is_essential);
        if is_essential {
            self.surely_after(delay, action);
        } else {
            self.after(delay, action);
        }
    }

    fn note_pod(&mut self, pod: u32, step: Step) -> Result<(), Error> {
        let object = self.pods.get(pod as usize).map_or(NONE, |pod| pod.object);
        let number = self.note(object, step as u32)?;
        if let Some(pod) = self.pods.get_mut(pod as usize) {
            pod.stage = step;
            pod.last = number;
        }
        Ok(())
    }

    pub(super) fn order_of_pod(&self, pod: u32) -> Option<&WorkloadOrder> {
        let order = self.pods.get(pod as usize)?.order;
        self.plan.workloads.get(order as usize)
    }

    pub(super) fn group_of_pod(&self, pod: u32) -> Option<&Group> {
        let group = self.pods.get(pod as usize)?.group;
        self.groups.get(group as usize)
    }

    pub(super) fn is_daemon(&self, pod: u32) -> bool {
        self.order_of_pod(pod)
            .is_some_and(|order| order.kind == "DaemonSet")
    }

    /// The scheduler looks for a node for a pod.
    pub(super) fn schedule(&mut self, number: u32) -> Result<(), Error> {
        let Some(pod) = self.pods.get(number as usize).cloned() else {
            return Ok(());
        };
        if pod.is_leaving || pod.node != NONE {
            return Ok(());
        }
        if self.bind(number)? {
            return Ok(());
        }
        if pod.stage == Step::Created {
            self.note_pod(number, Step::Unschedulable)?;
            self.tell_of_pod(number, Reason::FailedScheduling, 0)?;
        }
        self.waiting.push_back(number);
        Ok(())
    }

    /// Binds a pod to a node that has room for it; `false` if none has.
    fn bind(&mut self, number: u32) -> Result<bool, Error> {
        let Some(pod) = self.pods.get(number as usize).cloned() else {
            return Ok(true);
        };
        let placement = self
            .order_of_pod(number)
            .map_or(Placement::Spread, |order| order.placement.clone());
        let Some(shape) = self
            .groups
            .get(pod.group as usize)
            .map(|group| Arc::clone(&group.shape))
        else {
            return Ok(true);
        };
        let node = if self.is_daemon(number) {
            let node = pod.ordinal;
            self.cluster.place_on(node, &shape.needs).then_some(node)
        } else {
            self.cluster.place(&placement, &shape.needs, pod.nth)
        };
        let Some(node) = node else {
            return Ok(false);
        };
        let address = self.next_address(node);
        if let Some(pod) = self.pods.get_mut(number as usize) {
            pod.node = node;
            pod.address = address;
        }
        self.note_pod(number, Step::Bound)?;
        self.tell_of_pod(number, Reason::Scheduled, 0)?;
        let rest = pod.startup - self.until_scheduled(number);
        let accepted = (rest / 4).clamp(MILLI, 200 * MILLI);
        if self.has_stage(&pod, |stages| stages.accepted) {
            self.pod_after(number, accepted, Action::Pod(number, Step::Accepted));
        }
        if pod.startup == i64::MAX {
            self.after(PULL, Action::Pod(number, Step::Stuck));
        } else {
            let running = Action::Pod(number, Step::Running);
            self.pod_after(number, rest.max(2 * MILLI), running);
        }
        Ok(true)
    }

    /// Has the scheduler look again at those that wait, soon.
    pub(super) fn wake_waiting(&mut self) {
        if !self.waiting.is_empty() && !self.retries {
            self.retries = true;
            self.after(100 * MILLI, Action::Retry);
        }
    }

    pub(super) fn retry(&mut self) -> Result<(), Error> {
        self.retries = false;
        let mut failed: Vec<u32> = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some(number) = self.waiting.pop_front() else {
                break;
            };
            let Some(pod) = self.pods.get(number as usize) else {
                continue;
            };
            if pod.is_leaving {
                continue;
            }
            let (group, is_daemon) = (pod.group, self.is_daemon(number));
            // Where one of a template finds no room, the others do not either.
            if (!is_daemon && failed.contains(&group)) || !self.bind(number)? {
                failed.push(group);
                self.waiting.push_back(number);
            }
        }
        Ok(())
    }

    /// Deletes a pod soon.
    pub(super) fn delete_pod(&mut self, pod: u32, delay: i64) {
        self.after(delay, Action::Pod(pod, Step::Terminating));
    }

    pub(super) fn pod_step(&mut self, number: u32, step: Step) -> Result<(), Error> {
        let Some(pod) = self.pods.get(number as usize).cloned() else {
            return Ok(());
        };
        let is_kubelets = !matches!(
            step,
            Step::Terminating | Step::Gone | Step::Tainted | Step::Evicted | Step::Counted
        );
        if pod.stage == Step::Gone {
            return Ok(());
        }
        if is_kubelets && pod.node != NONE && self.is_lost(pod.node) {
            // Nothing comes from the node until it is back.
            self.after(5 * SECOND, Action::Pod(number, step));
            return Ok(());
        }
        match step {
            Step::Accepted | Step::Stuck if !pod.is_leaving => self.note_pod(number, step),
            Step::Running if !pod.is_leaving => self.run(number, &pod),
            Step::Ready if !pod.is_leaving && !pod.has_ended => self.make_ready(number),
            Step::Crashed if pod.is_ready && !pod.is_leaving => self.crash(number, &pod),
            Step::Restarted if !pod.is_leaving && !pod.has_ended => self.restart(number),
            Step::Succeeded | Step::Failed if !pod.is_leaving && !pod.has_ended => {
                self.end_pod(number, step)
            }
            Step::Counted => self.note_pod(number, step),
            Step::Tainted | Step::Evicted if !pod.is_leaving => self.evict(number, &pod, step),
            Step::Terminating if !pod.is_leaving => self.terminate(number, &pod),
            Step::Stopped if !pod.has_ended => {
                if self.has_stage(&pod, |stages| stages.stopped) {
                    self.note_pod(number, step)?;
                }
                self.give_back(number);
                self.after(300 * MILLI, Action::Pod(number, Step::Released));
                Ok(())
            }
            Step::Released => {
                if self.has_stage(&pod, |stages| stages.released) {
                    self.note_pod(number, step)?;
                }
                self.after(50 * MILLI, Action::Pod(number, Step::Gone));
                Ok(())
            }
            Step::Gone => self.end_of_pod(number),
            _ => Ok(()),
        }
    }

    fn run(&mut self, number: u32, pod: &Pod) -> Result<(), Error> {
        if pod.stage == Step::Bound && self.has_stage(pod, |stages| stages.accepted) {
            self.note_pod(number, Step::Accepted)?;
        }
        let Some((probes, readiness, works)) = self.group_of_pod(number).map(|group| {
            let shape = &group.shape;
            (shape.has_readiness, shape.readiness, !shape.restarts)
        }) else {
            return Ok(());
        };
        let share = self
            .order_of_pod(number)
            .and_then(|order| order.stages.ready);
        let has_readiness = match share {
            Some(share) => self.has_stage(pod, |_| share),
            None => probes,
        };
        let step = if has_readiness {
            Step::Running
        } else {
            Step::Up
        };
        self.note_pod(number, step)?;
        self.add_endpoint(number, pod.order);
        let containers = self.container_count(number);
        for container in 0..containers {
            self.tell_of_pod(number, Reason::Pulled, container)?;
            self.tell_of_pod(number, Reason::Created, container)?;
            self.tell_of_pod(number, Reason::Started, container)?;
        }
        if has_readiness {
            let (delay, period) = readiness;
            let wait = delay + self.rng.random_range(0..=period.max(1));
            self.pod_after(number, wait, Action::Pod(number, Step::Ready));
        } else {
            self.ready(number);
        }
        if works {
            self.delete_working(number, pod);
        }
        if pod.life == i64::MAX {
            return Ok(());
        }
        if works {
            let end = if pod.fails {
                Step::Failed
            } else {
                Step::Succeeded
            };
            self.pod_after(number, pod.life.max(MILLI), Action::Pod(number, end));
        } else if self.is_evicted(pod) {
            let delay = (pod.life - EVICTION).max(MILLI);
            self.after(delay, Action::Pod(number, Step::Evicted));
        } else {
            self.after(pod.life.max(MILLI), Action::Pod(number, Step::Terminating));
        }
        Ok(())
    }

    /// Plans when a pod is deleted that ends by itself: of those of Jobs only what has not ended then.
    fn delete_working(&mut self, number: u32, pod: &Pod) {
        let Some(order) = self.plan.workloads.get(pod.order as usize) else {
            return;
        };
        let Some(lifetime) = &order.lifetime else {
            return;
        };
        let lifetime = lifetime.nth(pod.nth, &mut self.rng);
        let is_meant = order.kind == "Pod" || lifetime < pod.life;
        if lifetime < i64::MAX && is_meant {
            self.after(lifetime.max(MILLI), Action::Pod(number, Step::Terminating));
        }
    }

    pub(super) fn container_count(&self, pod: u32) -> usize {
        self.group_of_pod(pod)
            .map_or(0, |group| group.shape.containers().len())
    }

    fn make_ready(&mut self, number: u32) -> Result<(), Error> {
        self.note_pod(number, Step::Ready)?;
        self.ready(number);
        Ok(())
    }

    fn ready(&mut self, number: u32) {
        let Some(pod) = self.pods.get_mut(number as usize) else {
            return;
        };
        pod.is_ready = true;
        let (set, order) = (pod.set, pod.order);
        self.slices_hear(order);
        let crashes = self
            .order_of_pod(number)
            .and_then(|order| order.restarts.clone());
        if let Some(crashes) = crashes {
            let spell = self.count_spell_of(order);
            let wait = crashes.nth(spell, &mut self.rng);
            if wait < i64::MAX {
                self.after(wait.max(MILLI), Action::Pod(number, Step::Crashed));
            }
        }
        self.set_hears(set, 1);
    }

    fn crash(&mut self, number: u32, pod: &Pod) -> Result<(), Error> {
        self.note_pod(number, Step::Crashed)?;
        if let Some(pod) = self.pods.get_mut(number as usize) {
            pod.is_ready = false;
            pod.restarts = pod.restarts.saturating_add(1);
        }
        self.set_hears(pod.set, -1);
        self.slices_hear(pod.order);
        // At once after the first crash, later with a growing pause of up to five minutes.
        let pause = match pod.restarts {
            0 => SECOND,
            1..6 => (10 * SECOND) << (pod.restarts - 1),
            _ => 300 * SECOND,
        };
        self.tell_of_pod(number, Reason::BackOff, 0)?;
        self.after(pause, Action::Pod(number, Step::Restarted));
        Ok(())
    }

    fn restart(&mut self, number: u32) -> Result<(), Error> {
        self.note_pod(number, Step::Restarted)?;
        self.tell_of_pod(number, Reason::Started, 0)?;
        self.ready(number);
        Ok(())
    }

    fn end_pod(&mut self, number: u32, step: Step) -> Result<(), Error> {
        self.note_pod(number, step)?;
        self.give_back(number);
        let set = self.leave_set(number);
        self.pod_ended(number, set, step == Step::Succeeded);
        Ok(())
    }

    /// The pod's containers have ended: the node has its room again.
    fn give_back(&mut self, number: u32) {
        let Some(pod) = self.pods.get_mut(number as usize) else {
            return;
        };
        if pod.has_ended {
            return;
        }
        pod.has_ended = true;
        let (node, group, order) = (pod.node, pod.group, pod.order);
        let (set, was_fading) = (pod.set, std::mem::take(&mut pod.is_fading));
        if was_fading {
            self.pod_fades(set);
        }
        self.slices_hear(order);
        if node == NONE {
            return;
        }
        if let Some(group) = self.groups.get(group as usize) {
            self.cluster.release(node, &group.shape.needs);
        }
        self.wake_waiting();
    }

    /// The set of a pod does not count it any more; returns the set.
    fn leave_set(&mut self, number: u32) -> u32 {
        let Some(pod) = self.pods.get_mut(number as usize) else {
            return NONE;
        };
        let (set, slot, was_ready) = (pod.set, pod.slot, pod.is_ready);
        let order = pod.order;
        pod.is_ready = false;
        self.slices_hear(order);
        let Some(pod) = self.pods.get_mut(number as usize) else {
            return NONE;
        };
        if set == NONE || slot == NONE {
            return set;
        }
        pod.slot = NONE;
        self.drop_from_set(set, slot);
        self.set_hears(set, if was_ready { -1 } else { 0 });
        set
    }

    fn evict(&mut self, number: u32, pod: &Pod, step: Step) -> Result<(), Error> {
        let is_lost = pod.node != NONE && self.is_lost(pod.node);
        if step == Step::Tainted && (!is_lost || self.is_daemon(number)) {
            return Ok(());
        }
        let stage = pod.stage;
        self.note_pod(number, step)?;
        if let Some(pod) = self.pods.get_mut(number as usize) {
            pod.stage = stage;
        }
        self.after(EVICTION, Action::Pod(number, Step::Terminating));
        Ok(())
    }

    fn terminate(&mut self, number: u32, pod: &Pod) -> Result<(), Error> {
        self.note_pod(number, Step::Terminating)?;
        if let Some(pod) = self.pods.get_mut(number as usize) {
            pod.is_leaving = true;
        }
        let set = self.leave_set(number);
        if set != NONE && !pod.has_ended {
            self.set_lost_pod(set, pod.ordinal, pod.is_ready);
            if let Some(own) = self.pods.get_mut(number as usize) {
                own.is_fading = pod.is_ready;
            }
        }
        if pod.node == NONE || pod.has_ended {
            self.after(30 * MILLI, Action::Pod(number, Step::Gone));
            return Ok(());
        }
        for container in 0..self.container_count(number) {
            self.tell_of_pod(number, Reason::Killing, container)?;
        }
        let grace = self
            .group_of_pod(number)
            .map_or(30, |group| group.shape.grace);
        let most = grace.saturating_mul(SECOND).clamp(SECOND, 2 * SECOND);
        let stop = self.rng.random_range(300 * MILLI..=most);
        self.after(stop, Action::Pod(number, Step::Stopped));
        Ok(())
    }

    fn end_of_pod(&mut self, number: u32) -> Result<(), Error> {
        self.give_back(number);
        self.note_pod(number, Step::Gone)?;
        let (set, ordinal) = self
            .pods
            .get(number as usize)
            .map_or((NONE, 0), |pod| (pod.set, pod.ordinal));
        self.pod_is_gone(set, ordinal)
    }

    /// The node of these pods does not answer any more.
    pub(super) fn lose_pods(&mut self, node: u32) -> Result<(), Error> {
        for number in self.pods_on(node) {
            let Some(pod) = self.pods.get_mut(number as usize) else {
                continue;
            };
            if !pod.is_ready || pod.is_leaving {
                continue;
            }
            pod.is_ready = false;
            let (set, stage, order) = (pod.set, pod.stage, pod.order);
            self.slices_hear(order);
            self.note_pod(number, Step::Lost)?;
            if let Some(pod) = self.pods.get_mut(number as usize) {
                pod.stage = if stage == Step::Lost {
                    stage
                } else {
                    Step::Lost
                };
            }
            self.set_hears(set, -1);
        }
        Ok(())
    }

    /// And answers again.
    pub(super) fn find_pods(&mut self, node: u32) -> Result<(), Error> {
        for number in self.pods_on(node) {
            let Some(pod) = self.pods.get(number as usize) else {
                continue;
            };
            if pod.stage == Step::Lost && !pod.is_leaving && !pod.has_ended {
                self.note_pod(number, Step::Found)?;
                let found = self.pods.get_mut(number as usize).map(|pod| {
                    pod.is_ready = true;
                    (pod.set, pod.order)
                });
                let (set, order) = found.unwrap_or((NONE, NONE));
                self.slices_hear(order);
                self.set_hears(set, 1);
            }
        }
        Ok(())
    }

    /// The node is gone: the collector of pods takes those that were on it.
    pub(super) fn orphan_pods(&mut self, node: u32) {
        for (place, number) in self.pods_on(node).into_iter().enumerate() {
            let gap = SECOND + MILLI * place as i64;
            self.after(gap, Action::Pod(number, Step::Terminating));
            self.after(gap + 100 * MILLI, Action::Pod(number, Step::Gone));
        }
    }

    /// Makes the group of the pods of a template.
    pub(super) fn group(&mut self, order: u32, template: &Value, naming: &Naming<'_>) -> u32 {
        let shape = self
            .prepared
            .get(order as usize)
            .and_then(|prepared| prepared.shape.clone());
        let metadata = template.get("metadata").cloned().unwrap_or_default();
        let mut metadata = metadata;
        let members = as_object(&mut metadata);
        let labels = object(members, "labels");
        for (label, value) in naming.labels {
            labels.insert((*label).to_owned(), json!(value));
        }
        let labels = Value::Object(labels.clone()).to_string();
        let labels = labels.strip_suffix('}').unwrap_or_default().to_owned();
        let annotations = object(members, "annotations");
        for (annotation, value) in naming.annotations {
            annotations.insert((*annotation).to_owned(), json!(value));
        }
        let mut text = String::new();
        if !annotations.is_empty() {
            text.push_str(r#","annotations":"#);
            text.push_str(&Value::Object(annotations.clone()).to_string());
        }
        let group = Group {
            namespace: naming.namespace.to_owned(),
            prefix: naming.prefix.to_owned(),
            form: naming.form,
            labels: placed(&labels),
            annotations: placed(&text),
            owner: naming.owner.to_owned(),
            is_tracked: naming.is_tracked,
            shape: shape.unwrap_or_else(|| Arc::new(Shape::empty())),
        };
        self.groups.push(group);
        let number = (self.groups.len() - 1) as u32;
        if !naming.is_tracked && naming.form == NameForm::Letters {
            self.templates.insert(number, template.clone());
        }
        number
    }

    /// A pod without a controller.
    pub(super) fn create_bare(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
    ) -> Result<(), Error> {
        self.ensure_namespace(&order.namespace)?;
        let template = self.body_of(number);
        let naming = Naming {
            namespace: &order.namespace,
            prefix: name,
            form: NameForm::Whole,
            is_tracked: false,
            labels: &[],
            annotations: &[],
            owner: "",
        };
        let group = self.group(number, &template, &naming);
        let pod = self.create_pod(&Birth {
            group,
            order: number,
            set: NONE,
            ordinal: NONE,
            is_essential: true,
        })?;
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.pods.push(pod);
        }
        Ok(())
    }

    /// The name of a pod.
    pub(crate) fn pod_name(&self, pod: &Pod) -> String {
        let mut name = String::new();
        if let Some(group) = self.groups.get(pod.group as usize) {
            group.write_name(pod.ordinal, pod.suffix, &mut name);
        }
        name
    }
}

/// What the pods of a group are called, and what they get besides their template.
pub(super) struct Naming<'a> {
    pub(super) namespace: &'a str,
    pub(super) prefix: &'a str,
    pub(super) form: NameForm,
    pub(super) is_tracked: bool,
    pub(super) labels: &'a [(&'a str, &'a str)],
    pub(super) annotations: &'a [(&'a str, &'a str)],
    pub(super) owner: &'a str,
}

/// Stands for the ordinal of a pod in the labels of a template.
pub(super) const ORDINAL: &str = "\u{F8FE}";
/// Stands for the name of a pod in the labels of a template.
pub(super) const NAME: &str = "\u{F8FD}";

/// Puts the marks of places where they are asked for.
fn placed(text: &str) -> String {
    text.replace(ORDINAL, "\u{1}").replace(NAME, "\u{2}")
}

impl Group {
    /// Writes the name of one of its pods.
    pub(crate) fn write_name(&self, ordinal: u32, suffix: [u8; 5], out: &mut String) {
        out.push_str(&self.prefix);
        match self.form {
            NameForm::Whole | NameForm::Letters => {}
            NameForm::Ordinal => out.push_str(&ordinal.to_string()),
            NameForm::IndexAndLetters => {
                out.push_str(&ordinal.to_string());
                out.push('-');
            }
        }
        if matches!(self.form, NameForm::Letters | NameForm::IndexAndLetters) {
            out.extend(suffix.iter().map(|byte| char::from(*byte)));
        }
    }
}
