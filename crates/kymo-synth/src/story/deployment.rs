use kymo_patch::{merge_patch, schema, strategic_merge};
use serde_json::{Value, json};

use super::begin::Sort;
use super::event::Reason;
use super::follow::is_following;
use super::object::Draft;
use super::pod::Naming;
use super::queue::Action;
use super::set::SetKind;
use super::status::{Condition, Counts, Rollout};
use super::{NONE, Story};
use crate::Error;
use crate::clock::{MILLI, seconds};
use crate::defaults::{as_object, object};
use crate::order::WorkloadOrder;
use crate::pod::{NameForm, controller};
use crate::random::template_hash;

/// How long the controller gathers changes before it writes.
const SYNC: i64 = 150 * MILLI;

/// A Deployment.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    order: u32,
    plain: u32,
    created: i64,
    /// The object, as it is now.
    body: Value,
    name: String,
    replicas: u32,
    generation: u32,
    revision: u32,
    /// Its `ReplicaSets`, the present one last.
    sets: Vec<u32>,
    base: u32,
    status: Rollout,
    written: String,
    is_syncing: bool,
    is_complete: bool,
    is_gone: bool,
}

/// Returns a template of pods with a patch merged in, as `kubectl patch` does it: lists such as that
/// of the containers element by element. What the API server would refuse is merged as RFC 7386 says.
pub(crate) fn patched(template: &Value, patch: &Value) -> Value {
    let mut whole = json!({"spec": {"template": template}});
    let merge = json!({"spec": {"template": patch}});
    if strategic_merge(&mut whole, &merge, schema("apps/v1", "Deployment")).is_ok() {
        return whole
            .pointer_mut("/spec/template")
            .map(Value::take)
            .unwrap_or_default();
    }
    let mut template = template.clone();
    merge_patch(&mut template, patch);
    template
}

impl Story<'_> {
    fn deployment(&mut self, number: u32) -> Option<&mut Deployment> {
        self.deployments.get_mut(number as usize)
    }

    pub(super) fn create_deployment(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
    ) -> Result<(), Error> {
        let body = self.body_of(number);
        let replicas = self
            .prepared
            .get(number as usize)
            .map_or(0, |prepared| prepared.replicas);
        let draft = Draft {
            api_version: "apps/v1",
            kind: "Deployment",
            namespace: &order.namespace,
            name,
            body: body.clone(),
            generation: Some(1),
            has_status: true,
        };
        let plain = self.create(&draft, "{}")?;
        let deployment = self.deployments.len() as u32;
        self.deployments.push(Deployment {
            order: number,
            plain,
            created: self.now,
            body,
            name: name.to_owned(),
            replicas,
            generation: 1,
            revision: 0,
            sets: Vec::new(),
            base: 0,
            status: Rollout::default(),
            written: String::new(),
            is_syncing: false,
            is_complete: false,
            is_gone: false,
        });
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.deployments.push(deployment);
        }
        self.revise(deployment)
    }

    /// Makes a `ReplicaSet` for the present template.
    fn revise(&mut self, deployment: u32) -> Result<(), Error> {
        let Some(own) = self.deployments.get(deployment as usize).cloned() else {
            return Ok(());
        };
        let plan = self.plan;
        let Some(order) = plan.workloads.get(own.order as usize) else {
            return Ok(());
        };
        let mut template = own
            .body
            .pointer("/spec/template")
            .cloned()
            .unwrap_or_default();
        let hash = template_hash(&template.to_string());
        let name = format!("{}-{hash}", own.name);
        let is_first = own.sets.is_empty();
        let wanted = if is_first {
            own.replicas
        } else {
            self.room_for_new(deployment)
        };
        let labels = object(object(as_object(&mut template), "metadata"), "labels");
        labels.insert("pod-template-hash".to_owned(), json!(hash));
        let revision = own.revision + 1;
        let body = self.set_body(&own, &template, &hash, wanted, revision);
        let draft = Draft {
            api_version: "apps/v1",
            kind: "ReplicaSet",
            namespace: &order.namespace,
            name: &name,
            body,
            generation: Some(1),
            has_status: true,
        };
        let plain = self.create(&draft, r#"{"replicas":0}"#)?;
        let base = self.versions.last().map_or(0, |version| version.base);
        let owner = controller("apps/v1", "ReplicaSet", &name, &self.uid_of(plain));
        let prefix = format!("{name}-");
        let naming = Naming {
            namespace: &order.namespace,
            prefix: &prefix,
            form: NameForm::Letters,
            is_tracked: false,
            labels: &[],
            annotations: &[],
            owner: &owner,
        };
        let group = self.group(own.order, &template, &naming);
        let set = self.add_set(
            SetKind::Replica { deployment },
            own.order,
            plain,
            group,
            wanted,
        );
        if let Some(set) = self.sets.get_mut(set as usize) {
            set.base = base;
        }
        self.tell_of_plain(
            own.order,
            own.plain,
            Reason::ScalingReplicaSet,
            wanted,
            plain,
        )?;
        if let Some(own) = self.deployment(deployment) {
            own.sets.push(set);
            own.revision = revision;
            own.is_complete = false;
        }
        self.announce(deployment, &name)?;
        if is_first {
            self.begin_arrivals(set);
        } else {
            self.surely_after(10 * MILLI, Action::Reconcile(set));
            self.hears(set);
        }
        self.deployment_hears(deployment);
        Ok(())
    }

    /// The body of the `ReplicaSet` of a template.
    fn set_body(
        &self,
        own: &Deployment,
        template: &Value,
        hash: &str,
        wanted: u32,
        revision: u32,
    ) -> Value {
        let (surge, _) = own.limits();
        let mut selector = own
            .body
            .pointer("/spec/selector")
            .cloned()
            .unwrap_or_default();
        object(as_object(&mut selector), "matchLabels")
            .insert("pod-template-hash".to_owned(), json!(hash));
        let owner = self.uid_of(own.plain);
        let owner = controller("apps/v1", "Deployment", &own.name, &owner);
        let owner: Value = serde_json::from_str(&format!("{{{}}}", owner.trim_start_matches(',')))
            .unwrap_or_default();
        json!({
            "metadata": {
                "labels": template.pointer("/metadata/labels"),
                "annotations": {
                    "deployment.kubernetes.io/desired-replicas": own.replicas.to_string(),
                    "deployment.kubernetes.io/max-replicas": own.replicas.saturating_add(surge).to_string(),
                    "deployment.kubernetes.io/revision": revision.to_string(),
                },
                "ownerReferences": owner.get("ownerReferences"),
            },
            "spec": {"replicas": wanted, "selector": selector, "template": template},
        })
    }

    /// The controller says that there is a new `ReplicaSet`.
    fn announce(&mut self, deployment: u32, set_name: &str) -> Result<(), Error> {
        let now = self.now;
        let Some(own) = self.deployment(deployment) else {
            return Ok(());
        };
        let since = own
            .status
            .progressing
            .as_ref()
            .map_or(now, |known| known.since);
        own.status.progressing = Some(Condition {
            is_true: true,
            reason: "NewReplicaSetCreated",
            message: format!("Created new replica set \"{set_name}\""),
            updated: now,
            since,
        });
        self.rebase_deployment(deployment);
        self.write_deployment(deployment)
    }

    /// Makes the base of the versions that come now.
    fn rebase_deployment(&mut self, deployment: u32) {
        let plan = self.plan;
        let Some(own) = self.deployments.get(deployment as usize).cloned() else {
            return;
        };
        let Some(order) = plan.workloads.get(own.order as usize) else {
            return;
        };
        let mut body = own.body;
        let annotations = object(object(as_object(&mut body), "metadata"), "annotations");
        annotations.insert(
            "deployment.kubernetes.io/revision".to_owned(),
            json!(own.revision.to_string()),
        );
        let draft = Draft {
            api_version: "apps/v1",
            kind: "Deployment",
            namespace: &order.namespace,
            name: &own.name,
            body,
            generation: Some(own.generation),
            has_status: true,
        };
        let base = self.rebase(own.plain, &draft, own.created);
        if let Some(own) = self.deployment(deployment) {
            own.base = base;
            own.written.clear();
        }
    }

    fn write_deployment(&mut self, deployment: u32) -> Result<(), Error> {
        let Some(own) = self.deployment(deployment) else {
            return Ok(());
        };
        let text = own.status.text();
        if own.written == text {
            return Ok(());
        }
        let (plain, base) = (own.plain, own.base);
        let written = self.write_version(plain, base, &text);
        if let Some(own) = self.deployment(deployment) {
            own.written = text;
        }
        written
    }

    /// Something changed below a Deployment.
    pub(super) fn deployment_hears(&mut self, deployment: u32) {
        if let Some(own) = self.deployment(deployment)
            && !own.is_syncing
            && !own.is_gone
        {
            own.is_syncing = true;
            let delay = self.pace("Deployment").unwrap_or(SYNC);
            self.after(delay, Action::SyncDeployment(deployment));
        }
    }

    /// The controller goes on with a rollout, and writes the status.
    pub(super) fn sync_deployment(&mut self, deployment: u32) -> Result<(), Error> {
        let Some(own) = self.deployment(deployment) else {
            return Ok(());
        };
        own.is_syncing = false;
        if own.is_gone {
            return Ok(());
        }
        let own = own.clone();
        self.roll(deployment, &own)?;
        let mut counts = Counts::default();
        for set in &own.sets {
            if let Some(set) = self.sets.get(*set as usize) {
                let more = set.counts();
                counts.replicas += more.replicas;
                counts.ready += more.ready;
                counts.leaving += more.leaving;
            }
        }
        let current = own.sets.last().and_then(|set| self.sets.get(*set as usize));
        let updated = current.map_or(0, |set| set.counts().replicas);
        let set_name = current.map_or(NONE, |set| set.plain);
        let set_name = self.name_of(set_name);
        let (_, unavailable) = own.limits();
        let now = self.now;
        let Some(own) = self.deployment(deployment) else {
            return Ok(());
        };
        let before = own.status.clone();
        let total = own.replicas.max(counts.replicas);
        own.status.observed = own.generation;
        own.status.counts = counts;
        own.status.updated = updated;
        own.status.unavailable = total.saturating_sub(counts.ready);
        let is_available = counts.ready >= own.replicas.saturating_sub(unavailable);
        let known = own.status.available.as_ref();
        if known.is_none_or(|known| known.is_true != is_available) {
            let (reason, message) = if is_available {
                (
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.",
                )
            } else {
                (
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.",
                )
            };
            own.status.available = Some(Condition {
                is_true: is_available,
                reason,
                message: message.to_owned(),
                updated: now,
                since: now,
            });
        }
        let is_done = updated == own.replicas
            && counts.replicas == own.replicas
            && counts.ready == own.replicas;
        if is_done && !own.is_complete {
            own.is_complete = true;
            own.progress(
                now,
                "NewReplicaSetAvailable",
                format!("ReplicaSet \"{set_name}\" has successfully progressed."),
            );
        } else if !own.is_complete
            && (updated > before.updated || counts.ready > before.counts.ready)
        {
            own.status.is_available_first = true;
            own.progress(
                now,
                "ReplicaSetUpdated",
                format!("ReplicaSet \"{set_name}\" is progressing."),
            );
        }
        self.write_deployment(deployment)
    }

    /// How many pods the present `ReplicaSet` may have more than it has.
    fn room_for_new(&self, deployment: u32) -> u32 {
        let Some(own) = self.deployments.get(deployment as usize) else {
            return 0;
        };
        let sets = own
            .sets
            .iter()
            .filter_map(|set| self.sets.get(*set as usize));
        let total: u32 = sets.map(|set| set.wanted).sum();
        let (surge, _) = own.limits();
        if own.recreates() {
            let sets = own
                .sets
                .iter()
                .filter_map(|set| self.sets.get(*set as usize));
            let left: usize = sets
                .map(|set| set.active.len() + set.leaving as usize)
                .sum();
            return if left == 0 { own.replicas } else { 0 };
        }
        let most = own.replicas.saturating_add(surge);
        most.saturating_sub(total).min(own.replicas)
    }

    /// Scales the new `ReplicaSet` up and the old ones down, as far as it may.
    fn roll(&mut self, deployment: u32, own: &Deployment) -> Result<(), Error> {
        if is_following(self.plan, own.order) {
            return self.follow_roll(deployment, own.order, &own.sets);
        }
        let Some((current, old)) = own.sets.split_last() else {
            return Ok(());
        };
        let wanted = self.sets.get(*current as usize).map_or(0, |set| set.wanted);
        let is_alone = old
            .iter()
            .filter_map(|set| self.sets.get(*set as usize))
            .all(|set| set.wanted == 0);
        if is_alone && !own.recreates() {
            if wanted != own.replicas {
                self.resize(deployment, *current, own.replicas)?;
            }
            return Ok(());
        }
        if own.recreates() {
            for set in old {
                self.resize(deployment, *set, 0)?;
            }
            let more = if is_alone {
                let left = old.iter().filter_map(|set| self.sets.get(*set as usize));
                left.map(|set| set.leaving).sum::<u32>() == 0
            } else {
                false
            };
            if more && wanted != own.replicas {
                self.resize(deployment, *current, own.replicas)?;
            }
            return Ok(());
        }
        let room = self.room_for_new(deployment);
        let target = wanted.saturating_add(room).min(own.replicas);
        if target > wanted {
            self.resize(deployment, *current, target)?;
        }
        let (_, unavailable) = own.limits();
        let least = own.replicas.saturating_sub(unavailable);
        let mut ready: u32 = own
            .sets
            .iter()
            .filter_map(|set| self.sets.get(*set as usize))
            .map(|set| set.ready)
            .sum();
        for set in old {
            let Some((wanted, own_ready)) = self
                .sets
                .get(*set as usize)
                .map(|set| (set.wanted, set.ready))
            else {
                continue;
            };
            let unready = wanted.saturating_sub(own_ready);
            let may = unready
                .saturating_add(ready.saturating_sub(least))
                .min(wanted);
            if may > 0 {
                ready = ready.saturating_sub(may.saturating_sub(unready));
                self.resize(deployment, *set, wanted - may)?;
            }
        }
        Ok(())
    }

    /// Gives a `ReplicaSet` another number of replicas.
    pub(super) fn resize(&mut self, deployment: u32, set: u32, wanted: u32) -> Result<(), Error> {
        let Some(own) = self.deployments.get(deployment as usize).cloned() else {
            return Ok(());
        };
        let plan = self.plan;
        let (Some(order), Some(found)) = (
            plan.workloads.get(own.order as usize),
            self.sets.get(set as usize),
        ) else {
            return Ok(());
        };
        if found.wanted == wanted {
            return Ok(());
        }
        let (plain, generation, group) = (found.plain, found.generation + 1, found.group);
        let counts = found.counts();
        let place = own.sets.iter().position(|known| *known == set);
        let revision = place.map_or(own.revision, |place| place as u32 + 1);
        let Some(template) = self.templates.get(&group).cloned() else {
            return Ok(());
        };
        let hash = template
            .pointer("/metadata/labels/pod-template-hash")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let body = self.set_body(&own, &template, &hash, wanted, revision);
        let name = self.name_of(plain);
        let created = self.created_of(plain);
        let draft = Draft {
            api_version: "apps/v1",
            kind: "ReplicaSet",
            namespace: &order.namespace,
            name: &name,
            body,
            generation: Some(generation),
            has_status: true,
        };
        let base = self.rebase(plain, &draft, created);
        let status = super::status::replica_set(counts, generation - 1);
        self.write_version(plain, base, &status)?;
        if let Some(set) = self.sets.get_mut(set as usize) {
            set.wanted = wanted;
            set.base = base;
            set.generation = generation;
        }
        self.tell_of_plain(
            own.order,
            own.plain,
            Reason::ScalingReplicaSet,
            wanted,
            plain,
        )?;
        self.reconcile_soon(set);
        self.hears(set);
        Ok(())
    }

    /// A user rolls a workload out anew: as `kubectl rollout restart` does, or with another template.
    pub(super) fn rollout(&mut self, order: u32, step: u32) -> Result<(), Error> {
        let (at, plan) = (seconds(self.now), self.plan);
        let patch = plan
            .workloads
            .get(order as usize)
            .and_then(|order| order.rollouts.get(step as usize))
            .and_then(|(_, patch)| patch.as_ref());
        let deployments = self
            .prepared
            .get(order as usize)
            .map(|prepared| prepared.deployments.clone())
            .unwrap_or_default();
        for deployment in deployments {
            let Some(own) = self.deployment(deployment) else {
                continue;
            };
            let template = object(object(as_object(&mut own.body), "spec"), "template");
            if let Some(patch) = patch {
                let mut changed = patched(&Value::Object(std::mem::take(template)), patch);
                *template = std::mem::take(as_object(&mut changed));
            } else {
                object(object(template, "metadata"), "annotations")
                    .insert("kubectl.kubernetes.io/restartedAt".to_owned(), json!(at));
            }
            own.generation += 1;
            own.is_complete = false;
            if patch.is_some() {
                let body = own.body.clone();
                self.reshape(order, Sort::Deployment, &body)?;
            }
            self.rebase_deployment(deployment);
            self.write_deployment(deployment)?;
            if !self.take_back(deployment)? {
                self.revise(deployment)?;
            }
        }
        let sets = self.prepared.get(order as usize);
        for set in sets
            .map(|prepared| prepared.sets.clone())
            .unwrap_or_default()
        {
            self.roll_out_set(set, patch)?;
        }
        Ok(())
    }

    /// If there is a `ReplicaSet` of the present template already, that one is the present one again.
    fn take_back(&mut self, deployment: u32) -> Result<bool, Error> {
        let Some(own) = self.deployments.get(deployment as usize) else {
            return Ok(false);
        };
        let template = own.body.pointer("/spec/template");
        let found = own.sets.iter().enumerate().find_map(|(place, set)| {
            let set = self.sets.get(*set as usize)?;
            let mut known = self.templates.get(&set.group)?.clone();
            let labels = known.pointer_mut("/metadata/labels")?.as_object_mut()?;
            labels.shift_remove("pod-template-hash");
            (Some(&known) == template).then_some((place, set.plain))
        });
        let Some((place, plain)) = found else {
            return Ok(false);
        };
        let name = self.name_of(plain);
        let Some(own) = self.deployment(deployment) else {
            return Ok(false);
        };
        let set = own.sets.remove(place);
        own.sets.push(set);
        own.revision += 1;
        self.announce(deployment, &name)?;
        self.deployment_hears(deployment);
        Ok(true)
    }

    /// A workload gets another number of replicas.
    pub(super) fn scale(&mut self, order: u32, step: u32) -> Result<(), Error> {
        let plan = self.plan;
        let wanted = plan
            .workloads
            .get(order as usize)
            .and_then(|order| order.scale.get(step as usize))
            .map_or(0, |(_, wanted)| (*wanted).min(u64::from(NONE - 1)) as u32);
        let Some((deployments, sets)) = self
            .prepared
            .get(order as usize)
            .map(|prepared| (prepared.deployments.clone(), prepared.sets.clone()))
        else {
            return Ok(());
        };
        for deployment in deployments {
            let Some(own) = self.deployment(deployment) else {
                continue;
            };
            if own.replicas == wanted {
                continue;
            }
            own.replicas = wanted;
            own.generation += 1;
            own.is_complete = false;
            object(as_object(&mut own.body), "spec").insert("replicas".to_owned(), json!(wanted));
            self.rebase_deployment(deployment);
            self.write_deployment(deployment)?;
            self.deployment_hears(deployment);
        }
        for set in sets {
            self.scale_set(set, wanted)?;
        }
        Ok(())
    }

    /// Deletes a Deployment, its `ReplicaSets` and their pods.
    pub(super) fn delete_deployment(&mut self, deployment: u32) -> Result<(), Error> {
        let Some(own) = self.deployment(deployment) else {
            return Ok(());
        };
        own.is_gone = true;
        let (plain, sets) = (own.plain, own.sets.clone());
        self.remove(plain)?;
        for set in sets {
            self.delete_set(set)?;
        }
        Ok(())
    }
}

impl Deployment {
    /// The set of the present template.
    pub(super) fn present(&self) -> Option<u32> {
        self.sets.last().copied()
    }

    fn recreates(&self) -> bool {
        self.body
            .pointer("/spec/strategy/type")
            .is_some_and(|kind| kind == "Recreate")
    }

    /// How many pods there may be more than wanted, and how many may be missing.
    fn limits(&self) -> (u32, u32) {
        if self.recreates() {
            return (0, self.replicas);
        }
        let of = |name: &str, rounds_up: bool| {
            let pointer = format!("/spec/strategy/rollingUpdate/{name}");
            let Some(value) = self.body.pointer(&pointer) else {
                return 0;
            };
            if let Some(number) = value.as_u64() {
                return number.min(u64::from(NONE)) as u32;
            }
            let percent = value
                .as_str()
                .and_then(|text| text.strip_suffix('%'))
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default();
            let exact = f64::from(self.replicas) * percent / 100.0;
            (if rounds_up {
                exact.ceil()
            } else {
                exact.floor()
            }) as u32
        };
        let (surge, unavailable) = (of("maxSurge", true), of("maxUnavailable", false));
        // With neither nothing would ever move.
        (
            surge,
            if surge == 0 {
                unavailable.max(1)
            } else {
                unavailable
            },
        )
    }

    fn progress(&mut self, now: i64, reason: &'static str, message: String) {
        let since = self
            .status
            .progressing
            .as_ref()
            .map_or(now, |known| known.since);
        self.status.progressing = Some(Condition {
            is_true: true,
            reason,
            message,
            updated: now,
            since,
        });
    }
}
