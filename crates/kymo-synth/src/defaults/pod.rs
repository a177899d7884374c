use serde_json::{Map, Value, json};

use super::{each, object, or_insert};

/// Where the token of a service account is mounted.
const TOKENS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Fills in the spec of a pod, or of a template of pods.
pub(crate) fn template(spec: &mut Map<String, Value>) {
    for volume in each(spec, "volumes") {
        for (source, mode) in [
            ("configMap", Some("defaultMode")),
            ("secret", Some("defaultMode")),
            ("projected", Some("defaultMode")),
            ("downwardAPI", Some("defaultMode")),
            ("hostPath", None),
        ] {
            let Some(Value::Object(source)) = volume.get_mut(source) else {
                continue;
            };
            match mode {
                Some(mode) => or_insert(source, mode, json!(420)),
                None => or_insert(source, "type", json!("")),
            }
            for item in each(source, "items") {
                field_ref(item);
            }
        }
        let has_source = volume.len() > 1;
        if !has_source {
            volume.insert("emptyDir".to_owned(), json!({}));
        }
    }
    for list in ["initContainers", "containers"] {
        for each in each(spec, list) {
            container(each);
        }
    }
    or_insert(spec, "restartPolicy", json!("Always"));
    or_insert(spec, "terminationGracePeriodSeconds", json!(30));
    or_insert(spec, "dnsPolicy", json!("ClusterFirst"));
    mirror_account(spec);
    or_insert(spec, "securityContext", json!({}));
    or_insert(spec, "schedulerName", json!("default-scheduler"));
}

fn mirror_account(spec: &mut Map<String, Value>) {
    for (from, to) in [
        ("serviceAccountName", "serviceAccount"),
        ("serviceAccount", "serviceAccountName"),
    ] {
        if let Some(account) = spec.get(from).cloned() {
            or_insert(spec, to, account);
        }
    }
}

/// Fills in what admission adds to a pod itself. The volume of the service account's token is named
/// `access`.
pub(crate) fn admitted(spec: &mut Map<String, Value>, access: &str) {
    or_insert(spec, "serviceAccountName", json!("default"));
    mirror_account(spec);
    if spec.get("automountServiceAccountToken") != Some(&Value::Bool(false)) {
        mount_token(spec, access);
    }
    tolerate(spec);
    or_insert(spec, "priority", json!(0));
    or_insert(spec, "enableServiceLinks", json!(true));
    or_insert(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
}

fn mount_token(spec: &mut Map<String, Value>, access: &str) {
    let volume = json!({
        "name": access,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }},
                {"downwardAPI": {"items": [{
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }]}},
            ],
            "defaultMode": 420,
        },
    });
    push(spec, "volumes", volume);
    for list in ["initContainers", "containers"] {
        for container in each(spec, list) {
            let mount = json!({"name": access, "readOnly": true, "mountPath": TOKENS});
            push(container, "volumeMounts", mount);
        }
    }
}

fn tolerate(spec: &mut Map<String, Value>) {
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let tolerated = each(spec, "tolerations").any(|toleration| {
            toleration.get("key").is_none_or(|found| found == key)
                && toleration
                    .get("effect")
                    .is_none_or(|effect| effect == "NoExecute")
        });
        if !tolerated {
            let toleration = json!({
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            });
            push(spec, "tolerations", toleration);
        }
    }
}

fn push(members: &mut Map<String, Value>, name: &str, value: Value) {
    match members.get_mut(name) {
        Some(Value::Array(list)) => list.push(value),
        _ => {
            members.insert(name.to_owned(), Value::Array(vec![value]));
        }
    }
}

fn container(container: &mut Map<String, Value>) {
    for port in each(container, "ports") {
        or_insert(port, "protocol", json!("TCP"));
    }
    for variable in each(container, "env") {
        if let Some(Value::Object(source)) = variable.get_mut("valueFrom") {
            field_ref(source);
        }
    }
    let resources = object(container, "resources");
    if let Some(Value::Object(limits)) = resources.get("limits") {
        let limits = limits.clone();
        let requests = object(resources, "requests");
        for (resource, limit) in limits {
            or_insert(requests, &resource, limit);
        }
    }
    for list in ["requests", "limits"] {
        if let Some(Value::Object(amounts)) = resources.get_mut(list) {
            for amount in amounts.values_mut() {
                // A number is a quantity too; the API server writes it as a text.
                if let Value::Number(number) = amount {
                    *amount = Value::String(number.to_string());
                }
            }
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Object(members)) = container.get_mut(name) {
            probe(members);
        }
    }
    or_insert(
        container,
        "terminationMessagePath",
        json!("/dev/termination-log"),
    );
    or_insert(container, "terminationMessagePolicy", json!("File"));
    let image = container.get("image").and_then(Value::as_str);
    let policy = match image.map(tag) {
        Some(Some(tag)) if tag != "latest" => "IfNotPresent",
        _ => "Always",
    };
    or_insert(container, "imagePullPolicy", json!(policy));
}

/// Returns the tag of an image, or its digest.
fn tag(image: &str) -> Option<&str> {
    let name = image.rsplit('/').next().unwrap_or(image);
    let digest = name.split_once('@').map(|(_, digest)| digest);
    digest.or_else(|| name.split_once(':').map(|(_, tag)| tag))
}

fn probe(probe: &mut Map<String, Value>) {
    if let Some(Value::Object(get)) = probe.get_mut("httpGet") {
        or_insert(get, "path", json!("/"));
        or_insert(get, "scheme", json!("HTTP"));
    }
    for (name, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        or_insert(probe, name, json!(value));
    }
}

fn field_ref(source: &mut Map<String, Value>) {
    if let Some(Value::Object(field)) = source.get_mut("fieldRef") {
        or_insert(field, "apiVersion", json!("v1"));
    }
    if let Some(Value::Object(field)) = source.get_mut("resourceFieldRef") {
        or_insert(field, "divisor", json!("0"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(mut spec: Value) -> Value {
        let members = spec.as_object_mut().unwrap();
        template(members);
        admitted(members, "kube-api-access-x");
        spec
    }

    #[test]
    fn a_pod_gets_what_the_api_server_and_admission_fill_in() {
        let spec = filled(json!({"containers": [{
            "name": "app",
            "image": "app:1",
            "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": 2}},
            "readinessProbe": {"httpGet": {"port": 80}},
        }]}));
        let container = &spec["containers"][0];
        assert_eq!(container["ports"][0]["protocol"], "TCP");
        assert_eq!(container["resources"]["requests"]["cpu"], "2");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/");
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(container["volumeMounts"][0]["name"], "kube-api-access-x");
        assert_eq!(spec["volumes"][0]["name"], "kube-api-access-x");
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
        assert_eq!(spec["serviceAccount"], "default");
        assert_eq!(spec["terminationGracePeriodSeconds"], 30);
    }

    #[test]
    fn what_a_manifest_says_stays() {
        let spec = filled(json!({
            "serviceAccountName": "me",
            "automountServiceAccountToken": false,
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": "host:5000/app", "imagePullPolicy": "Never"}],
        }));
        assert_eq!(spec["serviceAccount"], "me");
        assert_eq!(spec.get("volumes"), None);
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 1);
        assert_eq!(spec["terminationGracePeriodSeconds"], 0);
        assert_eq!(spec["containers"][0]["imagePullPolicy"], "Never");
    }

    #[test]
    fn an_image_without_a_tag_is_always_pulled() {
        for (image, policy) in [
            ("app", "Always"),
            ("app:latest", "Always"),
            ("host:5000/app", "Always"),
            ("host:5000/app:1", "IfNotPresent"),
            ("app@sha256:00", "IfNotPresent"),
        ] {
            let spec = filled(json!({"containers": [{"name": "app", "image": image}]}));
            assert_eq!(spec["containers"][0]["imagePullPolicy"], policy, "{image}");
        }
    }
}
