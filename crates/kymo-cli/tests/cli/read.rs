use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::environment::{TestEnv, snapshot};

#[test]
fn inspect_shows_what_is_in_a_trace() {
    let env = TestEnv::with_trace();
    let mut settings = env.settings();
    // The size depends on the layout, which its own tests pin.
    settings.add_filter(r"\d+\.\d kB", "[SIZE]");
    settings.add_filter(r"\d+\.\d bytes each", "[EACH]");
    settings.bind(|| {
        insta_cmd::assert_cmd_snapshot!(env.command(["inspect", "edge.kymo"]), @r#"
        success: true
        exit_code: 0
        ----- stdout -----
        trace     edge.kymo ([SIZE], 1 segment, 0 logs)
        id        f1bbcdcb-fa53-40af-9ce6-0302e76e41a8 (format 2.0)
        cluster   unknown
        time      2026-11-21T02:06:57.023417843Z to 2026-11-21T02:14:29.984343130Z (453.0 s)
        events    50, 0.1/s, [EACH]

        resource                         added  modified  deleted  unreadable  events  per minute
        -------------------------------  -----  --------  -------  ----------  ------  ----------
        events                              13         0        0           0      13         1.7
        pods                                 2         8        0           0      10         1.3
        backups.storage.example.com          3         0        3           0       6         0.8
        namespaces                           6         0        0           0       6         0.8
        deployments.apps                     1         3        0           0       4         0.5
        endpointslices.discovery.k8s.io      1         2        0           0       3         0.4
        replicasets.apps                     1         2        0           0       3         0.4
        services                             2         0        0           0       2         0.3
        configmaps                           1         0        0           0       1         0.1
        secrets                              1         0        0           0       1         0.1
        serviceaccounts                      1         0        0           0       1         0.1

        session 1: import watch (kymo [VERSION]), began 2026-11-22T08:00:00.000000000Z
          dropped: data and stringData of Secrets; the annotation kubectl.kubernetes.io/last-applied-configuration

        coverage  11 feeds, 0 gaps
        lineage   import watch, kymo [VERSION], 2026-11-22T08:00:00.000000000Z

        ----- stderr -----
        "#);
    });
}

#[test]
fn inspect_as_json_is_one_object() {
    let env = TestEnv::with_trace();
    let output = env.run(["inspect", "edge.kymo", "--format", "json"]);
    let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(inspected["feeds"], 11);
    assert_eq!(inspected["sessions"][0]["command"], "import watch");
    assert_eq!(inspected["lineage"][0]["report"]["unreadable"], 0);
    let pods = inspected["resources"].as_array().unwrap();
    let pods = pods.iter().find(|row| row["resource"] == "pods").unwrap();
    assert_eq!((&pods["added"], &pods["modified"]), (&2.into(), &8.into()));
}

#[test]
fn a_trace_is_for_its_owner_only() {
    let env = TestEnv::with_trace();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(env.path("edge.kymo")), 0o700);
    for entry in fs::read_dir(env.path("edge.kymo")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            assert_eq!(mode(entry.path()), 0o600, "{:?}", entry.file_name());
        }
    }
}

#[test]
fn what_is_no_trace_is_told() {
    let env = TestEnv::new();
    fs::create_dir(env.path("folder")).unwrap();
    fs::write(env.path("folder/file"), "x").unwrap();
    fs::write(env.path("file.parquet"), "PAR1 but no more").unwrap();
    snapshot!(env, ["inspect", "nowhere.kymo"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: cannot open `nowhere.kymo`: entity not found
    "#);
    snapshot!(env, ["inspect", "folder"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `folder` is not a trace: it has no manifest
    hint: a trace is a directory that kymo made, or a `.parquet` file that it exported
    "#);
    snapshot!(env, ["inspect", "folder", "--format", "json"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    {"error":{"kind":"usage","exit_code":2,"message":"`folder` is not a trace: it has no manifest","causes":[],"hints":["a trace is a directory that kymo made, or a `.parquet` file that it exported"]}}
    "#);
    snapshot!(env, ["check", "file.parquet"], @r#"
    success: false
    exit_code: 4
    ----- stdout -----

    ----- stderr -----
    error: segment `file.parquet`: not a segment: it does not end as a Parquet file does
    hint: `kymo check` lists what is readable; `kymo repair` writes a copy of it
    "#);
}

#[test]
fn a_whole_trace_passes_the_check() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["check", "edge.kymo"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    no findings: 50 events in 1 segment and 0 logs
    every rule holds

    ----- stderr -----
    "#);
}

/// A watch that says of an object more than once that it was added.
fn with_broken_rule() -> TestEnv {
    let env = TestEnv::new();
    let lines: Vec<String> = (1..=4)
        .map(|version| {
            let uid = "6f1f2fd5-3c55-4dd5-8a68-1f2a3b4c5d6e";
            let line = serde_json::json!({
                "recv": format!("2026-11-21T02:00:0{version}Z"),
                "event": {"type": "ADDED", "object": {"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"namespace": "shop", "name": "prices", "uid": uid,
                        "resourceVersion": format!("{version}"),
                        "creationTimestamp": "2026-11-21T02:00:00Z"}}},
            });
            line.to_string()
        })
        .collect();
    let file = env.path("core_v1_configmaps.ndjson");
    fs::write(file, lines.join("\n") + "\n").unwrap();
    let import = env.run([
        "import",
        "watch",
        "core_v1_configmaps.ndjson",
        "-o",
        "t.kymo",
    ]);
    assert!(import.status.success(), "{import:?}");
    env
}

#[test]
fn a_trace_that_breaks_a_rule_fails_the_check_and_says_where() {
    let env = with_broken_rule();
    snapshot!(env, ["check", "t.kymo", "--show", "2"], @r#"
    success: false
    exit_code: 1
    ----- stdout -----
    no findings: 4 events in 1 segment and 0 logs
    broken: life-cycle: 3 events: The timeline of an object begins with ADDED, has it once, ends with DELETED, and goes forward in time.
      event 2 at 2026-11-21T02:00:02.000000000Z: ConfigMap shop/prices (6f1f2fd5-3c55-4dd5-8a68-1f2a3b4c5d6e) is ADDED while the object is there (event 1)
      event 3 at 2026-11-21T02:00:03.000000000Z: ConfigMap shop/prices (6f1f2fd5-3c55-4dd5-8a68-1f2a3b4c5d6e) is ADDED while the object is there (event 2)
      and 1 more
    1 of 12 rules broken

    ----- stderr -----
    "#);
    for (args, code) in [
        (&["check", "t.kymo", "--no-rules"][..], 0),
        (&["check", "t.kymo", "--rules", "unique-uids,times"], 0),
        (&["check", "t.kymo", "--rules", "times,life-cycle"], 1),
    ] {
        let check = env.run(args);
        assert_eq!(check.status.code(), Some(code), "{args:?}: {check:?}");
    }
}

#[test]
fn a_rule_that_does_not_exist_is_named_with_what_was_meant() {
    let env = TestEnv::with_trace();
    snapshot!(env, ["check", "edge.kymo", "--rules", "lifecycle"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: there is no rule `lifecycle`
    hint: did you mean `life-cycle`?
    "#);
}

#[test]
fn a_damaged_trace_fails_the_check_and_repair_copies_the_rest() {
    let env = TestEnv::with_trace();
    let segment = fs::read_dir(env.path("edge.kymo"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "parquet")
        })
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&segment, bytes).unwrap();
    let check = env.run(["check", "edge.kymo"]);
    assert_eq!(check.status.code(), Some(4), "{check:?}");
    let found = String::from_utf8(check.stdout).unwrap();
    assert!(found.starts_with("error: 0"), "{found}");
    assert!(
        String::from_utf8(check.stderr)
            .unwrap()
            .contains("hint: `kymo repair edge.kymo -o NEW`")
    );

    let repair = env.run(["repair", "edge.kymo", "-o", "fixed.kymo"]);
    assert_eq!(repair.status.code(), Some(0), "{repair:?}");
    let check = env.run(["check", "fixed.kymo"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    snapshot!(env, ["repair", "edge.kymo", "-o", "fixed.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `fixed.kymo` exists already
    hint: name a place where nothing is
    "#);
}

#[test]
fn an_exported_file_is_a_trace_too() {
    let env = TestEnv::with_trace();
    let export = env.run(["export", "parquet", "edge.kymo", "-o", "edge.parquet"]);
    assert!(export.status.success(), "{export:?}");
    let events = |trace: &str| {
        let output = env.run(["inspect", trace, "--format", "json"]);
        let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        inspected["resources"].clone()
    };
    assert_eq!(events("edge.kymo"), events("edge.parquet"));
    assert_eq!(
        fs::metadata(env.path("edge.parquet"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[cfg(feature = "query")]
#[test]
fn a_full_export_is_for_its_owner_only_and_never_written_over_a_file() {
    let env = TestEnv::with_trace();
    let args = [
        "export",
        "parquet",
        "edge.kymo",
        "--full",
        "-o",
        "full.parquet",
    ];
    let export = env.run(args);
    assert!(export.status.success(), "{export:?}");
    let said = String::from_utf8(export.stderr).unwrap();
    assert!(said.starts_with("wrote 50 rows, "), "{said}");
    let bytes = fs::read(env.path("full.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let metadata = fs::metadata(env.path("full.parquet")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let again = env.run(args);
    assert!(matches!(again.status.code(), Some(2 | 3)), "{again:?}");
    assert_eq!(fs::read(env.path("full.parquet")).unwrap(), bytes);
}
