//! Claims of `StatefulSets`, and the volumes that they get.

use kymo_model::parse_quantity;
use serde_json::{Value, json};

use super::object::Draft;
use super::queue::Action;
use super::{NONE, Story};
use crate::Error;
use crate::clock::{MILLI, SECOND, seconds};
use crate::defaults::{as_object, object};

/// From when a claim is made until its volume is found.
const SEARCH: i64 = 20 * MILLI;

/// From when a volume is made until it can be had.
const OFFER: i64 = 10 * MILLI;

/// A volume.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    plain: u32,
    name: String,
    body: Value,
    /// Whether it goes with its claim.
    is_deleted: bool,
}

/// A claim of a pod of a `StatefulSet`.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    plain: u32,
    set: u32,
    ordinal: u32,
    body: Value,
    status: Value,
    /// Its volume; [`NONE`] until it is bound.
    volume: u32,
    is_leaving: bool,
}

impl Story<'_> {
    /// Tells whether a volume of a manifest is one that claims can have, now or soon.
    pub(super) fn is_offered(body: &Value) -> bool {
        let phase = body.pointer("/status/phase").and_then(Value::as_str);
        let is_bound = body.pointer("/spec/claimRef").is_some();
        !is_bound && matches!(phase, None | Some("Pending" | "Available"))
    }

    /// Makes a volume that claims can have.
    pub(super) fn create_volume(&mut self, name: &str, mut body: Value) -> Result<u32, Error> {
        let status = as_object(&mut body).shift_remove("status");
        let phase = status.and_then(|mut status| status.get_mut("phase").map(Value::take));
        let is_free = phase.is_some_and(|phase| phase == "Available");
        let policy = body.pointer("/spec/persistentVolumeReclaimPolicy");
        let is_deleted = policy.is_some_and(|policy| policy == "Delete");
        let word = if is_free { "Available" } else { "Pending" };
        let plain = self.create(&volume(name, &body), &self.phase(word))?;
        self.volumes.push(Volume {
            plain,
            name: name.to_owned(),
            body,
            is_deleted,
        });
        let number = (self.volumes.len() - 1) as u32;
        if is_free {
            self.free_volumes.insert(number);
        } else {
            self.after(OFFER, Action::Offer(number));
        }
        Ok(plain)
    }

    /// A volume can be had.
    pub(super) fn offer_volume(&mut self, number: u32) -> Result<(), Error> {
        self.free_volumes.insert(number);
        self.write_volume(number, "Available")
    }

    /// The status of a volume.
    fn phase(&self, word: &str) -> String {
        let at = seconds(self.now);
        format!(r#"{{"phase":"{word}","lastPhaseTransitionTime":"{at}"}}"#)
    }

    fn write_volume(&mut self, number: u32, phase: &str) -> Result<(), Error> {
        let Some(own) = self.volumes.get(number as usize).cloned() else {
            return Ok(());
        };
        if self.is_plain_gone(own.plain) {
            return Ok(());
        }
        let created = self.created_of(own.plain);
        let base = self.rebase(own.plain, &volume(&own.name, &own.body), created);
        let status = self.phase(phase);
        self.write_version(own.plain, base, &status)
    }

    /// Makes the claims of a pod of a `StatefulSet` and has them bound.
    pub(super) fn ensure_claim(
        &mut self,
        (namespace, name): (String, String),
        (set, ordinal): (u32, u32),
        template: &Value,
        labels: &Value,
    ) -> Result<(), Error> {
        let mut spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
        as_object(&mut spec);
        let body = json!({
            "metadata": {
                "labels": labels,
                "finalizers": ["kubernetes.io/pvc-protection"],
            },
            "spec": spec,
        });
        let draft = claim(&namespace, &name, &body);
        let status = json!({"phase": "Pending"});
        let plain = self.create(&draft, &status.to_string())?;
        self.claims.push(Claim {
            plain,
            set,
            ordinal,
            body,
            status,
            volume: NONE,
            is_leaving: false,
        });
        let number = (self.claims.len() - 1) as u32;
        self.claimed.insert((namespace, name), number);
        self.after(SEARCH, Action::Bind(number));
        let owner = self.sets.get(set as usize).map_or(NONE, |set| set.plain);
        if self
            .revised(set)
            .is_some_and(|own| own.drops_claims("whenDeleted"))
        {
            let owner = json!([{
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "name": self.name_of(owner),
                "uid": self.uid_of(owner),
            }]);
            self.own_claim(number, &owner)?;
        }
        Ok(())
    }

    fn write_claim(&mut self, number: u32) -> Result<(), Error> {
        let Some(own) = self.claims.get(number as usize).cloned() else {
            return Ok(());
        };
        let Some(plain) = self.plains.get(own.plain as usize) else {
            return Ok(());
        };
        let (namespace, name) = (plain.namespace.clone(), plain.name.clone());
        let created = self.created_of(own.plain);
        let base = self.rebase(own.plain, &claim(&namespace, &name, &own.body), created);
        self.write_version(own.plain, base, &own.status.to_string())
    }

    /// A claim is bound to the smallest volume that can be had and does, or to a new one.
    pub(super) fn bind_claim(&mut self, number: u32) -> Result<(), Error> {
        let Some(own) = self.claims.get(number as usize).cloned() else {
            return Ok(());
        };
        if own.is_leaving || own.volume != NONE {
            return Ok(());
        }
        let free = self.free_volumes.iter();
        let free = free.filter_map(|number| Some((*number, self.volumes.get(*number as usize)?)));
        let fits = free.filter(|(_, volume)| {
            !self.is_plain_gone(volume.plain) && suits(&own.body, &volume.body)
        });
        let size = |(_, volume): &(u32, &Volume)| storage(&volume.body, "/spec/capacity/storage");
        let found = fits.min_by(|one, other| size(one).total_cmp(&size(other)));
        let place = found.map(|(place, _)| place);
        let volume = match place {
            Some(volume) => volume,
            None => self.provide_volume(&own)?,
        };
        let reference = self.reference(own.plain);
        self.free_volumes.remove(&volume);
        let Some(taken) = self.volumes.get_mut(volume as usize) else {
            return Ok(());
        };
        let (name, capacity) = (
            taken.name.clone(),
            taken.body.pointer("/spec/capacity").cloned(),
        );
        if place.is_some() {
            let members = as_object(&mut taken.body);
            object(members, "spec").insert("claimRef".to_owned(), reference);
            object(object(members, "metadata"), "annotations")
                .insert(BOUND_BY_CONTROLLER.to_owned(), json!("yes"));
            self.write_volume(volume, "Available")?;
            self.write_volume(volume, "Bound")?;
        }
        let Some(own) = self.claims.get_mut(number as usize) else {
            return Ok(());
        };
        own.volume = volume;
        let members = as_object(&mut own.body);
        object(members, "spec").insert("volumeName".to_owned(), json!(name));
        let annotations = object(object(members, "metadata"), "annotations");
        for annotation in ["pv.kubernetes.io/bind-completed", BOUND_BY_CONTROLLER] {
            annotations.insert(annotation.to_owned(), json!("yes"));
        }
        self.write_claim(number)?;
        if let Some(own) = self.claims.get_mut(number as usize) {
            let modes = own.body.pointer("/spec/accessModes").cloned();
            own.status = json!({
                "phase": "Bound",
                "accessModes": modes.unwrap_or_else(|| json!([])),
                "capacity": capacity,
            });
        }
        self.write_claim(number)
    }

    /// How a volume refers to a claim.
    fn reference(&self, plain: u32) -> Value {
        let namespace = self.plains.get(plain as usize);
        let namespace = namespace.map_or("", |plain| &*plain.namespace);
        json!({
            "kind": "PersistentVolumeClaim",
            "namespace": namespace,
            "name": self.name_of(plain),
            "uid": self.uid_of(plain),
            "apiVersion": "v1",
        })
    }

    /// A volume is made for a claim.
    fn provide_volume(&mut self, own: &Claim) -> Result<u32, Error> {
        let uid = self.uid_of(own.plain);
        let name = format!("pvc-{uid}");
        let spec = |pointer: &str| own.body.pointer(&format!("/spec{pointer}")).cloned();
        let body = json!({
            "metadata": {"finalizers": ["kubernetes.io/pv-protection"]},
            "spec": {
                "capacity": {"storage": spec("/resources/requests/storage")},
                "csi": {"driver": "csi.example.com", "volumeHandle": format!("vol-{uid}")},
                "accessModes": spec("/accessModes").unwrap_or_else(|| json!([])),
                "claimRef": self.reference(own.plain),
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": spec("/storageClassName").unwrap_or_else(|| json!("")),
                "volumeMode": "Filesystem",
            },
        });
        let plain = self.create(&volume(&name, &body), &self.phase("Bound"))?;
        self.volumes.push(Volume {
            plain,
            name,
            body,
            is_deleted: true,
        });
        Ok((self.volumes.len() - 1) as u32)
    }

    /// The claims of a pod that is about to be deleted belong to it from now on, if its
    /// `StatefulSet` says so.
    pub(super) fn bequeath_claims(&mut self, set: u32, pod: u32) -> Result<(), Error> {
        let Some(ordinal) = self.pods.get(pod as usize).map(|pod| pod.ordinal) else {
            return Ok(());
        };
        let object = self.pods.get(pod as usize).map_or(NONE, |pod| pod.object);
        let name = self.pods.get(pod as usize).map(|pod| self.pod_name(pod));
        let owner = json!([{
            "apiVersion": "v1",
            "kind": "Pod",
            "name": name,
            "uid": self.seed.uid(u64::from(object)).to_string(),
        }]);
        for number in self.claims_of(set, ordinal) {
            self.own_claim(number, &owner)?;
        }
        Ok(())
    }

    fn own_claim(&mut self, number: u32, owner: &Value) -> Result<(), Error> {
        if let Some(own) = self.claims.get_mut(number as usize) {
            let metadata = object(as_object(&mut own.body), "metadata");
            metadata.insert("ownerReferences".to_owned(), owner.clone());
        }
        self.write_claim(number)
    }

    /// Deletes the claims of a `StatefulSet` that is deleted of which no pod is there, if it says so.
    pub(super) fn drop_unused_claims(&mut self, set: u32) -> Result<(), Error> {
        let Some(own) = self.revised(set) else {
            return Ok(());
        };
        if !own.drops_claims("whenDeleted") {
            return Ok(());
        }
        let taken = own.taken.clone();
        let numbered = self.claims.iter().enumerate();
        let unused = numbered
            .filter(|(_, own)| own.set == set && !taken.contains(&own.ordinal))
            .map(|(number, _)| number as u32);
        for number in unused.collect::<Vec<u32>>() {
            self.delete_claim(number)?;
        }
        Ok(())
    }

    fn claims_of(&self, set: u32, ordinal: u32) -> Vec<u32> {
        let numbered = self.claims.iter().enumerate();
        numbered
            .filter(|(_, own)| own.set == set && own.ordinal == ordinal && !own.is_leaving)
            .map(|(number, _)| number as u32)
            .collect()
    }

    /// Deletes the claims of a pod that is gone.
    pub(super) fn delete_claims(&mut self, set: u32, ordinal: u32) -> Result<(), Error> {
        for number in self.claims_of(set, ordinal) {
            self.delete_claim(number)?;
        }
        Ok(())
    }

    /// Deletes the claims in a namespace.
    pub(super) fn delete_claims_in(&mut self, namespace: &str) -> Result<(), Error> {
        let claimed = self.claimed.iter();
        let here = claimed.filter(|((own, _), _)| own == namespace);
        let here: Vec<u32> = here.map(|(_, number)| *number).collect();
        for number in here {
            self.delete_claim(number)?;
        }
        Ok(())
    }

    fn delete_claim(&mut self, number: u32) -> Result<(), Error> {
        let at = seconds(self.now);
        let Some(own) = self.claims.get_mut(number as usize) else {
            return Ok(());
        };
        if std::mem::replace(&mut own.is_leaving, true) {
            return Ok(());
        }
        let metadata = object(as_object(&mut own.body), "metadata");
        metadata.insert("deletionTimestamp".to_owned(), json!(at));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
        self.write_claim(number)?;
        self.after(SECOND, Action::DropClaim(number));
        Ok(())
    }

    /// A claim that is deleted goes, if its pod is gone; its volume is released.
    pub(super) fn drop_claim(&mut self, number: u32) -> Result<(), Error> {
        let Some(own) = self.claims.get(number as usize).cloned() else {
            return Ok(());
        };
        let of = self.revised(own.set);
        let is_used = of.is_some_and(|of| of.taken.contains(&own.ordinal));
        if is_used {
            self.after(SECOND, Action::DropClaim(number));
            return Ok(());
        }
        self.remove(own.plain)?;
        if let Some(plain) = self.plains.get(own.plain as usize) {
            let key = (plain.namespace.to_string(), plain.name.to_string());
            self.claimed.remove(&key);
        }
        if own.volume == NONE {
            return Ok(());
        }
        self.write_volume(own.volume, "Released")?;
        let volume = self.volumes.get(own.volume as usize);
        if let Some(volume) = volume.filter(|volume| volume.is_deleted) {
            let plain = volume.plain;
            self.after(SECOND, Action::Remove(plain));
        }
        Ok(())
    }
}

/// What the controller of volumes writes where it has found one for a claim.
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

/// Tells whether a volume has what a claim asks for.
fn suits(claim: &Value, volume: &Value) -> bool {
    let class = |of: &Value| {
        let class = of.pointer("/spec/storageClassName").and_then(Value::as_str);
        class.unwrap_or_default().to_owned()
    };
    let list = |of: &Value| {
        let modes = of.pointer("/spec/accessModes").and_then(Value::as_array);
        modes.cloned().unwrap_or_default()
    };
    let has = list(volume);
    let wanted = claim.pointer("/spec/selector/matchLabels");
    let wanted = wanted.and_then(Value::as_object).into_iter().flatten();
    let labels = volume.pointer("/metadata/labels");
    let is_wanted = |(label, value): (&String, &Value)| {
        labels.and_then(|labels| labels.get(label)) == Some(value)
    };
    class(claim) == class(volume)
        && list(claim).iter().all(|mode| has.contains(mode))
        && storage(volume, "/spec/capacity/storage")
            >= storage(claim, "/spec/resources/requests/storage")
        && wanted.into_iter().all(is_wanted)
}

fn storage(of: &Value, pointer: &str) -> f64 {
    let text = of.pointer(pointer).and_then(Value::as_str);
    text.and_then(|text| parse_quantity(text).ok())
        .unwrap_or_default()
}

/// A version of a volume.
fn volume<'a>(name: &'a str, body: &Value) -> Draft<'a> {
    Draft {
        api_version: "v1",
        kind: "PersistentVolume",
        namespace: "",
        name,
        body: body.clone(),
        generation: None,
        has_status: true,
    }
}

/// A version of a claim.
fn claim<'a>(namespace: &'a str, name: &'a str, body: &Value) -> Draft<'a> {
    Draft {
        api_version: "v1",
        kind: "PersistentVolumeClaim",
        namespace,
        name,
        body: body.clone(),
        generation: None,
        has_status: true,
    }
}
