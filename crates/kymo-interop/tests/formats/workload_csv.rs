//! Importing tables of nodes and pods gives each row's times as events.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kymo_interop::{Error, Format, ImportOptions, Loss, LossReport, MissingTimes};
use kymo_model::{Certainty, Event, EventType, Timestamp};
use kymo_store::Trace;
use serde_json::{Value, json};

use crate::support::{run, shared_data};

const START: &str = "2023-01-01T00:00:00Z";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workload-csv")
}

fn options(folder: &Path, path: PathBuf) -> ImportOptions {
    let output = folder.join("out.kymo");
    let mut options = ImportOptions::new(Some(Format::WorkloadCsv), vec![path], output);
    options.missing_times = MissingTimes::Counted {
        start: START.parse().unwrap(),
        interval: Duration::from_secs(1),
    };
    options
}

fn import_into(folder: &Path, path: PathBuf) -> (LossReport, Vec<(String, Event)>) {
    let options = options(folder, path);
    let report = run(&options).unwrap();
    assert_eq!(kymo_store::check(&options.output).unwrap().findings, []);
    let trace = Trace::open(&options.output).unwrap();
    let feeds = trace.feeds().clone();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    let events = rows.into_iter().map(|row| {
        let resource = feeds[&row.event.feed].resource.group_resource().to_string();
        (resource, row.event)
    });
    (report, events.collect())
}

fn body(event: &Event) -> Value {
    serde_json::from_slice(event.body.as_ref().unwrap()).unwrap()
}

/// Milliseconds after the start.
fn after(event: &Event) -> u128 {
    event.ts.since(START.parse().unwrap()).as_millis()
}

fn lost(report: &LossReport, what: Loss, why: &str) -> u64 {
    let found = report.losses.iter();
    found
        .filter(|loss| loss.what == what && loss.why.contains(why))
        .map(|loss| loss.count)
        .sum()
}

#[test]
fn rows_become_nodes_and_the_lives_of_pods_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let (_, events) = import_into(folder.path(), fixture());
    let told: Vec<String> = events
        .iter()
        .map(|(_, event)| {
            let phase = body(event)["status"]["phase"].clone();
            format!(
                "{} {} {} {} {}",
                after(event),
                event.certainty,
                event.event_type,
                event.key.name,
                phase.as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "0 listed ADDED node-a -",
            "0 listed ADDED node-b -",
            "0 seen ADDED train-1 Pending",
            "0 seen MODIFIED train-1 Running",
            "60000 seen ADDED train-2 Pending",
            "75000 seen MODIFIED train-2 Running",
            "120000 seen ADDED waits Pending",
            "150000 seen ADDED late Pending",
            "155000 seen MODIFIED late Running",
            "160000 seen DELETED late Succeeded",
            "180000 seen DELETED waits Pending",
            "200000 seen ADDED stays Pending",
            "210500 seen MODIFIED stays Running",
            "300000 seen DELETED train-2 Failed",
            "300000 seen ADDED train-2 Pending",
            "310000 seen MODIFIED train-2 Running",
            "7200000 seen DELETED train-1 Running",
            "7200000 seen DELETED train-2 Running",
        ]
    );
}

#[test]
fn rows_that_cannot_be_right_are_counted_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let (report, _) = import_into(folder.path(), fixture());
    let bad: Vec<_> = report
        .unreadable_lines
        .iter()
        .map(|bad| {
            let file = bad.path.rsplit('/').next().unwrap();
            format!("{file}:{}: {}", bad.line, bad.reason)
        })
        .collect();
    assert_eq!(
        bad,
        [
            "nodes.csv:4: `cpu_milli` is `many`, which is no whole number",
            "pods.csv:8: `creation_time` is `oops`, which is no time",
            "pods.csv:9: it is deleted before it is created or scheduled",
            "pods.csv:7: a pod of this name is there already",
        ]
    );
}

#[test]
fn the_report_says_what_the_tables_do_not_tell() {
    let folder = tempfile::tempdir().unwrap();
    let (report, _) = import_into(folder.path(), fixture());
    assert_eq!(
        lost(
            &report,
            Loss::ReceiveTimes,
            "seconds from a zero that is not told"
        ),
        18
    );
    assert_eq!(lost(&report, Loss::ReceiveTimes, "2023-01-01T00:00:00"), 18);
    assert_eq!(lost(&report, Loss::Uids, ""), 8);
    assert_eq!(lost(&report, Loss::ResourceVersions, ""), 18);
    assert_eq!(lost(&report, Loss::Lifecycles, "its containers started"), 5);
    assert_eq!(lost(&report, Loss::Fields, "node"), 6);
    assert_eq!(lost(&report, Loss::Deletes, "last time of the file"), 3);
}

#[test]
fn objects_have_what_the_tables_tell() {
    let folder = tempfile::tempdir().unwrap();
    let (_, events) = import_into(folder.path(), fixture());
    let node = body(&events[0].1);
    let resources = json!({
        "cpu": "64", "memory": "256Gi",
        "alibabacloud.com/gpu-count": "2", "alibabacloud.com/gpu-milli": "2000",
    });
    assert_eq!(node["status"]["capacity"], resources);
    assert_eq!(node["status"]["allocatable"], resources);
    assert_eq!(
        node["metadata"]["labels"],
        json!({"alibabacloud.com/gpu-card-model": "T4"})
    );
    assert_eq!(node["metadata"]["uid"], events[0].1.key.uid.as_str());
    let pod = body(&events[3].1);
    assert_eq!(pod["metadata"]["creationTimestamp"], START);
    assert_eq!(
        pod["spec"]["containers"][0]["resources"]["requests"],
        json!({"cpu": "8", "memory": "16Gi", "alibabacloud.com/gpu-milli": "500"}),
    );
    assert_eq!(
        pod["status"]["conditions"],
        json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": START}]),
    );
    let uids = |name: &str| -> Vec<&str> {
        let found = events.iter().filter(|(_, event)| event.key.name == name);
        found.map(|(_, event)| event.key.uid.as_str()).collect()
    };
    let uids = uids("train-2");
    assert_eq!((uids[0], uids[3]), (uids[2], uids[5]));
    assert_ne!(uids[2], uids[3], "a later pod of the name is another one");
}

#[test]
fn without_a_start_there_is_no_time() {
    let folder = tempfile::tempdir().unwrap();
    for missing in [MissingTimes::Refuse, MissingTimes::Now] {
        let mut options = options(folder.path(), fixture());
        options.missing_times = missing;
        let error = run(&options).unwrap_err();
        assert!(matches!(error, Error::NoTime { .. }), "{error}");
    }
}

#[test]
fn unknown_columns_are_an_error_that_lists_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.csv");
    for (text, found) in [
        ("vmid,created,core\n1,0,4\n", "`vmid`, `created`, `core`"),
        ("name,cpu_milli,memory_mib\na,1,1\n", "`name`"),
        ("", "()"),
        ("\u{1}\u{2}", ""),
    ] {
        fs::write(&path, text).unwrap();
        let error = run(&options(folder.path(), path.clone())).unwrap_err();
        assert!(error.is_bad_input());
        let text = error.to_string();
        assert!(text.contains("line 1") && text.contains(found), "{text}");
        assert!(
            text.contains("nodes of Alibaba") && text.contains("creation_time"),
            "{text}"
        );
    }
}

#[test]
fn a_column_that_is_not_known_is_told_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.csv");
    // In another order, with the mark of UTF-8, quotes and carriage returns.
    let text = "\u{feff}gpu,\"sn\",zone,cpu_milli,memory_mib\r\n0,\"a,b\",z1,1000,1024\r\n";
    fs::write(&path, text).unwrap();
    let (report, events) = import_into(folder.path(), path);
    assert_eq!(events[0].1.key.name, "a,b");
    assert_eq!(lost(&report, Loss::Fields, "`zone`"), 1);
}

#[test]
fn a_row_without_an_end_is_refused_before_it_fills_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.csv");
    let mut text = b"sn,cpu_milli,memory_mib,gpu\n\"".to_vec();
    text.resize(100_000, b'x');
    fs::write(&path, text).unwrap();
    let mut options = options(folder.path(), path);
    options.limits.value_bytes = 10_000;
    let error = run(&options).unwrap_err();
    assert!(error.is_bad_input(), "{error}");
    assert!(
        error.to_string().contains("more than 10000 bytes"),
        "{error}"
    );
}

#[test]
fn the_rows_in_front_of_damage_come_over_and_the_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture().join("pods.csv")).unwrap();
    let mut rows = whole.clone();
    for number in 0..5000 {
        let row = format!("more-{number},{number},1,0,0,,LS,Running,9000,,9001\n");
        rows.extend_from_slice(row.as_bytes());
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&rows).unwrap();
    let mut bytes = gz.finish().unwrap();
    bytes.truncate(bytes.len() / 2);
    let path = folder.path().join("pods.csv.gz");
    fs::write(&path, bytes).unwrap();
    let (report, events) = import_into(folder.path(), path);
    assert_eq!(report.damaged.len(), 1);
    assert!(
        events.len() > 100 && events.len() < 10_000,
        "{}",
        events.len()
    );
}

#[test]
fn tables_are_known_by_their_first_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), fixture());
    options.format = None;
    assert_eq!(run(&options).unwrap().events(), 18);
}

#[test]
fn the_public_tables_come_over_row_for_row() {
    let Some(data) = shared_data("public/openb") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (report, events) = import_into(folder.path(), data.clone());
    assert_eq!(report.unreadable, 0);

    // The tables, read without any code of the import: no field has a comma in it.
    let rows = |name: &str| -> Vec<BTreeMap<String, String>> {
        let text = fs::read_to_string(data.join(name)).unwrap();
        let mut lines = text.lines();
        let titles: Vec<&str> = lines.next().unwrap().split(',').collect();
        lines
            .map(|line| {
                let fields = line.split(',').map(str::to_owned);
                titles
                    .iter()
                    .map(|title| (*title).to_owned())
                    .zip(fields)
                    .collect()
            })
            .collect()
    };
    let nodes = rows("openb_node_list_all_node.csv");
    let pods = rows("openb_pod_list_default.csv");
    let count = &report.resources["nodes"];
    assert_eq!(
        (count.added, count.listed),
        (nodes.len() as u64, nodes.len() as u64)
    );
    let with = |column: &str| pods.iter().filter(|pod| !pod[column].is_empty()).count() as u64;
    let count = &report.resources["pods"];
    assert_eq!(
        (count.added, count.modified, count.deleted),
        (
            pods.len() as u64,
            with("scheduled_time"),
            with("deletion_time")
        ),
    );

    let start: Timestamp = START.parse().unwrap();
    let mut expected = BTreeMap::new();
    for pod in &pods {
        for (column, event_type) in [
            ("creation_time", EventType::Added),
            ("scheduled_time", EventType::Modified),
            ("deletion_time", EventType::Deleted),
        ] {
            if let Ok(at) = pod[column].parse::<i64>() {
                let key = (pod["name"].clone(), event_type.as_str());
                expected.insert(key, (start.0 + at * 1_000_000_000, pod));
            }
        }
    }
    for (resource, event) in &events {
        if resource == "nodes" {
            assert_eq!(event.certainty, Certainty::Listed);
            continue;
        }
        let key = (event.key.name.clone(), event.event_type.as_str());
        let (at, row) = expected.remove(&key).unwrap();
        assert_eq!(event.ts.0, at);
        let body = body(event);
        let requests = &body["spec"]["containers"][0]["resources"]["requests"];
        let cpu = requests["cpu"].as_str().unwrap();
        let milli = match cpu.strip_suffix('m') {
            Some(milli) => milli.to_owned(),
            None => format!("{cpu}000"),
        };
        assert_eq!(
            milli.trim_start_matches('0'),
            row["cpu_milli"].trim_start_matches('0')
        );
        let gpu = row["num_gpu"].parse::<u64>().unwrap() * row["gpu_milli"].parse::<u64>().unwrap();
        let asked = requests.get("alibabacloud.com/gpu-milli");
        let asked = asked.map_or(0, |asked| asked.as_str().unwrap().parse().unwrap());
        assert_eq!(asked, gpu);
        if event.event_type == EventType::Deleted {
            assert_eq!(body["status"]["phase"], row["pod_phase"].as_str());
        }
    }
    assert!(expected.is_empty(), "{} events are missing", expected.len());
}

#[test]
fn jobs_of_a_calendar_need_no_start_and_ask_for_whole_gpus() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster_log.csv");
    let text = "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n\
        81,u1,vc1,8,32,1,COMPLETED,2020-04-01 00:04:09,2020-04-01 00:04:10,2020-04-01 01:00:00,3350,1\n\
        82,u2,vc1,0,1,1,CANCELLED,2020-04-01 00:05:00,None,2020-04-01 00:06:00,0,60\n\
        83,u2,vc1,1,1,1,FAILED,2020-04-01,None,2020-04-01 00:06:00,0,60\n";
    fs::write(&path, text).unwrap();
    let mut options = options(folder.path(), path);
    options.missing_times = MissingTimes::Refuse;
    let report = run(&options).unwrap();
    let trace = Trace::open(&options.output).unwrap();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let phase = body(&row.event)["status"]["phase"].clone();
            format!(
                "{} {} {}",
                row.event.ts,
                row.event.key.name,
                phase.as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "2020-04-01T00:04:09.000000000Z 81 Pending",
            "2020-04-01T00:04:10.000000000Z 81 Running",
            "2020-04-01T00:05:00.000000000Z 82 Pending",
            "2020-04-01T00:06:00.000000000Z 82 Failed",
            "2020-04-01T01:00:00.000000000Z 81 Succeeded",
        ]
    );
    let requests = &body(&rows[0].event)["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(requests["cpu"], "32");
    assert_eq!(requests["alibabacloud.com/gpu-milli"], "8000");
    assert!(lost(&report, Loss::ReceiveTimes, "without a time zone") > 0);
    assert!(lost(&report, Loss::Fields, "`vc`") > 0);
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workload-csv-own")
}

#[test]
fn a_mapping_says_what_the_columns_of_other_tables_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), own());
    options.missing_times = MissingTimes::Refuse;
    options.mapping = Some(own().join("mapping.yaml"));
    let report = run(&options).unwrap();
    assert_eq!(kymo_store::check(&options.output).unwrap().findings, []);
    let trace = Trace::open(&options.output).unwrap();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let ts = row.event.ts.to_string();
            let time = ts
                .trim_start_matches("2023-11-14T")
                .trim_end_matches("000000Z");
            let phase = body(&row.event)["status"]["phase"].clone();
            let name = &row.event.key.name;
            format!("{time} {name} {}", phase.as_str().unwrap_or("-"))
        })
        .collect();
    // Nodes are listed with the first pod: times are dates.
    assert_eq!(
        told,
        [
            "22:13:20.500 m-1 -",
            "22:13:20.500 m-2 -",
            "22:13:20.500 t-1 Pending",
            "22:13:22.000 t-1 Running",
            "22:13:30.000 t-2 Pending",
            "22:13:31.000 t-2 Running",
            "22:13:40.000 t-3 Pending",
            "22:13:50.000 t-3 Running",
            "22:14:00.000 t-4 Pending",
            "22:14:20.000 t-1 Succeeded",
            "22:14:50.000 t-2 Failed",
        ]
    );
    let capacity = json!({"cpu": "32", "memory": "128Gi", "nvidia.com/gpu": "4"});
    assert_eq!(body(&rows[0].event)["status"]["capacity"], capacity);
    let resources = |at: usize| body(&rows[at].event)["spec"]["containers"][0]["resources"].clone();
    let requests = json!({"cpu": "1500m", "memory": "500000Ki", "nvidia.com/gpu": "1"});
    assert_eq!(resources(2)["requests"], requests);
    assert_eq!(resources(2)["limits"], json!({"nvidia.com/gpu": "1"}));
    let requests = json!({"cpu": "333m", "memory": "64500000"});
    assert_eq!(resources(4)["requests"], requests);
    assert_eq!(body(&rows[2].event)["status"]["qosClass"], "Burstable");
    assert_eq!(report.unreadable, 0);
    assert_eq!(
        lost(&report, Loss::ReceiveTimes, "milliseconds since 1970"),
        11
    );
    assert_eq!(lost(&report, Loss::Fields, "`zone`"), 2);
}

#[test]
fn a_mapping_tells_the_zero_or_wants_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.csv");
    fs::write(&path, "host\na\n").unwrap();
    let mapping = folder.path().join("mapping.yaml");
    for (times, start, expected) in [
        ("{unit: min, zero: start}", true, Some(START)),
        ("{unit: min, zero: start}", false, None),
        (
            "{unit: s, zero: 2020-01-01T00:00:00Z}",
            false,
            Some("2020-01-01T00:00:00Z"),
        ),
        // Nodes alone have no date.
        ("{calendar: '%Y-%m-%d'}", true, Some(START)),
        ("{calendar: '%Y-%m-%d'}", false, None),
        ("{unit: s, zero: epoch}", false, None),
    ] {
        let text = format!("name: x\ntimes: {times}\nnodes: {{name: {{column: host}}}}\n");
        fs::write(&mapping, text).unwrap();
        let out = tempfile::tempdir().unwrap();
        let mut options = options(out.path(), path.clone());
        options.mapping = Some(mapping.clone());
        if !start {
            options.missing_times = MissingTimes::Refuse;
        }
        match (run(&options), expected) {
            (Ok(report), Some(expected)) => {
                let (first, _) = report.time_span.unwrap();
                assert_eq!(first, expected.parse().unwrap(), "{times}");
            }
            (Err(error), None) => assert!(matches!(error, Error::NoTime { .. }), "{error}"),
            (result, _) => panic!("{times}: {:?}", result.err()),
        }
    }
}

#[test]
fn a_start_that_would_change_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pods.csv");
    let mapping = folder.path().join("mapping.yaml");
    for (times, created, reason) in [
        (
            "{unit: s, zero: 2020-01-01T00:00:00Z}",
            "5",
            "the mapping counts its times from 2020-01-01T00:00:00.000000000Z",
        ),
        (
            "{unit: s, zero: epoch}",
            "5",
            "its times are counted from 1970",
        ),
        (
            "{calendar: '%Y-%m-%d %H:%M:%S'}",
            "2023-11-14 00:00:05",
            "its times are dates",
        ),
    ] {
        fs::write(&path, format!("id,at\na,{created}\n")).unwrap();
        let text = format!(
            "name: x\ntimes: {times}\npods: {{name: {{column: id}}, created: {{column: at}}}}\n"
        );
        fs::write(&mapping, text).unwrap();
        let out = tempfile::tempdir().unwrap();
        let mut options = options(out.path(), path.clone());
        options.mapping = Some(mapping.clone());
        let error = run(&options).unwrap_err();
        assert!(error.is_bad_request());
        assert!(error.to_string().ends_with(reason), "{error}");
        options.missing_times = MissingTimes::Refuse;
        run(&options).unwrap();
    }
}

#[test]
fn a_file_that_lacks_columns_of_the_mapping_is_told_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.csv");
    fs::write(&path, "task,cpu_percent,status,begun\nt,1,done,5\n").unwrap();
    let mut options = options(folder.path(), path);
    options.mapping = Some(own().join("mapping.yaml"));
    let error = run(&options).unwrap_err();
    assert!(error.is_bad_request());
    let text = error.to_string();
    assert!(
        text.ends_with(
            "it lacks `machine_id`, `cores`, `mem_gb` for `nodes`, \
             and `submitted`, `mem_mb`, `gpu` for `pods`"
        ),
        "{text}"
    );
    assert!(text.contains("tasks.csv`, line 1: "), "{text}");
}

#[test]
fn the_schema_of_mappings_is_the_one_that_is_shipped() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/workload-mapping.json");
    let schema = kymo_interop::workload_mapping_schema();
    let expected = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("KYMO_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "schema/workload-mapping.json is out of date: run this test with KYMO_WRITE_DOCS=1"
    );
}
