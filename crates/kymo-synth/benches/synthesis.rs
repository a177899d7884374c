//! What it takes to make up the whole lives of pods of a Deployment.
//!
//! `cargo bench -p kymo-synth --bench synthesis` prints a line for 10,000, 100,000 and 1,000,000 pods, each
//! made by a process of its own: CPU seconds for what happens and for writing it, pods per CPU second,
//! bytes of the file per pod, and the most memory that was in use. For the smallest one it also tells how
//! long it takes to write the same rows when they lie in memory.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints what it finds"
)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kymo_store::fs::RealFs;
use kymo_store::segment::{NewRow, SegmentOptions};
use kymo_store::write_file;
use kymo_synth::{
    Arrival, Distribution, Error, Manifest, NodeOrder, Placement, Plan, Synthesis, Unwatched, With,
    WorkloadOrder,
};

const SECOND: i64 = 1_000_000_000;
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Up to so many pods their rows are also kept in memory.
const MOST_IN_MEMORY: u64 = 10_000;

const MANIFEST: &str = "
kind: Deployment
apiVersion: apps/v1
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: registry.example/web:1.0
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
";

fn plan(pods: u64) -> Plan {
    let rate = (pods / 200).max(50) as f64;
    let node = NodeOrder {
        count: (pods / 100).max(1000),
        pattern: "sim-{i:05}".to_owned(),
        manifest: None,
        labels: Vec::new(),
        at: 0,
        until: None,
        arrival: None,
        startup: None,
        leases: None,
        updates: None,
        heartbeats: false,
    };
    let web = WorkloadOrder {
        kind: "Deployment".to_owned(),
        namespace: "load".to_owned(),
        name: "web".to_owned(),
        manifests: Manifest::parse(MANIFEST, "web.yaml").unwrap(),
        replicas: Some(pods),
        at: 10 * SECOND,
        until: Some(300 * SECOND),
        arrival: Some(Arrival::Poisson { rate }),
        startup: Some(Distribution::Lognormal { p50: 2e9, p99: 9e9 }),
        runtime: None,
        lifetime: None,
        failures: 0.0,
        restarts: None,
        crash: kymo_synth::Crash::default(),
        evictions: 0.0,
        namespaces: [].into(),
        placement: Placement::Spread,
        scale: [].into(),
        rollouts: [].into(),
        pods: None,
        stages: kymo_synth::Stages::default(),
        updates: None,
        with: With::default(),
    };
    Plan {
        nodes: vec![node],
        workloads: vec![web],
        ..Plan::default()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let Some(pods) = arguments.find_map(|argument| argument.parse().ok()) {
        measure(pods);
        return;
    }
    println!(
        "pods      events     happen s  write s  pods/CPU s  bytes/pod  peak MB  from memory s"
    );
    for pods in SIZES {
        let own = std::env::current_exe().unwrap();
        let status = Command::new(own).arg(pods.to_string()).status().unwrap();
        assert!(status.success());
    }
}

fn measure(pods: u64) {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(pods);
    let start = cpu_seconds();
    let synthesis = Synthesis::aside(&plan, &Unwatched, folder.path()).unwrap();
    let happened = cpu_seconds();
    let bytes = write(
        &folder.path().join("a.parquet"),
        &synthesis,
        synthesis.new_rows(),
    );
    let written = cpu_seconds();
    let peak = peak_megabytes();
    let from_memory = if pods <= MOST_IN_MEMORY {
        let rows: Vec<NewRow> = synthesis.rows().map(|row| row.unwrap().into()).collect();
        let start = cpu_seconds();
        write(
            &folder.path().join("b.parquet"),
            &synthesis,
            rows.into_iter().map(Ok),
        );
        format!("{:.1}", cpu_seconds() - start)
    } else {
        "-".to_owned()
    };
    println!(
        "{pods:<9} {:<10} {:<9.1} {:<8.1} {:<11.0} {:<10.0} {peak:<8.0} {from_memory}",
        synthesis.events(),
        happened - start,
        written - happened,
        pods as f64 / (written - start),
        bytes as f64 / pods as f64,
    );
}

fn write(
    path: &Path,
    synthesis: &Synthesis<'_>,
    rows: impl Iterator<Item = Result<NewRow, Error>>,
) -> u64 {
    let (fs, meta) = (Arc::new(RealFs), synthesis.meta("bench"));
    write_file(fs, path, rows, meta, &SegmentOptions::default(), |_| {})
        .unwrap()
        .bytes
}

/// CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// The most memory that this process had so far.
fn peak_megabytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
    kilobytes / 1024.0
}
