use serde_json::{Map, Value, json};

use super::{each, object, or_insert, template};

fn pods(spec: &mut Map<String, Value>) {
    template(object(object(spec, "template"), "spec"));
}

pub(crate) fn deployment(spec: &mut Map<String, Value>) {
    or_insert(spec, "replicas", json!(1));
    pods(spec);
    let strategy = object(spec, "strategy");
    or_insert(strategy, "type", json!("RollingUpdate"));
    if strategy.get("type") == Some(&json!("RollingUpdate")) {
        let rolling = object(strategy, "rollingUpdate");
        or_insert(rolling, "maxUnavailable", json!("25%"));
        or_insert(rolling, "maxSurge", json!("25%"));
    }
    or_insert(spec, "revisionHistoryLimit", json!(10));
    or_insert(spec, "progressDeadlineSeconds", json!(600));
}

pub(crate) fn stateful_set(spec: &mut Map<String, Value>) {
    or_insert(spec, "replicas", json!(1));
    pods(spec);
    for claim in each(spec, "volumeClaimTemplates") {
        or_insert(claim, "kind", json!("PersistentVolumeClaim"));
        or_insert(claim, "apiVersion", json!("v1"));
        or_insert(object(claim, "spec"), "volumeMode", json!("Filesystem"));
        or_insert(claim, "status", json!({"phase": "Pending"}));
    }
    or_insert(spec, "podManagementPolicy", json!("OrderedReady"));
    let strategy = object(spec, "updateStrategy");
    or_insert(strategy, "type", json!("RollingUpdate"));
    if strategy.get("type") == Some(&json!("RollingUpdate")) {
        or_insert(object(strategy, "rollingUpdate"), "partition", json!(0));
    }
    or_insert(spec, "revisionHistoryLimit", json!(10));
    let retention = object(spec, "persistentVolumeClaimRetentionPolicy");
    or_insert(retention, "whenDeleted", json!("Retain"));
    or_insert(retention, "whenScaled", json!("Retain"));
}

pub(crate) fn daemon_set(spec: &mut Map<String, Value>) {
    pods(spec);
    let strategy = object(spec, "updateStrategy");
    or_insert(strategy, "type", json!("RollingUpdate"));
    if strategy.get("type") == Some(&json!("RollingUpdate")) {
        let rolling = object(strategy, "rollingUpdate");
        or_insert(rolling, "maxUnavailable", json!(1));
        or_insert(rolling, "maxSurge", json!(0));
    }
    or_insert(spec, "revisionHistoryLimit", json!(10));
}

/// `uid` is that of the Job: its selector and the labels of its pods name it.
pub(crate) fn job(spec: &mut Map<String, Value>, name: &str, uid: &str) {
    if spec.get("completions").is_none_or(Value::is_null)
        && spec.get("parallelism").is_none_or(Value::is_null)
    {
        or_insert(spec, "completions", json!(1));
    }
    or_insert(spec, "parallelism", json!(1));
    or_insert(spec, "backoffLimit", json!(6));
    or_insert(
        spec,
        "selector",
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}),
    );
    or_insert(spec, "manualSelector", json!(false));
    let labels = object(object(object(spec, "template"), "metadata"), "labels");
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("job-name", name),
    ] {
        or_insert(labels, label, json!(value));
    }
    let spec_of_pods = object(object(spec, "template"), "spec");
    or_insert(spec_of_pods, "restartPolicy", json!("Never"));
    pods(spec);
    or_insert(spec, "completionMode", json!("NonIndexed"));
    or_insert(spec, "suspend", json!(false));
    or_insert(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
}

pub(crate) fn cron_job(spec: &mut Map<String, Value>) {
    or_insert(spec, "concurrencyPolicy", json!("Allow"));
    or_insert(spec, "suspend", json!(false));
    or_insert(spec, "successfulJobsHistoryLimit", json!(3));
    or_insert(spec, "failedJobsHistoryLimit", json!(1));
    let of_pods = object(
        object(object(object(spec, "jobTemplate"), "spec"), "template"),
        "spec",
    );
    or_insert(of_pods, "restartPolicy", json!("Never"));
    template(of_pods);
}

/// `address` is the cluster IP.
pub(crate) fn service(spec: &mut Map<String, Value>, address: &str) {
    for port in each(spec, "ports") {
        or_insert(port, "protocol", json!("TCP"));
        if let Some(number) = port.get("port").cloned() {
            or_insert(port, "targetPort", number);
        }
    }
    or_insert(spec, "clusterIP", json!(address));
    let own = spec.get("clusterIP").cloned().unwrap_or(Value::Null);
    or_insert(spec, "clusterIPs", json!([own]));
    or_insert(spec, "type", json!("ClusterIP"));
    or_insert(spec, "sessionAffinity", json!("None"));
    or_insert(spec, "ipFamilies", json!(["IPv4"]));
    or_insert(spec, "ipFamilyPolicy", json!("SingleStack"));
    or_insert(spec, "internalTrafficPolicy", json!("Cluster"));
}
