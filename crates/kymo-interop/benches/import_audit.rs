//! Import of an audit log against a loop that only cuts and parses its lines.
//!
//! `KYMO_BENCH_AUDIT` names a log that is not compressed; without it the fixture is read 50 times.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

mod floor;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use kymo_interop::Format;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let log = env::var_os("KYMO_BENCH_AUDIT").map_or_else(|| copies(folder.path()), PathBuf::from);
    floor::compare(Format::Audit, &log, std::slice::from_ref(&log));
}

/// Copies of the fixture with ids of their own, so that none repeats another.
fn copies(folder: &Path) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/audit/audit.jsonl.gz");
    let mut once = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(fixture).unwrap())
        .read_to_string(&mut once)
        .unwrap();
    let mut text = String::with_capacity(once.len() * 52);
    for copy in 0..50 {
        let ids = once.replace("\"auditID\":\"", &format!("\"auditID\":\"{copy}-"));
        let ids = ids.replace("\"uid\":\"", &format!("\"uid\":\"{copy}-"));
        write!(text, "{ids}").unwrap();
    }
    let log = folder.join("audit.log");
    fs::write(&log, text).unwrap();
    log
}
