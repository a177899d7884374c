use serde_json::{Map, Value, json};

use super::Host;
use crate::clock::SECOND;
use crate::cluster::Needs;
use crate::defaults;
use crate::order::Crash;
use crate::random::digest;
use crate::text::{Place, Text, quoted};

/// What all pods of a template have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The spec.
    pub(crate) spec: Text,
    /// The containers.
    pub(super) containers: Vec<Container>,
    /// The init containers.
    pub(super) inits: Vec<Container>,
    /// The class of its quality of service.
    pub(super) qos: &'static str,
    /// How long it may take to end, in seconds.
    pub(crate) grace: i64,
    /// Whether a container tells when it is ready.
    pub(crate) has_readiness: bool,
    /// How long after its start it is asked whether it is ready, and how often, in nanoseconds.
    pub(crate) readiness: (i64, i64),
    /// Whether it is restarted for ever.
    pub(crate) restarts: bool,
    /// How a container ends that is started again.
    pub(crate) crash: Crash,
    /// Whether it has the address of its node.
    pub(crate) host_network: bool,
    /// What it needs of a node.
    pub(crate) needs: Needs,
}

/// What the status of a container says and does not change.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// As it stands in JSON, without quotes.
    pub(crate) image: String,
    pub(super) image_id: String,
    /// `allocatedResources` and `resources`, each with a comma before it.
    pub(super) resources: String,
    /// `volumeMounts`, with a comma before it.
    pub(super) mounts: String,
}

/// Which pod it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) ordinal: u32,
    /// The letters behind `kube-api-access-`.
    pub(crate) access: &'a str,
    /// The node for which a `DaemonSet` makes it.
    pub(crate) target: &'a str,
    /// The node on which it is in the end.
    pub(crate) host: Option<&'a Host>,
    /// Its address.
    pub(crate) address: &'a str,
}

/// The order in which the API server writes the spec of a pod.
const ORDER: [&str; 9] = [
    "volumes",
    "initContainers",
    "containers",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
    "dnsPolicy",
    "nodeSelector",
    "serviceAccountName",
];

impl Shape {
    /// Makes it of the spec of a template, with defaults. `needs` finds what a whole pod needs.
    pub(crate) fn new(
        template: &Map<String, Value>,
        mut needs: impl FnMut(&Value) -> Result<Needs, String>,
    ) -> Result<Self, String> {
        let mut spec = template.clone();
        let has_host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
        if array(&spec, "containers").next().is_none() {
            return Err("a pod needs a container".to_owned());
        }
        for container in array(&spec, "containers").chain(array(&spec, "initContainers")) {
            for member in ["name", "image"] {
                if !container.get(member).is_some_and(Value::is_string) {
                    return Err(format!("a container has no `{member}`"));
                }
            }
        }
        let access = format!("kube-api-access-{}", Place::Access.mark());
        defaults::admitted(&mut spec, &access);
        let own = Value::Object(spec.clone());
        let needs = needs(&json!({ "spec": own }))?;
        let mut readiness: Option<(i64, i64)> = None;
        for container in array(&spec, "containers") {
            if let Some(probe) = container.get("readinessProbe") {
                let of = |name: &str| probe.get(name).and_then(Value::as_i64).unwrap_or_default();
                let found = (
                    of("initialDelaySeconds").saturating_mul(SECOND),
                    of("periodSeconds").saturating_mul(SECOND),
                );
                readiness = Some(readiness.map_or(found, |known| known.max(found)));
            }
        }
        Ok(Self {
            containers: array(&spec, "containers").map(Container::new).collect(),
            inits: array(&spec, "initContainers").map(Container::new).collect(),
            qos: quality(&spec),
            grace: spec
                .get("terminationGracePeriodSeconds")
                .and_then(Value::as_i64)
                .unwrap_or(30)
                .clamp(0, 1 << 30),
            has_readiness: readiness.is_some(),
            readiness: readiness.unwrap_or_default(),
            restarts: spec.get("restartPolicy") == Some(&json!("Always")),
            crash: Crash::default(),
            host_network: has_host_network,
            needs,
            spec: Text::of(&ordered(spec)),
        })
    }

    /// The shape of no pod.
    pub(crate) fn empty() -> Self {
        Self {
            spec: Text::default(),
            containers: Vec::new(),
            inits: Vec::new(),
            qos: "BestEffort",
            grace: 30,
            has_readiness: false,
            readiness: (0, 0),
            restarts: true,
            crash: Crash::default(),
            host_network: false,
            needs: Needs::default(),
        }
    }

    /// Returns names and images of the containers.
    pub(crate) fn containers(&self) -> &[Container] {
        &self.containers
    }
}

/// Puts the members in the order of the API server, with the place of the node among them.
fn ordered(mut spec: Map<String, Value>) -> Value {
    let mut out = Map::new();
    for name in ORDER {
        if let Some(value) = spec.shift_remove(name) {
            out.insert(name.to_owned(), value);
        }
    }
    if let Some(account) = spec.shift_remove("serviceAccount") {
        out.insert("serviceAccount".to_owned(), account);
    }
    out.insert(Place::Node.mark(), Value::Null);
    // Something always stands behind the node, so that its comma is right.
    let context = spec.shift_remove("securityContext");
    out.insert(
        "securityContext".to_owned(),
        context.unwrap_or_else(|| json!({})),
    );
    out.extend(spec);
    Value::Object(out)
}

fn array<'a>(spec: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    spec.get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

impl Container {
    fn new(container: &Value) -> Self {
        let text = |name: &str| {
            let value = container.get(name).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let image = text("image");
        let mut resources = String::new();
        if let Some(found) = container.get("resources").and_then(Value::as_object) {
            if let Some(requests) = found.get("requests") {
                resources.push_str(r#","allocatedResources":"#);
                resources.push_str(&requests.to_string());
            }
            resources.push_str(r#","resources":"#);
            resources.push_str(&Value::Object(found.clone()).to_string());
        }
        let mounts: Vec<Value> = container
            .get("volumeMounts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(mount)
            .collect();
        let mut mounts_text = String::new();
        if !mounts.is_empty() {
            mounts_text.push_str(r#","volumeMounts":"#);
            mounts_text.push_str(&Value::Array(mounts).to_string());
        }
        Self {
            name: text("name"),
            image_id: inner(&format!("{}@sha256:{}", repository(&image), digest(&image))),
            image: inner(&image),
            resources,
            mounts: mounts_text,
        }
    }

    /// Writes the name as JSON.
    pub(super) fn quoted_name(&self, out: &mut String) {
        quoted(&self.name, out);
    }
}

/// Returns a text as it stands between quotes in JSON.
fn inner(text: &str) -> String {
    let mut out = String::new();
    quoted(text, &mut out);
    out.trim_matches('"').to_owned()
}

fn mount(mount: &Value) -> Value {
    let mut out = Map::new();
    for name in ["name", "mountPath"] {
        if let Some(value) = mount.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    if mount.get("readOnly") == Some(&Value::Bool(true)) {
        out.insert("readOnly".to_owned(), json!(true));
        out.insert("recursiveReadOnly".to_owned(), json!("Disabled"));
    }
    Value::Object(out)
}

/// Returns an image without its tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let slash = image.rfind('/').map_or(0, |slash| slash + 1);
    let colon = image.get(slash..).and_then(|name| name.find(':'));
    colon
        .and_then(|colon| image.get(..slash + colon))
        .unwrap_or(image)
}

/// The class of its quality of service, as Kubernetes' `qos.go` has it.
fn quality(spec: &Map<String, Value>) -> &'static str {
    let mut asks = false;
    let mut is_guaranteed = true;
    for container in array(spec, "containers").chain(array(spec, "initContainers")) {
        let amount = |list: &str, resource: &str| {
            container.pointer(&format!("/resources/{list}/{resource}"))
        };
        for resource in ["cpu", "memory"] {
            let (request, limit) = (amount("requests", resource), amount("limits", resource));
            asks |= request.is_some() || limit.is_some();
            is_guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (asks, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_repository() {
        assert_eq!(repository("a:1"), "a");
        assert_eq!(repository("host:5000/a"), "host:5000/a");
        assert_eq!(repository("host:5000/a:1"), "host:5000/a");
        assert_eq!(repository("a@sha256:0"), "a");
    }

    #[test]
    fn the_quality_of_service_follows_from_requests_and_limits() {
        let of = |resources: Value| {
            quality(
                json!({"containers": [{"resources": resources}]})
                    .as_object()
                    .unwrap(),
            )
        };
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(of(json!({})), "BestEffort");
        assert_eq!(of(json!({"requests": {"cpu": "1"}})), "Burstable");
        assert_eq!(of(json!({"requests": both, "limits": both})), "Guaranteed");
    }
}
