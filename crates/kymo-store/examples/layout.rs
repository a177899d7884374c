//! Measures layouts of a segment on a folder of recorded watch streams.
//!
//! The folder holds `<group>_<version>_<resource>.ndjson`, one line per event:
//! `{"recv": RFC 3339 with nanoseconds, "event": {"type", "object"}}`; files that begin with `_` are
//! left out. `cargo run --release -p kymo-store --example layout -- FOLDER` prints one line per
//! variant: size, bytes per event, ratio to `zstd -19 --long=27` of the lines where that was given
//! with `--best BYTES`, and the speed of writing in raw bytes per CPU second, next to zstd 9.
//! `--columns` adds the size of every column, `--only NAME` runs one variant, `--only read` the reading;
//! `--write FILE` only writes the segment, to try other tools on it.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{Certainty, Event, Feed, FeedId, ResourceType, Scope, Timestamp, WatchLine};
use kymo_store::segment::{
    JsonPath, Row, RowKey, RowRanges, SegmentMeta, SegmentOptions, SegmentReader, SegmentWriter,
    Wanted,
};
use serde::Deserialize;
use serde_json::value::RawValue;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
struct Line<'a> {
    recv: &'a str,
    #[serde(borrow)]
    event: &'a RawValue,
}

struct Recording {
    feeds: Vec<(FeedId, Feed)>,
    rows: Vec<Row>,
    raw_bytes: u64,
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn say(text: &str) {
    println!("{text}");
}

fn main() -> Result<()> {
    let mut folder = None;
    let (mut best, mut columns, mut only, mut write) = (None, false, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--best" => {
                best = arguments
                    .next()
                    .map(|bytes| bytes.parse::<f64>())
                    .transpose()?;
            }
            "--columns" => columns = true,
            "--write" => write = arguments.next().map(PathBuf::from),
            "--only" => only = arguments.next(),
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.ok_or("usage: layout FOLDER [--best BYTES] [--columns] [--only NAME]")?;
    let recording = Recording::read(&folder)?;
    if let Some(path) = write {
        let mut sorted: Vec<&Row> = recording.rows.iter().collect();
        recording.sort(&mut sorted);
        let segment = recording.write(&sorted, &SegmentOptions::default())?;
        return save(&path, &segment);
    }
    let (zstd_bytes, zstd_seconds) = zstd9(&folder)?;
    let raw = recording.raw_bytes as f64;
    say(&format!(
        "{} events, {:.1} MB raw; zstd 9 of the lines: {zstd_bytes} bytes, {:.0} MB/s CPU",
        recording.rows.len(),
        raw / 1e6,
        raw / 1e6 / zstd_seconds,
    ));
    let mut sorted: Vec<&Row> = recording.rows.iter().collect();
    recording.sort(&mut sorted);
    say("variant | bytes | bytes/event | ratio | write MB/s CPU | of zstd 9");
    for (name, options) in variants() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let start = cpu_seconds()?;
        let segment = recording.write(&sorted, &options)?;
        let seconds = cpu_seconds()? - start;
        say(&line(
            name,
            segment.len(),
            &recording,
            best,
            Some((seconds, zstd_seconds)),
        ));
        if columns {
            column_sizes(&segment, recording.rows.len())?;
        }
    }
    let events = [10_000usize, 20_000, 50_000];
    for size in events {
        let name = format!("as recorded, {size} events per segment");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let (mut bytes, mut seconds) = (0, 0.0);
        for chunk in recording.rows.chunks(size) {
            let mut sorted: Vec<&Row> = chunk.iter().collect();
            recording.sort(&mut sorted);
            let start = cpu_seconds()?;
            bytes += recording.write(&sorted, &SegmentOptions::default())?.len();
            seconds += cpu_seconds()? - start;
        }
        say(&line(
            &name,
            bytes,
            &recording,
            best,
            Some((seconds, zstd_seconds)),
        ));
    }
    if only.is_none() || only.as_deref() == Some("read") {
        read_speed(&recording, &sorted)?;
    }
    Ok(())
}

fn variants() -> Vec<(&'static str, SegmentOptions)> {
    let default = SegmentOptions::default;
    vec![
        ("default", default()),
        (
            "no siblings",
            SegmentOptions {
                sibling_interval: 0,
                ..default()
            },
        ),
        (
            "sibling interval 16",
            SegmentOptions {
                sibling_interval: 16,
                ..default()
            },
        ),
        (
            "sibling interval 1024",
            SegmentOptions {
                sibling_interval: 1024,
                ..default()
            },
        ),
        (
            "keyframe interval 64",
            SegmentOptions {
                keyframe_interval: 64,
                ..default()
            },
        ),
        (
            "keyframe interval unlimited",
            SegmentOptions {
                keyframe_interval: u32::MAX,
                ..default()
            },
        ),
        (
            "no ages",
            SegmentOptions {
                ages: false,
                ..default()
            },
        ),
        (
            "no managedFields",
            SegmentOptions {
                managed_fields: false,
                ..default()
            },
        ),
        (
            "not verified",
            SegmentOptions {
                verify_patches: false,
                ..default()
            },
        ),
        (
            "zstd 3",
            SegmentOptions {
                zstd_level: 3,
                ..default()
            },
        ),
        (
            "zstd 6",
            SegmentOptions {
                zstd_level: 6,
                ..default()
            },
        ),
        (
            "zstd 12",
            SegmentOptions {
                zstd_level: 12,
                ..default()
            },
        ),
        (
            "zstd 15",
            SegmentOptions {
                zstd_level: 15,
                ..default()
            },
        ),
        (
            "zstd 19",
            SegmentOptions {
                zstd_level: 19,
                ..default()
            },
        ),
        (
            "pages 256 KiB",
            SegmentOptions {
                page_bytes: 256 << 10,
                ..default()
            },
        ),
        (
            "pages 4 MiB",
            SegmentOptions {
                page_bytes: 4 << 20,
                ..default()
            },
        ),
        (
            "row groups of 8192",
            SegmentOptions {
                row_group_rows: 8192,
                ..default()
            },
        ),
        (
            "row groups of 32768",
            SegmentOptions {
                row_group_rows: 32768,
                ..default()
            },
        ),
    ]
}

fn line(
    name: &str,
    bytes: usize,
    recording: &Recording,
    best: Option<f64>,
    times: Option<(f64, f64)>,
) -> String {
    let per_event = bytes as f64 / recording.rows.len() as f64;
    let ratio = best.map_or_else(
        || "-".to_owned(),
        |best| format!("{:.3}", bytes as f64 / best),
    );
    let speed = times.map_or_else(String::new, |(seconds, zstd)| {
        format!(
            "{:.0} | {:.2}",
            recording.raw_bytes as f64 / 1e6 / seconds,
            zstd / seconds
        )
    });
    format!("{name} | {bytes} | {per_event:.2} | {ratio} | {speed}")
}

impl Recording {
    fn read(folder: &Path) -> Result<Self> {
        let mut recording = Self {
            feeds: Vec::new(),
            rows: Vec::new(),
            raw_bytes: 0,
        };
        for path in streams(folder)? {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .ok_or("name")?;
            let mut parts = stem.splitn(3, '_');
            let (Some(group), Some(version), Some(resource)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let id = FeedId(recording.feeds.len() as u32);
            let mut kind = String::new();
            for line in std::io::BufReader::new(open(&path)?).split(b'\n') {
                let line = line?;
                recording.raw_bytes += line.len() as u64 + 1;
                let wrapped: Line<'_> = serde_json::from_slice(&line)?;
                let WatchLine::Event { event_type, object } =
                    WatchLine::parse(wrapped.event.get().as_bytes())?
                else {
                    continue;
                };
                kind.clone_from(&object.head.kind);
                recording.rows.push(Row {
                    seq: 0,
                    session: 1,
                    event: Event {
                        feed: id,
                        ts: wrapped.recv.parse::<Timestamp>()?,
                        not_before: None,
                        event_type,
                        certainty: Certainty::Seen,
                        epoch: 1,
                        key: object.head.key(),
                        rv: object.head.rv.clone(),
                        body: Some(Arc::from(object.text.as_bytes())),
                        request: None,
                    },
                });
            }
            let group = if group == "core" { "" } else { group };
            recording.feeds.push((
                id,
                Feed {
                    resource: ResourceType {
                        group: group.into(),
                        version: version.into(),
                        resource: resource.into(),
                        kind,
                        namespaced: true,
                    },
                    scope: Scope::default(),
                },
            ));
        }
        recording.rows.sort_by_key(|row| row.event.ts);
        for (seq, row) in (1..).zip(&mut recording.rows) {
            row.seq = seq;
        }
        Ok(recording)
    }

    fn sort(&self, rows: &mut [&Row]) {
        let feeds: BTreeMap<_, _> = self.feeds.iter().map(|(id, feed)| (*id, feed)).collect();
        rows.sort_by(|a, b| {
            RowKey::of(a, feeds[&a.event.feed]).cmp(&RowKey::of(b, feeds[&b.event.feed]))
        });
    }

    fn write(&self, rows: &[&Row], options: &SegmentOptions) -> Result<Vec<u8>> {
        let mut output = Vec::new();
        let mut writer = SegmentWriter::new(&mut output, &self.feeds, options.clone())?;
        for row in rows {
            writer.push(row)?;
        }
        if writer.mismatches() > 0 {
            say(&format!("{} patches were not used", writer.mismatches()));
        }
        let meta = SegmentMeta {
            feeds: self.feeds.clone(),
            ..SegmentMeta::default()
        };
        writer.finish(&meta)?;
        Ok(output)
    }
}

fn open(path: &Path) -> Result<std::fs::File> {
    Ok(std::fs::File::open(path)?)
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(std::fs::write(path, bytes)?)
}

fn streams(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(".ndjson") && !name.starts_with('_') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// CPU time of this thread, in seconds.
fn cpu_seconds() -> Result<f64> {
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut open(Path::new("/proc/thread-self/schedstat"))?,
        &mut text,
    )?;
    let nanos: f64 = text.split(' ').next().ok_or("schedstat")?.parse()?;
    Ok(nanos / 1e9)
}

/// Compresses the raw lines with zstd 9 as the command line tool does.
fn zstd9(folder: &Path) -> Result<(usize, f64)> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 9)?;
    let mut seconds = 0.0;
    for path in streams(folder)? {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut open(&path)?, &mut bytes)?;
        let start = cpu_seconds()?;
        encoder.write_all(&bytes)?;
        seconds += cpu_seconds()? - start;
    }
    let start = cpu_seconds()?;
    let bytes = encoder.finish()?.len();
    Ok((bytes, seconds + cpu_seconds()? - start))
}

fn column_sizes(segment: &[u8], rows: usize) -> Result<()> {
    use parquet::file::reader::FileReader as _;
    let reader =
        parquet::file::reader::SerializedFileReader::new(bytes::Bytes::copy_from_slice(segment))?;
    let mut sizes: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            let entry = sizes.entry(column.column_path().string()).or_default();
            entry.0 += column.compressed_size();
            entry.1 += column.uncompressed_size();
        }
    }
    for (name, (compressed, uncompressed)) in sizes {
        say(&format!(
            "    {name:45} {:7.3} B/event  {compressed:9} of {uncompressed}",
            compressed as f64 / rows as f64
        ));
    }
    Ok(())
}

fn read_speed(recording: &Recording, sorted: &[&Row]) -> Result<()> {
    let segment = bytes::Bytes::from(recording.write(sorted, &SegmentOptions::default())?);
    let rows = sorted.len() as f64;
    let start = cpu_seconds()?;
    let reader = SegmentReader::open(segment.clone())?;
    let mut bytes = 0usize;
    for row in reader.rows()? {
        bytes += row?.event.body.map_or(0, |body| body.len());
    }
    let seconds = cpu_seconds()? - start;
    say(&format!(
        "read every version as text: {:.0} k versions/s, {:.0} MB/s",
        rows / 1e3 / seconds,
        bytes as f64 / 1e6 / seconds
    ));
    let start = cpu_seconds()?;
    let mut found = 0usize;
    let wanted = Wanted {
        paths: vec![JsonPath::of_names(["spec", "nodeName"])],
        bodies: false,
    };
    for group in 0..reader.num_row_groups() {
        let rows = RowRanges::of(0..reader.group_rows(group)?);
        let mut versions = reader.versions(group, &rows, &wanted)?;
        while let Some(version) = versions.advance()? {
            found += usize::from(version.value(0).is_some());
        }
    }
    let seconds = cpu_seconds()? - start;
    say(&format!(
        "read /spec/nodeName of every version: {:.0} k versions/s ({found} found)",
        rows / 1e3 / seconds
    ));
    Ok(())
}
