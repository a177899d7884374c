//! Where the pods of an object come from.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::hash;
use super::trace::{Gvk, Tracked};

/// Where the kinds that Kubernetes has itself keep their pod template.
const BUILT_IN: [(&str, &str, &str); 6] = [
    ("apps/v1", "DaemonSet", "/spec/template"),
    ("apps/v1", "Deployment", "/spec/template"),
    ("apps/v1", "ReplicaSet", "/spec/template"),
    ("apps/v1", "StatefulSet", "/spec/template"),
    ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
    ("batch/v1", "Job", "/spec/template"),
];
/// Templates of one object that are looked at.
const TEMPLATES: usize = 256;

/// A pod template of an object.
#[derive(Debug)]
pub(super) struct Template {
    /// `labels` and `annotations`.
    metadata: Map<String, Value>,
    spec: Value,
    /// The spec with what the server's admission puts in.
    admitted: Value,
    spec_hash: Option<u64>,
    admitted_hash: Option<u64>,
}

/// The spec of a pod, and whether the trace says that it is the one.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    template: Arc<Template>,
    is_admitted: bool,
    /// Whether the hash of the pod says so; else there is no other template.
    pub(super) is_proven: bool,
}

impl Fit {
    /// Returns the labels and annotations of the pod.
    pub(super) fn metadata(&self) -> &Map<String, Value> {
        &self.template.metadata
    }

    /// Returns the spec of the pod.
    pub(super) fn spec(&self) -> &Value {
        if self.is_admitted {
            &self.template.admitted
        } else {
            &self.template.spec
        }
    }
}

/// The pod templates of an object.
#[derive(Clone, Debug)]
pub(super) struct Templates(Vec<Arc<Template>>);

impl Templates {
    /// Finds the templates of an object; `tracked` is what SimKube was told of its kind.
    pub(super) fn of(object: &Value, gvk: &Gvk, tracked: Option<&Tracked>) -> Self {
        let built_in = BUILT_IN
            .iter()
            .find(|(api_version, kind, _)| gvk.api_version == *api_version && gvk.kind == *kind);
        let mut found = Vec::new();
        if let Some((_, _, path)) = built_in {
            resolve(object, path, &mut found);
        } else if let Some(tracked) = tracked {
            for path in &tracked.pod_spec_template_paths {
                resolve(object, path, &mut found);
            }
        }
        Self(
            found
                .into_iter()
                .filter_map(Template::of)
                .map(Arc::new)
                .collect(),
        )
    }

    /// Whether there is no template.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds the template of the pod with that stable hash: the one that gives this hash, else the
    /// only one.
    pub(super) fn fit(&self, hash: u64) -> Option<Fit> {
        let hash = Some(hash);
        let proven = self.0.iter().find_map(|template| {
            let is_admitted = template.admitted_hash == hash;
            (is_admitted || template.spec_hash == hash).then(|| Fit {
                template: Arc::clone(template),
                is_admitted,
                is_proven: true,
            })
        });
        proven.or_else(|| match self.0.as_slice() {
            [only] => Some(Fit {
                template: Arc::clone(only),
                is_admitted: false,
                is_proven: false,
            }),
            _ => None,
        })
    }
}

impl Template {
    fn of(value: &Value) -> Option<Self> {
        let spec = value.get("spec")?;
        spec.get("containers")?.as_array()?;
        let metadata = ["labels", "annotations"].iter().filter_map(|name| {
            let field = value.get("metadata")?.get(name)?;
            field
                .is_object()
                .then(|| ((*name).to_owned(), field.clone()))
        });
        let admitted = admitted(spec);
        Some(Self {
            metadata: metadata.collect(),
            spec_hash: hash::of_stable(spec),
            admitted_hash: hash::of_stable(&admitted),
            admitted,
            spec: spec.clone(),
        })
    }
}

/// Puts into a pod's spec what the server's standard admission does.
fn admitted(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    let mut put = |name: &str, value: Value| {
        fields.entry(name).or_insert(value);
    };
    put("priority", 0.into());
    put("preemptionPolicy", "PreemptLowerPriority".into());
    put("enableServiceLinks", true.into());
    put("tolerations", json!([]));
    if let Some(Value::Array(tolerations)) = fields.get_mut("tolerations") {
        for key in [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ] {
            let is_there = tolerations
                .iter()
                .any(|toleration| toleration.get("key").and_then(Value::as_str) == Some(key));
            if !is_there {
                tolerations.push(json!({
                    "effect": "NoExecute",
                    "key": key,
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                }));
            }
        }
    }
    spec
}

/// Finds what a JSON pointer leads to, where `*` stands for every item of an array.
fn resolve<'v>(value: &'v Value, path: &str, found: &mut Vec<&'v Value>) {
    let mut reached = vec![value];
    for step in path.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        reached = reached
            .into_iter()
            .flat_map(|value| -> Vec<&Value> {
                match value {
                    Value::Array(items) if step == "*" => items.iter().take(TEMPLATES).collect(),
                    Value::Array(items) => {
                        let position = step.parse::<usize>().ok();
                        position.and_then(|at| items.get(at)).into_iter().collect()
                    }
                    Value::Object(fields) => fields.get(&step).into_iter().collect(),
                    _ => Vec::new(),
                }
            })
            .take(TEMPLATES)
            .collect();
    }
    let room = TEMPLATES.saturating_sub(found.len());
    found.extend(reached.into_iter().take(room));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gvk(text: &str) -> Gvk {
        Gvk::parse(text).unwrap()
    }

    fn template(image: &str) -> Value {
        json!({
            "metadata": {"labels": {"app": image}, "creationTimestamp": null},
            "spec": {"containers": [{"name": "c", "image": image}]},
        })
    }

    #[test]
    fn the_template_of_a_built_in_kind_is_where_kubernetes_has_it() {
        let cron = json!({"spec": {"jobTemplate": {"spec": {"template": template("a")}}}});
        let found = Templates::of(&cron, &gvk("batch/v1.CronJob"), None);
        let fit = found.fit(1).unwrap();
        assert!(!fit.is_proven);
        assert_eq!(
            fit.metadata(),
            json!({"labels": {"app": "a"}}).as_object().unwrap()
        );
        assert_eq!(fit.spec(), &template("a")["spec"]);
        // What SimKube calls the path of this kind has no template.
        let set = json!({"spec": {"template": template("a")}});
        let tracked = Tracked {
            pod_spec_template_paths: vec!["/spec".into()],
            ..Tracked::default()
        };
        assert!(!Templates::of(&set, &gvk("apps/v1.ReplicaSet"), Some(&tracked)).is_empty());
    }

    #[test]
    fn one_of_several_templates_is_known_by_its_hash_with_or_without_admission() {
        let job = json!({"spec": {"tasks": [
            {"template": template("a")}, {"template": template("b")}, {"none": 1},
        ]}});
        let tracked = Tracked {
            pod_spec_template_paths: vec!["/spec/tasks/*/template".into()],
            ..Tracked::default()
        };
        let found = Templates::of(&job, &gvk("batch.example.com/v1.Job"), Some(&tracked));
        let plain = hash::of_stable(&template("b")["spec"]).unwrap();
        let fit = found.fit(plain).unwrap();
        assert!(fit.is_proven);
        assert_eq!(fit.spec(), &template("b")["spec"]);
        let with_defaults = admitted(&template("a")["spec"]);
        let fit = found.fit(hash::of_stable(&with_defaults).unwrap()).unwrap();
        assert_eq!(fit.spec(), &with_defaults);
        assert!(found.fit(1).is_none());
    }

    #[test]
    fn a_path_that_leads_nowhere_gives_no_template() {
        let object = json!({"spec": {"template": "text"}});
        for path in ["", "/spec/template", "/spec/template/*/x", "/a/b", "spec"] {
            let tracked = Tracked {
                pod_spec_template_paths: vec![path.into()],
                ..Tracked::default()
            };
            let found = Templates::of(&object, &gvk("a/v1.B"), Some(&tracked));
            assert!(found.is_empty(), "{path}");
        }
    }
}
