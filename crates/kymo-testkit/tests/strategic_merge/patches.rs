//! Random patches that a server mostly takes.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

/// Random choices.
pub(crate) struct Dice(StdRng);

impl Dice {
    /// Starts with choices that are the same for every run.
    pub(crate) fn new() -> Self {
        Self(StdRng::seed_from_u64(7))
    }

    /// Makes a patch of one or two random changes.
    pub(crate) fn patch(&mut self, changes: &[fn(&mut Self) -> Value]) -> Value {
        let mut patch = json!({});
        for _ in 0..self.0.random_range(1..3) {
            let change = *changes.choose(&mut self.0).expect("a change");
            join(&mut patch, change(self));
        }
        patch
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.0).copied().expect("a choice")
    }

    fn some<'a>(&mut self, of: &[&'a str], most: usize) -> Vec<&'a str> {
        let mut all = of.to_vec();
        all.shuffle(&mut self.0);
        let count = self.0.random_range(0..=most.min(all.len()));
        all.truncate(count);
        all
    }

    fn is(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// Makes a patch of a merged list: elements that are changed, added or deleted, and perhaps
    /// the order.
    fn list(
        &mut self,
        field: &str,
        key: &str,
        keys: &[&str],
        make: impl Fn(&mut Self, &str) -> Value,
    ) -> Value {
        let mut patch = Map::new();
        let mut elements = Vec::new();
        let mut order = Vec::new();
        for name in self.some(keys, 3) {
            if self.is(25) {
                elements.push(json!({ key: keyed(name), "$patch": "delete" }));
            } else {
                elements.push(make(self, name));
                order.push(json!({ key: keyed(name) }));
            }
        }
        if self.is(5) {
            elements.push(json!({ "$patch": "replace" }));
        }
        if self.is(40) {
            for name in self.some(keys, 4) {
                let element = json!({ key: keyed(name) });
                if !order.contains(&element) {
                    let at = self.0.random_range(0..=order.len());
                    order.insert(at, element);
                }
            }
            patch.insert(format!("$setElementOrder/{field}"), order.into());
        }
        if !self.is(15) {
            patch.insert(field.to_owned(), elements.into());
        }
        Value::Object(patch)
    }

    /// Makes a patch of a list of plain values.
    fn values(&mut self, field: &str, of: &[&str]) -> Value {
        let mut patch = Map::new();
        let added = self.some(of, 2);
        if self.is(40) {
            let gone: Vec<_> = self
                .some(of, 2)
                .into_iter()
                .filter(|one| !added.contains(one))
                .collect();
            patch.insert(format!("$deleteFromPrimitiveList/{field}"), json!(gone));
        }
        if self.is(40) {
            let mut order = added.clone();
            for one in self.some(of, 3) {
                if !order.contains(&one) {
                    let at = self.0.random_range(0..=order.len());
                    order.insert(at, one);
                }
            }
            patch.insert(format!("$setElementOrder/{field}"), json!(order));
        }
        patch.insert(field.to_owned(), json!(added));
        Value::Object(patch)
    }

    /// Makes a patch of a map.
    fn map(&mut self, of: &[&str]) -> Value {
        let entries = self.some(of, 3).into_iter().map(|key| {
            let value = if self.is(40) {
                Value::Null
            } else {
                json!(self.one(&["x", "y", ""]))
            };
            (key.to_owned(), value)
        });
        Value::Object(entries.collect())
    }
}

/// A merge key that is a number in the API is one here.
fn keyed(name: &str) -> Value {
    name.parse::<u16>()
        .map_or_else(|_| json!(name), |number| json!(number))
}

const CONTAINERS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn container(dice: &mut Dice, name: &str) -> Value {
    let mut made = json!({
        "name": name, "image": dice.one(&["x:1", "x:2"]), "imagePullPolicy": "Always",
        "resources": {}, "terminationMessagePath": "/dev/log", "terminationMessagePolicy": "File",
    });
    let more = [
        dice.list(
            "env",
            "name",
            &["A", "B", "C", "D"],
            |dice, name| json!({ "name": name, "value": dice.one(&["1", "2"]) }),
        ),
        dice.list(
            "ports",
            "containerPort",
            &["80", "81", "82"],
            |dice, port| {
                let protocol = dice.one(&["TCP", "UDP"]);
                json!({ "containerPort": keyed(port), "protocol": protocol })
            },
        ),
        dice.list(
            "volumeMounts",
            "mountPath",
            &["/m", "/n"],
            |dice, path| json!({ "mountPath": path, "name": dice.one(&["v1", "v2"]) }),
        ),
        json!({ "command": dice.some(&["run", "it"], 2) }),
        json!({ "resources": { "limits": { "cpu": dice.one(&["1", "2"]) } } }),
        json!({ "livenessProbe": null, "stdin": dice.is(50) }),
    ];
    for change in more {
        if dice.is(40) {
            join(&mut made, change);
        }
    }
    made
}

fn pod_spec(dice: &mut Dice) -> Value {
    match dice.0.random_range(0..8) {
        0 | 1 => dice.list("containers", "name", &CONTAINERS, container),
        2 => dice.list("initContainers", "name", &["i", "j", "k"], container),
        3 => dice.list("volumes", "name", &["v1", "v2", "v3"], |dice, name| {
            if dice.is(50) {
                json!({ "name": name, "$retainKeys": ["name", "emptyDir"], "emptyDir": {} })
            } else {
                let source = json!({ "name": "c", "defaultMode": 420 });
                json!({ "name": name, "$retainKeys": ["name", "configMap"], "configMap": source })
            }
        }),
        4 => {
            let tolerations: Vec<Value> = dice
                .some(&["t", "u"], 2)
                .into_iter()
                .map(|key| json!({ "key": key, "operator": "Exists" }))
                .collect();
            json!({ "tolerations": tolerations })
        }
        5 => dice.list(
            "imagePullSecrets",
            "name",
            &["s1", "s2", "s3"],
            |_, name| json!({ "name": name }),
        ),
        6 => dice.list(
            "hostAliases",
            "ip",
            &["10.0.0.1", "10.0.0.2"],
            |dice, ip| json!({ "ip": ip, "hostnames": dice.some(&["h1", "h2"], 2) }),
        ),
        _ => json!({
            "nodeSelector": dice.map(&["a", "b", "c"]),
            "hostNetwork": dice.is(30),
            "affinity": null,
            "hostname": dice.one(&["h", ""]),
            "securityContext": if dice.is(50) { json!({ "$patch": "delete" }) } else { json!({ "runAsUser": 1 }) },
        }),
    }
}

pub(crate) fn metadata(dice: &mut Dice) -> Value {
    let change = match dice.0.random_range(0..4) {
        0 => json!({ "labels": dice.map(&["a", "b", "c"]) }),
        1 => json!({ "annotations": dice.map(&["a", "b", "c"]) }),
        2 => dice.values("finalizers", &["f.io/a", "f.io/b", "f.io/c", "f.io/d"]),
        _ => dice.list(
            "ownerReferences",
            "uid",
            &["u1", "u2", "u3"],
            |_, uid| json!({ "uid": uid, "apiVersion": "v1", "kind": "ConfigMap", "name": uid }),
        ),
    };
    json!({ "metadata": change })
}

pub(crate) fn template(dice: &mut Dice) -> Value {
    json!({ "spec": { "template": { "spec": pod_spec(dice) } } })
}

pub(crate) fn rollout(dice: &mut Dice) -> Value {
    let strategy = match dice.0.random_range(0..3) {
        0 => json!({ "$retainKeys": ["type"], "type": "Recreate" }),
        1 => json!({ "$patch": "replace", "type": "Recreate" }),
        _ => json!({ "rollingUpdate": { "maxSurge": 3 } }),
    };
    json!({ "spec": {
        "replicas": dice.0.random_range(0..3), "paused": dice.is(50), "strategy": strategy,
    } })
}

pub(crate) fn ports(dice: &mut Dice) -> Value {
    let ports = dice.list("ports", "port", &["80", "81", "82", "83"], |dice, port| {
        json!({ "port": keyed(port), "name": format!("p{port}"), "protocol": "TCP", "targetPort": dice.one(&["x", "y"]) })
    });
    json!({ "spec": ports })
}

pub(crate) fn selector(dice: &mut Dice) -> Value {
    json!({ "spec": {
        "selector": dice.map(&["a", "b", "c"]),
        "publishNotReadyAddresses": dice.is(50),
    } })
}

fn conditions(dice: &mut Dice, last: &str) -> Value {
    let types = ["Ready", "DiskPressure", "PIDPressure", "Odd"];
    let status = dice.list("conditions", "type", &types, |dice, r#type| {
        json!({
            "type": r#type, "status": dice.one(&["True", "False"]),
            "lastTransitionTime": "2024-01-01T00:00:00Z", last: "2024-01-02T00:00:00Z",
            "reason": dice.one(&["R", ""]),
        })
    });
    json!({ "status": status })
}

pub(crate) fn node_conditions(dice: &mut Dice) -> Value {
    conditions(dice, "lastHeartbeatTime")
}

pub(crate) fn pod_conditions(dice: &mut Dice) -> Value {
    conditions(dice, "lastProbeTime")
}

pub(crate) fn node_status(dice: &mut Dice) -> Value {
    let types = ["InternalIP", "Hostname", "ExternalIP"];
    let mut status = dice.list(
        "addresses",
        "type",
        &types,
        |dice, r#type| json!({ "type": r#type, "address": dice.one(&["10.2.0.1", "10.2.0.2"]) }),
    );
    join(
        &mut status,
        json!({ "capacity": dice.map(&["cpu", "pods"]) }),
    );
    for (_, amount) in status["capacity"].as_object_mut().expect("capacity") {
        if amount.is_string() {
            *amount = json!(dice.one(&["1", "2"]));
        }
    }
    json!({ "status": status })
}

pub(crate) fn node_spec(dice: &mut Dice) -> Value {
    let taints: Vec<Value> = dice
        .some(&["t", "u", "v"], 3)
        .into_iter()
        .map(|key| json!({ "key": key, "effect": "NoSchedule" }))
        .collect();
    let unschedulable = if dice.is(30) {
        Value::Null
    } else {
        json!(dice.is(50))
    };
    json!({ "spec": { "taints": taints, "unschedulable": unschedulable } })
}

pub(crate) fn pod_changes(dice: &mut Dice) -> Value {
    let image = json!([{ "name": dice.one(&["a", "b"]), "image": dice.one(&["x:1", "x:2"]) }]);
    let order = json!([{ "name": "a" }, { "name": "b" }]);
    json!({ "spec": {
        "containers": image,
        "$setElementOrder/containers": order,
        "activeDeadlineSeconds": dice.0.random_range(1..9),
    } })
}

pub(crate) fn pod_status(dice: &mut Dice) -> Value {
    let message = if dice.is(30) {
        Value::Null
    } else {
        json!(dice.one(&["m", ""]))
    };
    let statuses: Vec<Value> = dice
        .some(&["a", "b", "c"], 3)
        .into_iter()
        .map(|name| {
            json!({
                "name": name, "image": "x:1", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": {} }, "lastState": {},
            })
        })
        .collect();
    json!({ "status": { "message": message, "phase": "Running", "containerStatuses": statuses } })
}

/// Adds fields at any depth, without meaning for nulls.
pub(crate) fn join(object: &mut Value, more: Value) {
    match (object, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (key, value) in more {
                join(fields.entry(key).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value,
    }
}
