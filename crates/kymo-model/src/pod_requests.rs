use std::collections::BTreeMap;

use serde_json::Value;

use crate::{QuantityError, parse_quantity};

/// What a pod asks for, by resource, in base units.
type Requests = BTreeMap<String, f64>;

/// Sums up what a pod asks of a node, as the scheduler does.
///
/// The larger of: what containers and sidecars ask for together; and what each init container asks
/// for beside the sidecars that were started before it. Pod-level requests, where given, stand in
/// for the sum of their resource; the overhead comes on top. While a container is being resized in
/// place, the largest of what was asked, allocated and set counts; what was allocated and set alone
/// if the resize is infeasible. Source: `k8s.io/component-helpers/resource`, `helpers.go`; KEP-753,
/// KEP-1287, KEP-2837.
///
/// A resource that nothing asks for is not in the result.
///
/// # Errors
///
/// A quantity that is none.
pub fn pod_requests(pod: &Value) -> Result<Requests, QuantityError> {
    let spec = &pod["spec"];
    let is_infeasible = is_resize_infeasible(&pod["status"]);
    let mut sum = Requests::new();
    for container in array(&spec["containers"]) {
        let status = status_of(&pod["status"]["containerStatuses"], container);
        add(&mut sum, &of_container(container, status, is_infeasible)?);
    }
    let mut sidecars = Requests::new();
    let mut largest_init = Requests::new();
    for container in array(&spec["initContainers"]) {
        let is_sidecar = container["restartPolicy"] == "Always";
        let status = status_of(&pod["status"]["initContainerStatuses"], container);
        let status = status.filter(|_| is_sidecar);
        let mut needed = of_container(container, status, is_infeasible)?;
        if is_sidecar {
            add(&mut sum, &needed);
            add(&mut sidecars, &needed);
            needed.clone_from(&sidecars);
        } else {
            add(&mut needed, &sidecars);
        }
        raise(&mut largest_init, &needed);
    }
    raise(&mut sum, &largest_init);
    for (resource, quantity) in quantities(&spec["resources"]["requests"])? {
        if is_pod_level(&resource) {
            sum.insert(resource, quantity);
        }
    }
    add(&mut sum, &quantities(&spec["overhead"])?);
    Ok(sum)
}

/// What a container asks for, with its status while it is being resized.
fn of_container(
    container: &Value,
    status: Option<&Value>,
    is_infeasible: bool,
) -> Result<Requests, QuantityError> {
    let asked = quantities(&container["resources"]["requests"])?;
    let Some(status) = status else {
        return Ok(asked);
    };
    let set = quantities(&status["resources"]["requests"])?;
    let allocated = quantities(&status["allocatedResources"])?;
    let mut largest = if is_infeasible && !(set.is_empty() && allocated.is_empty()) {
        Requests::new()
    } else {
        asked
    };
    raise(&mut largest, &set);
    raise(&mut largest, &allocated);
    Ok(largest)
}

fn is_resize_infeasible(status: &Value) -> bool {
    array(&status["conditions"]).any(|condition| {
        condition["type"] == "PodResizePending" && condition["reason"] == "Infeasible"
    })
}

/// The resources that may be asked for by the pod as a whole.
fn is_pod_level(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || resource.starts_with("hugepages-")
}

fn status_of<'a>(statuses: &'a Value, container: &Value) -> Option<&'a Value> {
    array(statuses).find(|status| status["name"] == container["name"])
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn quantities(value: &Value) -> Result<Requests, QuantityError> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(resource, quantity)| {
            let quantity = match quantity {
                Value::String(text) => parse_quantity(text)?,
                other => parse_quantity(&other.to_string())?,
            };
            Ok((resource.clone(), quantity))
        })
        .collect()
}

fn add(sum: &mut Requests, more: &Requests) {
    for (resource, quantity) in more {
        *sum.entry(resource.clone()).or_default() += quantity;
    }
}

fn raise(largest: &mut Requests, other: &Requests) {
    for (resource, quantity) in other {
        let known = largest.entry(resource.clone()).or_insert(*quantity);
        *known = known.max(*quantity);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(name: &str, cpu: &str, memory: &str) -> Value {
        json!({ "name": name, "resources": { "requests": { "cpu": cpu, "memory": memory } } })
    }

    fn sidecar(name: &str, cpu: &str, memory: &str) -> Value {
        let mut container = container(name, cpu, memory);
        container["restartPolicy"] = json!("Always");
        container
    }

    fn cpu_and_memory(pod: &Value) -> (f64, f64) {
        let requests = pod_requests(pod).unwrap();
        (requests["cpu"], requests["memory"])
    }

    #[test]
    fn containers_add_up_and_a_larger_init_container_wins_for_each_resource_alone() {
        let mut pod = json!({ "spec": { "containers": [
            container("a", "500m", "1Gi"), container("b", "1", "512Mi"),
        ] } });
        assert_eq!(cpu_and_memory(&pod), (1.5, 1_610_612_736.0));
        pod["spec"]["initContainers"] = json!([container("i", "2", "1Mi")]);
        assert_eq!(cpu_and_memory(&pod), (2.0, 1_610_612_736.0));
        pod["spec"]["overhead"] = json!({ "cpu": "250m" });
        assert_eq!(cpu_and_memory(&pod), (2.25, 1_610_612_736.0));
    }

    /// After the table of KEP-753, "Sidecar containers", resources.
    #[test]
    fn an_init_container_runs_beside_the_sidecars_that_were_started_before_it() {
        let pod = json!({ "spec": {
            "containers": [container("a", "1", "1")],
            "initContainers": [
                container("first", "5", "1"),
                sidecar("proxy", "2", "1"),
                container("second", "4", "1"),
                sidecar("log", "3", "1"),
            ],
        } });
        // containers and sidecars: 1 + 2 + 3; first: 5; second beside proxy: 4 + 2
        assert_eq!(cpu_and_memory(&pod), (6.0, 3.0));
        let mut heavier = pod.clone();
        heavier["spec"]["initContainers"][2] = container("second", "5", "1");
        assert_eq!(cpu_and_memory(&heavier), (7.0, 3.0));
    }

    #[test]
    fn requests_of_the_pod_stand_in_for_the_sum() {
        let pod = json!({ "spec": {
            "containers": [container("a", "1", "1Gi")],
            "resources": { "requests": { "cpu": "3", "example.com/gpu": "9" } },
            "overhead": { "cpu": "100m" },
        } });
        assert_eq!(cpu_and_memory(&pod), (3.1, 1_073_741_824.0));
        assert!(!pod_requests(&pod).unwrap().contains_key("example.com/gpu"));
    }

    #[test]
    fn while_a_container_is_resized_the_largest_counts() {
        let mut pod = json!({
            "spec": { "containers": [container("a", "1", "1")] },
            "status": { "containerStatuses": [{
                "name": "a",
                "allocatedResources": { "cpu": "2", "memory": "1" },
                "resources": { "requests": { "cpu": "1500m", "memory": "1" } },
            }] },
        });
        assert_eq!(cpu_and_memory(&pod), (2.0, 1.0));
        pod["spec"]["containers"][0] = container("a", "8", "1");
        assert_eq!(cpu_and_memory(&pod), (8.0, 1.0));
        pod["status"]["conditions"] =
            json!([{ "type": "PodResizePending", "status": "True", "reason": "Infeasible" }]);
        assert_eq!(cpu_and_memory(&pod), (2.0, 1.0));
    }

    #[test]
    fn a_pod_that_asks_for_nothing_has_nothing_and_a_bad_quantity_is_an_error() {
        assert!(
            pod_requests(&json!({ "spec": { "containers": [{ "name": "a" }] } }))
                .unwrap()
                .is_empty()
        );
        assert!(pod_requests(&Value::Null).unwrap().is_empty());
        let bad = json!({ "spec": { "containers": [container("a", "lots", "1")] } });
        assert_eq!(pod_requests(&bad).unwrap_err().text, "lots");
    }
}
