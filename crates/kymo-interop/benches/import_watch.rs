//! Import of a recording against a loop that only cuts and parses its lines.
//!
//! `KYMO_BENCH_STREAMS` names a folder of streams; without it the fixture is read 50 times.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

mod floor;

use std::path::{Path, PathBuf};
use std::{env, fs};

use kymo_interop::Format;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let streams =
        env::var_os("KYMO_BENCH_STREAMS").map_or_else(|| copies(folder.path()), PathBuf::from);
    let files: Vec<PathBuf> = fs::read_dir(&streams)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('_'))
        .collect();
    floor::compare(Format::Watch, &streams, &files);
}

/// Copies of the fixture under resource names of their own, so that none repeats another.
fn copies(folder: &Path) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/edge-auth");
    let streams = folder.join("streams");
    fs::create_dir(&streams).unwrap();
    let pods = fs::read_to_string(fixture.join("core_v1_pods.ndjson")).unwrap();
    for copy in 0..50 {
        let version = format!("\"apiVersion\":\"copy{copy}.example.com/v1\"");
        let text = pods.replacen("\"apiVersion\":\"v1\"", &version, usize::MAX);
        fs::write(
            streams.join(format!("copy{copy}.example.com_v1_pods.ndjson")),
            text,
        )
        .unwrap();
    }
    streams
}
