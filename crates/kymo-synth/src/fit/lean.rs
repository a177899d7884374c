use serde_json::{Value, json};

use crate::story::filled;

/// Takes what the API server fills in out of the manifest of a workload or a pod, as far as the same
/// object comes of it.
pub(super) fn lean(kind: &str, mut manifest: Value) -> Value {
    drop_empty(&mut manifest);
    let mut short = manifest.clone();
    strip(&mut short);
    if filled(kind, &short) == filled(kind, &manifest) {
        short
    } else {
        manifest
    }
}

/// Takes out labels and annotations of which there are none.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(drop_empty),
        Value::Object(members) => {
            members.values_mut().for_each(drop_empty);
            members.retain(|name, value| match name.as_str() {
                "labels" | "annotations" => *value != json!({}),
                "creationTimestamp" => !value.is_null(),
                _ => true,
            });
        }
        _ => {}
    }
}

/// Takes out members that are as they are where nobody says anything.
fn strip(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(strip),
        Value::Object(members) => {
            members.values_mut().for_each(strip);
            if let (Some(one), Some(other)) = (
                members.get("serviceAccountName"),
                members.get("serviceAccount"),
            ) && one == other
            {
                members.shift_remove("serviceAccount");
            }
            members.retain(|name, value| !is_default(name, value));
        }
        _ => {}
    }
}

fn is_default(name: &str, value: &Value) -> bool {
    let default = match name {
        "terminationMessagePath" => json!("/dev/termination-log"),
        "terminationMessagePolicy" => json!("File"),
        "dnsPolicy" => json!("ClusterFirst"),
        "schedulerName" => json!("default-scheduler"),
        "terminationGracePeriodSeconds" => json!(30),
        "protocol" => json!("TCP"),
        "progressDeadlineSeconds" => json!(600),
        "timeoutSeconds" | "successThreshold" => json!(1),
        "periodSeconds" => json!(10),
        "failureThreshold" => json!(3),
        "securityContext" | "resources" => json!({}),
        _ => return false,
    };
    *value == default
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(container: &Value) -> Value {
        json!({
            "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": [container], "dnsPolicy": "ClusterFirst"}}},
        })
    }

    #[test]
    fn what_is_filled_in_again_is_left_out() {
        let long = json!({"name": "a", "image": "a:1", "terminationMessagePolicy": "File"});
        let short = lean("Deployment", deployment(&long));
        let spec = &short["spec"]["template"]["spec"];
        assert_eq!(
            *spec,
            json!({"containers": [{"name": "a", "image": "a:1"}]})
        );
    }

    #[test]
    fn labels_that_are_none_are_no_reason_to_write_everything() {
        let mut job = deployment(&json!({"name": "a", "image": "a:1", "resources": {}}));
        job["kind"] = json!("Job");
        job["spec"]["template"]["metadata"] = json!({"labels": {}, "creationTimestamp": null});
        let short = lean("Job", job);
        assert_eq!(short["spec"]["template"]["metadata"], json!({}));
        let containers = &short["spec"]["template"]["spec"]["containers"];
        assert_eq!(*containers, json!([{"name": "a", "image": "a:1"}]));
    }

    #[test]
    fn what_would_come_out_otherwise_stays() {
        // Nobody fills in the protocol of something that is no port.
        let odd = json!({"name": "a", "image": "a:1", "env": [{"name": "x", "protocol": "TCP"}]});
        assert_eq!(lean("Deployment", deployment(&odd)), deployment(&odd));
    }
}
