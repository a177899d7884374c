//! What objects say of the node of a pod, when a clone is on another one than the recorded pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::clone::replaced;

/// What labels of a node begin with that pods have too (KEP-4742).
const TOPOLOGY: &str = "topology.kubernetes.io/";
const ZONE: &str = "topology.kubernetes.io/zone";

/// A node, as others tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    /// Its internal addresses.
    addresses: Vec<String>,
    /// Its labels that say where it is.
    topology: BTreeMap<String, String>,
}

impl Host {
    /// Reads `metadata.labels` and `status.addresses` of a node.
    pub(super) fn of(name: &str, labels: &Value, addresses: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = labels.as_object().into_iter().flatten();
        let addresses = addresses.as_array().into_iter().flatten();
        Self {
            name: name.to_owned(),
            addresses: addresses
                .filter(|address| address.get("type").and_then(Value::as_str) == Some("InternalIP"))
                .filter_map(|address| address.get("address").map(text))
                .collect(),
            topology: labels
                .filter(|(label, _)| label.starts_with(TOPOLOGY))
                .map(|(label, value)| (label.clone(), text(value)))
                .collect(),
        }
    }
}

/// The node of a clone, in place of that of the recorded pod.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) recorded: Arc<Host>,
    pub(super) given: Arc<Host>,
}

impl Seat {
    /// Changes what a pod says.
    pub(super) fn pod(&self, pod: &mut Value) {
        let is_bound = self.is_recorded(pod.pointer("/spec/nodeName"));
        if !is_bound {
            return;
        }
        pod["spec"]["nodeName"] = json!(self.given.name);
        let has_host_network = pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true));
        if let Some(Value::Object(labels)) = pod.pointer_mut("/metadata/labels") {
            self.topology(labels);
        }
        if let Some(Value::Object(status)) = pod.get_mut("status") {
            self.addresses(status, "hostIP", "hostIPs");
            if has_host_network {
                self.addresses(status, "podIP", "podIPs");
            }
        }
    }

    /// Changes what an Event about a pod says.
    pub(super) fn event(&self, event: &mut Value) {
        for place in [
            "/source/host",
            "/deprecatedSource/host",
            "/reportingInstance",
        ] {
            if let Some(host) = event.pointer_mut(place)
                && self.is_recorded(Some(host))
            {
                *host = json!(self.given.name);
            }
        }
        if event.get("reason").and_then(Value::as_str) != Some("Scheduled") {
            return;
        }
        let names = [(self.recorded.name.clone(), self.given.name.clone())];
        for field in ["message", "note"] {
            if let Some(Value::String(text)) = event.get_mut(field) {
                let told = replaced(text.as_bytes(), &names);
                *text = String::from_utf8(told).unwrap_or_default();
            }
        }
    }

    /// Changes what an `EndpointSlice` or Endpoints say of a pod.
    pub(super) fn endpoint(&self, endpoint: &mut Value) {
        if !self.is_recorded(endpoint.get("nodeName")) {
            return;
        }
        endpoint["nodeName"] = json!(self.given.name);
        let Value::Object(endpoint) = endpoint else {
            return;
        };
        if endpoint.contains_key("zone") {
            match self.given.topology.get(ZONE) {
                Some(zone) => {
                    endpoint.insert("zone".to_owned(), json!(zone));
                }
                None => {
                    endpoint.shift_remove("zone");
                }
            }
        }
        let zones = [&self.recorded, &self.given].map(|host| host.topology.get(ZONE));
        let names = [&self.recorded, &self.given].map(|host| Some(&host.name));
        for (hint, [before, after]) in [("forZones", zones), ("forNodes", names)] {
            let hints = endpoint.get_mut("hints").and_then(|all| all.get_mut(hint));
            for hint in hints.and_then(Value::as_array_mut).into_iter().flatten() {
                let told = hint.get("name").and_then(Value::as_str);
                if told == before.map(String::as_str)
                    && let Some(after) = after
                {
                    hint["name"] = json!(after);
                }
            }
        }
    }

    fn is_recorded(&self, name: Option<&Value>) -> bool {
        name.and_then(Value::as_str) == Some(&self.recorded.name)
    }

    /// Sets the labels that a pod has of its node.
    fn topology(&self, labels: &mut Map<String, Value>) {
        for (label, value) in &self.recorded.topology {
            if labels.get(label).and_then(Value::as_str) != Some(value) {
                continue;
            }
            match self.given.topology.get(label) {
                Some(value) => {
                    labels.insert(label.clone(), json!(value));
                }
                None => {
                    labels.shift_remove(label);
                }
            }
        }
    }

    /// Sets an address and the list of all, where they are told.
    fn addresses(&self, status: &mut Map<String, Value>, one: &str, all: &str) {
        if let Some(address) = self.given.addresses.first()
            && status.contains_key(one)
        {
            status.insert(one.to_owned(), json!(address));
        }
        if let Some(Value::Array(told)) = status.get_mut(all) {
            for (told, address) in told.iter_mut().zip(&self.given.addresses) {
                told["ip"] = json!(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, zone: Option<&str>, address: &str) -> Arc<Host> {
        let labels = zone.map_or(json!({"a": "b"}), |zone| json!({ ZONE: zone, "a": "b" }));
        let addresses = json!([
            {"type": "Hostname", "address": name},
            {"type": "InternalIP", "address": address},
        ]);
        Arc::new(Host::of(name, &labels, &addresses))
    }

    fn seat(zone: Option<&str>) -> Seat {
        Seat {
            recorded: host("node-1", Some("a"), "10.0.0.1"),
            given: host("node-2", zone, "10.0.0.2"),
        }
    }

    #[test]
    fn a_pod_says_its_node_from_when_it_is_bound() {
        let waiting = json!({"metadata": {"labels": {ZONE: "a"}}, "spec": {}, "status": {}});
        let mut pod = waiting.clone();
        seat(Some("b")).pod(&mut pod);
        assert_eq!(pod, waiting);
        let bound = |node: &str, zone: &str, address: &str| {
            json!({
                "metadata": {"labels": {"app": "node-1", ZONE: zone}},
                "spec": {"nodeName": node, "containers": [{"name": "node-1"}]},
                "status": {"hostIP": address, "hostIPs": [{"ip": address}], "podIP": "10.1.0.1"},
            })
        };
        let mut pod = bound("node-1", "a", "10.0.0.1");
        seat(Some("b")).pod(&mut pod);
        assert_eq!(pod, bound("node-2", "b", "10.0.0.2"));
        let mut pod = bound("node-1", "a", "10.0.0.1");
        seat(None).pod(&mut pod);
        assert!(pod["metadata"]["labels"].get(ZONE).is_none());
    }

    #[test]
    fn a_pod_of_the_host_network_has_the_address_of_its_node() {
        let mut pod = json!({
            "spec": {"nodeName": "node-1", "hostNetwork": true},
            "status": {"hostIP": "10.0.0.1", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]},
        });
        seat(None).pod(&mut pod);
        let status =
            json!({"hostIP": "10.0.0.2", "podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.2"}]});
        assert_eq!(pod["status"], status);
    }

    #[test]
    fn events_say_the_node_where_they_mean_it() {
        let mut event = json!({
            "reason": "Scheduled", "source": {"component": "default-scheduler"},
            "message": "Successfully assigned shop/node-1-x to node-1",
        });
        seat(None).event(&mut event);
        assert_eq!(
            event["message"],
            "Successfully assigned shop/node-1-x to node-2"
        );
        let mut event = json!({
            "reason": "Started", "source": {"component": "kubelet", "host": "node-1"},
            "reportingInstance": "node-1", "message": "Started container node-1",
        });
        seat(None).event(&mut event);
        assert_eq!(event["source"]["host"], "node-2");
        assert_eq!(event["reportingInstance"], "node-2");
        assert_eq!(event["message"], "Started container node-1");
    }

    #[test]
    fn endpoints_say_node_and_zone() {
        let told = |node: &str, zone: &str| {
            json!({
                "addresses": ["10.1.0.1"], "nodeName": node, "zone": zone,
                "hints": {"forZones": [{"name": zone}], "forNodes": [{"name": node}]},
            })
        };
        let mut endpoint = told("node-1", "a");
        seat(Some("b")).endpoint(&mut endpoint);
        assert_eq!(endpoint, told("node-2", "b"));
        let mut other = told("node-3", "c");
        seat(Some("b")).endpoint(&mut other);
        assert_eq!(other, told("node-3", "c"));
    }
}
