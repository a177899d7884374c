//! The objects that rows stand for.
//!
//! GPUs are the extended resources `alibabacloud.com/gpu-count` (whole devices) and
//! `alibabacloud.com/gpu-milli` (thousandths of all devices together), since the data sets share
//! GPUs between pods and `nvidia.com/gpu` counts whole ones only. Pods have the annotations of the
//! schedulers that share GPUs as well: the share of each device, the number of devices and the
//! models.

use kymo_model::Timestamp;
use serde_json::{Map, Value, json};

use super::rows::{NodeRow, PodRow};

/// GPU devices of a node, or that a pod wants.
const GPU_COUNT: &str = "alibabacloud.com/gpu-count";
/// Thousandths of GPUs.
const GPU_MILLI: &str = "alibabacloud.com/gpu-milli";
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
pub(super) fn node(row: &NodeRow) -> Value {
    let mut resources = json!({
        "cpu": cpu(row.cpu_milli),
        "memory": memory(row.memory_mib),
    });
    let mut metadata = json!({"name": row.name});
    if row.gpu_count > 0 {
        resources[GPU_COUNT] = row.gpu_count.to_string().into();
        let milli = row.gpu_count.saturating_mul(1000);
        resources[GPU_MILLI] = milli.to_string().into();
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
pub(super) fn pod(row: &PodRow, stage: &Stage) -> Value {
    let mut metadata = json!({
        "name": row.name,
        "namespace": NAMESPACE,
        "creationTimestamp": second(stage.created),
    });
    if !row.qos.is_empty() {
        metadata["labels"] = json!({QOS: row.qos});
    }
    let mut notes = Map::new();
    let mut requests = json!({"cpu": cpu(row.cpu_milli), "memory": memory(row.memory_mib)});
    let mut resources = Map::new();
    if row.gpu_count > 0 {
        let milli = row.gpu_count.saturating_mul(row.gpu_milli).to_string();
        notes.insert(GPU_COUNT.to_owned(), row.gpu_count.to_string().into());
        notes.insert(GPU_MILLI.to_owned(), row.gpu_milli.to_string().into());
        requests[GPU_MILLI] = milli.as_str().into();
        // An extended resource is requested up to its limit.
        resources.insert("limits".to_owned(), json!({GPU_MILLI: milli}));
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

/// Writes mebibytes as the API server does.
fn memory(mib: u64) -> String {
    let (mut count, mut units) = (mib, ["Mi", "Gi", "Ti", "Pi"].iter());
    let mut unit = units.next();
    while count > 0 && count.is_multiple_of(1024) && units.len() > 0 {
        count /= 1024;
        unit = units.next();
    }
    if count == 0 {
        return "0".to_owned();
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
    use super::*;

    #[test]
    fn quantities_are_written_as_the_api_server_writes_them() {
        assert_eq!(
            (cpu(32_000), cpu(11_908), cpu(0)),
            ("32".into(), "11908m".into(), "0".into())
        );
        assert_eq!(memory(262_144), "256Gi");
        assert_eq!((memory(5_600), memory(0)), ("5600Mi".into(), "0".into()));
        assert_eq!(
            (memory(1 << 20), memory(1 << 40)),
            ("1Ti".into(), "1024Pi".into())
        );
    }

    #[test]
    fn a_pod_with_half_a_gpu_asks_for_thousandths() {
        let row = PodRow {
            name: "a".into(),
            cpu_milli: 1000,
            memory_mib: 1024,
            gpu_count: 2,
            gpu_milli: 500,
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
        let made = pod(&row, &stage);
        let resources = &made["spec"]["containers"][0]["resources"];
        assert_eq!(resources["requests"][GPU_MILLI], "1000");
        assert_eq!(resources["limits"], json!({GPU_MILLI: "1000"}));
        assert_eq!(made["metadata"]["annotations"][GPU_MILLI], "500");
        assert_eq!(
            made["metadata"]["creationTimestamp"],
            "1970-01-01T00:00:01Z"
        );
        assert_eq!(made["status"], json!({"phase": "Pending"}));
        stage.scheduled = Some(Timestamp(2_000_000_000));
        assert_eq!(pod(&row, &stage)["status"]["phase"], "Running");
        stage.is_deleted = true;
        assert_eq!(pod(&row, &stage)["status"]["phase"], "Failed");
    }
}
