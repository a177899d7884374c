//! Templates of `StatefulSets` and `DaemonSets`, and how they are rolled out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::begin::Sort;
use super::deployment::patched;
use super::event::Reason;
use super::object::Draft;
use super::pod::{NAME, Naming, ORDINAL};
use super::set::SetKind;
use super::{NONE, Story};
use crate::Error;
use crate::clock::seconds;
use crate::defaults::{as_object, object};
use crate::order::WorkloadOrder;
use crate::pod::{NameForm, Step};
use crate::random::template_hash;

/// What the controller of a `StatefulSet` or `DaemonSet` knows.
#[derive(Clone, Debug)]
pub(super) struct Revised {
    /// The object, as it is now.
    pub(super) body: Value,
    name: String,
    owner: String,
    revisions: Vec<Revision>,
    /// The revision of the pods that are not updated yet, and that of the present template.
    current: usize,
    update: usize,
    /// How often a template was new.
    generation: u32,
    /// Ordinals, or nodes, of pods that are not gone.
    pub(super) taken: BTreeSet<u32>,
    /// All pods at once.
    pub(super) is_parallel: bool,
    /// Claims of each pod.
    pub(super) claims: Vec<Value>,
}

/// A template that a workload has or had.
#[derive(Clone, Debug)]
struct Revision {
    name: String,
    template: Value,
    group: u32,
    plain: u32,
}

impl Revised {
    pub(super) fn new(name: &str, owner: &str, body: &Value) -> Self {
        let policy = body.pointer("/spec/podManagementPolicy");
        let claims = body.pointer("/spec/volumeClaimTemplates");
        Self {
            body: body.clone(),
            name: name.to_owned(),
            owner: owner.to_owned(),
            revisions: Vec::new(),
            current: 0,
            update: 0,
            generation: 0,
            taken: BTreeSet::new(),
            is_parallel: policy.is_some_and(|policy| policy == "Parallel"),
            claims: claims
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Tells whether there are pods of another template than the present one.
    pub(super) fn is_rolling(&self) -> bool {
        self.current != self.update
    }

    /// Names of the revision that pods had, and of the one that they have or get.
    pub(super) fn names(&self) -> (&str, &str) {
        let name = |place: usize| {
            let revision = self.revisions.get(place);
            revision.map_or("", |revision| revision.name.as_str())
        };
        (name(self.current), name(self.update))
    }

    /// The group of the pods of an ordinal that is made now.
    pub(super) fn group_for(&self, ordinal: u32) -> Option<u32> {
        let place = if ordinal < self.partition() {
            self.current
        } else {
            self.update
        };
        self.revisions.get(place).map(|revision| revision.group)
    }

    fn group_of(&self, place: usize) -> u32 {
        let revision = self.revisions.get(place);
        revision.map_or(NONE, |revision| revision.group)
    }

    /// Ordinals below are not rolled out.
    fn partition(&self) -> u32 {
        let partition = self
            .body
            .pointer("/spec/updateStrategy/rollingUpdate/partition");
        let partition = partition.and_then(Value::as_u64).unwrap_or_default();
        partition.min(u64::from(NONE)) as u32
    }

    /// Tells whether pods only get another template when somebody deletes them.
    fn waits(&self) -> bool {
        let kind = self.body.pointer("/spec/updateStrategy/type");
        kind.is_some_and(|kind| kind == "OnDelete")
    }

    /// Tells whether claims go with their pods when it is scaled down, or deleted.
    pub(super) fn drops_claims(&self, when: &str) -> bool {
        let pointer = format!("/spec/persistentVolumeClaimRetentionPolicy/{when}");
        let policy = self.body.pointer(&pointer);
        policy.is_some_and(|policy| policy == "Delete")
    }

    /// How many of so many pods of a `DaemonSet` may be missing.
    fn unavailable(&self, wanted: u32) -> u32 {
        let pointer = "/spec/updateStrategy/rollingUpdate/maxUnavailable";
        let number = match self.body.pointer(pointer) {
            Some(Value::String(text)) => {
                let percent = text.strip_suffix('%').and_then(|text| text.parse().ok());
                let percent: f64 = percent.unwrap_or_default();
                (f64::from(wanted) * percent / 100.0).ceil() as u32
            }
            Some(number) => number.as_u64().unwrap_or(1).min(u64::from(NONE)) as u32,
            None => 1,
        };
        // With none nothing would ever move.
        number.max(1)
    }
}

impl Story<'_> {
    pub(super) fn revised(&self, set: u32) -> Option<&Revised> {
        match &self.sets.get(set as usize)?.kind {
            SetKind::Stateful(own) | SetKind::Daemon(own) => Some(own),
            SetKind::Replica { .. } | SetKind::Job(_) => None,
        }
    }

    pub(super) fn revised_mut(&mut self, set: u32) -> Option<&mut Revised> {
        match &mut self.sets.get_mut(set as usize)?.kind {
            SetKind::Stateful(own) | SetKind::Daemon(own) => Some(own),
            SetKind::Replica { .. } | SetKind::Job(_) => None,
        }
    }

    /// Makes a revision of the present template, or takes one back that was there before.
    pub(super) fn revise_set(&mut self, set: u32) -> Result<(), Error> {
        let plan = self.plan;
        let order = self.sets.get(set as usize).map_or(NONE, |set| set.order);
        let (Some(own), Some(order)) = (
            self.revised(set).cloned(),
            plan.workloads.get(order as usize),
        ) else {
            return Ok(());
        };
        let template = own.body.pointer("/spec/template").cloned();
        let template = template.unwrap_or_default();
        let number = own.generation + 1;
        let known = own
            .revisions
            .iter()
            .position(|known| known.template == template);
        let place = if let Some(place) = known {
            let revision = own.revisions.get(place);
            if let Some((name, plain)) = revision.map(|known| (known.name.clone(), known.plain)) {
                let draft = revision_of(order, &name, &own, number);
                let base = self.rebase(plain, &draft, self.created_of(plain));
                self.write_version(plain, base, "")?;
            }
            place
        } else {
            let hash = template_hash(&template.to_string());
            let name = format!("{}-{hash}", own.name);
            let group = self.group_of_revision(set, order, &own, &hash);
            let draft = revision_of(order, &name, &own, number);
            let plain = self.create(&draft, "")?;
            if let Some(own) = self.revised_mut(set) {
                own.revisions.push(Revision {
                    name,
                    template,
                    group,
                    plain,
                });
            }
            own.revisions.len()
        };
        if let Some(own) = self.revised_mut(set) {
            own.generation = number;
            own.update = place;
            let group = own.group_of(place);
            if let Some(set) = self.sets.get_mut(set as usize) {
                set.group = group;
            }
        }
        Ok(())
    }

    /// Makes the group of the pods of the present template.
    fn group_of_revision(
        &mut self,
        set: u32,
        order: &WorkloadOrder,
        own: &Revised,
        hash: &str,
    ) -> u32 {
        let number = self.sets.get(set as usize).map_or(NONE, |set| set.order);
        let prefix = format!("{}-", own.name);
        let full = format!("{}-{hash}", own.name);
        let generation = (own.generation + 1).to_string();
        let (form, labels) = if order.kind == "StatefulSet" {
            let labels = vec![
                ("apps.kubernetes.io/pod-index", ORDINAL),
                ("controller-revision-hash", full.as_str()),
                ("statefulset.kubernetes.io/pod-name", NAME),
            ];
            (NameForm::Ordinal, labels)
        } else {
            let labels = vec![
                ("controller-revision-hash", hash),
                ("pod-template-generation", generation.as_str()),
            ];
            (NameForm::Letters, labels)
        };
        let naming = Naming {
            namespace: &order.namespace,
            prefix: &prefix,
            form,
            is_tracked: false,
            labels: &labels,
            annotations: &[],
            owner: &own.owner,
        };
        let template = own.body.pointer("/spec/template").cloned();
        self.group(number, &template.unwrap_or_default(), &naming)
    }

    /// A user rolls a `StatefulSet` or `DaemonSet` out anew: with a patch of its template, or as
    /// `kubectl rollout restart` does.
    pub(super) fn roll_out_set(&mut self, set: u32, patch: Option<&Value>) -> Result<(), Error> {
        let (at, plan) = (seconds(self.now), self.plan);
        let number = self.sets.get(set as usize).map_or(NONE, |set| set.order);
        let (Some(order), Some(own)) = (plan.workloads.get(number as usize), self.revised_mut(set))
        else {
            return Ok(());
        };
        let template = object(object(as_object(&mut own.body), "spec"), "template");
        if let Some(patch) = patch {
            let mut changed = patched(&Value::Object(std::mem::take(template)), patch);
            *template = std::mem::take(as_object(&mut changed));
        } else {
            object(object(template, "metadata"), "annotations")
                .insert("kubectl.kubernetes.io/restartedAt".to_owned(), json!(at));
        }
        let body = own.body.clone();
        let sort = Sort::of(&order.kind);
        self.reshape(number, sort, &body)?;
        self.write_spec(set)?;
        self.revise_set(set)?;
        self.reconcile_soon(set);
        self.hears(set);
        Ok(())
    }

    /// Writes a `StatefulSet` or `DaemonSet` whose spec was changed.
    pub(super) fn write_spec(&mut self, set: u32) -> Result<(), Error> {
        let plan = self.plan;
        let (Some(found), Some(own)) = (self.sets.get(set as usize), self.revised(set)) else {
            return Ok(());
        };
        let Some(order) = plan.workloads.get(found.order as usize) else {
            return Ok(());
        };
        let (plain, generation) = (found.plain, found.generation + 1);
        let status = found.last_status.clone();
        let name = own.name.clone();
        let draft = Draft {
            api_version: "apps/v1",
            kind: &order.kind,
            namespace: &order.namespace,
            name: &name,
            body: own.body.clone(),
            generation: Some(generation),
            has_status: true,
        };
        let created = self.created_of(plain);
        let base = self.rebase(plain, &draft, created);
        self.write_version(plain, base, &status)?;
        if let Some(own) = self.sets.get_mut(set as usize) {
            own.generation = generation;
            own.base = base;
        }
        Ok(())
    }

    /// Returns how many pods of a set, that are not on their way out, are of the template that it had,
    /// and of the present one.
    pub(super) fn count_revisions(&self, set: u32) -> (u32, u32) {
        let (Some(found), Some(own)) = (self.sets.get(set as usize), self.revised(set)) else {
            return (0, 0);
        };
        let all = found.active.len() as u32;
        if !own.is_rolling() {
            return (all, all);
        }
        let count = |group: u32| {
            let pods = found.active.iter();
            let pods = pods.filter_map(|pod| self.pods.get(*pod as usize));
            pods.filter(|pod| pod.group == group).count() as u32
        };
        (
            count(own.group_of(own.current)),
            count(own.group_of(own.update)),
        )
    }

    /// All pods are of the present template: it is the current one.
    pub(super) fn complete_roll(&mut self, set: u32) {
        if let Some(own) = self.revised_mut(set) {
            own.current = own.update;
        }
    }

    /// The controller of a `StatefulSet` deletes the next pod of an old template: the one with the
    /// highest ordinal, when those above it are ready, or all where it goes in order.
    pub(super) fn roll_stateful(&mut self, set: u32) -> Result<(), Error> {
        let (Some(found), Some(own)) = (self.sets.get(set as usize), self.revised(set)) else {
            return Ok(());
        };
        let have = found.active.len() as u32;
        let is_whole = found.leaving == 0 && have == found.wanted;
        let may = is_whole && (own.is_parallel || found.ready == have);
        if !own.is_rolling() || own.waits() || !may {
            return Ok(());
        }
        let (group, partition) = (own.group_of(own.update), own.partition());
        let numbers = found.active.iter();
        let pods = numbers.filter_map(|number| Some((*number, self.pods.get(*number as usize)?)));
        let pods = pods.filter(|(_, pod)| pod.ordinal >= partition);
        let old = pods.clone().filter(|(_, pod)| pod.group != group);
        let Some((number, next)) = old.max_by_key(|(_, pod)| pod.ordinal) else {
            return Ok(());
        };
        let mut above = pods.filter(|(_, pod)| pod.ordinal > next.ordinal);
        if above.any(|(_, pod)| !pod.is_ready) {
            return Ok(());
        }
        self.replace_pod(set, number)
    }

    /// The controller of a `DaemonSet` deletes pods of an old template: those that are not ready, and
    /// of the others as many as may be missing.
    pub(super) fn roll_daemons(&mut self, set: u32) -> Result<(), Error> {
        let (Some(found), Some(own)) = (self.sets.get(set as usize), self.revised(set)) else {
            return Ok(());
        };
        if !own.is_rolling() || own.waits() {
            return Ok(());
        }
        let group = own.group_of(own.update);
        let most = own.unavailable(found.wanted);
        let mut room = most.saturating_sub(found.wanted.saturating_sub(found.ready));
        let mut old: Vec<(bool, u32)> = Vec::new();
        for number in &found.active {
            let pod = self.pods.get(*number as usize);
            if let Some(pod) = pod.filter(|pod| pod.group != group) {
                old.push((pod.is_ready, *number));
            }
        }
        old.sort_unstable();
        for (is_ready, number) in old {
            if is_ready && room == 0 {
                break;
            }
            room -= u32::from(is_ready);
            self.replace_pod(set, number)?;
        }
        Ok(())
    }

    fn replace_pod(&mut self, set: u32, pod: u32) -> Result<(), Error> {
        let found = self.sets.get(set as usize);
        let (order, plain) = found.map_or((NONE, NONE), |set| (set.order, set.plain));
        self.pod_step(pod, Step::Terminating)?;
        self.tell_of_plain(order, plain, Reason::SuccessfulDelete, pod, NONE)
    }
}

/// The `ControllerRevision` of the present template.
fn revision_of<'a>(
    order: &'a WorkloadOrder,
    name: &'a str,
    own: &Revised,
    number: u32,
) -> Draft<'a> {
    let owner = format!("{{{}}}", own.owner.trim_start_matches(','));
    let owner: Value = serde_json::from_str(&owner).unwrap_or_default();
    let template = own.body.pointer("/spec/template");
    let labels = template.and_then(|template| template.pointer("/metadata/labels"));
    Draft {
        api_version: "apps/v1",
        kind: "ControllerRevision",
        namespace: &order.namespace,
        name,
        body: json!({
            "metadata": {
                "labels": labels,
                "ownerReferences": owner.get("ownerReferences"),
            },
            "data": {"spec": {"template": template}},
            "revision": number,
        }),
        generation: None,
        has_status: false,
    }
}
