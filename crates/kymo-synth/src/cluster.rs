//! Nodes as the scheduler sees them: what is free, and where a pod may go.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use kymo_model::{LabelSelector, parse_quantity, pod_requests};
use serde_json::{Value, json};

use crate::order::Placement;

/// Quantities are counted in thousandths.
const MILLIS: f64 = 1000.0;

/// What a pod needs of its node, in the terms of one [`Cluster`].
#[derive(Clone, Debug, Default)]
pub struct Needs {
    requests: Vec<(usize, i64)>,
    selector: LabelSelector,
    /// One of these must match; none where it is empty.
    affinity: Vec<LabelSelector>,
    tolerations: Vec<Toleration>,
}

#[derive(Clone, Debug, Default)]
struct Toleration {
    key: Option<String>,
    value: Option<String>,
    effect: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Taint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Clone, Debug, Default)]
struct Machine {
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    total: Vec<i64>,
    used: Vec<i64>,
    pods: u32,
    limit: u32,
    is_open: bool,
}

/// All nodes, as far as the scheduler looks at them: allocatable resources, labels, taints, and what
/// the pods on them request.
#[derive(Debug, Default)]
pub struct Cluster {
    resources: Vec<String>,
    machines: Vec<Machine>,
    /// The open nodes by their number of pods.
    by_pods: BTreeSet<(u32, u32)>,
    /// The open nodes, the fullest first.
    by_use: BTreeSet<(Reverse<i64>, u32)>,
}

impl Cluster {
    /// Adds a node, not open for pods yet; returns its number.
    ///
    /// # Errors
    ///
    /// Says what of the node cannot be read.
    pub fn add(&mut self, node: &Value) -> Result<u32, String> {
        let machine = self.machine(node)?;
        let number = u32::try_from(self.machines.len()).map_err(|_| "too many nodes")?;
        self.machines.push(machine);
        Ok(number)
    }

    /// Puts another version of a node in its place; pods stay on it.
    ///
    /// # Errors
    ///
    /// Says what of the node cannot be read.
    pub fn renew(&mut self, number: u32, node: &Value) -> Result<(), String> {
        let mut machine = self.machine(node)?;
        self.remove(number);
        if let Some(known) = self.machines.get_mut(number as usize) {
            let size = machine.total.len().max(known.used.len());
            known.used.resize(size, 0);
            machine.used = std::mem::take(&mut known.used);
            (machine.pods, machine.is_open) = (known.pods, known.is_open);
            *known = machine;
        }
        self.insert(number);
        Ok(())
    }

    /// Reads a node.
    fn machine(&mut self, node: &Value) -> Result<Machine, String> {
        let mut machine = Machine {
            limit: u32::MAX,
            ..Machine::default()
        };
        let allocatable = node
            .pointer("/status/allocatable")
            .and_then(Value::as_object);
        for (resource, quantity) in allocatable.into_iter().flatten() {
            let text = match quantity {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let amount = parse_quantity(&text)
                .map_err(|error| format!("the allocatable {resource} of a node: {error}"))?;
            if resource == "pods" {
                machine.limit = amount as u32;
                continue;
            }
            let index = self.resource(resource);
            if machine.total.len() <= index {
                machine.total.resize(index + 1, 0);
            }
            if let Some(total) = machine.total.get_mut(index) {
                *total = (amount * MILLIS) as i64;
            }
        }
        machine.used = vec![0; machine.total.len()];
        let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
        for (label, value) in labels.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            machine.labels.insert(label.clone(), value);
        }
        let taints = node.pointer("/spec/taints").and_then(Value::as_array);
        machine.taints = taints.into_iter().flatten().map(taint).collect();
        Ok(machine)
    }

    fn resource(&mut self, name: &str) -> usize {
        let known = self.resources.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.resources.push(name.to_owned());
            self.resources.len() - 1
        })
    }

    /// Finds out what a pod needs.
    ///
    /// # Errors
    ///
    /// Says what of the pod cannot be read.
    pub fn needs(&mut self, pod: &Value) -> Result<Needs, String> {
        let requests = pod_requests(pod).map_err(|error| error.to_string())?;
        let mut needs = Needs::default();
        for (resource, amount) in requests {
            needs
                .requests
                .push((self.resource(&resource), (amount * MILLIS).ceil() as i64));
        }
        let of = |selector: &Value| LabelSelector::of_object(selector);
        let of = |selector: &Value| of(selector).map_err(|error| error.to_string());
        if let Some(labels) = pod.pointer("/spec/nodeSelector") {
            needs.selector = of(&json!({ "matchLabels": labels }))?;
        }
        let terms = pod
            .pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")
            .and_then(Value::as_array);
        for term in terms.into_iter().flatten() {
            needs.affinity.push(of(term)?);
        }
        let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
        needs.tolerations = tolerations.into_iter().flatten().map(toleration).collect();
        Ok(needs)
    }

    /// Opens a node for pods, or closes it.
    pub fn set_open(&mut self, number: u32, is_open: bool) {
        self.remove(number);
        if let Some(machine) = self.machines.get_mut(number as usize) {
            machine.is_open = is_open;
        }
        self.insert(number);
    }

    /// Takes the place of the so-manieth pod on a node, if it fits.
    pub fn place(&mut self, placement: &Placement, needs: &Needs, nth: u64) -> Option<u32> {
        let found = match placement {
            Placement::None => None,
            Placement::Like(ranks) => {
                let place = nth % (ranks.len() as u64).max(1);
                let rank = ranks.get(place as usize).copied().unwrap_or_default();
                let skipped = (rank * self.by_pods.len() as f64).round() as usize;
                let numbers = || self.by_pods.iter().map(|(_, number)| *number);
                let fits = |number: &u32| self.fits(*number, needs);
                numbers()
                    .skip(skipped)
                    .find(fits)
                    .or_else(|| numbers().take(skipped).find(fits))
            }
            Placement::Spread => self
                .by_pods
                .iter()
                .map(|(_, number)| *number)
                .find(|number| self.fits(*number, needs)),
            Placement::Binpack => self
                .by_use
                .iter()
                .map(|(_, number)| *number)
                .find(|number| self.fits(*number, needs)),
        }?;
        self.take(found, needs);
        Some(found)
    }

    /// What a pod needs of which only the requests are known.
    pub fn needs_of(&mut self, requests: &BTreeMap<String, f64>) -> Needs {
        let requests = requests.iter();
        let requests = requests
            .map(|(resource, amount)| (self.resource(resource), (amount * MILLIS).ceil() as i64));
        Needs {
            requests: requests.collect(),
            ..Needs::default()
        }
    }

    /// Takes the place of a pod that is on a node already.
    pub fn occupy(&mut self, number: u32, needs: &Needs) {
        self.take(number, needs);
    }

    /// Takes the place of a pod on one node, if it fits.
    pub(crate) fn place_on(&mut self, number: u32, needs: &Needs) -> bool {
        let fits = self.fits(number, needs);
        if fits {
            self.take(number, needs);
        }
        fits
    }

    /// Tells whether a node is one for such pods, full or not.
    pub(crate) fn suits(&self, number: u32, needs: &Needs) -> bool {
        self.machines.get(number as usize).is_some_and(|machine| {
            machine.taints.iter().all(|taint| needs.tolerates(taint))
                && needs.selects(&machine.labels)
        })
    }

    /// Gives the place of a pod back.
    pub fn release(&mut self, number: u32, needs: &Needs) {
        self.change(number, needs, -1);
    }

    fn take(&mut self, number: u32, needs: &Needs) {
        self.change(number, needs, 1);
    }

    fn change(&mut self, number: u32, needs: &Needs, sign: i64) {
        self.remove(number);
        if let Some(machine) = self.machines.get_mut(number as usize) {
            for (resource, amount) in &needs.requests {
                if let Some(used) = machine.used.get_mut(*resource) {
                    *used += sign * amount;
                }
            }
            machine.pods = machine.pods.saturating_add_signed(sign as i32);
        }
        self.insert(number);
    }

    fn fits(&self, number: u32, needs: &Needs) -> bool {
        let Some(machine) = self.machines.get(number as usize) else {
            return false;
        };
        let is_free = |(resource, amount): &(usize, i64)| {
            let total = machine.total.get(*resource).copied().unwrap_or_default();
            let used = machine.used.get(*resource).copied().unwrap_or_default();
            used + amount <= total
        };
        machine.is_open
            && machine.pods < machine.limit
            && needs.requests.iter().all(is_free)
            && self.suits(number, needs)
    }

    fn remove(&mut self, number: u32) {
        if let Some(machine) = self.machines.get(number as usize) {
            self.by_pods.remove(&(machine.pods, number));
            self.by_use.remove(&(Reverse(machine.use_of()), number));
        }
    }

    fn insert(&mut self, number: u32) {
        if let Some(machine) = self.machines.get(number as usize)
            && machine.is_open
            && machine.pods < machine.limit
        {
            self.by_pods.insert((machine.pods, number));
            self.by_use.insert((Reverse(machine.use_of()), number));
        }
    }
}

impl Machine {
    /// The share that is used of all resources, on average, in millionths.
    fn use_of(&self) -> i64 {
        let shares = self.total.iter().zip(&self.used);
        let (sum, count) = shares
            .filter(|(total, _)| **total > 0)
            .fold((0.0, 0), |(sum, count), (total, used)| {
                (sum + *used as f64 / *total as f64, count + 1)
            });
        if count == 0 {
            i64::from(self.pods)
        } else {
            (sum / f64::from(count) * 1e6) as i64
        }
    }
}

impl Needs {
    fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let matches = |selector: &LabelSelector| {
            selector.matches(|label| labels.get(label).map(String::as_str))
        };
        matches(&self.selector) && (self.affinity.is_empty() || self.affinity.iter().any(matches))
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        taint.effect == "PreferNoSchedule"
            || self.tolerations.iter().any(|toleration| {
                toleration.key.as_ref().is_none_or(|key| *key == taint.key)
                    && toleration
                        .value
                        .as_ref()
                        .is_none_or(|value| *value == taint.value)
                    && toleration
                        .effect
                        .as_ref()
                        .is_none_or(|effect| *effect == taint.effect)
            })
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn taint(taint: &Value) -> Taint {
    Taint {
        key: text(taint, "key").unwrap_or_default(),
        value: text(taint, "value").unwrap_or_default(),
        effect: text(taint, "effect").unwrap_or_default(),
    }
}

fn toleration(toleration: &Value) -> Toleration {
    let exists = text(toleration, "operator").as_deref() == Some("Exists");
    Toleration {
        key: text(toleration, "key").filter(|key| !key.is_empty()),
        value: (!exists).then(|| text(toleration, "value").unwrap_or_default()),
        effect: text(toleration, "effect").filter(|effect| !effect.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(nodes: &[Value]) -> Cluster {
        let mut cluster = Cluster::default();
        for node in nodes {
            let number = cluster.add(node).unwrap();
            cluster.set_open(number, true);
        }
        cluster
    }

    fn node(cpu: &str, pods: u32) -> Value {
        json!({"status": {"allocatable": {"cpu": cpu, "pods": pods.to_string()}}})
    }

    fn pod(cpu: &str) -> Value {
        json!({"spec": {"containers": [{"resources": {"requests": {"cpu": cpu}}}]}})
    }

    fn placed(
        cluster: &mut Cluster,
        placement: &Placement,
        pod: &Value,
        count: usize,
    ) -> Vec<Option<u32>> {
        let needs = cluster.needs(pod).unwrap();
        (0..count)
            .map(|nth| cluster.place(placement, &needs, nth as u64))
            .collect()
    }

    #[test]
    fn pods_are_spread_or_packed_as_long_as_they_fit() {
        let nodes = [node("2", 110), node("2", 110)];
        let spread = placed(&mut cluster(&nodes), &Placement::Spread, &pod("700m"), 5);
        assert_eq!(spread, [Some(0), Some(1), Some(0), Some(1), None]);
        let packed = placed(&mut cluster(&nodes), &Placement::Binpack, &pod("700m"), 5);
        assert_eq!(packed, [Some(0), Some(0), Some(1), Some(1), None]);
    }

    #[test]
    fn pods_go_to_nodes_of_such_a_rank_as_was_measured() {
        let nodes = [
            node("4", 110),
            node("4", 110),
            node("4", 110),
            node("1", 110),
        ];
        let ranks = Placement::Like([0.0, 0.5].into());
        let like = placed(&mut cluster(&nodes), &ranks, &pod("2"), 7);
        // Where that node is full, the next one; where all behind it are, the first that is not.
        let expected = [0, 0, 1, 1, 2, 2].map(Some);
        assert_eq!(like.split_last(), Some((&None, expected.as_slice())));
    }

    #[test]
    fn what_pods_take_that_are_there_already_is_not_free() {
        let mut cluster = cluster(&[node("4", 110)]);
        let taken = cluster.needs_of(&BTreeMap::from([("cpu".to_owned(), 3.0)]));
        cluster.occupy(0, &taken);
        let needs = cluster.needs(&pod("2")).unwrap();
        assert_eq!(cluster.place(&Placement::Spread, &needs, 0), None);
        cluster.release(0, &taken);
        assert_eq!(cluster.place(&Placement::Spread, &needs, 0), Some(0));
    }

    #[test]
    fn the_limit_of_pods_holds_and_a_place_is_given_back() {
        let mut cluster = cluster(&[node("64", 1)]);
        let needs = cluster.needs(&pod("1")).unwrap();
        assert_eq!(cluster.place(&Placement::Spread, &needs, 0), Some(0));
        assert_eq!(cluster.place(&Placement::Spread, &needs, 1), None);
        cluster.release(0, &needs);
        assert_eq!(cluster.place(&Placement::Binpack, &needs, 0), Some(0));
    }

    #[test]
    fn taints_selectors_and_affinity_decide() {
        let mut gpu = node("8", 110);
        gpu["metadata"] = json!({"labels": {"pool": "gpu", "zone": "a"}});
        gpu["spec"] = json!({"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]});
        let mut cluster = cluster(&[node("8", 110), gpu]);
        let mut selecting = pod("1");
        selecting["spec"]["nodeSelector"] = json!({"pool": "gpu"});
        assert_eq!(
            placed(&mut cluster, &Placement::Spread, &selecting, 1),
            [None]
        );
        selecting["spec"]["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
        assert_eq!(
            placed(&mut cluster, &Placement::Spread, &selecting, 1),
            [Some(1)]
        );
        let mut choosing = pod("1");
        choosing["spec"]["affinity"] = json!({"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]},
                {"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]},
            ]},
        }});
        assert_eq!(
            placed(&mut cluster, &Placement::Spread, &choosing, 1),
            [Some(0)]
        );
        cluster.set_open(0, false);
        assert_eq!(
            placed(&mut cluster, &Placement::Spread, &choosing, 1),
            [None]
        );
    }
}
