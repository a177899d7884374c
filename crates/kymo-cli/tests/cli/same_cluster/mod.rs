//! An anonymized trace is the same cluster: every relation that a scheduler or a controller follows
//! is computed on both sides, by code that knows nothing of pseudonyms, and compared.

mod cluster;
mod selectors;
mod storage;
mod topology;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kymo_anonymize::{AnonymizationPolicy, Anonymizer, Key, Settings};
use kymo_model::ResourceType;
use serde_json::Value;

use self::cluster::{Cluster, Recording};
use crate::environment::TestEnv;

/// The relations of a cluster, each a line that begins with its kind and names objects by the place
/// at which they came into the trace.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeSet<String>);

impl Graph {
    pub(crate) fn add(&mut self, relation: &str, edge: impl std::fmt::Display) {
        self.0.insert(format!("{relation} {edge}"));
    }

    fn of(cluster: &Cluster) -> Self {
        let mut graph = Self::default();
        selectors::relate(cluster, &mut graph);
        topology::relate(cluster, &mut graph);
        storage::relate(cluster, &mut graph);
        workloads::relate(cluster, &mut graph);
        graph
    }

    /// Counts the edges of each relation.
    fn counted(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for edge in &self.0 {
            *counts.entry(edge.split(' ').next().unwrap()).or_default() += 1;
        }
        counts
    }
}

/// Anonymizes a trace and compares at six times; returns the relations of all of them.
fn compare(env: &TestEnv, trace: &str, policy: &str) -> Graph {
    super::anonymize::key(env, "key", 7);
    let args = ["--policy", policy];
    let done = super::anonymize::anonymize(env, trace, "key", "out.parquet", &args);
    assert!(done.status.success(), "{done:?}");
    let (before, after) = (
        Recording::read(env, trace),
        Recording::read(env, "out.parquet"),
    );
    assert_eq!(before.spacing(), after.spacing(), "order and spacing");
    let last = before.len();
    let mut all = Graph::default();
    for part in 1..=6 {
        let end = last * part / 6;
        let (one, other) = (Graph::of(&before.at(end)), Graph::of(&after.at(end)));
        let lost: Vec<_> = one.0.difference(&other.0).take(20).collect();
        let new: Vec<_> = other.0.difference(&one.0).take(20).collect();
        assert!(
            lost.is_empty() && new.is_empty(),
            "after {end} of {last} events of {trace}: {lost:#?} became {new:#?}"
        );
        all.0.extend(one.0);
    }
    std::fs::remove_file(env.path("out.parquet")).unwrap();
    all
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    path.join(name).to_str().unwrap().to_owned()
}

fn import(env: &TestEnv, args: &[&str]) {
    let done = env.run(["import"].iter().chain(args));
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn every_relation_of_a_cluster_that_has_them_all_is_the_same() {
    let env = TestEnv::new();
    let dump = fixture("relations/cluster.yaml");
    import(
        &env,
        &[
            "dump",
            &dump,
            "--start",
            "2026-03-02T11:00:00Z",
            "-o",
            "all.kymo",
        ],
    );
    for policy in ["share", "vendor"] {
        let graph = compare(&env, "all.kymo", policy);
        let counts = graph.counted();
        let missing: Vec<_> = RELATIONS
            .iter()
            .filter(|relation| !counts.contains_key(*relation))
            .collect();
        assert!(missing.is_empty(), "not in the fixture: {missing:?}");
        let unknown: Vec<_> = counts
            .keys()
            .filter(|relation| !RELATIONS.contains(relation))
            .collect();
        assert!(unknown.is_empty(), "not in the list: {unknown:?}");
    }
}

#[test]
fn the_relations_of_a_recorded_rollout_are_the_same_at_every_time() {
    let env = TestEnv::new();
    let graph = compare(&env, &fixture("rollout.parquet"), "share");
    let counts = graph.counted();
    for relation in [
        "owner",
        "selects",
        "service-account",
        "image",
        "bound-to",
        "about",
    ] {
        assert!(counts[relation] > 5, "{relation}: {counts:?}");
    }
}

#[test]
fn the_relations_of_made_up_and_imported_streams_are_the_same() {
    let env = TestEnv::with_trace();
    compare(&env, "edge.kymo", "share");
    import(
        &env,
        &["watch", &fixture("autoscaling"), "-o", "autoscaling.kymo"],
    );
    let graph = compare(&env, "autoscaling.kymo", "share");
    assert!(graph.counted()["fits"] > 5);
}

/// While a cluster is recorded nothing is known of what comes later.
#[test]
fn what_is_replaced_object_by_object_keeps_the_relations_but_for_names_of_claims() {
    let env = TestEnv::new();
    let dump = fixture("relations/cluster.yaml");
    import(
        &env,
        &[
            "dump",
            &dump,
            "--start",
            "2026-03-02T11:00:00Z",
            "-o",
            "all.kymo",
        ],
    );
    let recording = Recording::read(&env, "all.kymo");
    let cluster = recording.at(recording.len());
    let mut replaced = recording.at(recording.len());
    let policy = AnonymizationPolicy::share();
    let mut anonymizer =
        Anonymizer::while_recording(&Key::new([7; 32]), policy, Settings::default());
    for object in &mut replaced.objects {
        let resource = ResourceType {
            group: String::new(),
            version: String::new(),
            resource: String::new(),
            kind: object.kind.clone(),
            namespaced: false,
        };
        anonymizer
            .object(&resource, &mut object.body, None)
            .unwrap();
    }
    let text = format!("{:?}", replaced.objects);
    for original in ["acme", "oslo", "ledger", "storefront", "bergen"] {
        assert!(!text.contains(original), "{original}");
    }
    let (one, other) = (Graph::of(&cluster), Graph::of(&replaced));
    let new: Vec<_> = other.0.difference(&one.0).collect();
    assert!(new.is_empty(), "{new:#?}");
    // Ordinals, and claims that are named after a pod and a volume, are told by names alone.
    let lost = one.0.difference(&other.0);
    let lost: BTreeSet<_> = lost.map(|edge| edge.split(' ').next().unwrap()).collect();
    assert_eq!(lost, BTreeSet::from(["claim", "claim-template"]));
}

#[test]
fn a_relation_that_is_lost_is_seen() {
    let env = TestEnv::new();
    let dump = fixture("relations/cluster.yaml");
    import(
        &env,
        &[
            "dump",
            &dump,
            "--start",
            "2026-03-02T11:00:00Z",
            "-o",
            "all.kymo",
        ],
    );
    let recording = Recording::read(&env, "all.kymo");
    let end = recording.len();
    let whole = Graph::of(&recording.at(end));
    // Every name that stands somewhere is changed in one place; something must be missed then.
    for (pointer, kind, relation) in [
        ("/metadata/ownerReferences/0/uid", "ReplicaSet", "owner"),
        (
            "/spec/selector/app.kubernetes.io~1name",
            "Service",
            "selects",
        ),
        ("/spec/nodeName", "Pod", "bound-to"),
        ("/spec/taints/0/key", "Node", "tolerates"),
        ("/spec/volumeName", "PersistentVolumeClaim", "volume"),
        ("/spec/containers/0/image", "Pod", "image"),
        (
            "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey",
            "Pod",
            "affinity-domain",
        ),
        (
            "/spec/topologySpreadConstraints/0/topologyKey",
            "Pod",
            "spread-domain",
        ),
        ("/spec/priorityClassName", "Pod", "priority"),
    ] {
        let mut cluster = recording.at(end);
        let object = cluster
            .objects
            .iter_mut()
            .find(|object| object.kind == kind && object.body.pointer(pointer).is_some())
            .unwrap();
        *object.body.pointer_mut(pointer).unwrap() = Value::from("another");
        let changed = Graph::of(&cluster);
        let differs = whole
            .0
            .symmetric_difference(&changed.0)
            .any(|edge| edge.split(' ').next() == Some(relation));
        assert!(differs, "{pointer} does not count for {relation}");
    }
}

/// What is compared.
const RELATIONS: &[&str] = &[
    "about",
    "account-is-subject",
    "address-of-pod",
    "affinity",
    "affinity-domain",
    "aggregates",
    "allocated",
    "allowed-topology",
    "attached",
    "backend",
    "bound-to",
    "cidr",
    "claim",
    "claim-bound",
    "claim-template",
    "class-of-claim",
    "config",
    "config-key",
    "csi-driver",
    "device-class",
    "endpoint",
    "fits",
    "has-image",
    "image",
    "image-repository",
    "in-namespace",
    "in-pod-range",
    "ingress-class",
    "leases",
    "may-use-volume",
    "names-itself",
    "node-preferred",
    "node-required",
    "node-selector",
    "numbers",
    "owner",
    "owner-name",
    "pod-selects-peer",
    "port",
    "priority",
    "quantities",
    "quota-scope",
    "reserved",
    "resource-claim",
    "role",
    "runtime-class",
    "scales",
    "scheduler",
    "secret",
    "selects",
    "selects-namespace",
    "selects-volume",
    "service-account",
    "service-of-slice",
    "service-range",
    "slice-of-node",
    "spread",
    "spread-domain",
    "storage-class",
    "tolerates",
    "volume",
    "webhook",
    "zone-hint",
];
