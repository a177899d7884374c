//! Pods that are alike are written as forms. That these say what the text says is seen for every
//! plan by [`make`].

use kymo_store::segment::NewRow;
use kymo_synth::{
    Distribution, LabelValue, OutageKind, OutageOrder, Plan, Synthesis, Unwatched, WorkloadOrder,
};

use crate::workbench::{SECOND, make, nodes, workload};

/// A workload whose pods have much that can differ; `more` is a line of its spec, `own` one of that
/// of its pods.
fn of(kind: &str, version: &str, more: &str, own: &str) -> WorkloadOrder {
    let name = kind.to_lowercase();
    let manifest = format!(
        "
kind: {kind}
apiVersion: {version}
metadata: {{name: {name}}}
spec:
  {more}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      {own}
      terminationGracePeriodSeconds: 3
      initContainers: [{{name: first, image: 'first:1'}}]
      containers:
      - {{name: app, image: 'app:1', readinessProbe: {{httpGet: {{port: 80}}}}}}
      - {{name: side, image: 'side:1', volumeMounts: [{{name: d, mountPath: /d}}]}}
      volumes: [{{name: d, emptyDir: {{}}}}]
"
    );
    workload(kind, &name, &manifest)
}

fn controlled(kind: &str, own: &str) -> WorkloadOrder {
    let name = kind.to_lowercase();
    let selector = format!("selector: {{matchLabels: {{app: {name}}}}}");
    of(kind, "apps/v1", &selector, own)
}

fn outage(kind: OutageKind, nodes: &str, at: i64, lasts: i64) -> OutageOrder {
    OutageOrder {
        kind,
        nodes: nodes.to_owned(),
        at: at * SECOND,
        lasts: Some(lasts * SECOND),
    }
}

/// How many events of pods are written as forms, and how many there are.
fn forms(plan: &Plan) -> (usize, usize) {
    let synthesis = Synthesis::new(plan, &Unwatched).unwrap();
    let forms = synthesis.new_rows();
    let forms = forms.filter(|row| matches!(row, Ok(NewRow::Filled(_))));
    let pods = synthesis.tally().unwrap()["Pod"];
    (forms.count(), pods.events as usize)
}

#[test]
fn pods_of_every_workload_and_all_that_happens_to_them_are_forms() {
    let mut deployment = controlled("Deployment", "hostNetwork: true");
    deployment.replicas = Some(12);
    deployment.restarts = Some(Distribution::Constant(7e9));
    deployment.lifetime = Some(Distribution::Uniform {
        min: 20e9,
        max: 90e9,
    });
    deployment.rollouts = [(40 * SECOND, None)].into();
    let mut set = controlled("StatefulSet", "nodeSelector: {kubernetes.io/os: linux}");
    set.replicas = Some(6);
    set.startup = Some(Distribution::Exponential { mean: 1e9 });
    let daemons = controlled("DaemonSet", "tolerations: [{operator: Exists}]");
    let indexed = "{completions: 9, parallelism: 4, completionMode: Indexed}";
    let indexed = indexed.trim_matches(['{', '}']).replace(", ", "\n  ");
    let mut job = of("Job", "batch/v1", &indexed, "restartPolicy: Never");
    job.failures = 0.2;
    let mut hosts = nodes(9);
    let zones = ["a", "b", "c"].map(str::to_owned).to_vec();
    let zone = "topology.kubernetes.io/zone".to_owned();
    hosts.labels = vec![(zone, LabelValue::Cycle(zones))];
    let plan = Plan {
        nodes: vec![hosts],
        outages: vec![
            outage(OutageKind::Drain, "sim-2", 30, 60),
            outage(OutageKind::Failure, "sim-4", 35, 400),
        ],
        workloads: vec![deployment, set, daemons, job],
        span: Some(500 * SECOND),
        ..Plan::default()
    };
    let made = make(&plan);
    let pods = made.lives("Pod");
    let any = |what: &str| {
        let lives = pods.values().flatten();
        let found = lives.filter(|(_, pod)| pod.to_string().contains(what));
        assert!(found.count() > 0, "{what}");
    };
    any("EvictionByEvictionAPI");
    any("DeletionByTaintManager");
    any("\"restartCount\":2");
    any("PodFailed");
    any("topology.kubernetes.io/zone");
    let (forms, pods) = forms(&plan);
    assert_eq!(forms, pods);
}

#[test]
fn few_pods_and_managed_fields_are_written_as_text() {
    let mut order = controlled("Deployment", "dnsPolicy: Default");
    order.replicas = Some(2);
    let mut plan = Plan {
        nodes: vec![nodes(2)],
        workloads: vec![order],
        ..Plan::default()
    };
    assert_eq!(forms(&plan).0, 0);
    plan.workloads[0].replicas = Some(6);
    assert!(forms(&plan).0 > 0);
    plan.managed_fields = true;
    assert_eq!(forms(&plan).0, 0);
    make(&plan);
}

#[test]
fn a_manifest_that_says_what_stands_for_a_blank_is_written_as_text() {
    let mut order = controlled("Deployment", "priorityClassName: '1902-01-14T00:00:00Z'");
    order.replicas = Some(6);
    let plan = Plan {
        nodes: vec![nodes(2)],
        workloads: vec![order],
        ..Plan::default()
    };
    make(&plan);
    let (forms, pods) = forms(&plan);
    assert!(forms > 0 && forms < pods, "{forms} of {pods}");
}
