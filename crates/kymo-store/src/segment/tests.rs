use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use bytes::Bytes;
use kymo_model::{
    Certainty, Event, EventType, Feed, FeedId, ObjectKey, Request, ResourceType, Rv, Scope,
    Timestamp,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    JsonPath, Row, RowKey, RowRanges, SegmentError, SegmentMeta, SegmentOptions, SegmentReader,
    SegmentWriter, Wanted,
};

pub(super) const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_795_226_845 * SECOND;

pub(super) fn feed(group: &str, resource: &str, kind: &str) -> Feed {
    Feed {
        resource: ResourceType {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            kind: kind.into(),
            namespaced: true,
        },
        scope: Scope::default(),
    }
}

pub(super) fn feeds() -> Vec<(FeedId, Feed)> {
    vec![
        (FeedId(1), feed("", "events", "Event")),
        (FeedId(2), feed("events.k8s.io", "events", "Event")),
        (FeedId(3), feed("", "pods", "Pod")),
        (FeedId(4), feed("example.com", "things", "")),
    ]
}

fn row(seq: u64, feed: u32, name: &str, uid: &str, body: Option<Value>) -> Row {
    let body = body.map(|mut body| {
        let (_, known) = &feeds()[feed as usize - 1];
        body["kind"] = json!(if known.resource.kind.is_empty() {
            "Thing"
        } else {
            &known.resource.kind
        });
        body["apiVersion"] = json!(known.resource.api_version());
        body["metadata"]["name"] = json!(name);
        body["metadata"]["namespace"] = json!("ns");
        body["metadata"]["uid"] = json!(uid);
        body["metadata"]["resourceVersion"] = json!(seq.to_string());
        body.to_string()
    });
    Row {
        seq,
        session: 1,
        event: Event {
            feed: FeedId(feed),
            ts: Timestamp(START + seq as i64 * SECOND / 3),
            not_before: None,
            event_type: EventType::Modified,
            certainty: Certainty::Seen,
            epoch: 2,
            key: ObjectKey {
                namespace: "ns".into(),
                name: name.into(),
                uid: uid.into(),
            },
            rv: Some(Rv::new(seq.to_string())),
            body: body.map(|text| Arc::from(text.as_bytes())),
            request: None,
        },
    }
}

fn sort(rows: &mut [Row]) {
    let feeds = feeds();
    let key = |row: &Row| feeds[row.event.feed.0 as usize - 1].1.clone();
    rows.sort_by(|a, b| RowKey::of(a, &key(a)).cmp(&RowKey::of(b, &key(b))));
}

pub(super) fn write(rows: &[Row], options: SegmentOptions) -> Result<Bytes, SegmentError> {
    let mut output = Vec::new();
    let mut writer = SegmentWriter::new(&mut output, &feeds(), options)?;
    for row in rows {
        writer.push(row)?;
    }
    assert_eq!(writer.mismatches(), 0);
    writer.finish(&SegmentMeta {
        feeds: feeds(),
        ..SegmentMeta::default()
    })?;
    Ok(output.into())
}

pub(super) fn read(segment: &Bytes) -> Vec<Row> {
    read_all(&SegmentReader::open(segment.clone()).unwrap())
}

pub(super) fn read_all(reader: &SegmentReader<Bytes>) -> Vec<Row> {
    reader.rows().unwrap().map(Result::unwrap).collect()
}

/// The body as a value; raw bytes that are not JSON as text.
fn body(row: &Row) -> Option<Value> {
    let bytes = row.event.body.as_deref()?;
    Some(
        serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::from(bytes.escape_ascii().to_string())),
    )
}

pub(super) fn assert_same(found: &[Row], expected: &[Row]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(body(found), body(expected), "seq {}", expected.seq);
        assert_eq!(without_body(found), without_body(expected));
    }
}

fn without_body(row: &Row) -> Row {
    let mut row = row.clone();
    row.event.body = None;
    row
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (-3i64..9).prop_map(Value::from),
        (0i64..40).prop_map(|age| {
            let time = chrono::DateTime::from_timestamp(START / SECOND - age, 0).unwrap();
            json!(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        }),
        prop::sample::select(vec!["", "x", "ü", "a \"b\""]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "b", "name", "type", "a/b", "m~n", "0"])
                    .prop_map(str::to_owned),
                inner,
                0..4
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An object; each member that columns hold comes in usual and unusual forms.
fn object() -> impl Strategy<Value = Value> {
    let time = prop_oneof![
        3 => (0i64..100).prop_map(|age| {
            let time = chrono::DateTime::from_timestamp(START / SECOND - age, 0).unwrap();
            json!(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        }),
        1 => Just(Value::Null),
        1 => Just(json!("2026-11-21T02:07:25.5Z")),
    ];
    let generation = prop_oneof![
        Just(json!(1)),
        Just(json!(-7)),
        Just(json!(1.5)),
        Just(json!("1"))
    ];
    (
        prop::option::of(anything()),
        prop::option::of(anything()),
        prop::option::of(anything()),
        prop::option::of(generation),
        prop::option::of(time.clone()),
        prop::option::of(time),
    )
        .prop_map(|(spec, status, managed, generation, created, deleted)| {
            let mut object = json!({"metadata": {"labels": {"app": "x"}}});
            for (path, value) in [
                ("/spec", spec),
                ("/status", status),
                ("/metadata/managedFields", managed),
                ("/metadata/generation", generation),
                ("/metadata/creationTimestamp", created),
                ("/metadata/deletionTimestamp", deleted),
            ] {
                let (parent, name) = path.rsplit_once('/').unwrap();
                if let Some(value) = value {
                    object.pointer_mut(parent).unwrap()[name] = value;
                }
            }
            object
        })
}

fn request() -> impl Strategy<Value = Request> {
    let word = || prop::sample::select(vec!["", "x", "system:masters", "ü"]);
    let optional = move || prop::option::of(word().prop_map(str::to_owned));
    let several = move || prop::collection::vec(word().prop_map(str::to_owned), 0..3);
    let words = (word(), word(), word());
    (
        words,
        optional(),
        several(),
        optional(),
        optional(),
        several(),
    )
        .prop_map(
            |((audit_id, verb, username), subresource, groups, impersonated, agent, ips)| Request {
                audit_id: audit_id.into(),
                verb: verb.into(),
                subresource,
                username: username.into(),
                groups,
                impersonated_username: impersonated,
                user_agent: agent,
                source_ips: ips,
            },
        )
}

pub(super) fn history() -> impl Strategy<Value = Vec<Row>> {
    let uids = [
        "0e8a4c4e-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "1E8A4C4E-1A2B-4C3D-8E4F-5A6B7C8D9E0F",
        "not a uuid",
        "",
    ];
    let event = (
        1u32..5,
        0usize..3,
        0usize..4,
        prop::option::weighted(0.7, object()),
        0usize..20,
        (0usize..3, 0..Certainty::ALL.len()),
        prop::option::weighted(0.3, request()),
    );
    prop::collection::vec(event, 0..24).prop_map(move |events| {
        let mut rows: Vec<Row> = (1u64..)
            .zip(events)
            .map(|(seq, (feed, name, uid, body, odd, words, request))| {
                let name = ["a", "b", "c"][name];
                let mut row = row(seq, feed, name, uids[uid], body);
                row.event.event_type = EventType::ALL[words.0];
                row.event.certainty = Certainty::ALL[words.1];
                row.event.request = request.map(Arc::new);
                match odd {
                    0 => {
                        row.event.event_type = EventType::Unreadable;
                        row.event.body = Some(Arc::from(&b"{\"torn\": \xff"[..]));
                    }
                    1 => row.event.body = Some(Arc::from(&b"[1.0e2, {\"a\":1,\"a\":2}]"[..])),
                    2 => row.event.rv = Some(Rv::new("007x")),
                    3 => row.event.not_before = Some(Timestamp(7)),
                    4 => row.event.key.namespace = "other".into(),
                    5..9 => row.event.rv = None,
                    _ => {}
                }
                row
            })
            .collect();
        sort(&mut rows);
        rows
    })
}

const POINTERS: [&str; 14] = [
    "/spec",
    "/spec/a",
    "/spec/0",
    "/spec/a/0/name",
    "/status/a~1b/m~0n",
    "/metadata",
    "/metadata/labels/app",
    "/metadata/name",
    "/metadata/generation",
    "/metadata/creationTimestamp",
    "/metadata/managedFields/0/name",
    "/metadata/managedFields",
    "/kind",
    "",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn rows_come_back_as_they_went_in(
        rows in history(),
        row_group_rows in 1usize..12,
        keyframe_interval in 0u32..5,
        sibling_interval in 0u32..4,
        ages in any::<bool>(),
        threads in 2usize..6,
    ) {
        let options = SegmentOptions {
            row_group_rows,
            keyframe_interval,
            sibling_interval,
            ages,
            threads: 1,
            ..SegmentOptions::default()
        };
        let segment = write(&rows, options.clone()).unwrap();
        assert_same(&read(&segment), &rows);
        let beside = write(&rows, SegmentOptions { threads, ..options }).unwrap();
        prop_assert_eq!(&beside, &segment, "{} threads", threads);
        let reader = SegmentReader::open(segment).unwrap();
        let heads: Vec<Row> = reader.heads().unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(heads, rows.iter().map(without_body).collect::<Vec<_>>());
        let summary = reader.verify().unwrap();
        prop_assert_eq!(summary.rows, rows.len() as u64);
        prop_assert_eq!(summary.first_seq, rows.iter().map(|row| row.seq).min());
        prop_assert_eq!(summary.last_seq, rows.iter().map(|row| row.seq).max());
    }

    #[test]
    fn chosen_rows_have_the_bodies_and_the_values_that_all_rows_have(
        rows in history(),
        row_group_rows in 3usize..12,
        chosen in prop::collection::vec(any::<bool>(), 24),
        bodies in any::<bool>(),
        first in 0usize..POINTERS.len(),
        second in 0usize..POINTERS.len(),
    ) {
        let options = SegmentOptions { row_group_rows, ..SegmentOptions::default() };
        let reader = SegmentReader::open(write(&rows, options).unwrap()).unwrap();
        let pointers = [POINTERS[first], POINTERS[second]];
        let paths = pointers.iter().map(|pointer| path(pointer)).collect();
        let wanted = Wanted { paths, bodies };
        let all = read_all(&reader);
        let mut number = 0;
        for group in 0..reader.num_row_groups() {
            let total = reader.group_rows(group).unwrap();
            let some = RowRanges::of(0..total).kept(chosen[number..].iter().copied());
            let events: Vec<Row> = reader.events(group, &some).unwrap().map(Result::unwrap).collect();
            let expected: Vec<Row> = some.rows().map(|row| all[number + row].clone()).collect();
            prop_assert_eq!(events, expected);
            let mut versions = reader.versions(group, &some, &wanted).unwrap();
            prop_assert!(versions.rows_read() >= some.len());
            for row in some.rows() {
                let found = versions.advance().unwrap().unwrap();
                prop_assert_eq!(found.row(), row);
                let row = &all[number + row];
                let whole = row.event.body.as_deref();
                prop_assert_eq!(found.has_body(), whole.is_some());
                if bodies {
                    let body = found.body().unwrap();
                    prop_assert_eq!(body.as_deref(), whole);
                }
                if found.raw().is_some() {
                    prop_assert_eq!(found.raw(), whole);
                    continue;
                }
                let whole: Option<Value> = whole.map(|body| serde_json::from_slice(body).unwrap());
                for (index, pointer) in pointers.iter().enumerate() {
                    let value = found.value(index).map(|text| serde_json::from_str::<Value>(&text).unwrap());
                    let direct = whole.as_ref().and_then(|whole| whole.pointer(pointer)).cloned();
                    prop_assert_eq!(value, direct, "{} of seq {}", pointer, row.seq);
                }
            }
            prop_assert!(versions.advance().unwrap().is_none());
            number += total;
        }
    }

    #[test]
    fn columns_of_chosen_rows_are_those_of_all_rows(
        rows in history(),
        chosen in prop::collection::vec(any::<bool>(), 24),
        batch_rows in 1usize..9,
    ) {
        let reader = SegmentReader::open(write(&rows, SegmentOptions::default()).unwrap()).unwrap();
        if reader.num_row_groups() == 0 {
            return Ok(());
        }
        let some = RowRanges::of(0..rows.len()).kept(chosen);
        let names = ["kind", "seq", "name", "no such column"];
        let mut seqs = Vec::new();
        for batch in reader.columns(0, Some(&some), &names, batch_rows).unwrap() {
            let batch = batch.unwrap();
            prop_assert!(batch.num_rows() <= batch_rows && batch.num_columns() == 3);
            let kind = batch.column_by_name("kind").unwrap().data_type().clone();
            prop_assert!(matches!(kind, DataType::Dictionary(..)));
            let seq = batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>();
            seqs.extend(seq.values().iter().map(|seq| *seq as u64));
        }
        let expected: Vec<u64> = some.rows().map(|row| rows[row].seq).collect();
        prop_assert_eq!(seqs, expected);
    }
}

/// The path that a JSON Pointer says.
fn path(pointer: &str) -> JsonPath {
    let names: Vec<_> = super::json::segments(pointer).unwrap().collect();
    JsonPath::of_names(names.iter().map(AsRef::as_ref))
}

#[test]
fn one_version_is_read_with_what_it_was_made_from_and_no_more() {
    let rows: Vec<Row> = (1u64..=300)
        .map(|seq| {
            let name = ["a", "b", "c"][(seq as usize - 1) / 100];
            let filler = "x".repeat(300);
            let spec = json!({"metadata": {}, "spec": {"filler": filler, "replicas": seq}});
            row(seq, 3, name, name, Some(spec))
        })
        .collect();
    let options = SegmentOptions {
        keyframe_interval: 10,
        ..SegmentOptions::default()
    };
    let reader = SegmentReader::open(write(&rows, options).unwrap()).unwrap();
    let wanted = Wanted {
        paths: vec![path("/spec/replicas")],
        bodies: false,
    };
    let mut versions = reader
        .versions(0, &RowRanges::of(250..251), &wanted)
        .unwrap();
    assert!(versions.rows_read() <= 13, "{}", versions.rows_read());
    assert_eq!(
        versions.advance().unwrap().unwrap().value(0).unwrap(),
        "251"
    );
    let none = reader.versions(0, &RowRanges::default(), &wanted).unwrap();
    assert_eq!(none.rows_read(), 0);
    assert!(
        reader
            .versions(0, &RowRanges::of(300..301), &wanted)
            .is_err()
    );
    assert!(reader.versions(1, &RowRanges::of(0..1), &wanted).is_err());
}

#[test]
fn bounds_tell_what_row_groups_hold() {
    let rows: Vec<Row> = (1u64..=6)
        .map(|seq| row(seq, 3, &format!("pod-{seq}"), "u", None))
        .collect();
    let options = SegmentOptions {
        row_group_rows: 4,
        ..SegmentOptions::default()
    };
    let reader = SegmentReader::open(write(&rows, options).unwrap()).unwrap();
    let bounds = reader.bounds("name").unwrap().unwrap();
    let texts = |array: &ArrayRef| {
        array
            .as_string::<i32>()
            .iter()
            .map(|text| text.unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&bounds.min), ["pod-1", "pod-5"]);
    assert_eq!(texts(&bounds.max), ["pod-4", "pod-6"]);
    assert_eq!(bounds.nulls.values(), &[0, 0]);
    let seq = reader.bounds("seq").unwrap().unwrap();
    assert_eq!(seq.max.as_primitive::<Int64Type>().values(), &[4, 6]);
    let none = reader.bounds("keyframe").unwrap().unwrap();
    assert_eq!(none.min.null_count(), 2);
    assert!(reader.bounds("no such column").unwrap().is_none());
    assert_eq!(
        (reader.group_rows(0).unwrap(), reader.group_rows(1).unwrap()),
        (4, 2)
    );
}

#[test]
fn numbers_keep_their_text_through_keyframes_and_patches() {
    let text = |number: &str, seq: u64| {
        format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"a","namespace":"ns","uid":"u","resourceVersion":"{seq}"}},"spec":{{"filler":"{}","n":{number}}}}}"#,
            "x".repeat(200)
        )
    };
    let numbers = [
        "1.0e2",
        "1.10",
        "123456789012345678901234567890",
        "-0",
        "1E400",
    ];
    let rows: Vec<Row> = (1u64..)
        .zip(numbers)
        .map(|(seq, number)| {
            let mut row = row(seq, 3, "a", "u", None);
            row.event.body = Some(Arc::from(text(number, seq).as_bytes()));
            row
        })
        .collect();
    let found = read(&write(&rows, SegmentOptions::default()).unwrap());
    for (row, number) in found.iter().zip(numbers) {
        let body = std::str::from_utf8(row.event.body.as_deref().unwrap()).unwrap();
        assert!(body.contains(&format!(r#""n":{number}}}"#)), "{body}");
    }
}

pub(super) fn pod(seq: u64, replicas: u64) -> Row {
    let text = "x".repeat(400);
    let body = json!({"metadata": {}, "spec": {"filler": text, "replicas": replicas}});
    row(seq, 3, "a", "u", Some(body))
}

#[test]
fn a_version_after_rows_without_bodies_is_a_patch_of_the_last_one() {
    let patches = |rows: &[Row]| {
        let segment = write(rows, SegmentOptions::default()).unwrap();
        assert_same(&read(&segment), rows);
        let reader = ParquetRecordBatchReaderBuilder::try_new(segment).unwrap();
        let batch = reader.build().unwrap().next().unwrap().unwrap();
        let base = batch.column_by_name("base").unwrap();
        base.as_primitive::<Int32Type>().iter().collect::<Vec<_>>()
    };
    let without = |seq| row(seq, 3, "a", "u", None);
    assert_eq!(
        patches(&[pod(1, 1), without(2), without(3), pod(4, 2), pod(5, 3)]),
        [Some(0), None, None, Some(3), Some(1)]
    );
    // What comes first without a body takes nothing from the neighbours behind.
    let mut second = row(7, 3, "b", "v", None);
    second.event.body = pod(7, 1).event.body.map(|body| {
        let text = std::str::from_utf8(&body).unwrap();
        let text = text.replace("\"a\"", "\"b\"").replace("\"u\"", "\"v\"");
        Arc::from(text.as_bytes())
    });
    assert_eq!(
        patches(&[without(1), pod(2, 1), row(6, 3, "b", "v", None), second]),
        [None, Some(0), None, Some(2)]
    );
}

#[rstest]
#[case::of_the_body(Certainty::Seen, Some("1"), None)]
#[case::none_though_the_body_has_one(Certainty::Inferred, None, Some(""))]
#[case::another_than_the_body_has(Certainty::Seen, Some("9"), Some("9"))]
fn an_event_keeps_its_own_version(
    #[case] certainty: Certainty,
    #[case] rv: Option<&str>,
    #[case] column: Option<&str>,
) {
    let mut rows = [pod(1, 1)];
    rows[0].event.certainty = certainty;
    rows[0].event.rv = rv.map(Rv::new);
    let segment = write(&rows, SegmentOptions::default()).unwrap();
    assert_same(&read(&segment), &rows);
    let reader = ParquetRecordBatchReaderBuilder::try_new(segment).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let found = batch.column_by_name("event_resource_version").unwrap();
    assert_eq!(found.as_string::<i32>().iter().next().unwrap(), column);
    let raw = batch.column_by_name("raw").unwrap();
    assert!(raw.is_null(0), "the body is taken apart all the same");
}

#[rstest]
#[case(&[(2, "a"), (1, "a")])]
#[case(&[(1, "b"), (2, "a")])]
#[case(&[(1, "a"), (1, "a")])]
fn rows_out_of_order_are_refused(#[case] order: &[(u64, &str)]) {
    let rows: Vec<Row> = order
        .iter()
        .map(|(seq, name)| row(*seq, 3, name, "u", Some(json!({"metadata": {}}))))
        .collect();
    assert!(matches!(
        write(&rows, SegmentOptions::default()),
        Err(SegmentError::OutOfOrder { row: 1, .. })
    ));
}

#[test]
fn a_row_of_an_unknown_feed_is_refused() {
    let mut rows = vec![row(1, 3, "a", "u", None)];
    rows[0].event.feed = FeedId(9);
    assert!(matches!(
        write(&rows, SegmentOptions::default()),
        Err(SegmentError::UnknownFeed { feed: 9, .. })
    ));
}

#[test]
fn a_segment_cut_at_any_byte_is_refused() {
    let rows: Vec<Row> = (1..4)
        .map(|seq| row(seq, 3, "a", "u", Some(json!({"metadata": {}, "spec": seq}))))
        .collect();
    let segment = write(&rows, SegmentOptions::default()).unwrap();
    for length in 0..segment.len() {
        assert!(
            SegmentReader::open(segment.slice(..length)).is_err(),
            "{length}"
        );
    }
}

#[test]
fn managed_fields_can_be_left_out() {
    let body = json!({"metadata": {"managedFields": [{"manager": "x"}]}, "spec": 1});
    let rows = vec![row(1, 3, "a", "u", Some(body))];
    let options = SegmentOptions {
        managed_fields: false,
        ..SegmentOptions::default()
    };
    let found = read(&write(&rows, options).unwrap());
    assert_eq!(body_member(&found[0], "/metadata/managedFields"), None);
    assert_eq!(body_member(&found[0], "/spec"), Some(json!(1)));
}

fn body_member(row: &Row, pointer: &str) -> Option<Value> {
    body(row)?.pointer(pointer).cloned()
}
