use std::collections::BTreeMap;

use serde_json::Value;

/// How many Pods can be told apart by the resources they ask for.
///
/// Quantities stay in an anonymized trace unless a policy says otherwise: who knows that a workload
/// asks for just so much finds it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uniqueness {
    /// Pods.
    pub pods: u64,
    /// Different shapes of Pods: what each container requests and is limited to.
    pub shapes: u64,
    /// Shapes that one owner alone has.
    pub of_one_owner: u64,
    /// Some of those, with the owner or Pod that has it.
    pub examples: Vec<(String, String)>,
}

const EXAMPLES: usize = 10;

/// Collects shapes of Pods.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// The shape of a Pod, by uid.
    pods: BTreeMap<String, u32>,
    numbers: BTreeMap<String, u32>,
    owners: Vec<Owners>,
}

#[derive(Debug)]
enum Owners {
    One(String),
    Many,
}

impl Shapes {
    /// Takes a version of a Pod.
    pub(crate) fn pod(&mut self, uid: &str, pod: &Value) {
        let shape = shape_of(pod);
        let owner = owner_of(pod);
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(shape).or_insert(next);
        match self.owners.get_mut(number as usize) {
            None => self.owners.push(Owners::One(owner)),
            Some(Owners::One(known)) if *known != owner => {
                if let Some(owners) = self.owners.get_mut(number as usize) {
                    *owners = Owners::Many;
                }
            }
            Some(_) => {}
        }
        self.pods.insert(uid.to_owned(), number);
    }

    pub(crate) fn report(&self) -> Uniqueness {
        let alone: Vec<(String, String)> = self
            .numbers
            .iter()
            .filter_map(|(shape, number)| match self.owners.get(*number as usize)? {
                Owners::One(owner) => Some((owner.clone(), shape.clone())),
                Owners::Many => None,
            })
            .collect();
        Uniqueness {
            pods: self.pods.len() as u64,
            shapes: self.numbers.len() as u64,
            of_one_owner: alone.len() as u64,
            examples: alone.into_iter().take(EXAMPLES).collect(),
        }
    }
}

fn shape_of(pod: &Value) -> String {
    let mut containers: Vec<String> = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
        .map(|container| {
            let resources = &container["resources"];
            let part = |name: &str| -> String {
                let map = resources[name].as_object();
                let mut pairs: Vec<String> = map
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                    .collect();
                pairs.sort();
                pairs.join(",")
            };
            match (part("requests"), part("limits")) {
                (requests, limits) if limits.is_empty() && requests.is_empty() => "-".to_owned(),
                (requests, limits) if limits.is_empty() => requests,
                (requests, limits) => format!("{requests}/{limits}"),
            }
        })
        .collect();
    containers.sort();
    containers.join(" + ")
}

/// The controller's name, without what a `ReplicaSet`'s name has of its own; a bare Pod is its own.
fn owner_of(pod: &Value) -> String {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    let controller = owners
        .into_iter()
        .flatten()
        .find(|owner| owner["controller"] == true);
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let (kind, name) = match controller {
        Some(owner) => (
            owner["kind"].as_str().unwrap_or_default(),
            owner["name"].as_str().unwrap_or_default(),
        ),
        None => ("Pod", pod["metadata"]["name"].as_str().unwrap_or_default()),
    };
    let name = match kind {
        "ReplicaSet" | "Job" => name.rsplit_once('-').map_or(name, |(stem, _)| stem),
        _ => name,
    };
    format!("{namespace}/{name}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(owner: &str, cpu: &str) -> Value {
        json!({
            "metadata": {"namespace": "n", "name": "p", "ownerReferences": [{"kind": "ReplicaSet", "name": owner, "controller": true}]},
            "spec": {"containers": [{"resources": {"requests": {"cpu": cpu}}}]}
        })
    }

    #[test]
    fn a_shape_of_one_owner_is_told_and_rollouts_are_one_owner() {
        let mut shapes = Shapes::default();
        for (uid, owner, cpu) in [
            ("1", "web-7d9", "1"),
            ("2", "web-8c4", "1"),
            ("3", "db-111", "2"),
            ("4", "api-222", "2"),
        ] {
            shapes.pod(uid, &pod(owner, cpu));
        }
        let report = shapes.report();
        assert_eq!((report.pods, report.shapes, report.of_one_owner), (4, 2, 1));
        assert_eq!(report.examples, [("n/web".to_owned(), "cpu=1".to_owned())]);
    }
}
