use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::Value;

use crate::environment::TestEnv;

const ROLLOUT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/rollout.parquet"
);

pub(crate) fn key(env: &TestEnv, name: &str, byte: u8) {
    let path = env.path(name);
    let bytes: Vec<u8> = (0..32).map(|at| at ^ byte).collect();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn anonymize(env: &TestEnv, trace: &str, key: &str, out: &str, more: &[&str]) -> Output {
    let args = ["anonymize", trace, "--key-file", key, "-o", out];
    env.run(args.iter().chain(more).copied())
}

fn rows(env: &TestEnv, trace: &str, sql: &str) -> Vec<String> {
    let output = env.run(["query", trace, sql, "--format", "csv"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Words that were replaced in one place and are words of the API in another.
const PUBLIC: &[&str] = &[
    "apiserver",
    "extension-apiserver-authentication-reader",
    "kube-apiserver",
    "kubernetes",
    "memory",
    "owner",
    "secretKey",
    "service-ca.crt",
    "value",
];

/// Returns everything that was replaced, of five letters and more, from the map.
fn replaced(env: &TestEnv, map: &str) -> BTreeSet<String> {
    let map: Value = serde_json::from_slice(&fs::read(env.path(map)).unwrap()).unwrap();
    let mut originals = BTreeSet::new();
    for entries in map["kinds"].as_object().unwrap().values() {
        for (original, pseudonym) in entries.as_object().unwrap() {
            // The value of a label stands behind its key.
            let original = original.rsplit('=').next().unwrap();
            if original.len() >= 5 && pseudonym != original && !PUBLIC.contains(&original) {
                originals.insert(original.to_owned());
            }
        }
    }
    originals
}

/// Tells whether a text holds a word; a short one must stand alone, since it may be in a longer one
/// that every cluster has.
fn holds(text: &str, word: &str) -> bool {
    let goes_on = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    text.match_indices(word).any(|(at, _)| {
        word.len() > 8
            || !(text[..at].ends_with(goes_on) || text[at + word.len()..].starts_with(goes_on))
    })
}

#[test]
fn nothing_that_was_replaced_survives_and_every_rule_of_a_trace_holds() {
    let env = TestEnv::with_trace();
    key(&env, "key", 7);
    for (trace, out, map) in [
        (ROLLOUT, "rollout.parquet", "rollout.json"),
        ("edge.kymo", "edge.parquet", "edge.json"),
    ] {
        let done = anonymize(&env, trace, "key", out, &["--map", map]);
        assert!(done.status.success(), "{done:?}");
        let dumped = env.run(["query", out, "SELECT * FROM events", "--format", "ndjson"]);
        let text = String::from_utf8(dumped.stdout).unwrap();
        let inspected = env.run(["inspect", out, "--format", "json"]);
        let bytes = String::from_utf8_lossy(&fs::read(env.path(out)).unwrap()).into_owned();
        let all = text + &String::from_utf8_lossy(&inspected.stdout) + &bytes;
        let originals = replaced(&env, map);
        assert!(originals.len() > 50, "{}", originals.len());
        for original in originals {
            assert!(!holds(&all, &original), "{original} survives in {out}");
        }
        let checked = env.run(["check", out]);
        assert!(checked.status.success(), "{checked:?}");
    }
    let left: Vec<_> = fs::read_dir(env.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tmp") || name.starts_with(".kymo"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_same_key_gives_the_same_bytes_and_another_one_shares_no_pseudonym() {
    let env = TestEnv::new();
    key(&env, "key", 7);
    key(&env, "other", 9);
    for (key, out) in [
        ("key", "a.parquet"),
        ("key", "b.parquet"),
        ("other", "c.parquet"),
    ] {
        let done = anonymize(&env, ROLLOUT, key, out, &[]);
        assert!(done.status.success(), "{done:?}");
    }
    let bytes = |name: &str| fs::read(env.path(name)).unwrap();
    assert_eq!(bytes("a.parquet"), bytes("b.parquet"));
    let sql = "SELECT DISTINCT name FROM objects WHERE resource IN ('pods', 'nodes', 'deployments') \
               UNION SELECT DISTINCT uid FROM objects UNION SELECT DISTINCT namespace FROM objects \
               WHERE resource = 'pods'";
    let one = rows(&env, "a.parquet", sql);
    let other = rows(&env, "c.parquet", sql);
    assert_eq!(one.len(), other.len());
    assert!(one.len() > 100);
    let shared: Vec<_> = one.iter().filter(|name| other.contains(name)).collect();
    assert!(shared.is_empty(), "{shared:?}");
}

#[test]
fn measures_give_the_same_numbers_as_before() {
    let env = TestEnv::new();
    key(&env, "key", 7);
    let done = anonymize(&env, ROLLOUT, "key", "out.parquet", &[]);
    assert!(done.status.success(), "{done:?}");
    for sql in [
        // Order and spacing.
        "SELECT seq, type, ts - (SELECT min(ts) FROM events) FROM events ORDER BY seq",
        // Lives, and how many versions each has.
        "SELECT resource, kind, count(*), count(DISTINCT uid), sum(versions) FROM \
         (SELECT resource, kind, uid, count(*) AS versions FROM events GROUP BY 1, 2, 3) \
         GROUP BY 1, 2 ORDER BY 1, 2",
        // The owner graph.
        "SELECT p.kind, c.kind, count(*) FROM owners o JOIN objects p ON p.uid = o.owner_uid \
         JOIN objects c ON c.uid = o.uid GROUP BY 1, 2 ORDER BY 1, 2",
        // Which pods share what.
        "SELECT count(*) AS n FROM objects WHERE resource = 'pods' GROUP BY object->'metadata'->'labels'->>'app', \
         object->'spec'->'containers'->0->>'image', object->'spec'->>'nodeName' ORDER BY n",
        // Quantities.
        "SELECT object->'status'->'capacity'->>'cpu' AS cpu, count(*) FROM events \
         WHERE resource = 'nodes' GROUP BY 1 ORDER BY 1",
    ] {
        let before = rows(&env, ROLLOUT, sql);
        assert!(!before.is_empty(), "{sql}");
        assert_eq!(before, rows(&env, "out.parquet", sql), "{sql}");
    }
}

#[test]
fn what_is_refused_is_refused_with_a_reason_and_leaves_nothing_behind() {
    let env = TestEnv::new();
    key(&env, "key", 7);
    key(&env, "open", 7);
    fs::set_permissions(env.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(env.path("short"), "00112233").unwrap();
    fs::set_permissions(env.path("short"), fs::Permissions::from_mode(0o600)).unwrap();
    let secret = "rules:\n- path: Secret.data\n  treatment: keep\n";
    fs::write(env.path("secret.yaml"), secret).unwrap();
    let unknown = "rules:\n- path: Pod.spec.colour\n  treatment: keep\n";
    fs::write(env.path("unknown.yaml"), unknown).unwrap();
    for (key, more, status, reason) in [
        ("missing", &[][..], 2, "cannot read the key file"),
        ("open", &[], 2, "may be read by others than its owner"),
        ("short", &[], 2, "too short: 32 bits"),
        (
            "key",
            &["--policy", "secret.yaml"],
            2,
            "holds the payload of Secrets",
        ),
        ("key", &["--policy", "unknown.yaml"], 2, "`Pod.spec.colour`"),
        (
            "key",
            &["--policy", "nothing"],
            2,
            "share, vendor and internal",
        ),
        (
            "key",
            &["--memory-limit", "1KiB"],
            3,
            "more names than memory is allowed for",
        ),
        (
            "key",
            &["--map-key", "key"],
            2,
            "there is no map to encrypt",
        ),
    ] {
        let output = anonymize(&env, ROLLOUT, key, "out.parquet", more);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{message}");
        assert!(message.contains(reason), "{message}");
        let left = fs::read_dir(env.path(".")).unwrap().count();
        assert!(!env.path("out.parquet").exists() && left <= 6, "{left}");
    }
}

#[test]
fn a_map_tells_every_name_to_its_owner_alone_and_is_opened_with_its_key() {
    let env = TestEnv::new();
    key(&env, "key", 7);
    key(&env, "vault", 5);
    let sealed = [
        "--map",
        "sealed",
        "--map-key",
        "vault",
        "--report",
        "report.json",
    ];
    for (out, more) in [
        ("a.parquet", &["--map", "map.json"][..]),
        ("b.parquet", &sealed),
    ] {
        let done = anonymize(&env, ROLLOUT, "key", out, more);
        assert!(done.status.success(), "{done:?}");
    }
    let map = fs::read_to_string(env.path("map.json")).unwrap();
    assert!(map.contains("\"checkout\": "), "{map}");
    let mode = fs::metadata(env.path("map.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let content = fs::read(env.path("sealed")).unwrap();
    assert!(!String::from_utf8_lossy(&content).contains("checkout"));
    let opened = env.run(["anonymize", "--open-map", "sealed", "--map-key", "vault"]);
    assert_eq!(String::from_utf8(opened.stdout).unwrap(), map);
    let other = env.run(["anonymize", "--open-map", "sealed", "--map-key", "key"]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    let report = fs::read_to_string(env.path("report.json")).unwrap();
    assert!(!report.contains("checkout") && report.contains("metadata.labels"));
}

#[test]
fn the_rules_are_explained_without_an_original() {
    let env = TestEnv::new();
    key(&env, "key", 7);
    let done = anonymize(&env, ROLLOUT, "key", "out.parquet", &["--explain"]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("metadata.labels"), "{text}");
    assert!(
        !text.contains("checkout") && !text.contains("shop"),
        "{text}"
    );
}

#[test]
fn a_script_takes_its_key_from_the_command_line_and_errors_mark_what_is_wrong() {
    let env = TestEnv::with_trace();
    key(&env, "key", 7);
    let run = |script: &str, more: &[&str]| {
        let args = ["transform", ROLLOUT, "-e", script];
        env.run(args.iter().chain(more).copied())
    };
    let done = run("ANONYMIZE", &["--key-file", "key", "-o", "a.parquet"]);
    assert!(done.status.success(), "{done:?}");
    let done = anonymize(&env, ROLLOUT, "key", "b.parquet", &[]);
    assert!(done.status.success(), "{done:?}");
    let bytes = |name: &str| fs::read(env.path(name)).unwrap();
    assert!(bytes("a.parquet") == bytes("b.parquet"));
    let done = run(
        "ANONYMIZE",
        &[
            "--key-file",
            "key",
            "--policy",
            "internal",
            "-o",
            "c.parquet",
        ],
    );
    assert!(done.status.success(), "{done:?}");
    assert!(bytes("a.parquet") != bytes("c.parquet"));

    for (script, more, told) in [
        (
            "ANONYMIZE; SLICE TO '10s'",
            &["--key-file", "key", "-o", "x.parquet"][..],
            "error: nothing that stands behind `ANONYMIZE` would be anonymized
    |
  1 | ANONYMIZE; SLICE TO '10s'
    |            ^^^^^^^^^^^^^^
hint: let `ANONYMIZE` be the last one
",
        ),
        (
            "SLICE TO '10s'; ANONYMIZE",
            &["--dry-run"],
            "error: there is no key for the pseudonyms
    |
  1 | SLICE TO '10s'; ANONYMIZE
    |                 ^^^^^^^^^
hint: give one to `kymo transform` with `--key-file FILE`
",
        ),
        (
            "SLICE TO '10s'",
            &["--key-file", "key", "-o", "x.parquet"],
            "error: no statement needs a key
hint: the statement that makes pseudonyms is ANONYMIZE
",
        ),
    ] {
        let refused = run(script, more);
        assert_eq!(String::from_utf8(refused.stderr).unwrap(), told);
        assert_eq!(refused.status.code(), Some(2));
    }
    let told = run("EXPLAIN ANONYMIZE", &["--key-file", "key"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("reads the trace twice"), "{told}");
    assert!(!told.contains("checkout"), "{told}");
}
