use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::event::Reason;
use super::follow::is_following;
use super::job::JobState;
use super::object::Draft;
use super::pod::Birth;
use super::pod::Naming;
use super::queue::Action;
use super::revision::Revised;
use super::status::{self, Counts};
use super::{NONE, Pod, Story};
use crate::Error;
use crate::arrival::{Arrival, Arrivals};
use crate::clock::MILLI;
use crate::defaults::{as_object, object};
use crate::order::WorkloadOrder;
use crate::pod::{NameForm, controller};

/// How long a controller gathers changes before it writes its status.
const SYNC: i64 = 200 * MILLI;

/// How long it takes until it makes and deletes pods.
const RECONCILE: i64 = 20 * MILLI;

/// How many pods a controller makes in a second.
const CREATION: f64 = 200.0;

/// Which controller it is.
#[derive(Clone, Debug)]
pub(super) enum SetKind {
    Replica {
        /// The Deployment that it belongs to; [`NONE`] without.
        deployment: u32,
    },
    Stateful(Box<Revised>),
    Daemon(Box<Revised>),
    Job(Box<JobState>),
}

/// What makes pods: a `ReplicaSet`, a `StatefulSet`, a `DaemonSet` or a Job.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) kind: SetKind,
    pub(super) order: u32,
    /// Its object among the plain ones.
    pub(super) plain: u32,
    pub(super) base: u32,
    pub(super) group: u32,
    pub(super) wanted: u32,
    /// Pods that are there and not on their way out.
    pub(super) active: Vec<u32>,
    pub(super) ready: u32,
    pub(super) leaving: u32,
    /// Those of them that are still ready.
    fading: u32,
    /// How many pods were made.
    made: u32,
    /// Pods that are still to arrive.
    pending: u32,
    arrivals: Option<Arrivals>,
    rng: ChaCha8Rng,
    begin: i64,
    pub(super) generation: u32,
    is_syncing: bool,
    is_reconciling: bool,
    pub(super) is_gone: bool,
    pub(super) last_status: String,
}

impl Story<'_> {
    fn set(&mut self, set: u32) -> Option<&mut Set> {
        self.sets.get_mut(set as usize)
    }

    /// Adds a set whose object is there.
    pub(super) fn add_set(
        &mut self,
        kind: SetKind,
        order: u32,
        plain: u32,
        group: u32,
        wanted: u32,
    ) -> u32 {
        let number = self.sets.len() as u32;
        let base = self.versions.last().map_or(0, |version| version.base);
        self.sets.push(Set {
            kind,
            order,
            plain,
            base,
            group,
            wanted,
            active: Vec::new(),
            ready: 0,
            leaving: 0,
            fading: 0,
            made: 0,
            pending: 0,
            arrivals: None,
            rng: self.seed.stream("set", u64::from(number)),
            begin: self.now,
            generation: 1,
            is_syncing: false,
            is_reconciling: false,
            is_gone: false,
            last_status: String::new(),
        });
        number
    }

    /// Has the pods of a set come one by one, as its order says.
    pub(super) fn begin_arrivals(&mut self, set: u32) {
        let plan = self.plan;
        let order = self.sets.get(set as usize).map_or(NONE, |set| set.order);
        let arrival = plan
            .workloads
            .get(order as usize)
            .filter(|order| order.pods.is_none())
            .and_then(|order| order.arrival.clone());
        if let Some(arrival) = arrival
            && let Some(own) = self.set(set)
        {
            own.pending = own.wanted;
            own.arrivals = Some(Arrivals::new(arrival, u64::from(own.wanted)));
            self.next_pod(set);
        }
        self.surely_after(10 * MILLI, Action::Reconcile(set));
        self.hears(set);
    }

    fn next_pod(&mut self, set: u32) {
        let now = self.now;
        let Some(own) = self.set(set) else {
            return;
        };
        if own.pending == 0 || own.is_gone {
            return;
        }
        let begin = own.begin;
        let offset = own
            .arrivals
            .as_mut()
            .and_then(|arrivals| arrivals.next(&mut own.rng));
        match offset {
            Some(offset) => {
                let delay = begin.saturating_add(offset).saturating_sub(now).max(0);
                self.surely_after(delay, Action::ArrivePod(set));
            }
            None => own.pending = 0,
        }
    }

    /// Another pod of a set arrives.
    pub(super) fn arrive_pod(&mut self, set: u32) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        if own.is_gone || own.pending == 0 {
            return Ok(());
        }
        own.pending -= 1;
        let is_wanted = (own.active.len() as u32) < own.wanted;
        if is_wanted {
            let ordinal = self.free_ordinal(set);
            self.make_pod(set, ordinal)?;
        }
        self.next_pod(set);
        Ok(())
    }

    /// Makes a pod of a set.
    pub(super) fn make_pod(&mut self, set: u32, ordinal: u32) -> Result<u32, Error> {
        let Some(own) = self.set(set) else {
            return Ok(NONE);
        };
        // The first ones were asked for; their successors come on their own.
        let is_essential = own.made < own.wanted || !matches!(own.kind, SetKind::Replica { .. });
        own.made = own.made.saturating_add(1);
        let (order, plain) = (own.order, own.plain);
        let mut birth = Birth {
            group: own.group,
            order,
            set,
            ordinal,
            is_essential,
        };
        if let SetKind::Stateful(kind) | SetKind::Daemon(kind) = &mut own.kind {
            kind.taken.insert(ordinal);
            birth.group = kind.group_for(ordinal).unwrap_or(birth.group);
            self.claim_for(set, ordinal)?;
        }
        let pod = self.create_pod(&birth)?;
        if let Some(own) = self.set(set) {
            let slot = own.active.len() as u32;
            own.active.push(pod);
            if let Some(pod) = self.pods.get_mut(pod as usize) {
                pod.slot = slot;
            }
        }
        self.tell_of_plain(order, plain, Reason::SuccessfulCreate, pod, NONE)?;
        self.hears(set);
        Ok(pod)
    }

    /// Makes the claims of a pod that are not there yet.
    fn claim_for(&mut self, set: u32, ordinal: u32) -> Result<(), Error> {
        let plan = self.plan;
        let order = self.sets.get(set as usize).map_or(NONE, |own| own.order);
        let plain = self.sets.get(set as usize).map_or(NONE, |own| own.plain);
        let (Some(order), Some(own)) = (plan.workloads.get(order as usize), self.revised(set))
        else {
            return Ok(());
        };
        let labels = own.body.pointer("/spec/selector/matchLabels").cloned();
        let labels = labels.unwrap_or_default();
        for template in own.claims.clone() {
            let name = template.pointer("/metadata/name").and_then(Value::as_str);
            let of = self.name_of(plain);
            let name = format!("{}-{of}-{ordinal}", name.unwrap_or_default());
            let key = (order.namespace.clone(), name);
            if !self.claimed.contains_key(&key) {
                self.ensure_claim(key, (set, ordinal), &template, &labels)?;
            }
        }
        Ok(())
    }

    /// The pod at a place is not counted any more.
    pub(super) fn drop_from_set(&mut self, set: u32, slot: u32) {
        let Some(own) = self.set(set) else {
            return;
        };
        if (slot as usize) < own.active.len() {
            own.active.swap_remove(slot as usize);
        }
        let moved = own.active.get(slot as usize).copied();
        if let Some(moved) = moved
            && let Some(pod) = self.pods.get_mut(moved as usize)
        {
            pod.slot = slot;
        }
    }

    /// A pod of a set changed; so many more are ready.
    pub(super) fn set_hears(&mut self, set: u32, more_ready: i32) {
        let Some(own) = self.set(set) else {
            return;
        };
        own.ready = own.ready.saturating_add_signed(more_ready);
        let is_in_order = match &own.kind {
            SetKind::Stateful(kind) => !kind.is_parallel || kind.is_rolling(),
            SetKind::Daemon(kind) => kind.is_rolling(),
            SetKind::Replica { .. } | SetKind::Job(_) => false,
        };
        if is_in_order && more_ready > 0 {
            self.reconcile_soon(set);
        }
        self.hears(set);
    }

    /// The controller of a set writes its status soon.
    pub(super) fn hears(&mut self, set: u32) {
        let kind = self.sets.get(set as usize).map(|own| &own.kind);
        let delay = match kind.and_then(|kind| self.pace(kind.word())) {
            // In a rollout it deletes the next pod before it says that the last one is ready.
            Some(pace) if kind.is_some_and(SetKind::rolls_in_order) => RECONCILE + pace,
            Some(pace) => pace,
            None => SYNC,
        };
        self.writes_after(set, delay);
    }

    fn writes_after(&mut self, set: u32, delay: i64) {
        if let Some(own) = self.set(set)
            && !own.is_syncing
            && !own.is_gone
        {
            own.is_syncing = true;
            self.after(delay, Action::Sync(set));
        }
    }

    /// How soon controllers write that write after every change.
    pub(super) fn pace(&self, kind: &str) -> Option<i64> {
        self.plan.updates.contains_key(kind).then_some(MILLI)
    }

    /// The controller of a set looks soon whether it has the pods that it wants.
    pub(super) fn reconcile_soon(&mut self, set: u32) {
        if let Some(own) = self.set(set)
            && !own.is_reconciling
            && !own.is_gone
        {
            own.is_reconciling = true;
            self.after(RECONCILE, Action::Reconcile(set));
        }
    }

    /// A pod of a set, that was ready or not, is on its way out.
    pub(super) fn set_lost_pod(&mut self, set: u32, ordinal: u32, was_ready: bool) {
        if let Some(own) = self.set(set) {
            own.leaving += 1;
            own.fading += u32::from(was_ready);
            if !matches!(own.kind, SetKind::Stateful(_) | SetKind::Daemon(_)) {
                self.reconcile_soon(set);
            }
        }
        self.job_lost_pod(set, ordinal);
    }

    /// A pod of a set that is on its way out is not ready any more.
    pub(super) fn pod_fades(&mut self, set: u32) {
        if let Some(own) = self.set(set) {
            own.fading = own.fading.saturating_sub(1);
            if matches!(own.kind, SetKind::Stateful(_)) {
                self.hears(set);
            }
        }
    }

    /// A pod of a set is gone.
    pub(super) fn pod_is_gone(&mut self, set: u32, ordinal: u32) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        own.leaving = own.leaving.saturating_sub(1);
        let (wanted, is_gone) = (own.wanted, own.is_gone);
        if let SetKind::Stateful(kind) | SetKind::Daemon(kind) = &mut own.kind {
            kind.taken.remove(&ordinal);
            let is_dropped = (ordinal >= wanted && kind.drops_claims("whenScaled"))
                || (is_gone && kind.drops_claims("whenDeleted"));
            if is_dropped {
                self.delete_claims(set, ordinal)?;
            }
            self.reconcile_soon(set);
        }
        // That a pod is missing is said before another one is made.
        let kind = self.sets.get(set as usize).map(|own| own.kind.word());
        let pace = kind.and_then(|kind| self.pace(kind));
        self.writes_after(set, pace.unwrap_or(SYNC));
        Ok(())
    }

    /// The lowest ordinal that no pod of the set has.
    fn free_ordinal(&self, set: u32) -> u32 {
        match self.sets.get(set as usize).map(|own| &own.kind) {
            Some(SetKind::Stateful(kind)) => (0..NONE)
                .find(|ordinal| !kind.taken.contains(ordinal))
                .unwrap_or(NONE),
            _ => NONE,
        }
    }

    /// A controller makes pods that are missing and deletes those that are too many.
    pub(super) fn reconcile(&mut self, set: u32) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        own.is_reconciling = false;
        if own.is_gone {
            return Ok(());
        }
        match self.sets.get(set as usize).map(|set| &set.kind) {
            Some(SetKind::Replica { .. }) => self.reconcile_replicas(set),
            Some(SetKind::Stateful(kind)) => {
                let is_parallel = kind.is_parallel;
                self.reconcile_stateful(set, is_parallel)?;
                self.roll_stateful(set)
            }
            Some(SetKind::Daemon(_)) => {
                self.reconcile_daemons(set)?;
                self.roll_daemons(set)
            }
            Some(SetKind::Job(_)) => self.reconcile_job(set),
            None => Ok(()),
        }
    }

    fn reconcile_replicas(&mut self, set: u32) -> Result<(), Error> {
        let (now, plan) = (self.now, self.plan);
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        if is_following(plan, own.order) {
            return Ok(());
        }
        let have = own.active.len() as u32 + own.pending;
        let wanted = own.wanted;
        if have > wanted {
            return self.shed(set, (have - wanted) as usize);
        }
        let missing = wanted - have;
        if missing == 0 {
            return Ok(());
        }
        if own.pending == 0 {
            own.pending = missing;
            own.begin = now;
            let arrival = Arrival::Uniform { rate: CREATION };
            own.arrivals = Some(Arrivals::new(arrival, u64::from(missing)));
            self.next_pod(set);
            return Ok(());
        }
        for _ in 0..missing {
            self.make_pod(set, NONE)?;
        }
        Ok(())
    }

    /// Deletes so many pods of a set: those that are not ready first, then the youngest.
    fn shed(&mut self, set: u32, surplus: usize) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        let fewer = (own.pending as usize).min(surplus);
        own.pending -= fewer as u32;
        let mut pods = own.active.clone();
        let (order, plain) = (own.order, own.plain);
        pods.sort_by_key(|pod| {
            let found = self.pods.get(*pod as usize);
            (
                found.is_some_and(|pod| pod.is_ready),
                std::cmp::Reverse(*pod),
            )
        });
        for pod in pods.into_iter().take(surplus - fewer) {
            self.pod_step(pod, crate::pod::Step::Terminating)?;
            self.tell_of_plain(order, plain, Reason::SuccessfulDelete, pod, NONE)?;
        }
        Ok(())
    }

    fn reconcile_stateful(&mut self, set: u32, is_parallel: bool) -> Result<(), Error> {
        loop {
            let Some(own) = self.sets.get(set as usize) else {
                return Ok(());
            };
            let have = own.active.len() as u32;
            if have > own.wanted {
                let highest = own
                    .active
                    .iter()
                    .copied()
                    .max_by_key(|pod| self.pods.get(*pod as usize).map(|pod| pod.ordinal));
                if (own.leaving == 0 || is_parallel)
                    && let Some(pod) = highest
                {
                    self.pod_step(pod, crate::pod::Step::Terminating)?;
                    continue;
                }
                return Ok(());
            }
            let may = is_parallel || (own.ready == have && own.leaving == 0);
            if have + own.pending >= own.wanted || !may {
                return Ok(());
            }
            let ordinal = self.free_ordinal(set);
            if ordinal >= self.sets.get(set as usize).map_or(0, |own| own.wanted) {
                return Ok(());
            }
            self.make_pod(set, ordinal)?;
        }
    }

    fn reconcile_daemons(&mut self, set: u32) -> Result<(), Error> {
        let Some(own) = self.sets.get(set as usize) else {
            return Ok(());
        };
        let group = own.group;
        let has = match &own.kind {
            SetKind::Daemon(kind) => kind.taken.clone(),
            _ => BTreeSet::new(),
        };
        let Some(needs) = self
            .groups
            .get(group as usize)
            .map(|group| group.shape.needs.clone())
        else {
            return Ok(());
        };
        let mut wanted = 0;
        for node in 0..self.node_state.len() as u32 {
            let is_there = self
                .node_state
                .get(node as usize)
                .is_some_and(super::machine::Machine::is_up);
            if !is_there || !self.cluster.suits(node, &needs) {
                continue;
            }
            wanted += 1;
            if !has.contains(&node) {
                self.make_pod(set, node)?;
            }
        }
        if let Some(own) = self.set(set) {
            own.wanted = wanted;
        }
        Ok(())
    }

    /// Nodes came: the `DaemonSets` have a look.
    pub(super) fn wake_daemons(&mut self) {
        for set in self.daemons.clone() {
            self.reconcile_soon(set);
        }
    }

    /// A controller writes its status, if it changed.
    pub(super) fn sync(&mut self, set: u32) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        own.is_syncing = false;
        if own.is_gone {
            return Ok(());
        }
        if matches!(own.kind, SetKind::Job(_)) {
            return self.sync_job(set);
        }
        let (current, updated) = self.count_revisions(set);
        let Some(own) = self.sets.get(set as usize) else {
            return Ok(());
        };
        let (generation, wanted) = (own.generation, own.wanted);
        let counts = own.counts();
        let is_rolled = updated == wanted && counts.ready == wanted && own.leaving == 0;
        let is_daemon = matches!(own.kind, SetKind::Daemon(_));
        if is_rolled || (is_daemon && updated == wanted) {
            self.complete_roll(set);
        }
        let Some(own) = self.sets.get(set as usize) else {
            return Ok(());
        };
        let text = match &own.kind {
            SetKind::Replica { .. } => status::replica_set(counts, generation),
            SetKind::Stateful(kind) => {
                let current = if kind.is_rolling() { current } else { updated };
                // Pods count until they are gone, but not as those of a revision.
                let counts = Counts {
                    replicas: counts.replicas + own.leaving,
                    ready: counts.ready + own.fading,
                    ..counts
                };
                status::stateful_set(counts, (current, updated), generation, kind.names())
            }
            SetKind::Daemon(_) => status::daemon_set(counts, wanted, updated, generation),
            SetKind::Job(_) => String::new(),
        };
        let deployment = match own.kind {
            SetKind::Replica { deployment } => deployment,
            _ => NONE,
        };
        self.write_set(set, text)?;
        if deployment != NONE {
            self.deployment_hears(deployment);
        }
        Ok(())
    }

    /// Gives a set without a Deployment another number of replicas.
    pub(super) fn scale_set(&mut self, set: u32, wanted: u32) -> Result<(), Error> {
        let plan = self.plan;
        let Some(own) = self.sets.get(set as usize) else {
            return Ok(());
        };
        let Some(order) = plan.workloads.get(own.order as usize) else {
            return Ok(());
        };
        if own.wanted == wanted || matches!(own.kind, SetKind::Daemon(_) | SetKind::Job(_)) {
            return Ok(());
        }
        let (number, plain) = (own.order, own.plain);
        let (generation, status) = (own.generation + 1, own.last_status.clone());
        if let Some(own) = self.revised_mut(set) {
            object(as_object(&mut own.body), "spec").insert("replicas".to_owned(), json!(wanted));
            let drops = own.drops_claims("whenScaled");
            self.write_spec(set)?;
            let pods = self.sets.get(set as usize).map(|own| own.active.clone());
            for pod in pods.into_iter().flatten().filter(|_| drops) {
                let ordinal = self.pods.get(pod as usize).map_or(0, |pod| pod.ordinal);
                if ordinal >= wanted {
                    self.bequeath_claims(set, pod)?;
                }
            }
        } else {
            let mut body = self.body_of(number);
            object(as_object(&mut body), "spec").insert("replicas".to_owned(), json!(wanted));
            let name = self.name_of(plain);
            let draft = Draft {
                api_version: "apps/v1",
                kind: &order.kind,
                namespace: &order.namespace,
                name: &name,
                body,
                generation: Some(generation),
                has_status: true,
            };
            let created = self.created_of(plain);
            let base = self.rebase(plain, &draft, created);
            self.write_version(plain, base, &status)?;
            if let Some(own) = self.set(set) {
                own.generation = generation;
                own.base = base;
            }
        }
        if let Some(own) = self.set(set) {
            own.wanted = wanted;
        }
        self.reconcile_soon(set);
        self.hears(set);
        Ok(())
    }

    /// Writes the status of a set, if it is another one.
    pub(super) fn write_set(&mut self, set: u32, text: String) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        if own.last_status == text {
            return Ok(());
        }
        let (plain, base) = (own.plain, own.base);
        let written = self.write_version(plain, base, &text);
        if let Some(own) = self.set(set) {
            own.last_status = text;
        }
        written
    }

    /// Deletes a set, and its pods.
    pub(super) fn delete_set(&mut self, set: u32) -> Result<(), Error> {
        let Some(own) = self.set(set) else {
            return Ok(());
        };
        if own.is_gone {
            return Ok(());
        }
        own.is_gone = true;
        let (plain, mut pods, order) = (own.plain, own.active.clone(), own.order);
        self.remove(plain)?;
        if is_following(self.plan, order) {
            // The others go as the order says.
            pods.retain(|pod| self.pods.get(*pod as usize).is_some_and(Pod::stays));
        }
        for (place, pod) in pods.into_iter().enumerate() {
            let delay = 50 * MILLI + 200_000 * place as i64;
            self.surely_after(delay, Action::Pod(pod, crate::pod::Step::Terminating));
        }
        self.delete_ended(set);
        self.drop_unused_claims(set)
    }

    /// A `ReplicaSet`, `StatefulSet` or `DaemonSet` that a user makes.
    pub(super) fn create_workload(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
    ) -> Result<(), Error> {
        let body = self.body_of(number);
        let template = body.pointer("/spec/template").cloned().unwrap_or_default();
        let wanted = self
            .prepared
            .get(number as usize)
            .map_or(0, |prepared| prepared.replicas);
        let first = match order.kind.as_str() {
            "StatefulSet" => r#"{"replicas":0,"availableReplicas":0}"#,
            "DaemonSet" => {
                r#"{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#
            }
            _ => r#"{"replicas":0}"#,
        };
        let draft = Draft {
            api_version: "apps/v1",
            kind: &order.kind,
            namespace: &order.namespace,
            name,
            body: body.clone(),
            generation: Some(1),
            has_status: true,
        };
        let plain = self.create(&draft, first)?;
        let base = self.versions.last().map_or(0, |version| version.base);
        let owner = controller("apps/v1", &order.kind, name, &self.uid_of(plain));
        let revised = Box::new(Revised::new(name, &owner, &body));
        let (kind, group) = match order.kind.as_str() {
            "StatefulSet" => (SetKind::Stateful(revised), NONE),
            "DaemonSet" => (SetKind::Daemon(revised), NONE),
            _ => {
                let naming = Naming {
                    namespace: &order.namespace,
                    prefix: &format!("{name}-"),
                    form: NameForm::Letters,
                    is_tracked: false,
                    labels: &[],
                    annotations: &[],
                    owner: &owner,
                };
                let group = self.group(number, &template, &naming);
                (SetKind::Replica { deployment: NONE }, group)
            }
        };
        let is_daemon = matches!(kind, SetKind::Daemon(_));
        let set = self.add_set(kind, number, plain, group, wanted);
        if let Some(own) = self.set(set) {
            own.base = base;
        }
        self.revise_set(set)?;
        if is_daemon {
            self.daemons.push(set);
            self.surely_after(10 * MILLI, Action::Reconcile(set));
            self.hears(set);
        } else {
            self.begin_arrivals(set);
        }
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.sets.push(set);
        }
        Ok(())
    }
}

impl SetKind {
    /// Tells whether pods are replaced one after the other just now.
    fn rolls_in_order(&self) -> bool {
        matches!(self, Self::Stateful(own) if own.is_rolling())
    }

    /// The kind of the object.
    fn word(&self) -> &'static str {
        match self {
            Self::Replica { .. } => "ReplicaSet",
            Self::Stateful(_) => "StatefulSet",
            Self::Daemon(_) => "DaemonSet",
            Self::Job(_) => "Job",
        }
    }
}

impl Set {
    pub(super) fn counts(&self) -> Counts {
        Counts {
            replicas: self.active.len() as u32,
            ready: self.ready,
            leaving: self.leaving,
        }
    }
}
