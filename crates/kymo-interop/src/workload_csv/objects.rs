//! The objects that rows stand for.
//!
//! GPUs are the extended resources that the mapping names: whole devices, and thousandths of all
//! devices together where pods share them, since resources such as `nvidia.com/gpu` count whole
//! ones only. Pods that share have the annotations of schedulers for that as well: the share of
//! each device and the number of devices.

use kymo_model::Timestamp;
use serde_json::{Map, Value, json};

use super::mapping::GpuResources;
use super::rows::{NodeRow, PodRow};

const GPU_MODEL: &str = "alibabacloud.com/gpu-card-model";
const QOS: &str = "alibabacloud.com/qos";
/// The namespace of pods of which no namespace is told.
pub(super) const NAMESPACE: &str = "default";

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) created: Timestamp,
    pub(super) scheduled: Option<Timestamp>,
    pub(super) is_deleted: bool,
}

/// Writes a node.
pub(super) fn node(row: &NodeRow, gpus: &GpuResources) -> Value {
    let mut resources = json!({
        "cpu": cpu(row.cpu_milli),
        "memory": memory(row.memory_bytes),
    });
    let mut metadata = json!({"name": row.name});
    if row.gpu_count > 0 {
        resources[&gpus.count] = row.gpu_count.to_string().into();
        if let Some(name) = &gpus.milli {
            let milli = row.gpu_count.saturating_mul(1000);
            resources[name] = milli.to_string().into();
        }
    }
    if !row.gpu_model.is_empty() {
        metadata["labels"] = json!({GPU_MODEL: row.gpu_model});
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "status": {"capacity": resources, "allocatable": resources},
    })
}

/// Writes a pod at a stage of its life.
pub(super) fn pod(row: &PodRow, stage: &Stage, gpus: &GpuResources) -> Value {
    let mut metadata = json!({
        "name": row.name,
        "namespace": NAMESPACE,
        "creationTimestamp": second(stage.created),
    });
    if !row.qos.is_empty() {
        metadata["labels"] = json!({QOS: row.qos});
    }
    let mut notes = Map::new();
    let mut requests = json!({"cpu": cpu(row.cpu_milli), "memory": memory(row.memory_bytes)});
    let mut resources = Map::new();
    if let Some(wish) = &row.gpus {
        if let (Some(name), Some(each)) = (&gpus.milli, wish.each_milli) {
            notes.insert(gpus.count.clone(), wish.devices.to_string().into());
            notes.insert(name.clone(), each.to_string().into());
        }
        let (name, wanted) = match &gpus.milli {
            Some(name) => (name, wish.milli.to_string()),
            None => (&gpus.count, (wish.milli / 1000).to_string()),
        };
        requests[name] = wanted.as_str().into();
        // An extended resource is requested up to its limit.
        resources.insert("limits".to_owned(), json!({name: wanted}));
    }
    if !row.gpu_model.is_empty() {
        notes.insert(GPU_MODEL.to_owned(), row.gpu_model.as_str().into());
    }
    if !notes.is_empty() {
        metadata["annotations"] = notes.into();
    }
    resources.insert("requests".to_owned(), requests);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "main", "resources": resources}]},
        "status": status(row, stage),
    })
}

fn status(row: &PodRow, stage: &Stage) -> Value {
    let phase = match stage.scheduled {
        _ if stage.is_deleted && !row.phase.is_empty() => row.phase.as_str(),
        Some(_) => "Running",
        None => "Pending",
    };
    let mut status = json!({"phase": phase});
    if let Some(at) = stage.scheduled {
        status["conditions"] = json!([{
            "type": "PodScheduled",
            "status": "True",
            "lastTransitionTime": second(at),
        }]);
    }
    // The other classes of the data sets are not those of Kubernetes.
    if matches!(row.qos.as_str(), "Guaranteed" | "Burstable" | "BestEffort") {
        status["qosClass"] = row.qos.as_str().into();
    }
    status
}

/// Writes thousandths of a CPU as the API server does.
fn cpu(milli: u64) -> String {
    if milli.is_multiple_of(1000) {
        (milli / 1000).to_string()
    } else {
        format!("{milli}m")
    }
}

/// Writes bytes as the API server does.
fn memory(bytes: u64) -> String {
    let (mut count, mut units) = (bytes, ["", "Ki", "Mi", "Gi", "Ti", "Pi"].iter());
    let mut unit = units.next();
    while count > 0 && count.is_multiple_of(1024) && units.len() > 0 {
        count /= 1024;
        unit = units.next();
    }
    format!("{count}{}", unit.unwrap_or(&""))
}

/// Writes a time as Kubernetes does, in whole seconds.
fn second(at: Timestamp) -> String {
    let whole = Timestamp(at.0.div_euclid(1_000_000_000).saturating_mul(1_000_000_000));
    whole.to_string().replace(".000000000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::super::rows::GpuWish;
    use super::*;

    #[test]
    fn quantities_are_written_as_the_api_server_writes_them() {
        assert_eq!(
            (cpu(32_000), cpu(11_908), cpu(0)),
            ("32".into(), "11908m".into(), "0".into())
        );
        assert_eq!(memory(262_144 << 20), "256Gi");
        assert_eq!(
            (memory(5_600 << 20), memory(0)),
            ("5600Mi".into(), "0".into())
        );
        assert_eq!(
            (memory(1 << 40), memory(1 << 60)),
            ("1Ti".into(), "1024Pi".into())
        );
        assert_eq!(
            (memory(5_000_000), memory(1536)),
            ("5000000".into(), "1536".into())
        );
    }

    #[test]
    fn a_pod_with_half_a_gpu_asks_for_thousandths() {
        let row = PodRow {
            name: "a".into(),
            cpu_milli: 1000,
            memory_bytes: 1 << 30,
            gpus: Some(GpuWish {
                devices: 2,
                each_milli: Some(500),
                milli: 1000,
            }),
            gpu_model: "G2|T4".into(),
            qos: "LS".into(),
            phase: "Failed".into(),
            created: 0,
            scheduled: None,
            deleted: None,
        };
        let mut stage = Stage {
            created: Timestamp(1_500_000_000),
            scheduled: None,
            is_deleted: false,
        };
        let mut gpus = GpuResources {
            count: "x.io/gpu".into(),
            milli: Some("x.io/milli".into()),
        };
        let made = pod(&row, &stage, &gpus);
        let resources = &made["spec"]["containers"][0]["resources"];
        assert_eq!(resources["requests"]["x.io/milli"], "1000");
        assert_eq!(resources["limits"], json!({"x.io/milli": "1000"}));
        assert_eq!(made["metadata"]["annotations"]["x.io/milli"], "500");
        assert_eq!(made["metadata"]["annotations"]["x.io/gpu"], "2");
        assert_eq!(
            made["metadata"]["creationTimestamp"],
            "1970-01-01T00:00:01Z"
        );
        assert_eq!(made["status"], json!({"phase": "Pending"}));
        stage.scheduled = Some(Timestamp(2_000_000_000));
        assert_eq!(pod(&row, &stage, &gpus)["status"]["phase"], "Running");
        stage.is_deleted = true;
        assert_eq!(pod(&row, &stage, &gpus)["status"]["phase"], "Failed");
        gpus.milli = None;
        let made = pod(&row, &stage, &gpus);
        let resources = &made["spec"]["containers"][0]["resources"];
        assert_eq!(resources["limits"], json!({"x.io/gpu": "1"}));
        assert_eq!(made["metadata"]["annotations"].get("x.io/gpu"), None);
    }
}
