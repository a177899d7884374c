use proptest::prelude::*;
use serde_json::{Value, json};

use super::{At, Doc, Edit, Parser, apply, diff, same};

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "name", "type", "spec", "0", "1"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["", "a/b", "m~n", "~1", "ü", "k:{\"x\":1}", "tab\t", "\\"])
            .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..20).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|number| json!(f64::from(number) / 4.0)),
        prop::sample::select(vec![
            "",
            "x",
            "y",
            "2026-11-21T02:07:25Z",
            "\"q\"",
            "é\u{1F980}",
            "\u{1}"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn doc(value: &Value) -> Doc {
    Parser::document(value.to_string().as_bytes(), None).unwrap()
}

fn json(doc: &Doc) -> Value {
    serde_json::from_slice(&doc.text).unwrap()
}

/// Checks that every length in the index is what the text says.
fn is_sound(doc: &Doc) -> bool {
    Parser::document(&doc.text, None).is_ok_and(|fresh| fresh == *doc)
}

proptest! {
    #[test]
    fn parsing_keeps_the_value_with_and_without_a_hint(old in value(), new in value()) {
        let text = serde_json::to_string_pretty(&new).unwrap();
        let plain = Parser::document(text.as_bytes(), None).unwrap();
        let hinted = Parser::document(text.as_bytes(), Some(&doc(&old))).unwrap();
        prop_assert_eq!(&json(&plain), &new);
        prop_assert_eq!(&plain, &hinted);
        let compact = new.to_string();
        prop_assert_eq!(&Parser::document(compact.as_bytes(), Some(&doc(&old))).unwrap(), &plain);
    }

    #[test]
    fn a_patch_leads_from_the_old_to_the_new_value(old in value(), new in value()) {
        let (before, after) = (doc(&old), doc(&new));
        let mut changes = Vec::new();
        diff(&before, &after, "", &mut changes);
        let mut patched = before.clone();
        let mut operations = Vec::new();
        for change in &changes {
            let text = after.value(change.value);
            let text = if change.edit == Edit::Remove { &b""[..] } else { text };
            apply(&mut patched, change.edit, &change.path, text).unwrap();
            prop_assert!(is_sound(&patched));
            operations.push(match change.edit {
                Edit::Remove => json!({"op": "remove", "path": change.path}),
                Edit::Add => json!({"op": "add", "path": change.path, "value": serde_json::from_slice::<Value>(text).unwrap()}),
                Edit::Replace => json!({"op": "replace", "path": change.path, "value": serde_json::from_slice::<Value>(text).unwrap()}),
            });
        }
        prop_assert!(same(&patched, At::ROOT, &after, At::ROOT));
        prop_assert_eq!(json(&patched), new.clone());
        // What we write is a JSON Patch to others too.
        let patch: json_patch::Patch = serde_json::from_value(Value::from(operations)).unwrap();
        let mut theirs = old;
        json_patch::patch(&mut theirs, &patch).unwrap();
        prop_assert_eq!(theirs, new);
    }

    #[test]
    fn any_operation_does_what_the_library_does(
        start in value(),
        edit in prop::sample::select(vec![Edit::Add, Edit::Remove, Edit::Replace]),
        path in prop_oneof![
            prop::collection::vec(key(), 0..4).prop_map(|parts| {
                let mut path = String::new();
                for part in &parts {
                    super::push_segment(&mut path, part);
                }
                path
            }),
            "[/a0~1-]{0,6}",
        ],
        new in value(),
    ) {
        let mut ours = doc(&start);
        let text = new.to_string();
        let result = apply(&mut ours, edit, &path, if edit == Edit::Remove { b"" } else { text.as_bytes() });
        prop_assert!(is_sound(&ours));
        if result.is_err() {
            prop_assert_eq!(json(&ours), start.clone(), "an error changes nothing");
        }
        let name = match edit { Edit::Add => "add", Edit::Remove => "remove", Edit::Replace => "replace" };
        let operation = json!([{"op": name, "path": path, "value": new}]);
        let is_removal_of_all = edit == Edit::Remove && path.is_empty();
        if let Ok(patch) = serde_json::from_value::<json_patch::Patch>(operation) && !is_removal_of_all {
            let mut theirs = start;
            match json_patch::patch(&mut theirs, &patch) {
                Ok(()) => {
                    // The library leaves a `~` before another character as it is; so do we.
                    prop_assert!(result.is_ok(), "{} {}: {:?}", name, path, result);
                    prop_assert_eq!(json(&ours), theirs);
                }
                Err(_) => prop_assert!(result.is_err(), "{} {}", name, path),
            }
        }
    }

    #[test]
    fn any_bytes_are_read_as_the_library_reads_them_or_rejected(text in ".{0,40}", cut in 0usize..200, value in value()) {
        for bytes in [text.as_bytes(), value.to_string().as_bytes().get(..cut).unwrap_or_default()] {
            if let Ok(doc) = Parser::document(bytes, None) {
                prop_assert_eq!(json(&doc), serde_json::from_slice::<Value>(bytes).unwrap());
            }
        }
    }
}

#[test]
fn numbers_and_strings_stay_the_text_that_came() {
    let text = br#"{"a":[1.0e2,1.10,-0,123456789012345678901234567890],"b":"\u0041\/"}"#;
    let doc = Parser::document(text, None).unwrap();
    assert_eq!(doc.text, text);
}

#[test]
fn a_document_that_is_not_there_can_only_be_added_whole() {
    for (edit, path) in [
        (Edit::Remove, ""),
        (Edit::Remove, "/a"),
        (Edit::Add, "/a"),
        (Edit::Replace, "/0"),
    ] {
        let mut doc = Doc::default();
        assert!(apply(&mut doc, edit, path, b"1").is_err());
        assert_eq!(doc, Doc::default());
    }
    let mut doc = Doc::default();
    apply(&mut doc, Edit::Add, "", b"[1]").unwrap();
    assert_eq!(json(&doc), json!([1]));
}

#[test]
fn what_has_no_single_meaning_is_rejected() {
    for text in [
        &br#"{"a":1,"a":2}"#[..],
        br#"{"a":1,"\u0061":2}"#,
        b"{\"a\":\"\x01\"}",
        br#""\ud800""#,
        br#"{"a":01}"#,
        br#"{"a":1.}"#,
        br#"{"a":-}"#,
        br#"{"a":1,}"#,
        b"[1,]",
        b"[1 2]",
        b"tru",
        b"1 2",
        b"",
        b"\xff",
    ] {
        assert!(
            Parser::document(text, None).is_err(),
            "{}",
            text.escape_ascii()
        );
    }
    let many: Vec<String> = (0..40).map(|i| format!("\"k{}\":0", i % 39)).collect();
    let many = format!("{{{},\"z\":0}}", many.join(","));
    assert!(Parser::document(many.as_bytes(), None).is_err());
    let deep = [vec![b'['; 5000], vec![b']'; 5000]].concat();
    assert!(Parser::document(&deep, None).is_err());
}

#[test]
fn items_of_a_list_are_paired_by_what_they_are() {
    let old = doc(&json!({"conditions": [
        {"type": "Ready", "status": "False"}, {"type": "Initialized", "status": "True"},
    ]}));
    let new = doc(&json!({"conditions": [
        {"type": "Started", "status": "True"}, {"type": "Ready", "status": "True"},
        {"type": "Initialized", "status": "True"},
    ]}));
    let mut changes = Vec::new();
    diff(&old, &new, "", &mut changes);
    let paths: Vec<_> = changes
        .iter()
        .map(|change| (change.edit, change.path.as_str()))
        .collect();
    assert_eq!(
        paths,
        [
            (Edit::Add, "/conditions/0"),
            (Edit::Replace, "/conditions/1/status")
        ],
    );
}
