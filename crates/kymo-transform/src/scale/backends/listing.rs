use std::sync::Arc;

use kymo_model::{EventType, ResourceType};
use serde_json::{Map, Value, json};

const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// What lists the pods behind a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Slice,
    Endpoints,
}

impl Form {
    /// Returns how objects of a resource list pods; `None` if they list none.
    pub(crate) fn of(resource: &ResourceType) -> Option<Self> {
        match (resource.group.as_str(), resource.resource.as_str()) {
            ("discovery.k8s.io", "endpointslices") => Some(Self::Slice),
            ("", "endpoints") => Some(Self::Endpoints),
            _ => None,
        }
    }
}

/// A recorded `EndpointSlice` or Endpoints in which there are pods of the workload, and the slices
/// that are there besides.
#[derive(Debug, Default)]
pub(in crate::scale) struct Listing {
    pub(super) form: Form,
    pub(in crate::scale) uid: String,
    pub(super) name: String,
    /// Its recorded rows, in order.
    pub(super) rows: Vec<Noted>,
    /// When it was deleted.
    pub(super) ended: Option<i64>,
    /// Whether recorded pods in it leave.
    pub(super) shrinks: bool,
    /// How many clones it can have beside the recorded pods that stay.
    pub(super) room: usize,
    /// The recorded pods in it of which there are clones.
    pub(super) entries: Vec<Entry>,
    /// Where in Endpoints pods are: the ports, and whether it is the list of those that are ready.
    pub(super) spots: Vec<(Arc<str>, bool)>,
    /// The ports of a slice, from when.
    pub(super) ports: Vec<(i64, Value)>,
    /// The clones in it, in the order in which they come.
    pub(super) members: Vec<Member>,
    /// The recorded object, and the slices besides.
    pub(super) sheets: Vec<Sheet>,
}

/// A recorded row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) seq: u64,
    pub(super) ts: i64,
    /// Whether it would not be there without the pods that leave.
    pub(super) is_void: bool,
    /// Whether what stays is another than in the row before.
    pub(super) is_changed: bool,
    /// By how much the generation goes up further than it was recorded; less than zero where it goes
    /// up for nothing that stays.
    pub(super) shift: i64,
}

/// What is said of a recorded pod, over time.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the fleet.
    pub(super) pod: usize,
    pub(super) states: Vec<State>,
}

/// What is said of a recorded pod from a time on: where, and the text. Nothing if it is not listed.
#[derive(Debug)]
pub(super) struct State {
    pub(super) ts: i64,
    pub(super) said: Vec<(usize, Arc<str>)>,
}

/// A clone in a listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) entry: usize,
    pub(super) clone: usize,
}

/// The clones in one object.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Who it is; of the recorded object nothing.
    pub(super) name: String,
    pub(super) uid: String,
    /// What is written because of clones, in the order of time.
    pub(super) versions: Vec<Version>,
    /// Which member is said to be how; with `None` it is not in any more.
    pub(super) changes: Vec<(usize, Option<usize>)>,
}

/// Something that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) ts: i64,
    /// When the first of the changes came that are written.
    pub(super) trigger: i64,
    pub(super) event_type: EventType,
    /// How many changes of the sheet are in it or before it.
    pub(super) changes: usize,
}

impl Listing {
    /// Returns what the recorded object is called.
    pub(in crate::scale) fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many recorded rows there are.
    pub(in crate::scale) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Returns how many objects there are of it.
    pub(in crate::scale) fn sheets(&self) -> usize {
        self.sheets.len()
    }

    /// Returns what is said of a member.
    pub(super) fn state(&self, member: usize, state: usize) -> Option<&State> {
        let member = self.members.get(member)?;
        self.entries.get(member.entry)?.states.get(state)
    }

    /// Returns the ports of the pods in a slice at a time.
    pub(super) fn ports_at(&self, ts: i64) -> Value {
        let behind = self.ports.partition_point(|(from, _)| *from <= ts);
        let found = self.ports.get(behind.saturating_sub(1));
        found.map_or(Value::Null, |(_, ports)| ports.clone())
    }

    /// Returns the recorded row of a number.
    pub(super) fn noted(&self, seq: u64) -> Option<&Noted> {
        let index = self.rows.binary_search_by_key(&seq, |row| row.seq).ok()?;
        self.rows.get(index)
    }
}

/// The lists of addresses in a subset of Endpoints, and whether the pods in them are ready.
pub(super) const LISTS: [(&str, bool); 2] = [("addresses", true), ("notReadyAddresses", false)];

/// Calls with each list of addresses, the ports behind it, and whether those in it are ready.
pub(crate) fn each_list(
    form: Form,
    object: &mut Value,
    mut call: impl FnMut(&Value, bool, &mut Vec<Value>),
) {
    if form == Form::Slice {
        if let Some(Value::Array(endpoints)) = object.get_mut("endpoints") {
            call(&Value::Null, true, endpoints);
        }
        return;
    }
    let Some(Value::Array(subsets)) = object.get_mut("subsets") else {
        return;
    };
    for subset in subsets {
        let ports = subset.get("ports").cloned().unwrap_or_default();
        for (list, is_ready) in LISTS {
            if let Some(Value::Array(addresses)) = subset.get_mut(list) {
                call(&ports, is_ready, addresses);
            }
        }
    }
}

/// Returns the uid of the pod behind an address.
pub(super) fn pod_of(address: &Value) -> Option<&str> {
    address.get("targetRef")?.get("uid")?.as_str()
}

/// Takes addresses out, and leaves the object as the controller writes one without them.
pub(crate) fn withdraw(form: Form, object: &mut Value, leaves: impl Fn(&Value) -> bool) {
    let mut is_changed = false;
    each_list(form, object, |_, _, addresses| {
        let before = addresses.len();
        addresses.retain(|address| !leaves(address));
        is_changed |= addresses.len() < before;
    });
    if is_changed {
        tidy(form, object);
    }
}

/// Leaves out what is empty, as the controllers do.
pub(super) fn tidy(form: Form, object: &mut Value) {
    let Value::Object(object) = object else {
        return;
    };
    let is_empty = |value: Option<&Value>| match value {
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Null) | None => true,
        Some(_) => false,
    };
    if form == Form::Slice {
        if is_empty(object.get("endpoints")) {
            for field in ["endpoints", "ports"] {
                object.insert(field.to_owned(), Value::Null);
            }
        }
        return;
    }
    if let Some(Value::Array(subsets)) = object.get_mut("subsets") {
        for subset in subsets.iter_mut().filter_map(Value::as_object_mut) {
            for (list, _) in LISTS {
                if is_empty(subset.get(list)) {
                    subset.shift_remove(list);
                }
            }
        }
        let has_addresses =
            |subset: &Map<String, Value>| LISTS.iter().any(|(list, _)| subset.contains_key(*list));
        subsets.retain(|subset| subset.as_object().is_some_and(has_addresses));
        if subsets.is_empty() {
            object.shift_remove("subsets");
        }
    }
}

/// Puts the addresses of Endpoints in order.
pub(crate) fn in_order(subsets: &mut [Value]) {
    for subset in subsets {
        for (list, _) in LISTS {
            if let Some(Value::Array(addresses)) = subset.get_mut(list) {
                // Source: `LessEndpointAddress` of k8s.io/kubernetes/pkg/api/v1/endpoints.
                addresses.sort_by(|a, b| order_of(a).cmp(&order_of(b)));
            }
        }
    }
}

fn order_of(address: &Value) -> (&str, &str) {
    let ip = address.get("ip").and_then(Value::as_str);
    (ip.unwrap_or_default(), pod_of(address).unwrap_or_default())
}

/// Says that there are more addresses than are shown.
pub(crate) fn mark_as_cut(metadata: &mut Map<String, Value>) {
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    annotations[OVER_CAPACITY] = json!("truncated");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_last_address_a_slice_has_no_ports() {
        let endpoint = |uid: &str| json!({"addresses": ["10.0.0.1"], "targetRef": {"uid": uid}});
        let mut slice =
            json!({"endpoints": [endpoint("a"), endpoint("b")], "ports": [{"port": 80}]});
        withdraw(Form::Slice, &mut slice, |one| pod_of(one) == Some("a"));
        assert_eq!(
            slice,
            json!({"endpoints": [endpoint("b")], "ports": [{"port": 80}]})
        );
        withdraw(Form::Slice, &mut slice, |one| pod_of(one) == Some("b"));
        assert_eq!(slice, json!({"endpoints": null, "ports": null}));
    }

    #[test]
    fn lists_and_subsets_of_endpoints_that_are_empty_are_left_out() {
        let address = |uid: &str| json!({"ip": "10.0.0.1", "targetRef": {"uid": uid}});
        let mut endpoints = json!({"subsets": [
            {"addresses": [address("a")], "notReadyAddresses": [address("b")], "ports": []},
            {"addresses": [address("a")], "ports": [{"port": 80}]},
        ]});
        withdraw(Form::Endpoints, &mut endpoints, |one| {
            pod_of(one) == Some("a")
        });
        assert_eq!(
            endpoints,
            json!({"subsets": [{"notReadyAddresses": [address("b")], "ports": []}]})
        );
        withdraw(Form::Endpoints, &mut endpoints, |one| {
            pod_of(one) == Some("b")
        });
        assert_eq!(endpoints, json!({}));
    }
}
