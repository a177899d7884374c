//! What is written as SimKube writes it comes over as it was.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kymo_model::{Certainty, Clock, Event, EventType, ManualClock, Timestamp};
use kymo_store::Trace;
use proptest::prelude::*;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Value, json};

use super::hash;
use super::reader::{TraceReader, read};
use super::trace::{Config, Lifecycle, Tracked};
use crate::import::{Context, ReadItems as _, What};
use crate::input::{Budget, Damage};
use crate::{Error, Format, ImportOptions, Limits, Loss, LossReport, MissingTimes, import};

/// A trace as SimKube writes it.
#[derive(Clone, Debug, Serialize)]
struct Exported {
    version: u16,
    config: Config,
    events: Vec<ExportedEvent>,
    index: BTreeMap<String, BTreeMap<String, u64>>,
    #[serde(serialize_with = "by_owner")]
    pod_lifecycles: Vec<(Owner, BTreeMap<u64, Vec<Lifecycle>>)>,
}

type Owner = (&'static str, &'static str);

#[derive(Clone, Debug, Serialize)]
struct ExportedEvent {
    ts: i64,
    applied_objs: Vec<Value>,
    deleted_objs: Vec<Value>,
}

fn by_owner<S: Serializer>(
    lifecycles: &[(Owner, BTreeMap<u64, Vec<Lifecycle>>)],
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(lifecycles.len()))?;
    for (owner, lifecycles) in lifecycles {
        map.serialize_entry(owner, lifecycles)?;
    }
    map.end()
}

impl Exported {
    fn of(events: Vec<ExportedEvent>) -> Self {
        let mut index: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for object in events.iter().flat_map(|event| &event.applied_objs) {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap();
            index
                .entry(format!("{}.{}", text("/apiVersion"), text("/kind")))
                .or_default()
                .insert(
                    format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")),
                    hash::of(object.get("spec")),
                );
        }
        let tracked = Tracked {
            pod_spec_template_paths: vec!["/spec/template".to_owned()],
            track_lifecycle: true,
            skip_owned: false,
        };
        Self {
            version: 2,
            config: Config {
                tracked_objects: BTreeMap::from([("apps/v1.Deployment".to_owned(), tracked)]),
            },
            events,
            index,
            pod_lifecycles: Vec::new(),
        }
    }

    /// The three forms in which the events may be written.
    fn forms(&self) -> Vec<Vec<u8>> {
        let named = rmp_serde::to_vec_named(self).unwrap();
        // By position, but for the config: what is left out in it has no position.
        let config = serde_json::to_value(&self.config).unwrap();
        let events = &self.events;
        let lifecycles = BTreeMap::from_iter(self.pod_lifecycles.clone());
        let positional = rmp_serde::to_vec(&(2, config, events, &self.index, lifecycles)).unwrap();
        // The last part first, and one that is not known.
        let backwards: Vec<u8> = [
            b"\x86\xaepod_lifecycles".to_vec(),
            named_part(&ByOwner(&self.pod_lifecycles)),
            b"\xa5index".to_vec(),
            named_part(&self.index),
            b"\xa4more\x92\x01\x81\xa1a\xc4\x01\xff".to_vec(),
            b"\xa6events".to_vec(),
            backwards_events(&self.events),
            b"\xa7version\xcd\x00\x02".to_vec(),
            b"\xa6config".to_vec(),
            named_part(&self.config),
        ]
        .concat();
        vec![named, positional, backwards]
    }
}

struct ByOwner<'a>(&'a [(Owner, BTreeMap<u64, Vec<Lifecycle>>)]);

impl Serialize for ByOwner<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        by_owner(self.0, to)
    }
}

fn named_part(part: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(part).unwrap()
}

/// Events whose time comes last and whose deletes come first.
fn backwards_events(events: &[ExportedEvent]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Backwards<'a> {
        deleted_objs: &'a [Value],
        other: Option<u8>,
        applied_objs: &'a [Value],
        ts: i64,
    }
    let events: Vec<Backwards<'_>> = events
        .iter()
        .map(|event| Backwards {
            deleted_objs: &event.deleted_objs,
            other: None,
            applied_objs: &event.applied_objs,
            ts: event.ts,
        })
        .collect();
    named_part(&events)
}

fn run(folder: &Path, bytes: &[u8], limits: Limits) -> Result<(LossReport, Vec<Event>), Error> {
    let (path, output) = (folder.join("in.sktrace"), folder.join("out.kymo"));
    if output.exists() {
        fs::remove_dir_all(&output).unwrap();
    }
    fs::write(&path, bytes).unwrap();
    let mut options = ImportOptions::new(Some(Format::Simkube), vec![path], output.clone());
    options.limits = limits;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(0)));
    let report = import(&options, &clock, &mut |_| ControlFlow::Continue(()))?;
    assert_eq!(kymo_store::check(&output).unwrap().findings, []);
    let trace = Trace::open(&output).unwrap();
    let mut rows: Vec<_> = trace.rows().unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    Ok((report, rows.into_iter().map(|row| row.event).collect()))
}

fn import_bytes(bytes: &[u8]) -> Result<(LossReport, Vec<Event>), Error> {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), bytes, Limits::default())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a spec is made where it is passed"
)]
fn object(kind: (&str, &str), name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": kind.0,
        "kind": kind.1,
        "metadata": {"annotations": {}, "name": name, "namespace": "shop"},
        "spec": spec,
    })
}

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const JOB: (&str, &str) = ("batch/v1", "Job");

fn template(policy: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "a"}, "creationTimestamp": null},
        "spec": {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": policy},
    })
}

fn owner(kind: (&str, &str), name: &str, policy: &str) -> Value {
    object(kind, name, json!({"template": template(policy)}))
}

fn event(ts: i64, applied: Vec<Value>, deleted: Vec<Value>) -> ExportedEvent {
    ExportedEvent {
        ts,
        applied_objs: applied,
        deleted_objs: deleted,
    }
}

/// Time, certainty, type, name and phase of each event of a pod.
fn pods(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| {
            let body: Value = serde_json::from_slice(event.body.as_ref()?).unwrap();
            let phase = body.pointer("/status/phase").and_then(Value::as_str)?;
            let after = event.not_before.map(|ts| format!(" after {}", second(ts)));
            let place = event.key.name.rsplit('-').next().unwrap();
            Some(format!(
                "{} {} {} {place} {phase}{}",
                second(event.ts),
                event.certainty,
                event.event_type,
                after.unwrap_or_default(),
            ))
        })
        .collect()
}

fn second(ts: Timestamp) -> i64 {
    ts.0 / 1_000_000_000
}

fn lost(report: &LossReport, what: Loss) -> BTreeMap<&str, u64> {
    let losses = report.losses.iter().filter(|loss| loss.what == what);
    losses.map(|loss| (loss.why.as_str(), loss.count)).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Apply { kind: bool, name: u8, spec: u8 },
    Delete { kind: bool, name: u8, is_stub: bool },
    Later { seconds: i64 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<bool>(), 0..3u8, 0..3u8)
            .prop_map(|(kind, name, spec)| Change::Apply { kind, name, spec }),
        2 => (any::<bool>(), 0..3u8, any::<bool>())
            .prop_map(|(kind, name, is_stub)| Change::Delete { kind, name, is_stub }),
        2 => (0..3i64).prop_map(|seconds| Change::Later { seconds }),
    ]
}

/// Time, type, name and object without its uid.
type Told = (i64, EventType, String, Value);

/// Writes changes as events, and tells what they are.
fn timeline(changes: Vec<Change>) -> (Vec<ExportedEvent>, Vec<Told>, u64) {
    let mut events = vec![event(100, Vec::new(), Vec::new())];
    let (mut live, mut told, mut repeats) = (BTreeMap::new(), Vec::new(), 0);
    let mut ts = 100;
    for change in changes {
        match change {
            Change::Later { seconds } => {
                ts += seconds;
                events.push(event(ts, Vec::new(), Vec::new()));
            }
            Change::Apply { kind, name, spec } => {
                let which = if kind { DEPLOYMENT } else { JOB };
                let name = format!("o{name}");
                // Nothing is too odd to be in a spec.
                let spec = json!({"n": spec, "f": 0.5, "i": -7, "u": u64::MAX, "l": [null, {"é\u{7}\"": []}]});
                let object = object(which, &name, spec);
                let event_type = match live.insert((kind, name.clone()), object.clone()) {
                    None => Some(EventType::Added),
                    Some(before) if before == object => None,
                    Some(_) => Some(EventType::Modified),
                };
                match event_type {
                    None => repeats += 1,
                    Some(event_type) => {
                        told.push((ts, event_type, name, object.clone()));
                    }
                }
                // SimKube applies before it deletes in the same event.
                if !events.last().unwrap().deleted_objs.is_empty() {
                    events.push(event(ts, Vec::new(), Vec::new()));
                }
                events.last_mut().unwrap().applied_objs.push(object);
            }
            Change::Delete {
                kind,
                name,
                is_stub,
            } => {
                let name = format!("o{name}");
                let Some(object) = live.remove(&(kind, name.clone())) else {
                    continue;
                };
                let mut deleted = object.clone();
                if is_stub {
                    deleted.as_object_mut().unwrap().remove("spec");
                    deleted["metadata"]
                        .as_object_mut()
                        .unwrap()
                        .remove("annotations");
                }
                // Of a stub the last object that was known is what was deleted.
                told.push((ts, EventType::Deleted, name, object));
                events.last_mut().unwrap().deleted_objs.push(deleted);
            }
        }
    }
    (events, told, repeats)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn versions_come_over_as_they_were_in_every_form(
        changes in proptest::collection::vec(change(), 1..30)
    ) {
        let (events, expected, repeats) = timeline(changes);
        prop_assume!(!expected.is_empty());
        let exported = Exported::of(events);
        let mut forms = exported.forms();
        forms.push(serde_json::to_vec_pretty(&json!({
            "version": 2, "config": exported.config, "events": exported.events,
            "index": exported.index, "pod_lifecycles": {},
        })).unwrap());
        for bytes in forms {
            let (report, events) = import_bytes(&bytes).unwrap();
            let found: Vec<Told> = events.iter().map(|event| {
                let mut body: Value =
                    serde_json::from_slice(event.body.as_ref().unwrap()).unwrap();
                let uid = body["metadata"].as_object_mut().unwrap().remove("uid");
                assert_eq!(uid.unwrap(), event.key.uid.as_str());
                (second(event.ts), event.event_type, event.key.name.clone(), body)
            }).collect();
            prop_assert_eq!(&found, &expected);
            let repeated = report.notes.get("objects applied again without a change");
            prop_assert_eq!(repeated.copied().unwrap_or(0), repeats);
            prop_assert_eq!(report.notes.len(), usize::from(repeats > 0), "{:?}", report.notes);
            prop_assert_eq!(report.unreadable, 0);
        }
    }

    #[test]
    fn lifecycles_come_over_as_the_times_of_pods(
        lives in proptest::collection::vec((90..130i64, proptest::option::of(0..20i64)), 1..12),
        policy in prop_oneof![Just("Always"), Just("Never")],
        comes in 95..125i64,
        goes in proptest::option::of(125..140i64),
    ) {
        let web = owner(DEPLOYMENT, "web", policy);
        let mut events = vec![event(90, Vec::new(), Vec::new()), event(comes, vec![web.clone()], Vec::new())];
        events.extend(goes.map(|ts| event(ts, Vec::new(), vec![web])));
        let mut exported = Exported::of(events);
        let hash = hash::of_stable(&template(policy)["spec"]).unwrap();
        let lifecycles: Vec<Lifecycle> = lives.iter().map(|(start, length)| match length {
            None => Lifecycle::Running(*start),
            Some(length) => Lifecycle::Finished(*start, start + length),
        }).collect();
        exported.pod_lifecycles = vec![
            (("apps/v1.Deployment", "shop/web"), BTreeMap::from([(hash, lifecycles)])),
        ];
        let in_time = |start: &i64| goes.is_none_or(|goes| *start <= goes);
        let mut expected: Vec<(i64, Option<i64>)> = lives.iter()
            .filter(|(start, _)| in_time(start))
            .map(|(start, length)| (*start, length.map(|length| (start + length).max(comes))))
            .collect();
        expected.sort_unstable();
        for bytes in exported.forms() {
            let (report, events) = import_bytes(&bytes).unwrap();
            let mut found = BTreeMap::new();
            for event in events.iter().filter(|event| event.certainty == Certainty::Inferred) {
                let body: Value = serde_json::from_slice(event.body.as_ref().unwrap()).unwrap();
                let state = &body["status"]["containerStatuses"][0]["state"];
                let time = |pointer| {
                    let text = state.pointer(pointer)?.as_str()?;
                    Some(second(text.parse().unwrap()))
                };
                let start = time("/running/startedAt").or(time("/terminated/startedAt")).unwrap();
                found.insert(event.key.uid.clone(), (start, time("/terminated/finishedAt")));
            }
            let mut found: Vec<_> = found.into_values().collect();
            found.sort_unstable();
            prop_assert_eq!(found, expected.clone());
            let lost = lost(&report, Loss::Lifecycles);
            let missing = lost.get("its owner is not there when it starts or later");
            prop_assert_eq!(
                missing.copied().unwrap_or(0),
                lives.iter().filter(|(start, _)| !in_time(start)).count() as u64
            );
            if let Some(count) = report.resources.get("pods") {
                let left = events.iter().filter(|event| event.event_type == EventType::Deleted);
                prop_assert_eq!(count.deleted, left.count() as u64 - u64::from(goes.is_some()));
            }
        }
    }
}

#[test]
fn a_pod_that_would_be_started_again_ends_by_a_delete_and_another_succeeds() {
    let mut exported = Exported::of(vec![
        event(
            100,
            vec![
                owner(DEPLOYMENT, "web", "Always"),
                owner(JOB, "sum", "Never"),
            ],
            Vec::new(),
        ),
        event(150, Vec::new(), vec![owner(JOB, "sum", "Never")]),
    ]);
    let of = |lives: Vec<Lifecycle>| BTreeMap::from([(7, lives)]);
    exported.pod_lifecycles = vec![
        (
            ("apps/v1.Deployment", "shop/web"),
            of(vec![Lifecycle::Finished(110, 120), Lifecycle::Running(111)]),
        ),
        (
            ("batch/v1.Job", "shop/sum"),
            of(vec![
                Lifecycle::Empty,
                Lifecycle::Finished(112, 122),
                Lifecycle::Running(113),
                Lifecycle::Finished(114, 150),
            ]),
        ),
    ];
    let (report, events) = import_bytes(&exported.forms()[0]).unwrap();
    assert_eq!(
        pods(&events),
        [
            "110 inferred ADDED 0 Running",
            "111 inferred ADDED 1 Running",
            "112 inferred ADDED 1 Running",
            "113 inferred ADDED 2 Running",
            "114 inferred ADDED 3 Running",
            "120 inferred DELETED 0 Succeeded",
            "122 inferred MODIFIED 1 Succeeded",
            "150 inferred MODIFIED 3 Succeeded",
            "150 inferred DELETED 1 Succeeded",
            "150 inferred DELETED 3 Succeeded",
        ]
    );
    let lost = lost(&report, Loss::Lifecycles);
    assert_eq!(lost["no container of the pod started"], 1);
    // 7 is no hash of a template, but there is no other template.
    assert_eq!(
        report.notes["pods whose spec has another hash than their lifecycle"],
        5
    );
}

#[test]
fn lifecycles_without_an_owner_a_template_or_a_time_are_counted() {
    let two = json!({"a": {"template": template("Never")}, "b": {"template": template("Always")}});
    let custom = ("batch.example.com/v1", "Work");
    let mut exported = Exported::of(vec![
        event(
            100,
            vec![
                object(custom, "two", two),
                object(DEPLOYMENT, "none", json!({})),
            ],
            Vec::new(),
        ),
        event(120, vec![owner(DEPLOYMENT, "late", "Always")], Vec::new()),
    ]);
    exported.config.tracked_objects.insert(
        "batch.example.com/v1.Work".to_owned(),
        Tracked {
            pod_spec_template_paths: vec!["/spec/a/template".into(), "/spec/b/template".into()],
            ..Tracked::default()
        },
    );
    let known = hash::of_stable(&template("Always")["spec"]).unwrap();
    let of = |hash, life| BTreeMap::from([(hash, vec![life])]);
    let run = Lifecycle::Running(110);
    exported.pod_lifecycles = vec![
        (("apps/v1.Deployment", "shop/gone"), of(1, run)),
        (("apps/v1.Deployment", "shop/none"), of(1, run)),
        (("apps/v1.Deployment", "shop/late"), of(known, run)),
        (
            ("batch.example.com/v1.Work", "shop/two"),
            BTreeMap::from([(1, vec![run]), (known, vec![run])]),
        ),
        (("nonsense", "shop/web"), of(1, run)),
        (
            ("apps/v1.Deployment", "shop/web"),
            BTreeMap::from([(
                1,
                vec![Lifecycle::Running(i64::MAX), Lifecycle::Finished(20, 10)],
            )]),
        ),
    ];
    let (report, events) = import_bytes(&exported.forms()[0]).unwrap();
    assert_eq!(
        pods(&events),
        [
            "110 inferred ADDED 0 Running",
            "120 inferred ADDED 0 Running after 110"
        ]
    );
    let lost = lost(&report, Loss::Lifecycles);
    let created = "when a pod was created is not told: it appears when its first container started";
    assert_eq!(
        lost,
        BTreeMap::from([
            ("its owner is not there when it starts or later", 1),
            ("its owner has no pod template", 1),
            ("its hash is that of none of the owner's templates", 1),
            ("its owner has no readable kind", 1),
            ("its time is outside the years 1677 to 2262", 1),
            ("it ends before it starts", 1),
            (created, 2),
        ])
    );
}

#[test]
fn objects_that_cannot_be_told_are_counted_with_their_byte() {
    let mut nameless = object(JOB, "", json!({}));
    nameless["metadata"] = json!({});
    let untyped = json!({"metadata": {"name": "a"}});
    let exported = Exported::of(vec![event(
        100,
        vec![object(JOB, "a", json!({}))],
        Vec::new(),
    )]);
    let mut bad = exported;
    bad.events
        .push(event(101, vec![nameless, json!(5)], vec![untyped]));
    bad.events.push(event(
        i64::MAX / 2,
        vec![object(JOB, "b", json!({}))],
        Vec::new(),
    ));
    let (report, events) = import_bytes(&bad.forms()[0]).unwrap();
    assert_eq!((report.unreadable, events.len()), (4, 1));
    for line in &report.unreadable_lines {
        assert!(
            line.reason.contains(&format!("byte {}", line.line)),
            "{line:?}"
        );
    }
    assert!(
        report.unreadable_lines[3]
            .reason
            .contains("outside the years")
    );
}

#[test]
fn an_object_that_is_applied_and_deleted_in_one_second_is_deleted_and_its_order_is_lost() {
    let web = object(DEPLOYMENT, "web", json!({"n": 1}));
    let exported = Exported::of(vec![
        event(100, Vec::new(), Vec::new()),
        event(110, vec![web.clone()], vec![web]),
    ]);
    let (report, events) = import_bytes(&exported.forms()[0]).unwrap();
    let types: Vec<_> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(types, [EventType::Added, EventType::Deleted]);
    assert_eq!(lost(&report, Loss::Order).values().sum::<u64>(), 1);
}

#[test]
fn events_keep_the_order_of_the_file_whatever_their_times() {
    let job = |n: u32| vec![object(JOB, "a", json!({"n": n}))];
    let exported = Exported::of(vec![
        event(-5, Vec::new(), Vec::new()),
        event(110, job(1), Vec::new()),
        event(105, job(2), Vec::new()),
        event(-7, job(3), Vec::new()),
    ]);
    let (report, events) = import_bytes(&exported.forms()[0]).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (second(event.ts), event.event_type))
        .collect();
    let modified = EventType::Modified;
    assert_eq!(
        told,
        [(110, EventType::Added), (105, modified), (-7, modified)]
    );
    assert_eq!(report.backward_times, 2);
}

#[test]
fn a_lying_length_a_deep_value_and_binary_are_refused() {
    let start = b"\x85\xa7version\x02\xa6config\x80\xa6events";
    let in_object = |bytes: &[u8]| {
        let event = b"\x91\x83\xa2ts\x01\xacapplied_objs\x91";
        [start, &event[..], bytes].concat()
    };
    let cases = [
        // Arrays and maps of four thousand million items, texts of as many bytes.
        ([&start[..], b"\xdd\xff\xff\xff\xff"].concat(), "fill"),
        (in_object(b"\xdf\xff\xff\xff\xff\xa1a\x01"), "fill"),
        (in_object(b"\x81\xdb\xff\xff\xff\xffabc"), "end of file"),
        (in_object(b"\x81\xa1a\xc6\xff\xff\xff\xff"), "end of file"),
        (
            in_object(&[&b"\x81\xa1a"[..], &[0x91].repeat(100_000)].concat()),
            "depth limit",
        ),
        (in_object(b"\x81\xa1a\xc4\x01\xff"), "byte array"),
        (in_object(b"\x81\xa1a\xd4\x01\xff"), ""),
        (in_object(b"\x81\x01\x02"), ""),
        (in_object(b"\x81\xa2\xff\xfe\x02"), ""),
        (in_object(b"\xc1"), ""),
        (b"\x85\xa7version\xa32.0".to_vec(), "FixStr"),
        (b"\x85\xa7version\x02\xa7version\x02".to_vec(), "duplicate"),
        (b"\x95\x02".to_vec(), ""),
        (b"\x01".to_vec(), "a SimKube trace"),
        (b"{\"version\": 2, \"events\": 5}".to_vec(), ""),
        (
            [&b"{\"version\": 2, \"config\": "[..], &b"[".repeat(100_000)].concat(),
            "recursion limit",
        ),
        (Vec::new(), ""),
    ];
    for (bytes, reason) in cases {
        let error = import_bytes(&bytes).unwrap_err();
        let is_malformed =
            matches!(&error, Error::Malformed { place, .. } if place.starts_with("byte "));
        assert!(
            is_malformed && error.to_string().contains(reason),
            "{error}: {reason}"
        );
    }
}

#[test]
fn another_version_is_refused_by_its_number_wherever_it_stands() {
    for bytes in [
        &b"\x85\xa7version\x03\xa6config\xc1"[..],
        b"\x82\xa5index\x80\xa7version\xcd\x01\x00",
        b"\x95\x01\x80",
        b"{\"version\": 1}",
    ] {
        let error = import_bytes(bytes).unwrap_err();
        assert!(matches!(error, Error::Version { .. }), "{error}");
    }
}

/// A trace with something of everything.
fn small() -> Vec<u8> {
    let mut exported = Exported::of(vec![
        event(100, vec![owner(JOB, "a", "Never")], Vec::new()),
        event(101, Vec::new(), vec![object(JOB, "a", json!({}))]),
    ]);
    exported.pod_lifecycles = vec![(
        ("batch/v1.Job", "shop/a"),
        BTreeMap::from([(u64::MAX, vec![Lifecycle::Finished(100, 101)])]),
    )];
    exported.forms().swap_remove(0)
}

/// Reads to the last item, without a store; counts the items, and tells the damage.
fn items(folder: &Path, bytes: &[u8]) -> Result<(usize, Option<Damage>), Error> {
    let limits = Limits::default();
    let context = Context {
        policy: kymo_anonymize::Policy::default(),
        limits,
        budget: Budget::new(limits),
        workshop: folder.to_owned(),
        missing_times: MissingTimes::Refuse,
        mapping: None,
        clock: Arc::new(ManualClock::new(Timestamp(0))),
    };
    let mut reader = TraceReader::new(vec![("in".into(), read("in", bytes, &context)?)], &context)?;
    let (mut count, mut damage) = (0, None);
    while let Some(item) = reader.next()? {
        match item.what {
            What::Damaged(found) => assert_eq!(damage.replace(found), None),
            _ => count += 1,
        }
    }
    reader.finish(&mut LossReport::default());
    Ok((count, damage))
}

#[test]
fn of_a_trace_that_is_cut_the_whole_events_are_taken_if_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = small();
    let second = bytes.windows(2).rposition(|bytes| bytes == b"ts").unwrap() - 2;
    let deleted = memchr::memmem::find(&bytes, b"\xa5index").unwrap();
    for length in 0..bytes.len() {
        let read = items(folder.path(), &bytes[..length]);
        if length < second {
            let error = read.unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{length}");
            continue;
        }
        let (count, damage) = read.unwrap();
        let expected = Damage::new(length as u64, "the trace ends early");
        assert_eq!(damage, Some(expected));
        assert!(count >= if length < deleted { 1 } else { 2 }, "{length}");
    }
    assert_eq!(items(folder.path(), &bytes).unwrap(), (8, None));
}

#[test]
fn damage_behind_the_first_event_is_told_in_every_form_with_what_is_lost() {
    let job = |name: &str| vec![owner(JOB, name, "Never")];
    let exported = Exported::of(vec![
        event(100, job("a"), Vec::new()),
        event(101, job("b"), Vec::new()),
        event(102, [job("c"), job("damaged")].concat(), Vec::new()),
        event(103, job("e"), Vec::new()),
    ]);
    let (mut taken, mut refused) = (0, 0);
    for mut bytes in exported.forms() {
        let at = memchr::memmem::find(&bytes, b"damaged").unwrap();
        bytes[at] = 0xff;
        match import_bytes(&bytes) {
            // Parts may come in any order: without the version nothing is believed.
            Err(error) => {
                assert!(matches!(error, Error::Malformed { .. }), "{error}");
                refused += 1;
            }
            Ok((report, events)) => {
                assert_eq!((report.damaged.len(), events.len()), (1, 2));
                assert!(report.damaged[0].byte >= at as u64);
                assert_eq!(lost(&report, Loss::Changes).into_values().sum::<u64>(), 1);
                assert_eq!(lost(&report, Loss::Lifecycles).len(), 1);
                taken += 1;
            }
        }
    }
    assert!(taken > 0 && taken + refused == exported.forms().len());
}

#[test]
fn a_byte_that_is_another_is_refused_or_read_and_never_worse() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = small();
    let (mut read, mut refused) = (0, 0);
    for at in 0..bytes.len() {
        for other in [0x00, 0x80, 0x9f, 0xc1, 0xc6, 0xcf, 0xdb, 0xdd, 0xdf, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = other;
            match items(folder.path(), &bytes) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(error.is_bad_input(), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}

#[test]
fn a_value_beyond_the_limit_is_refused_and_many_small_ones_are_not() {
    let limits = Limits {
        value_bytes: 2000,
        ..Limits::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let many = (0..200).map(|n| object(JOB, &format!("job-{n}"), json!({"n": n})));
    let exported = Exported::of(vec![event(100, many.collect(), Vec::new())]);
    for bytes in exported.forms() {
        assert!(bytes.len() > 10_000);
        let (report, _) = run(folder.path(), &bytes, limits).unwrap();
        assert_eq!(report.resources["jobs.batch"].added, 200);
    }
    let long = object(JOB, "a", json!({"text": "x".repeat(3000)}));
    let exported = Exported::of(vec![event(100, vec![long], Vec::new())]);
    for bytes in exported.forms() {
        let error = run(folder.path(), &bytes, limits).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a value of more than 2000 bytes"),
            "{error}"
        );
    }
}
