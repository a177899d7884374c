//! Documents are told apart, whatever they are.

use super::*;
use serde_json::json;

impl Body {
    fn into_value(self) -> serde_json::Result<Value> {
        match self {
            Self::Text(text) => serde_json::from_str(&text),
            Self::Value(value) => Ok(value),
        }
    }
}

fn documents(input: &[u8], limit: usize) -> Vec<Document> {
    let text = Text::new(Box::new(io::Cursor::new(input.to_vec())));
    let mut documents = Documents::new(text, limit);
    let mut all = Vec::new();
    while let Some(document) = documents.next().unwrap() {
        all.push(document);
    }
    all
}

/// Line, kind of content and what is in it.
fn read(input: &str, limit: usize) -> Vec<(u64, &'static str, Value)> {
    documents(input.as_bytes(), limit)
        .into_iter()
        .map(|document| {
            let (what, value) = match document.content {
                Content::Whole(body) => ("whole", body.into_value().unwrap()),
                Content::Item(body) => ("item", body.into_value().unwrap()),
                Content::ListEnd(head) => {
                    let rv = head.rv.map(|rv| rv.to_string());
                    ("end", json!([head.kind, rv, head.is_partial]))
                }
                Content::Unreadable(reason) => ("bad", json!(reason)),
            };
            (document.line, what, value)
        })
        .collect()
}

#[test]
fn documents_stand_between_markers_and_have_lines() {
    let input = "\u{feff}%YAML 1.2\n---\n# a comment\na: 1\nb: |\n  ---\n  x\n---\n\n---\nb: 2\n...\n--- {c: 3}\n---\n# nothing\n--- # x\nd: 4";
    assert_eq!(
        read(input, 1000),
        [
            (4, "whole", json!({"a": 1, "b": "---\nx\n"})),
            (11, "whole", json!({"b": 2})),
            (13, "whole", json!({"c": 3})),
            (17, "whole", json!({"d": 4})),
        ],
    );
    assert_eq!(read("", 1000), []);
    assert_eq!(read("---\n---\n", 1000), []);
}

#[test]
fn lists_of_either_indent_are_read_item_by_item() {
    for pad in ["", "  "] {
        let input = format!(
            "---\napiVersion: v1\nitems:\n{pad}- a: 1\n{pad}  t: |\n\n{pad}    - x\n# note\n{pad}-\n{pad}  b: 2\n{pad}- c\nkind: PodList\nmetadata:\n  resourceVersion: \"9\"\n---\nz: 1\n"
        );
        assert_eq!(
            read(&input, 1000),
            [
                (4, "item", json!({"a": 1, "t": "\n- x\n"})),
                (9, "item", json!({"b": 2})),
                (11, "item", json!("c")),
                (2, "end", json!(["PodList", "9", false])),
                (16, "whole", json!({"z": 1})),
            ],
        );
    }
    assert_eq!(
        read("- a: 1\n- b: 2\n", 1000),
        [
            (1, "item", json!({"a": 1})),
            (2, "item", json!({"b": 2})),
            (1, "end", json!(["", null, false])),
        ],
    );
}

#[test]
fn items_that_are_no_block_list_are_part_of_the_document() {
    assert_eq!(
        read("items: []\nkind: List\n", 1000),
        [(1, "whole", json!({"items": [], "kind": "List"}))],
    );
    assert_eq!(
        read("kind: X\nitems:\n  a: 1\n---\nitems:\n", 1000),
        [
            (1, "whole", json!({"kind": "X", "items": {"a": 1}})),
            (5, "end", json!(["", null, false])),
        ],
    );
}

#[test]
fn json_is_read_as_it_is_also_between_yaml() {
    let input = "{\"b\": 1.0e2,\n \"a\": 2}\n---\n{\"kind\":\"PodList\",\"items\":[{\"x\":1},\n {\"y\":2}],\"metadata\":{\"continue\":\"t\"}}\n---\na: 1\n---\n[{\"k\": 1},\n 7]\n{\"kind\":\"Odd\",\"items\":[1]}";
    let all = documents(input.as_bytes(), 1000);
    assert_eq!(
        all[0].content,
        Content::Whole(Body::Text("{\"b\": 1.0e2,\n \"a\": 2}".to_owned()))
    );
    assert_eq!(
        read(input, 1000)[1..],
        [
            (4, "item", json!({"x": 1})),
            (5, "item", json!({"y": 2})),
            (5, "end", json!(["PodList", null, true])),
            (7, "whole", json!({"a": 1})),
            (9, "item", json!({"k": 1})),
            (10, "item", json!(7)),
            (10, "end", json!(["", null, false])),
            (11, "whole", json!({"kind": "Odd", "items": [1]})),
        ],
    );
}

#[test]
fn what_is_too_long_costs_nothing_else() {
    let long = "x".repeat(100);
    let input = format!(
        "a: {long}\n---\nitems:\n- a: {long}\n  b: 1\n- c: 2\nkind: List\n---\n{{\"items\":[{{\"l\":\"{long}\"}},{{\"m\":3}}]}}\n---\nb: 1\n"
    );
    assert_eq!(
        read(&input, 50),
        [
            (1, "bad", json!("a document longer than 50 bytes")),
            (4, "bad", json!("an item longer than 50 bytes")),
            (6, "item", json!({"c": 2})),
            (3, "end", json!(["List", null, true])),
            (9, "bad", json!("an item longer than 50 bytes")),
            (9, "item", json!({"m": 3})),
            (9, "end", json!(["", null, true])),
            (11, "whole", json!({"b": 1})),
        ],
    );
}

#[test]
fn a_dump_of_cluster_info_is_read_around_its_logs() {
    let input = "{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1}]}\n\
        ==== START logs for container app of pod shop/web-0 ====\n{\"level\":\"info\"}\n{\n---\n\
        ==== END logs for container app of pod shop/web-0 ====\n\
        an error\n{\"b\":2}\n";
    assert_eq!(
        read(input, 1000),
        [
            (1, "item", json!({"a": 1})),
            (1, "end", json!(["NodeList", "7", false])),
            (7, "whole", json!("an error")),
            (8, "whole", json!({"b": 2})),
        ],
    );
}

#[test]
fn a_list_that_lacks_something_is_partial() {
    let cut = "{\"kind\":\"PodList\",\"items\":[\n{\"a\":1},\n{\"a\":2},\n{\"a\":";
    for (input, limit, items) in [
        (cut, 30, 2),
        (cut, 1000, 2),
        ("items:\n- a: 1\n- a: [\n- a: 2\n", 1000, 2),
        ("items:\n- a: 1\nkind: [\n", 1000, 1),
        (
            "items:\n- a: 1\nmetadata:\n  remainingItemCount: 3\n",
            1000,
            1,
        ),
    ] {
        let all = documents(format!("{input}\n---\nb: 1\n").as_bytes(), limit);
        let ends: Vec<bool> = all
            .iter()
            .filter_map(|document| match &document.content {
                Content::ListEnd(head) => Some(head.is_partial),
                _ => None,
            })
            .collect();
        let count = all
            .iter()
            .filter(|document| matches!(document.content, Content::Item(_)));
        assert_eq!((ends[0], count.count()), (true, items), "{input}: {all:?}");
    }
    let next = documents(b"items:\n- [\n---\nitems:\n- a: 1\n", 1000);
    let end = next.last().unwrap();
    assert!(
        matches!(&end.content, Content::ListEnd(head) if !head.is_partial),
        "{next:?}"
    );
}

#[test]
fn what_is_broken_is_told_with_its_line() {
    let input =
        "a: 1\n---\na: 'b\n---\nitems:\n- x: 1\n-  y: 2\n  z: *no\n---\n{\"a\": ]\n---\nb: 2\n";
    let told: Vec<_> = read(input, 1000)
        .into_iter()
        .map(|(line, what, _)| (line, what))
        .collect();
    assert_eq!(
        told,
        [
            (1, "whole"),
            (4, "bad"),
            (6, "item"),
            (8, "bad"),
            (5, "end"),
            (10, "bad"),
            (12, "whole"),
        ],
    );
    let all = documents(
        b"a: \xff\n---\n{\"a\": \"\xff\"}\n---\n{\"items\":[\"\xff\"]}\n",
        1000,
    );
    let bad = |document: &&Document| matches!(document.content, Content::Unreadable(_));
    assert_eq!(all.iter().filter(bad).count(), 3, "{all:?}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "---\n", "items:\n", "- a: 1\n", "  - b\n", "{\"items\":[", "[1,", "]}", "}\n",
            "kind: List\n", "\n", "# c\n", "...\n", "x", "\"", ": ", "&a ", "*a\n", "|\n",
        ]), 0..30),
        limit in 1usize..60,
    ) {
        let input = pieces.concat();
        let all = documents(input.as_bytes(), limit);
        proptest::prop_assert!(all.len() <= input.len() + 1);
    }
}
