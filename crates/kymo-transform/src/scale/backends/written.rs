use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::listing::{
    Form, LISTS, Listing, Version, in_order, mark_as_cut, pod_of, tidy, withdraw,
};
use crate::draft::Rework;
use crate::scale::clone::replaced;
use crate::scale::fleet::{Fleet, Role};

const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const MANAGER: &str = "kube-controller-manager";

/// A slice or Endpoints with clones in it, made out of a recorded row.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) fleet: Arc<Fleet>,
    /// The listing, and which of its sheets.
    pub(super) listing: usize,
    pub(super) sheet: usize,
    /// Who is in it, and how.
    pub(super) members: Box<[(usize, usize)]>,
    /// Whether there are more of them than are shown.
    pub(super) is_cut: bool,
    /// The generation of a slice besides; by how much more it is in the recorded object.
    pub(super) generation: i64,
    /// When a slice besides was made, if not with the recorded one.
    pub(super) created: Option<i64>,
    /// When it is written.
    pub(super) ts: i64,
    /// What is written besides what was recorded.
    pub(super) version: Option<Version>,
}

impl Rework for Written {
    fn rework(&self, object: &mut Value) {
        let Some(listing) = self.fleet.listings.get(self.listing) else {
            return;
        };
        if self.sheet > 0 {
            object["endpoints"] = Value::Array(Vec::new());
        } else if listing.shrinks {
            withdraw(listing.form, object, |address| {
                pod_of(address).is_some_and(|uid| self.fleet.leaves(uid))
            });
        }
        let Value::Object(fields) = object else {
            return;
        };
        match listing.form {
            Form::Slice => self.slice(listing, fields),
            Form::Endpoints => self.endpoints(listing, fields),
        }
        tidy(listing.form, object);
        self.metadata(listing, object);
    }
}

impl Written {
    fn slice(&self, listing: &Listing, fields: &mut Map<String, Value>) {
        if self.members.is_empty() {
            return;
        }
        let mut endpoints = match fields.get_mut("endpoints").map(Value::take) {
            Some(Value::Array(endpoints)) => endpoints,
            _ => Vec::new(),
        };
        for (member, state) in &self.members {
            endpoints.extend(self.said(listing, *member, *state).map(|(_, said)| said));
        }
        fields.insert("endpoints".to_owned(), Value::Array(endpoints));
        if fields.get("ports").is_none_or(Value::is_null) {
            fields.insert("ports".to_owned(), listing.ports_at(self.ts));
        }
    }

    fn endpoints(&self, listing: &Listing, fields: &mut Map<String, Value>) {
        if self.members.is_empty() {
            return;
        }
        let mut subsets = match fields.get_mut("subsets").map(Value::take) {
            Some(Value::Array(subsets)) => subsets,
            _ => Vec::new(),
        };
        for (member, state) in &self.members {
            for (spot, said) in self.said(listing, *member, *state) {
                let Some((ports, is_ready)) = listing.spots.get(spot) else {
                    continue;
                };
                let ports: Value = serde_json::from_str(ports).unwrap_or_default();
                let place = subsets
                    .iter()
                    .position(|subset| subset.get("ports").unwrap_or(&Value::Null) == &ports);
                let place = place.unwrap_or_else(|| {
                    subsets.push(json!({"addresses": [], "notReadyAddresses": [], "ports": ports}));
                    subsets.len() - 1
                });
                let list = LISTS.iter().find(|(_, ready)| ready == is_ready);
                let (Some(Value::Object(subset)), Some((list, _))) = (subsets.get_mut(place), list)
                else {
                    continue;
                };
                let addresses = subset.entry(*list).or_insert_with(|| json!([]));
                if let Value::Array(addresses) = addresses {
                    addresses.push(said);
                }
            }
        }
        in_order(&mut subsets);
        fields.insert("subsets".to_owned(), Value::Array(subsets));
    }

    /// Returns what is said of a member, and where.
    fn said<'a>(
        &'a self,
        listing: &'a Listing,
        member: usize,
        state: usize,
    ) -> impl Iterator<Item = (usize, Value)> + 'a {
        let clone = listing.members.get(member).and_then(|member| {
            let entry = listing.entries.get(member.entry)?;
            self.fleet.pods.get(entry.pod)?.clones.get(member.clone)
        });
        let state = listing.state(member, state);
        let said = state.map(|state| state.said.as_slice()).unwrap_or_default();
        clone.into_iter().flat_map(move |clone| {
            said.iter().filter_map(|(spot, text)| {
                let text = replaced(text.as_bytes(), &clone.words);
                let mut said = serde_json::from_slice(&text).ok()?;
                if let Some(seat) = &clone.seat {
                    seat.endpoint(&mut said);
                }
                Some((*spot, said))
            })
        })
    }

    fn metadata(&self, listing: &Listing, object: &mut Value) {
        let is_empty = object
            .get("endpoints")
            .is_none_or(|endpoints| !endpoints.is_array());
        let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
            return;
        };
        let mut set = |field: &str, value: Value| {
            if metadata.contains_key(field) {
                metadata.insert(field.to_owned(), value);
            }
        };
        if self.sheet > 0 {
            if let Some(sheet) = listing.sheets.get(self.sheet) {
                set("name", json!(sheet.name));
                set("uid", json!(sheet.uid));
            }
            set("generation", json!(self.generation));
            if let Some(created) = self.created {
                set("creationTimestamp", json!(second(created)));
            }
        } else if self.generation != 0
            && let Some(generation) = metadata.get("generation").and_then(Value::as_i64)
        {
            let generation = generation.saturating_add(self.generation);
            metadata.insert("generation".to_owned(), json!(generation));
        }
        if let Some(version) = self.version
            && let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
            && let Some(trigger) = annotations.get_mut(TRIGGER)
        {
            *trigger = json!(second(version.trigger));
        }
        if self.is_cut {
            mark_as_cut(metadata);
        }
        if let Some(Value::Array(managed)) = metadata.get_mut("managedFields") {
            let own = managed
                .iter_mut()
                .filter(|entry| entry.get("manager").and_then(Value::as_str) == Some(MANAGER));
            for entry in own {
                if self.version.is_some() {
                    entry["time"] = json!(second(self.ts));
                }
                if let Some(Value::Object(fields)) = entry.get_mut("fieldsV1")
                    && listing.form == Form::Slice
                    && fields.contains_key("f:addressType")
                {
                    for field in ["f:endpoints", "f:ports"] {
                        if is_empty {
                            fields.shift_remove(field);
                        } else {
                            fields.entry(field).or_insert_with(|| json!({}));
                        }
                    }
                }
            }
        }
    }
}

impl Fleet {
    /// Tells whether an object is a pod that leaves.
    pub(super) fn leaves(&self, uid: &str) -> bool {
        let pod = match self.roles.get(uid) {
            Some(Role::Pod(pod)) => self.pods.get(*pod),
            _ => None,
        };
        pod.is_some_and(|pod| !pod.stays)
    }
}

/// Writes a time as objects do, in whole seconds.
pub(in crate::scale) fn second(ts: i64) -> String {
    let time = chrono::DateTime::from_timestamp_nanos(ts);
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
