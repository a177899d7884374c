//! Nodes: what they are made of, and what happens to them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::clock::{micros, seconds};
use crate::defaults::{as_object, object};
use crate::order::{LabelValue, NamePattern, NodeOrder};
use crate::pod::Host;
use crate::random::digest;

/// What happens to a node. Each is an event of its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum NodeStep {
    /// Its kubelet registers it.
    Created,
    /// It gets a range of addresses.
    Addressed,
    /// Its kubelet is ready.
    Ready,
    /// The taint of a node that is not ready is taken away.
    Opened,
    /// Its kubelet reports, and nothing has changed.
    Reported,
    /// Its kubelet does not answer any more.
    Lost,
    /// Its pods are to be evicted.
    Tainted,
    /// Its kubelet answers again.
    Found,
    /// No pods shall come any more.
    Cordoned,
    /// They may come again.
    Uncordoned,
    /// It is gone.
    Gone,
    /// It is there and ready when it is first seen.
    Present,
}

impl NodeStep {
    const ALL: [Self; 12] = [
        Self::Created,
        Self::Addressed,
        Self::Ready,
        Self::Opened,
        Self::Reported,
        Self::Lost,
        Self::Tainted,
        Self::Found,
        Self::Cordoned,
        Self::Uncordoned,
        Self::Gone,
        Self::Present,
    ];

    pub(crate) fn of(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The name, the address and the topology.
    pub(crate) host: Host,
    pub(crate) uid: String,
    /// The object without what changes, as JSON: there may be many nodes, and text is smallest.
    body: Box<str>,
    /// The first three numbers of the addresses of its pods.
    pub(crate) range: String,
}

/// A node with what has happened to it so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeState {
    created: i64,
    has_range: bool,
    is_open: bool,
    reported: i64,
    /// Since when it is ready or not.
    since: i64,
    is_ready: bool,
    lost: Option<i64>,
    is_tainted: bool,
    cordoned: Option<i64>,
}

/// What a node is when nothing says otherwise.
fn default_amounts() -> Value {
    json!({
        "cpu": "32",
        "ephemeral-storage": "209702892Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": "128Gi",
        "pods": "110",
    })
}

impl Node {
    /// Makes the `number`-th node of an order; `serial` counts all nodes.
    pub(crate) fn new(
        order: &NodeOrder,
        pattern: &NamePattern,
        number: u64,
        serial: u64,
        uid: &str,
    ) -> Self {
        let name = pattern.name(number);
        let mut body = order
            .manifest
            .as_ref()
            .map_or_else(|| json!({}), |manifest| manifest.object.clone());
        let members = as_object(&mut body);
        members.shift_remove("kind");
        members.shift_remove("apiVersion");
        let given = members
            .shift_remove("metadata")
            .unwrap_or_else(|| json!({}));
        let mut labels = Map::new();
        for (label, value) in [
            ("beta.kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
        ] {
            labels.insert(label.to_owned(), json!(value));
        }
        let own = given.get("labels").and_then(Value::as_object);
        labels.extend(own.cloned().unwrap_or_default());
        for (label, value) in &order.labels {
            let value = match value {
                LabelValue::Fixed(value) => Some(value),
                LabelValue::Cycle(values) if values.is_empty() => None,
                LabelValue::Cycle(values) => values.get((number % values.len() as u64) as usize),
            };
            labels.insert(label.clone(), json!(value.cloned().unwrap_or_default()));
        }
        let mut annotations = Map::new();
        annotations.insert("node.alpha.kubernetes.io/ttl".to_owned(), json!("0"));
        annotations.insert(
            "volumes.kubernetes.io/controller-managed-attach-detach".to_owned(),
            json!("true"),
        );
        let own = given.get("annotations").and_then(Value::as_object);
        annotations.extend(own.cloned().unwrap_or_default());
        let topology = topology(&labels);
        let (high, low) = ((serial / 250) % 250, serial % 250);
        let address = format!("172.{}.{high}.{}", 16 + (serial / 62_500) % 16, low + 1);
        let range = format!("10.{}.{}", 128 + (serial / 256) % 128, serial % 256);
        status(object(members, "status"), &name, &address);
        object(members, "spec");
        let spec = members.shift_remove("spec").unwrap_or_else(|| json!({}));
        let status = members.shift_remove("status").unwrap_or_else(|| json!({}));
        let body = json!({
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {
                "name": name,
                "uid": uid,
                "resourceVersion": "",
                "creationTimestamp": "",
                "labels": labels,
                "annotations": annotations,
            },
            "spec": spec,
            "status": status,
        });
        Self {
            host: Host {
                name,
                address,
                topology,
            },
            uid: uid.to_owned(),
            body: body.to_string().into(),
            range,
        }
    }

    /// Knows a node that is there already.
    pub(crate) fn known(node: &Value, serial: u64) -> Self {
        let text = |pointer: &str| {
            let value = node.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let addresses = node.pointer("/status/addresses").and_then(Value::as_array);
        let address = addresses
            .into_iter()
            .flatten()
            .find(|address| address.get("type").is_some_and(|kind| kind == "InternalIP"));
        let address = address
            .and_then(|address| address.get("address"))
            .and_then(Value::as_str);
        let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
        Self {
            host: Host {
                name: text("/metadata/name"),
                address: address.unwrap_or("127.0.0.1").to_owned(),
                topology: labels.map(topology).unwrap_or_default(),
            },
            uid: text("/metadata/uid"),
            body: "null".into(),
            range: format!("10.{}.{}", 128 + (serial / 256) % 128, serial % 256),
        }
    }

    /// Returns the object, for the scheduler: with the taints of its manifest alone.
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Writes the node as the API server shows it.
    pub(crate) fn write(&self, state: &NodeState, version: u64, out: &mut String) {
        let mut body = self.body();
        let members = as_object(&mut body);
        let metadata = object(members, "metadata");
        metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
        metadata.insert(
            "creationTimestamp".to_owned(),
            json!(seconds(state.created)),
        );
        let spec = object(members, "spec");
        if state.has_range {
            let range = format!("{}.0/24", self.range);
            spec.insert("podCIDR".to_owned(), json!(range));
            spec.insert("podCIDRs".to_owned(), json!([range]));
        }
        let mut taints = match spec.shift_remove("taints") {
            Some(Value::Array(taints)) => taints,
            _ => Vec::new(),
        };
        if !state.is_open {
            taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
        }
        if let Some(at) = state.lost {
            let at = seconds(at);
            let key = "node.kubernetes.io/unreachable";
            taints.push(json!({"key": key, "effect": "NoSchedule", "timeAdded": at}));
            if state.is_tainted {
                taints.push(json!({"key": key, "effect": "NoExecute", "timeAdded": at}));
            }
        }
        if let Some(at) = state.cordoned {
            taints.push(json!({
                "key": "node.kubernetes.io/unschedulable",
                "effect": "NoSchedule",
                "timeAdded": seconds(at),
            }));
        }
        if !taints.is_empty() {
            spec.insert("taints".to_owned(), Value::Array(taints));
        }
        if state.cordoned.is_some() {
            spec.insert("unschedulable".to_owned(), json!(true));
        }
        object(members, "status").insert("conditions".to_owned(), state.conditions());
        out.push_str(&body.to_string());
    }

    /// Writes its Lease.
    pub(crate) fn write_lease(
        &self,
        uid: &str,
        created: i64,
        renewed: i64,
        version: u64,
        out: &mut String,
    ) {
        let name = &self.host.name;
        let lease = json!({
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {
                "name": name,
                "namespace": "kube-node-lease",
                "uid": uid,
                "resourceVersion": version.to_string(),
                "creationTimestamp": seconds(created),
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self.uid},
                ],
            },
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": 40,
                "renewTime": micros(renewed),
            },
        });
        out.push_str(&lease.to_string());
    }
}

impl NodeState {
    /// Changes it by a step.
    pub(crate) fn take(&mut self, step: NodeStep, ts: i64) {
        match step {
            NodeStep::Created => {
                self.created = ts;
                self.since = ts;
                self.reported = ts;
            }
            NodeStep::Addressed => self.has_range = true,
            NodeStep::Ready => {
                self.is_ready = true;
                self.since = ts;
                self.reported = ts;
            }
            NodeStep::Opened => self.is_open = true,
            NodeStep::Reported => self.reported = ts,
            NodeStep::Lost => {
                self.lost = Some(ts);
                self.since = ts;
            }
            NodeStep::Tainted => self.is_tainted = true,
            NodeStep::Found => {
                self.lost = None;
                self.is_tainted = false;
                self.since = ts;
                self.reported = ts;
            }
            NodeStep::Cordoned => self.cordoned = Some(ts),
            NodeStep::Uncordoned => self.cordoned = None,
            NodeStep::Present => {
                self.created = ts;
                self.since = ts;
                self.reported = ts;
                self.has_range = true;
                self.is_open = true;
                self.is_ready = true;
            }
            NodeStep::Gone => {}
        }
    }

    fn conditions(&self) -> Value {
        let kinds = [
            (
                "MemoryPressure",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
            ),
            (
                "DiskPressure",
                "KubeletHasNoDiskPressure",
                "kubelet has no disk pressure",
            ),
            (
                "PIDPressure",
                "KubeletHasSufficientPID",
                "kubelet has sufficient PID available",
            ),
            ("Ready", "KubeletReady", "kubelet is posting ready status"),
        ];
        let conditions = kinds.map(|(kind, reason, message)| {
            let is_ready = kind == "Ready";
            let since = if is_ready || self.lost.is_some() {
                self.since
            } else {
                self.created
            };
            let (status, reason, message) = match (self.lost, is_ready) {
                (Some(_), _) => (
                    "Unknown",
                    "NodeStatusUnknown",
                    "Kubelet stopped posting node status.",
                ),
                (None, true) if !self.is_ready => (
                    "False",
                    "KubeletNotReady",
                    "container runtime network not ready",
                ),
                (None, true) => ("True", reason, message),
                (None, false) => ("False", reason, message),
            };
            json!({
                "type": kind,
                "status": status,
                "lastHeartbeatTime": seconds(self.reported),
                "lastTransitionTime": seconds(since),
                "reason": reason,
                "message": message,
            })
        });
        Value::Array(conditions.into())
    }
}

/// Returns the labels of the topology as members of JSON, with a comma before each.
fn topology(labels: &Map<String, Value>) -> String {
    let mut text = String::new();
    for label in [
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    ] {
        if let Some(value) = labels.get(label) {
            write!(text, r#","{label}":{value}"#).ok();
        }
    }
    text
}

fn status(status: &mut Map<String, Value>, name: &str, address: &str) {
    let amounts = |from: &str| status.get(from).filter(|value| value.is_object()).cloned();
    let capacity = amounts("capacity")
        .or_else(|| amounts("allocatable"))
        .unwrap_or_else(default_amounts);
    let mut capacity = texts(capacity);
    if let Some(members) = capacity.as_object_mut() {
        members
            .entry("pods".to_owned())
            .or_insert_with(|| json!("110"));
    }
    let allocatable = amounts("allocatable").map_or_else(|| capacity.clone(), texts);
    let mut allocatable = allocatable;
    if let Some(members) = allocatable.as_object_mut() {
        members
            .entry("pods".to_owned())
            .or_insert_with(|| json!("110"));
    }
    let given = status.shift_remove("nodeInfo");
    let id = digest(name);
    let uuid = |from: usize| {
        let part = |start: usize, length: usize| id.get(start..start + length).unwrap_or_default();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(from, 8),
            part(from + 8, 4),
            part(from + 12, 3),
            part(from + 15, 3),
            part(from + 18, 12)
        )
    };
    let info = json!({
        "machineID": id.get(..32),
        "systemUUID": uuid(0),
        "bootID": uuid(32),
        "kernelVersion": "6.12.0",
        "osImage": "Linux",
        "containerRuntimeVersion": "containerd://2.1.3",
        "kubeletVersion": "v1.36.2",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    });
    let mut info = info.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(given)) = given {
        info.extend(given);
    }
    let rest = std::mem::take(status);
    status.insert("capacity".to_owned(), capacity);
    status.insert("allocatable".to_owned(), allocatable);
    status.insert("conditions".to_owned(), Value::Null);
    status.insert(
        "addresses".to_owned(),
        json!([
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": name},
        ]),
    );
    status.insert(
        "daemonEndpoints".to_owned(),
        json!({"kubeletEndpoint": {"Port": 10250}}),
    );
    status.insert("nodeInfo".to_owned(), Value::Object(info));
    for (name, value) in rest {
        let is_set = status.contains_key(&name) || name == "phase";
        if !is_set {
            status.insert(name, value);
        }
    }
}

/// Numbers are quantities too; the API server writes them as texts.
fn texts(mut amounts: Value) -> Value {
    for amount in amounts
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
    {
        if let Value::Number(number) = amount {
            *amount = Value::String(number.to_string());
        }
    }
    amounts
}
