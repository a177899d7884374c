//! The leak test over traces written for it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use flate2::{Compression, write::GzEncoder};
use kymo_leaktest::{Class, LeakReport, verify};
use kymo_model::{
    Certainty, Event, EventType, Feed, FeedId, ObjectKey, ResourceType, Rv, Scope, Timestamp,
};
use kymo_store::fs::RealFs;
use kymo_store::segment::{Row, SegmentMeta, SegmentOptions};
use kymo_store::{SessionInfo, write_file};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

fn pods() -> Feed {
    Feed {
        resource: ResourceType {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            resource: "pods".to_owned(),
            namespaced: true,
        },
        scope: Scope::default(),
    }
}

/// Writes a trace of one Pod after the other.
fn trace(directory: &Path, name: &str, bodies: &[Value]) -> PathBuf {
    let path = directory.join(name);
    let rows = bodies.iter().enumerate().map(|(number, body)| {
        let text = |path: &str| {
            body.pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok::<_, kymo_store::Error>(Row {
            seq: number as u64 + 1,
            session: 0,
            event: Event {
                feed: FeedId(0),
                ts: Timestamp(number as i64),
                not_before: None,
                event_type: EventType::Added,
                certainty: Certainty::Seen,
                epoch: 0,
                key: ObjectKey {
                    namespace: text("/metadata/namespace"),
                    name: text("/metadata/name"),
                    uid: text("/metadata/uid"),
                },
                rv: Some(Rv::from((number + 1).to_string().as_str())),
                body: Some(Arc::from(body.to_string().into_bytes())),
                request: None,
            },
        })
    });
    let meta = SegmentMeta {
        feeds: vec![(FeedId(0), pods())],
        sessions: vec![SessionInfo::default()],
        ..SegmentMeta::default()
    };
    write_file(
        Arc::new(RealFs),
        &path,
        rows,
        meta,
        &SegmentOptions::default(),
        |_| {},
    )
    .unwrap();
    path
}

fn original() -> Value {
    json!({
        "metadata": {
            "namespace": "payments-emea", "name": "checkout-api-0", "uid": "6a0a4f0e-1111-4222-8333-444455556666",
            "labels": {"team": "zebra"}
        },
        "spec": {"containers": [{"name": "app", "image": "registry.acme.com/shop/storefront:v7.3.1", "env": [
            {"name": "DB", "value": "postgres://app:s3cr3tpw@db.acme.internal/x"}
        ]}]},
        "status": {"podIP": "10.7.3.9", "message": "asked by ann.smith@acme.com"}
    })
}

fn clean() -> Value {
    json!({
        "metadata": {
            "namespace": "na0k2j3h4g5f6d7s8", "name": "xq8v7n6m5k4j3h2g", "uid": "0f0f0f0f-aaaa-4bbb-8ccc-ddddeeeeffff",
            "labels": {"kq0p1o2i3u4y5t6": "vr9e8w7q6a5s4d3f"}
        },
        "spec": {"containers": [{"name": "cq8w7e6r5t4y3u2", "image": "h0.invalid/i1/i2:t3", "env": []}]},
        "status": {"podIP": "10.201.77.4", "message": ""}
    })
}

fn leaks(message: &str) -> LeakReport {
    let directory = TempDir::new().unwrap();
    let mut out = clean();
    out["status"]["message"] = json!(message);
    let original = trace(directory.path(), "original.parquet", &[original()]);
    let out = trace(directory.path(), "out.parquet", &[out]);
    verify(&original, &out, &|_| {}).unwrap()
}

#[test]
fn a_trace_without_a_token_of_the_original_is_clean() {
    let report = leaks("Started container");
    assert!(report.is_clean(), "{:#?}", report.leaks);
    assert!(report.tokens > 20, "{}", report.tokens);
}

#[test]
fn the_original_itself_is_all_leaks() {
    let directory = TempDir::new().unwrap();
    let original = trace(directory.path(), "original.parquet", &[original()]);
    let report = verify(&original, &original, &|_| {}).unwrap();
    assert_eq!(report.leaks.len(), report.tokens);
}

fn gzip(text: &str) -> String {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(text.as_bytes()).unwrap();
    STANDARD.encode(gz.finish().unwrap())
}

#[rstest]
#[case::as_it_is("pod checkout-api-0 is gone", Class::Name, "checkout-api-0")]
#[case::upper_snake("CHECKOUT_API_0_SERVICE_HOST", Class::Name, "checkout-api-0")]
#[case::a_part("my-checkout-thing", Class::Name, "checkout")]
#[case::a_short_word("of team zebra!", Class::Label, "zebra")]
#[case::address("no route to ip-10-7-3-9", Class::Ip, "10.7.3.9")]
#[case::reversed("9.3.7.10.in-addr.arpa", Class::Ip, "10.7.3.9")]
#[case::uid(
    "pod6a0a4f0e_1111_4222_8333_444455556666",
    Class::Id,
    "6a0a4f0e-1111-4222-8333-444455556666"
)]
#[case::email("for Ann.Smith@ACME.com", Class::Email, "ann.smith@acme.com")]
#[case::image("pulling shop/storefront", Class::Image, "storefront")]
#[case::host("lookup db.acme.internal failed", Class::Host, "db.acme.internal")]
#[case::secret("login s3cr3tpw refused", Class::Secret, "s3cr3tpw")]
#[case::json(r#"{"a":"{\"b\":\"payments-emea\"}"}"#, Class::Name, "payments-emea")]
#[case::escaped(r#"{"a":"p\u0061yments-emea"}"#, Class::Name, "payments-emea")]
#[case::base64("cGF5bWVudHMtZW1lYQ==", Class::Name, "payments-emea")]
#[case::hexadecimal("7061796d656e74732d656d6561", Class::Name, "payments-emea")]
#[case::percent("GET /api?ns=payments%2Demea", Class::Name, "payments-emea")]
fn what_is_put_back_is_found(#[case] message: &str, #[case] class: Class, #[case] token: &str) {
    let report = leaks(message);
    let leak = report.leaks.iter().find(|leak| leak.token == token);
    let leak = leak.unwrap_or_else(|| panic!("{token} is not among {:#?}", report.leaks));
    assert_eq!(leak.class, class);
    assert_eq!(leak.places[0].seq, Some(1));
    assert!(
        leak.places[0].path.starts_with("object.status.message"),
        "{leak:?}"
    );
    assert_eq!(leak.original.seq, Some(1));
}

#[test]
fn what_is_compressed_and_encoded_is_found() {
    let report = leaks(&gzip("{\"chart\":\"payments-emea\"}"));
    assert!(
        report
            .leaks
            .iter()
            .any(|leak| leak.token == "payments-emea")
    );
}

#[test]
fn what_stands_beside_the_rows_is_found() {
    let directory = TempDir::new().unwrap();
    let original = trace(directory.path(), "original.parquet", &[original()]);
    let out = directory.path().join("out.parquet");
    let meta = SegmentMeta {
        feeds: vec![(FeedId(0), pods())],
        lineage: vec![json!({"input": "/srv/payments-emea/trace"})],
        ..SegmentMeta::default()
    };
    let rows = std::iter::empty::<Result<Row, kymo_store::Error>>();
    write_file(
        Arc::new(RealFs),
        &out,
        rows,
        meta,
        &SegmentOptions::default(),
        |_| {},
    )
    .unwrap();
    let report = verify(&original, &out, &|_| {}).unwrap();
    let leak = report
        .leaks
        .iter()
        .find(|leak| leak.token == "payments-emea")
        .unwrap();
    assert!(
        leak.places
            .iter()
            .any(|place| place.path.starts_with("metadata.lineage")),
        "{leak:?}"
    );
    assert!(
        leak.places
            .iter()
            .any(|place| place.path == "bytes of the file"),
        "{leak:?}"
    );
}

/// The ways in which a mutation hides a token.
fn hidden(token: &str, way: usize, around: (&str, &str)) -> String {
    let (before, after) = around;
    let text = format!("{before} {token} {after}");
    match way {
        0 => text,
        1 => text.to_uppercase(),
        2 => STANDARD.encode(&text),
        3 => gzip(&text),
        4 => utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string(),
        5 => HEXLOWER.encode(text.as_bytes()),
        6 => json!({"inner": json!({"value": text}).to_string()}).to_string(),
        _ => format!("{before} {} {after}", token.replace(['-', '.'], "_")),
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

    #[test]
    fn a_token_put_back_anywhere_in_any_encoding_is_found(
        which in 0_usize..6,
        way in 0_usize..8,
        place in 0_usize..5,
        before in "[a-z]{0,7}",
        after in "[a-z]{0,7}",
    ) {
        let token = [
            "payments-emea", "checkout-api-0", "6a0a4f0e-1111-4222-8333-444455556666",
            "db.acme.internal", "storefront", "s3cr3tpw",
        ][which];
        let text = hidden(token, way, (&before, &after));
        let mut out = clean();
        match place {
            0 => out["metadata"]["labels"]["team"] = json!(text),
            1 => out["metadata"]["annotations"] = json!({text: "x"}),
            2 => out["spec"]["containers"][0]["args"] = json!([text]),
            3 => out["spec"]["containers"][0]["image"] = json!(text),
            _ => out["status"]["conditions"] = json!([{"message": text}]),
        }
        let directory = TempDir::new().unwrap();
        let original = trace(directory.path(), "original.parquet", &[original()]);
        let out = trace(directory.path(), "out.parquet", &[out]);
        let report = verify(&original, &out, &|_| {}).unwrap();
        proptest::prop_assert!(report.leaks.iter().any(|leak| leak.token == token));
    }
}
