//! What was recorded keeps every rule, and so does what another tool recorded.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_interop::{Format, ImportOptions, import};
use kymo_model::{Clock, SystemClock};
use kymo_query::rules::check;
use rstest::rstest;

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

fn assert_legal(trace: &Path) {
    let violations = check(trace).unwrap();
    let told: Vec<String> = violations
        .iter()
        .map(|violation| format!("{}: {violation}", violation.rule))
        .collect();
    assert!(told.is_empty(), "{}:\n{}", trace.display(), told.join("\n"));
}

#[test]
fn the_shipped_recording_keeps_every_rule() {
    assert_legal(&fixtures().join("rollout.parquet"));
}

#[rstest]
#[case(Format::Watch, "streams/edge-auth")]
#[case(Format::Watch, "autoscaling")]
#[case(Format::Audit, "audit/audit.jsonl.gz")]
#[case(Format::Kwok, "kwok/watches.yaml.zst")]
#[case(Format::Kwok, "kwok/etcd.yaml.zst")]
#[case(Format::Dump, "kwok/final.json.zst")]
#[case(Format::Kshrk, "k8shark/polled-v1.kshrk")]
#[case(Format::Kshrk, "k8shark/watched-v2.kshrk")]
#[case(Format::Kss, "kss/record.jsonl.zst")]
#[case(Format::Simkube, "simkube/cronjob.sktrace")]
#[case(Format::Simkube, "simkube/bare-pods.sktrace")]
#[case(Format::Simkube, "simkube/relist.json")]
fn an_import_keeps_every_rule(#[case] format: Format, #[case] file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let options = ImportOptions::new(Some(format), vec![fixtures().join(file)], trace.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    import(&options, &clock, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_legal(&trace);
}
