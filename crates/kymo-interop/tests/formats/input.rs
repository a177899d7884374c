//! Whatever way a file is packed, what is readable of it comes over, and nothing else is believed.

use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use kymo_interop::{Error, Format, ImportOptions, LossReport};
use kymo_store::Trace;
use rstest::rstest;

use crate::support::run;

/// Lines that do not compress to nothing: `count` objects of one kind.
fn lines(kind: &str, count: u64) -> String {
    let mut text = String::new();
    let mut state = count;
    for number in 0..count {
        let (nanos, rv) = (number * 1000, number + 1);
        write!(
            text,
            r#"{{"recv":"2026-11-21T02:07:16.{nanos:09}Z","event":{{"type":"ADDED","object":{{"kind":"{kind}","apiVersion":"example.com/v1","metadata":{{"name":"n{number}","namespace":"a","uid":"{kind}-{number}","resourceVersion":"{rv}"}},"noise":""#,
        )
        .unwrap();
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            write!(text, "{:08x}", state >> 32).unwrap();
        }
        text.push_str("\"}}}\n");
    }
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    // With the checksum that the command line tool writes.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

type Pack = fn(&[u8]) -> Vec<u8>;

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        // The name is written as it is, whatever it says.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn options(folder: &Path) -> ImportOptions {
    let paths = vec![folder.join("in")];
    ImportOptions::new(Some(Format::Watch), paths, folder.join("out.kymo"))
}

/// Imports files of the given names and contents.
fn import(files: &[(&str, Vec<u8>)]) -> Result<(LossReport, Trace), Error> {
    import_with(files, |_| {})
}

fn import_with(
    files: &[(&str, Vec<u8>)],
    change: impl FnOnce(&mut ImportOptions),
) -> Result<(LossReport, Trace), Error> {
    let folder = tempfile::tempdir().unwrap();
    let inputs = folder.path().join("in");
    fs::create_dir(&inputs).unwrap();
    for (name, bytes) in files {
        fs::write(inputs.join(name), bytes).unwrap();
    }
    let mut options = options(folder.path());
    change(&mut options);
    let done = run(&options);
    let left: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("in") && !path.ends_with("out.kymo"))
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing is left behind");
    if done.is_err() {
        assert!(!options.output.exists(), "no partial trace is left");
    }
    let report = done?;
    assert_eq!(kymo_store::check(&options.output).unwrap().findings, []);
    Ok((report, Trace::open(&options.output).unwrap()))
}

fn added(report: &LossReport, resource: &str) -> u64 {
    report
        .resources
        .get(resource)
        .map_or(0, |count| count.added)
}

#[test]
fn logs_that_are_cut_at_the_same_byte_are_both_told_and_cost_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/audit/audit.jsonl.gz");
    let whole = fs::read(path).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let folder = tempfile::tempdir().unwrap();
    // All of them have one reader.
    let names = ["a.jsonl.gz", "b.jsonl.gz", "c.jsonl.gz"];
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
    for (path, bytes) in paths.iter().zip([&cut, &cut, &whole]) {
        fs::write(path, bytes).unwrap();
    }
    let take = |paths: &[PathBuf], name: &str| {
        let output = folder.path().join(name);
        run(&ImportOptions::new(
            Some(Format::Audit),
            paths.to_vec(),
            output,
        ))
        .unwrap()
    };
    let (all, alone) = (take(&paths, "all.kymo"), take(&paths[2..], "alone.kymo"));
    let told: Vec<&str> = all
        .damaged
        .iter()
        .map(|input| input.path.as_str())
        .collect();
    assert!(
        matches!(told[..], [a, b] if a.ends_with("a.jsonl.gz") && b.ends_with("b.jsonl.gz")),
        "{told:?}"
    );
    assert_eq!(all.resources, alone.resources);
}

#[rstest]
#[case::plain(plain)]
#[case::gzip(gzip)]
#[case::zstd(zstd)]
#[case::xz(xz)]
fn every_way_of_packing_gives_the_same(#[case] pack: Pack) {
    let (left, right) = (lines("Left", 300), lines("Right", 300));
    let entries: [(&str, &[u8]); 3] = [
        ("dir/left.ndjson", left.as_bytes()),
        ("dir/right.ndjson.gz", &gzip(right.as_bytes())),
        ("dir/notes.txt", b"not read"),
    ];
    let (inner_tar, inner_zip) = (tar(&entries), zip(&entries));
    let packed_tar = pack(&inner_tar);
    for (name, bytes) in [
        ("all.tar", pack(&inner_tar)),
        ("all.zip", pack(&inner_zip)),
        ("tar-in-tar", pack(&tar(&[("inner", &packed_tar)]))),
        ("zip-in-tar", pack(&tar(&[("inner.zip", &inner_zip)]))),
        ("tar-in-zip", pack(&zip(&[("inner.tgz", &packed_tar)]))),
    ] {
        let (report, _) = import(&[(name, bytes)]).unwrap();
        assert_eq!(report.unreadable, 0, "{name}: {}", report.summary());
        assert_eq!(
            (
                added(&report, "lefts.example.com"),
                added(&report, "rights.example.com")
            ),
            (300, 300),
            "{name}"
        );
        assert_eq!(report.skipped.values().sum::<u64>(), 1, "{name}");
    }
    let files = [
        ("left.ndjson.any", pack(left.as_bytes())),
        ("left.json", pack(left.as_bytes())),
    ];
    let (report, _) = import(&files).unwrap();
    assert_eq!(added(&report, "lefts.example.com"), 300);
}

#[rstest]
#[case::gzip(gzip, "ends early")]
#[case::zstd(zstd, "ends early")]
#[case::xz(xz, "ends early")]
fn a_cut_file_costs_no_other_file_and_what_is_in_front_of_the_cut_is_taken(
    #[case] pack: Pack,
    #[case] reason: &str,
) {
    let whole = lines("Whole", 50);
    let cut = pack(lines("Cut", 5000).as_bytes());
    let cut = cut[..cut.len() * 2 / 3].to_vec();
    let files = [
        ("cut.ndjson", cut.clone()),
        ("empty.ndjson", pack(b"")[..3].to_vec()),
        ("whole.ndjson", whole.clone().into_bytes()),
    ];
    let (report, trace) = import(&files).unwrap();
    assert_eq!(added(&report, "wholes.example.com"), 50);
    let readable = added(&report, "cuts.example.com");
    assert!((1000..5000).contains(&readable), "{readable}");
    let told = report.damaged.last().unwrap();
    assert!(told.path.ends_with("cut.ndjson"), "{told:?}");
    assert_eq!(told.line, Some(readable + 1));
    assert!(told.byte > 1000 && told.reason.contains(reason), "{told:?}");
    assert_eq!(report.unreadable + report.damaged.len() as u64, 2);
    let gaps = trace.coverage();
    let gap = gaps.iter().find(|row| {
        let detail = row.detail.as_deref().unwrap_or_default();
        row.cause == kymo_model::Cause::UnreadableLine && detail.contains("ends early")
    });
    assert!(gap.is_some(), "{gaps:?}");

    let archive = tar(&[("cut.ndjson", &cut), ("whole.ndjson", whole.as_bytes())]);
    for (name, bytes) in [
        ("a.tar", archive.clone()),
        ("a.tgz", gzip(&archive)),
        (
            "a.zip",
            zip(&[("cut.ndjson", &cut), ("whole.ndjson", whole.as_bytes())]),
        ),
    ] {
        let (report, _) = import(&[(name, bytes)]).unwrap();
        assert_eq!(added(&report, "wholes.example.com"), 50, "{name}");
        assert_eq!(added(&report, "cuts.example.com"), readable, "{name}");
        assert_eq!(report.damaged.len(), 1, "{name}: {}", report.summary());
    }
}

#[rstest]
#[case::plain(plain)]
#[case::gzip(gzip)]
#[case::zstd(zstd)]
#[case::xz(xz)]
fn a_cut_archive_costs_only_what_is_behind_the_cut(#[case] pack: Pack) {
    let (first, second) = (lines("First", 1000), lines("Second", 5000));
    let archive = tar(&[
        ("first.ndjson", first.as_bytes()),
        ("second.ndjson", second.as_bytes()),
        ("third.ndjson", first.as_bytes()),
    ]);
    let packed = pack(&archive);
    let cut = packed[..packed.len() * 2 / 3].to_vec();
    let other = lines("Other", 20).into_bytes();
    let (report, _) = import(&[("a.tar.any", cut), ("other.ndjson", other.clone())]).unwrap();
    assert_eq!(added(&report, "firsts.example.com"), 1000);
    assert_eq!(added(&report, "others.example.com"), 20);
    assert!((500..5000).contains(&added(&report, "seconds.example.com")));
    assert_eq!(report.damaged.len(), 1, "{}", report.summary());
    let told = &report.damaged[0];
    assert!(told.path.ends_with("a.tar.any!second.ndjson"), "{told:?}");
    assert!(told.reason.contains("ends"), "{told:?}");

    // Between two entries, so that only the last blocks tell that something is missing.
    let start = 512 + first.len().next_multiple_of(512);
    let (report, _) = import(&[("a.tar", pack(&archive[..start])), ("b.json", other)]).unwrap();
    assert_eq!(added(&report, "firsts.example.com"), 1000);
    assert_eq!(report.damaged.len(), 1, "{}", report.summary());
    assert!(report.damaged[0].reason.contains("without its last blocks"));
}

#[test]
fn a_cut_zip_archive_is_told_and_costs_no_other_file() {
    let text = lines("Any", 1000);
    let whole = zip(&[("a.ndjson", text.as_bytes())]);
    let cut = whole[..whole.len() - 60].to_vec();
    for (name, bytes) in [
        ("a.zip", cut.clone()),
        ("a.tgz", gzip(&tar(&[("a.zip", &cut)]))),
    ] {
        let other = lines("Other", 20).into_bytes();
        let (report, _) = import(&[(name, bytes), ("other.ndjson", other)]).unwrap();
        assert_eq!(added(&report, "others.example.com"), 20);
        assert_eq!(report.damaged.len(), 1, "{}", report.summary());
        let reason = &report.damaged[0].reason;
        assert!(reason.contains("directory of the archive"), "{reason}");
    }
    let alone = import(&[("a.zip", cut)]).unwrap_err();
    assert!(matches!(alone, Error::NoEvent { .. }), "{alone}");
    assert!(alone.is_bad_input());
}

#[rstest]
#[case::gzip(gzip)]
#[case::zstd(zstd)]
#[case::xz(xz)]
fn a_flipped_byte_is_found_by_the_checksum(#[case] pack: Pack) {
    let mut damaged = pack(lines("Any", 5000).as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let other = lines("Other", 20).into_bytes();
    let (report, _) = import(&[("any.json", damaged), ("other.json", other)]).unwrap();
    assert_eq!(added(&report, "others.example.com"), 20);
    let told = report.damaged.last().unwrap();
    assert!(told.reason.contains("is damaged"), "{told:?}");
}

#[test]
fn the_checksum_and_the_length_of_a_zip_entry_are_checked() {
    let text = lines("Any", 100);
    let whole = zip(&[("a.ndjson", text.as_bytes())]);
    let length = (text.len() as u32).to_le_bytes();
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        crc.sum().to_le_bytes()
    };
    let replaced = |from: [u8; 4], to: [u8; 4]| {
        let mut changed = whole.clone();
        let places: Vec<usize> = (0..changed.len() - 4)
            .filter(|at| changed[*at..*at + 4] == from)
            .collect();
        assert!(!places.is_empty());
        for at in places {
            changed[at..at + 4].copy_from_slice(&to);
        }
        changed
    };
    for claimed in [10u32, 1 << 30] {
        let lying = replaced(length, claimed.to_le_bytes());
        let error = import(&[("a.zip", lying)]).unwrap_err();
        let says = format!("says that the entry has {claimed} bytes");
        assert!(error.to_string().contains(&says), "{error}");
        assert!(error.is_bad_input());
    }
    let (report, _) = import(&[("a.zip", replaced(crc, [1, 2, 3, 4]))]).unwrap();
    assert_eq!(
        added(&report, "anies.example.com"),
        100,
        "{}",
        report.summary()
    );
    assert!(report.damaged[0].reason.contains("checksum"));
}

#[rstest]
#[case::gzip(gzip)]
#[case::zstd(zstd)]
#[case::xz(xz)]
fn a_bomb_is_refused_whatever_it_is_packed_in(#[case] pack: Pack) {
    let bomb = vec![b'\n'; 4 << 20];
    let cases = [
        ("a.json", pack(&bomb)),
        ("a.tar", pack(&tar(&[("a.json", &bomb)]))),
        ("b.tar", tar(&[("a.json", &pack(&bomb))])),
        ("c.tar.gz", gzip(&tar(&[("a.json", &pack(&bomb))]))),
        ("a.zip", zip(&[("a.json", &bomb)])),
        ("skipped.tar", pack(&tar(&[("notes.txt", &bomb)]))),
    ];
    for (name, bytes) in cases {
        let error = import_with(&[(name, bytes)], |options| {
            options.limits.decoded_bytes = 1 << 20;
        })
        .unwrap_err();
        let says = "decompresses to more than 1048576 bytes";
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(error.is_bad_input());
    }
}

#[rstest]
#[case::gzip(gzip, 50)]
#[case::zstd(zstd, 2000)]
#[case::xz(xz, 2000)]
fn a_bomb_is_refused_by_its_ratio(#[case] pack: Pack, #[case] ratio: u64) {
    // Below 64 MiB the ratio does not matter.
    let bomb = pack(&vec![b'\n'; 70 << 20]);
    let error = import_with(&[("a.json", bomb)], |options| options.limits.ratio = ratio);
    let error = error.unwrap_err().to_string();
    let says = format!("more than {ratio} times its size");
    assert!(error.contains(&says), "{error}");
}

#[test]
fn an_entry_that_leads_out_of_its_archive_is_refused_whatever_it_is_packed_in() {
    for evil in [
        "../a.json",
        "/etc/a.json",
        "b/../../a.json",
        "C:\\a.json",
        "..\\a.json",
    ] {
        let archive = tar(&[("fine.json", b"{}"), (evil, b"{}\n")]);
        for (name, bytes) in [
            ("a.tar", archive.clone()),
            ("a.tgz", gzip(&archive)),
            ("a.tar.xz", xz(&archive)),
            ("a.zip", zip(&[(evil, b"{}\n")])),
            ("b.tar.zst", zstd(&tar(&[("inner.tar", &archive)]))),
        ] {
            let error = import(&[(name, bytes)]).unwrap_err();
            assert!(
                matches!(error, Error::UnsafeEntry { .. }),
                "{name}: {error}"
            );
            assert!(error.is_bad_input());
        }
    }
}

#[test]
fn an_archive_with_too_many_entries_is_refused() {
    let names: Vec<String> = (0..12).map(|number| format!("{number}.json")).collect();
    let entries: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"{}"[..]))
        .collect();
    let half = tar(&entries[..6]);
    let nested = tar(&[("a.tar", &half), ("b.tar", &half)]);
    for (name, bytes) in [
        ("a.tar", tar(&entries)),
        ("a.tgz", gzip(&tar(&entries))),
        ("a.zip", zip(&entries)),
        ("nested.tar", nested.clone()),
        ("nested.tgz", gzip(&nested)),
    ] {
        let error = import_with(&[(name, bytes)], |options| options.limits.entries = 10);
        let error = error.unwrap_err();
        assert!(
            matches!(error, Error::TooManyEntries { .. }),
            "{name}: {error}"
        );
        assert!(error.is_bad_input());
    }
}

#[test]
fn entries_of_a_zip_archive_that_share_bytes_are_refused() {
    let text = lines("Any", 100);
    let mut bytes = zip(&[("a.json", text.as_bytes()), ("b.json", text.as_bytes())]);
    // The second entry of the directory gets the place of the first.
    let signature = [0x50, 0x4b, 0x01, 0x02];
    let second = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..*at + 4] == signature)
        .nth(1)
        .unwrap();
    bytes[second + 42..second + 46].copy_from_slice(&[0; 4]);
    let error = import(&[("a.zip", bytes)]).unwrap_err();
    assert!(matches!(error, Error::OverlappingEntries { .. }), "{error}");
}

#[test]
fn archives_nested_too_deep_are_left_alone() {
    let mut archive = tar(&[("a.json", lines("Deep", 3).as_bytes())]);
    for _ in 0..6 {
        archive = tar(&[("inner.tar", &archive)]);
    }
    let other = lines("Other", 2).into_bytes();
    let (report, _) = import(&[("a.tar", archive), ("other.json", other)]).unwrap();
    assert_eq!(added(&report, "deeps.example.com"), 0);
    assert_eq!(
        report.skipped_files[0].reason,
        "archives are nested too deep"
    );
}

#[test]
fn a_length_in_a_tar_header_is_not_believed() {
    let mut archive = tar(&[("a.json", lines("Any", 3).as_bytes())]);
    for claimed in ["77777777777", "00000777777"] {
        archive[124..135].copy_from_slice(claimed.as_bytes());
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&archive[..512]);
        header.set_cksum();
        archive[..512].copy_from_slice(header.as_bytes());
        for (name, bytes) in [("a.tar", archive.clone()), ("a.tgz", gzip(&archive))] {
            let (report, _) = import(&[(name, bytes)]).unwrap();
            assert_eq!(added(&report, "anies.example.com"), 3);
            let told = report.damaged.last().unwrap();
            assert!(told.reason.contains("ends inside the entry"), "{told:?}");
        }
    }
}

#[test]
fn lines_that_are_not_utf8_are_counted_one_by_one() {
    let text = lines("Any", 10);
    let mut bytes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut line = line.as_bytes().to_vec();
        if number % 3 == 0 {
            let noise = line.len() - 10;
            line[noise] = 0xff;
        }
        bytes.extend(line);
        bytes.push(b'\n');
    }
    for pack in [plain as Pack, gzip, zstd, xz] {
        let (report, _) = import(&[("any.ndjson", pack(&bytes))]).unwrap();
        assert_eq!(added(&report, "anies.example.com"), 6);
        let lines: Vec<u64> = report
            .unreadable_lines
            .iter()
            .map(|line| line.line)
            .collect();
        assert_eq!(lines, [1, 4, 7, 10]);
    }
}

#[test]
fn more_streams_than_may_be_open_are_merged() {
    let files: Vec<(String, Vec<u8>)> = (0..300)
        .map(|number| {
            let text = lines(&format!("Kind{}", number % 3), 4);
            let text = text.replace("\"uid\":\"", &format!("\"uid\":\"{number}-"));
            let pack = [plain as Pack, gzip, zstd, xz][number % 4];
            (format!("{number:03}.json"), pack(text.as_bytes()))
        })
        .collect();
    let files: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.clone()))
        .collect();
    let (report, trace) = import(&files).unwrap();
    assert_eq!(
        (report.events(), report.backward_times),
        (1200, 0),
        "{}",
        report.summary()
    );
    assert_eq!(trace.stats().counts.len(), 3);
}
