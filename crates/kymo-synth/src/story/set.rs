use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::event::Reason;
use super::follow::is_following;
use super::job::JobState;
use super::object::Draft;
use super::pod::Birth;
use super::pod::{NAME, Naming, ORDINAL};
use super::queue::Action;
use super::status::{self, Counts};
use super::{NONE, Pod, Story};
use crate::Error;
use crate::arrival::{Arrival, Arrivals};
use crate::clock::MILLI;
use crate::defaults::{as_object, object};
use crate::order::WorkloadOrder;
use crate::pod::{NameForm, controller};
use crate::random::template_hash;

/// How long a controller gathers changes before it writes its status.
const SYNC: i64 = 200 * MILLI;

/// How many pods a controller makes in a second.
const CREATION: f64 = 200.0;

/// Which controller it is.
#[derive(Clone, Debug)]
pub(super) enum SetKind {
    Replica {
        /// The Deployment that it belongs to; [`NONE`] without.
        deployment: u32,
    },
    Stateful {
        /// The name of its revision.
        revision: String,
        /// All pods at once.
        is_parallel: bool,
        /// Claims of each pod.
        claims: Vec<Value>,
        labels: Value,
        /// Ordinals of pods that are not gone.
        taken: BTreeSet<u32>,
    },
    Daemon,
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
    last_status: String,
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
        let birth = Birth {
            group: own.group,
            order: own.order,
            set,
            ordinal,
            is_essential,
        };
        let (order, plain) = (own.order, own.plain);
        if let SetKind::Stateful {
            claims,
            labels,
            taken,
            ..
        } = &mut own.kind
        {
            taken.insert(ordinal);
            let (group, claims, labels) = (own.group, claims.clone(), labels.clone());
            self.claim_for(group, ordinal, &claims, &labels)?;
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

    fn claim_for(
        &mut self,
        group: u32,
        ordinal: u32,
        claims: &[Value],
        labels: &Value,
    ) -> Result<(), Error> {
        let Some((namespace, prefix)) = self
            .groups
            .get(group as usize)
            .map(|group| (group.namespace.clone(), group.prefix.clone()))
        else {
            return Ok(());
        };
        for claim in claims {
            let name = claim.pointer("/metadata/name").and_then(Value::as_str);
            let name = format!("{}-{prefix}{ordinal}", name.unwrap_or_default());
            if self.claimed.insert(format!("{namespace}/{name}")) {
                self.ensure_claim(&namespace, &name, claim, labels)?;
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
        let is_in_order = matches!(
            own.kind,
            SetKind::Stateful {
                is_parallel: false,
                ..
            }
        );
        if is_in_order && more_ready > 0 {
            self.reconcile_soon(set);
        }
        self.hears(set);
    }

    /// The controller of a set writes its status soon.
    pub(super) fn hears(&mut self, set: u32) {
        if let Some(own) = self.set(set)
            && !own.is_syncing
            && !own.is_gone
        {
            own.is_syncing = true;
            let kind = own.kind.word();
            let delay = self.pace(kind).unwrap_or(SYNC);
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
            self.after(20 * MILLI, Action::Reconcile(set));
        }
    }

    /// A pod of a set is on its way out.
    pub(super) fn set_lost_pod(&mut self, set: u32, ordinal: u32) {
        if let Some(own) = self.set(set) {
            own.leaving += 1;
            if !matches!(own.kind, SetKind::Stateful { .. } | SetKind::Daemon) {
                self.reconcile_soon(set);
            }
        }
        self.job_lost_pod(set, ordinal);
    }

    /// A pod of a set is gone.
    pub(super) fn pod_is_gone(&mut self, set: u32, ordinal: u32) {
        let Some(own) = self.set(set) else {
            return;
        };
        own.leaving = own.leaving.saturating_sub(1);
        if let SetKind::Stateful { taken, .. } = &mut own.kind {
            taken.remove(&ordinal);
        }
        if matches!(own.kind, SetKind::Stateful { .. } | SetKind::Daemon) {
            self.reconcile_soon(set);
        }
        self.hears(set);
    }

    /// The lowest ordinal that no pod of the set has.
    fn free_ordinal(&self, set: u32) -> u32 {
        match self.sets.get(set as usize).map(|own| &own.kind) {
            Some(SetKind::Stateful { taken, .. }) => (0..NONE)
                .find(|ordinal| !taken.contains(ordinal))
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
            Some(SetKind::Stateful { is_parallel, .. }) => {
                let is_parallel = *is_parallel;
                self.reconcile_stateful(set, is_parallel)
            }
            Some(SetKind::Daemon) => self.reconcile_daemons(set),
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
        let mut has: BTreeSet<u32> = BTreeSet::new();
        for pod in &own.active {
            if let Some(pod) = self.pods.get(*pod as usize) {
                has.insert(pod.ordinal);
            }
        }
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
        let counts = own.counts();
        let generation = own.generation;
        let text = match &own.kind {
            SetKind::Replica { .. } => status::replica_set(counts, generation),
            SetKind::Stateful { revision, .. } => {
                status::stateful_set(counts, generation, revision)
            }
            SetKind::Daemon => status::daemon_set(counts, own.wanted, generation),
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
        if own.wanted == wanted || matches!(own.kind, SetKind::Daemon | SetKind::Job(_)) {
            return Ok(());
        }
        let (plain, generation, status) = (own.plain, own.generation + 1, own.last_status.clone());
        let mut body = self.body_of(own.order);
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
            own.wanted = wanted;
            own.generation = generation;
            own.base = base;
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
        Ok(())
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
        let hash = template_hash(&template.to_string());
        let revision = format!("{name}-{hash}");
        let first = match order.kind.as_str() {
            "StatefulSet" => r#"{"replicas":0,"availableReplicas":0}"#,
            "DaemonSet" => {
                r#"{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#
            }
            _ => r#"{"replicas":0}"#,
        };
        let claims = body
            .pointer("/spec/volumeClaimTemplates")
            .and_then(Value::as_array)
            .cloned();
        let labels = body.pointer("/spec/selector/matchLabels").cloned();
        let is_parallel = body
            .pointer("/spec/podManagementPolicy")
            .is_some_and(|policy| policy == "Parallel");
        let draft = Draft {
            api_version: "apps/v1",
            kind: &order.kind,
            namespace: &order.namespace,
            name,
            body,
            generation: Some(1),
            has_status: true,
        };
        let plain = self.create(&draft, first)?;
        let base = self.versions.last().map_or(0, |version| version.base);
        let owner = controller("apps/v1", &order.kind, name, &self.uid_of(plain));
        let prefix = format!("{name}-");
        let (form, extra): (NameForm, Vec<(&str, &str)>) = match order.kind.as_str() {
            "StatefulSet" => (
                NameForm::Ordinal,
                vec![
                    ("apps.kubernetes.io/pod-index", ORDINAL),
                    ("controller-revision-hash", revision.as_str()),
                    ("statefulset.kubernetes.io/pod-name", NAME),
                ],
            ),
            "DaemonSet" => (
                NameForm::Letters,
                vec![
                    ("controller-revision-hash", hash.as_str()),
                    ("pod-template-generation", "1"),
                ],
            ),
            _ => (NameForm::Letters, Vec::new()),
        };
        let naming = Naming {
            namespace: &order.namespace,
            prefix: &prefix,
            form,
            is_tracked: false,
            labels: &extra,
            annotations: &[],
            owner: &owner,
        };
        let group = self.group(number, &template, &naming);
        let kind = match order.kind.as_str() {
            "StatefulSet" => SetKind::Stateful {
                revision: revision.clone(),
                is_parallel,
                claims: claims.unwrap_or_default(),
                labels: labels.unwrap_or_default(),
                taken: BTreeSet::new(),
            },
            "DaemonSet" => SetKind::Daemon,
            _ => SetKind::Replica { deployment: NONE },
        };
        if order.kind != "ReplicaSet" {
            self.create_revision(order, &revision, &template, &owner)?;
        }
        let is_daemon = matches!(kind, SetKind::Daemon);
        let set = self.add_set(kind, number, plain, group, wanted);
        if let Some(own) = self.set(set) {
            own.base = base;
        }
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

    fn create_revision(
        &mut self,
        order: &WorkloadOrder,
        name: &str,
        template: &Value,
        owner: &str,
    ) -> Result<(), Error> {
        let owner: Value = serde_json::from_str(&format!("{{{}}}", owner.trim_start_matches(',')))
            .unwrap_or_default();
        let draft = Draft {
            api_version: "apps/v1",
            kind: "ControllerRevision",
            namespace: &order.namespace,
            name,
            body: json!({
                "metadata": {
                    "labels": template.pointer("/metadata/labels"),
                    "ownerReferences": owner.get("ownerReferences"),
                },
                "data": {"spec": {"template": template}},
                "revision": 1,
            }),
            generation: None,
            has_status: false,
        };
        self.create(&draft, "").map(|_| ())
    }
}

impl SetKind {
    /// The kind of the object.
    fn word(&self) -> &'static str {
        match self {
            Self::Replica { .. } => "ReplicaSet",
            Self::Stateful { .. } => "StatefulSet",
            Self::Daemon => "DaemonSet",
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
