//! Peak memory of `kymo record` with 100,000 live objects.
//!
//! `cargo bench -p kymo-cli --no-default-features --bench recorder_memory` prints the peak resident
//! size of a recorder that lists the objects from a scripted API on loopback, follows changes to
//! them and seals, next to that of one that has nothing to record. `KYMO_BENCH_OBJECTS` sets the
//! number of objects.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kymo_testkit::scripted::ScriptedServer;
use serde_json::{Value, json};

const OBJECTS: u64 = 100_000;
const CHANGES: u64 = 20_000;

/// A `ConfigMap` of about two kilobytes, most of which differs between objects.
fn config_map(number: u64) -> Value {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let lines: Vec<String> = (0..40)
        .map(|line| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("setting-{line} = {state:x}")
        })
        .collect();
    json!({ "data": { "settings": lines.join("\n") } })
}

struct Recorder {
    child: Child,
    folder: tempfile::TempDir,
}

impl Recorder {
    fn start(server: &ScriptedServer) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        server.write_kubeconfig(&kubeconfig)?;
        let child = Command::new(env!("CARGO_BIN_EXE_kymo"))
            .args([
                "record",
                "--memory-budget",
                "96MiB",
                "--resources",
                "configmaps",
                "-o",
            ])
            .arg(folder.path().join("trace"))
            .env("KUBECONFIG", kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, folder })
    }

    /// Returns the peak resident size so far, in bytes.
    fn peak(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))
            .ok_or_else(|| anyhow::anyhow!("the recorder has ended"))?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }

    fn trace(&self) -> kymo_store::Trace {
        kymo_store::Trace::open(&self.folder.path().join("trace")).expect("a trace")
    }

    /// Stops the recorder as a user does, and returns its peak resident size.
    fn stop(mut self) -> anyhow::Result<(u64, u64)> {
        let peak = self.peak()?;
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        anyhow::ensure!(self.child.wait()?.success(), "the recorder failed");
        Ok((peak, self.trace().stats().events))
    }
}

fn is_settled(folder: &Path) -> bool {
    let logs = std::fs::read_dir(folder).map_or(0, |entries| {
        entries
            .filter_map(Result::ok)
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "wal")
            })
            .count()
    });
    logs <= 1
}

async fn measure(objects: u64) -> anyhow::Result<(u64, u64)> {
    let server = ScriptedServer::start().await?;
    server.generate("configmaps", objects, config_map);
    let recorder = Recorder::start(&server)?;
    server.until_watched("configmaps", 1).await;
    if objects > 0 {
        server.churn("configmaps", 1000, CHANGES, config_map);
        server.bookmark("configmaps");
    }
    let trace = recorder.folder.path().join("trace");
    // Until everything but the open log is sealed, and some seconds more.
    let mut quiet = 0;
    while quiet < 5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        recorder.peak()?;
        quiet = if is_settled(&trace) { quiet + 1 } else { 0 };
    }
    recorder.stop()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let objects = std::env::var("KYMO_BENCH_OBJECTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(OBJECTS);
    let (floor, _) = measure(0).await?;
    let (peak, events) = measure(objects).await?;
    let (floor, peak) = (floor as f64 / 1e6, peak as f64 / 1e6);
    println!(
        "{objects} objects, {events} events: peak {peak:.0} MB; with nothing to record {floor:.0} MB"
    );
    println!(
        "{:.0} bytes per live object",
        (peak - floor) * 1e6 / objects.max(1) as f64
    );
    anyhow::ensure!(events >= objects, "only {events} events were recorded");
    Ok(())
}
