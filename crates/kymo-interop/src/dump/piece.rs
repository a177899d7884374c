//! The values of one file, whatever it is written in: objects, items of lists, ends of lists.

use std::collections::VecDeque;
use std::io;

use serde_json::Value;

use super::compact::compact;
use crate::input::{Body, Content, Document, Documents, Text};
use crate::json::ListHead;

/// What a file holds next.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// A value as JSON without blanks between its parts.
    Value {
        /// The line on which it begins.
        line: u64,
        /// The text.
        text: String,
        /// Whether it is an item of the list whose end comes next.
        in_list: bool,
    },
    /// The end of a list; its items came just before.
    ListEnd(ListHead),
    /// What could not be read.
    Unreadable {
        /// The line on which it begins.
        line: u64,
        /// Why.
        reason: String,
    },
}

/// Reads the pieces of one file.
pub(super) struct Pieces {
    documents: Option<Documents>,
    ready: VecDeque<Piece>,
    /// Whether all items of the present list are JSON.
    is_whole: bool,
    replaced: u64,
}

impl Pieces {
    /// Looks at the beginning of the file. No value longer than `limit` is held in memory.
    pub(super) fn open(mut text: Text<'static>, limit: usize) -> io::Result<Self> {
        let start = io::BufRead::fill_buf(&mut text)?;
        let beginning = start.get(..start.len().min(64)).unwrap_or_default();
        let reason = if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
            Some("UTF-16, not UTF-8")
        } else if beginning.contains(&0) {
            Some("not a text")
        } else {
            None
        };
        Ok(Self {
            ready: reason
                .map(|reason| unreadable(1, reason))
                .into_iter()
                .collect(),
            documents: reason.is_none().then(|| Documents::new(text, limit)),
            is_whole: true,
            replaced: 0,
        })
    }

    /// Returns how many members of YAML mappings were left out for later ones of their name.
    pub(super) fn replaced(&self) -> u64 {
        let documents = self.documents.as_ref();
        documents.map_or(self.replaced, Documents::replaced)
    }

    /// Reads the next piece; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let Some(documents) = &mut self.documents else {
                return Ok(None);
            };
            if let Some(document) = documents.next()? {
                self.take(document);
            } else {
                self.replaced = documents.replaced();
                self.documents = None;
            }
        }
    }

    fn take(&mut self, Document { line, content }: Document) {
        match content {
            Content::Whole(Body::Value(value)) => self.whole(line, value),
            Content::Whole(Body::Text(text)) => {
                let piece = value(line, &text, false);
                // Go writes a list of nothing as null.
                match empty_list(&text) {
                    Some(head) => self.ready.push_back(Piece::ListEnd(head)),
                    None => self.ready.push_back(piece),
                }
            }
            Content::Item(Body::Value(Value::Null)) => {}
            Content::Item(body) => {
                let piece = match body {
                    Body::Text(text) => value(line, &text, true),
                    Body::Value(value) => Piece::Value {
                        line,
                        text: value.to_string(),
                        in_list: true,
                    },
                };
                self.is_whole &= matches!(piece, Piece::Value { .. });
                self.ready.push_back(piece);
            }
            Content::ListEnd(mut head) => {
                head.is_partial |= !std::mem::replace(&mut self.is_whole, true);
                self.ready.push_back(Piece::ListEnd(head));
            }
            Content::Unreadable(reason) => self.ready.push_back(Piece::Unreadable { line, reason }),
        }
    }

    /// Takes a YAML document; a list among them was written in an unusual way.
    fn whole(&mut self, line: u64, mut value: Value) {
        let items = match value.get_mut("items") {
            Some(Value::Array(items)) => Some(std::mem::take(items)),
            Some(Value::Null) => Some(Vec::new()),
            _ => match &mut value {
                Value::Array(items) => Some(std::mem::take(items)),
                _ => None,
            },
        };
        let is_list = items.is_some();
        let values = items.unwrap_or_else(|| vec![value.clone()]);
        self.ready.extend(values.iter().map(|value| Piece::Value {
            line,
            text: value.to_string(),
            in_list: is_list,
        }));
        if is_list {
            self.ready.push_back(Piece::ListEnd(ListHead::of(&value)));
        }
    }
}

fn value(line: u64, text: &str, in_list: bool) -> Piece {
    match compact(text) {
        Ok(text) => Piece::Value {
            line,
            text,
            in_list,
        },
        Err(reason) => unreadable(line, &reason),
    }
}

fn unreadable(line: u64, reason: &str) -> Piece {
    Piece::Unreadable {
        line,
        reason: reason.to_owned(),
    }
}

/// Reads the head of a list whose `items` are null or left out.
fn empty_list(text: &str) -> Option<ListHead> {
    let end = text.len().min(4096);
    let start = text.get(..end).unwrap_or(text);
    if text.len() > end || !start.contains("List\"") {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let is_list = value["kind"].as_str()?.ends_with("List") && value["items"].is_null();
    (is_list && value["metadata"]["name"].is_null() && value["resources"].is_null())
        .then(|| ListHead::of(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &[u8], limit: usize) -> Vec<Piece> {
        let text = Text::new(Box::new(io::Cursor::new(input.to_vec())));
        let mut pieces = Pieces::open(text, limit).unwrap();
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            all.push(piece);
        }
        all
    }

    fn value(line: u64, text: &str, in_list: bool) -> Piece {
        Piece::Value {
            line,
            text: text.to_owned(),
            in_list,
        }
    }

    fn list_end(kind: &str, rv: Option<&str>, is_partial: bool) -> Piece {
        Piece::ListEnd(ListHead {
            kind: kind.to_owned(),
            api_version: if kind.is_empty() { "" } else { "v1" }.to_owned(),
            rv: rv.map(Into::into),
            is_partial,
            ..ListHead::default()
        })
    }

    #[test]
    fn an_object_reads_the_same_in_every_notation() {
        for input in [
            "{\"a\": 1}\n",
            "a: 1\n",
            "\u{feff}{\"a\":1}",
            "\u{feff}a: 1",
            "\t{\"a\" : 1}",
            "  a: 1\n",
        ] {
            let object = value(1, r#"{"a":1}"#, false);
            assert_eq!(pieces(input.as_bytes(), 100), [object], "{input}");
        }
        assert_eq!(
            pieces(b"\n\n{\"a\":1}\n---\nb: 2\n", 100),
            [value(3, r#"{"a":1}"#, false), value(5, r#"{"b":2}"#, false)]
        );
    }

    #[test]
    fn a_list_reads_the_same_in_every_notation() {
        let json = "{\"apiVersion\":\"v1\",\"items\":[{\"a\": \"x\", \"b\": [1]},\n {\"a\": \"z\"}],\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\"}}\n";
        let cut = "---\napiVersion: v1\nitems:\n- a: x\n  b: [1]\n- a: z\nkind: PodList\nmetadata:\n  resourceVersion: \"7\"\n";
        let flow = "apiVersion: v1\nkind: PodList\nitems: [{a: x, b: [1]}, {a: 'z'}]\nmetadata: {resourceVersion: \"7\"}\n";
        let quoted = "\"apiVersion\": v1\n\"items\":\n  - a: x\n    b:\n    - 1\n  -\n    a: \"z\"\n\"kind\": PodList\n\"metadata\":\n  \"resourceVersion\": \"7\"\n";
        for (input, lines) in [
            (json, [1, 2]),
            (cut, [4, 6]),
            (flow, [1, 1]),
            (quoted, [1, 1]),
        ] {
            assert_eq!(
                pieces(input.as_bytes(), 1000),
                [
                    value(lines[0], r#"{"a":"x","b":[1]}"#, true),
                    value(lines[1], r#"{"a":"z"}"#, true),
                    list_end("PodList", Some("7"), false),
                ],
                "{input}"
            );
        }
        let array = [
            value(1, r#"{"a":1}"#, true),
            value(1, r#"{"a":2}"#, true),
            list_end("", None, false),
        ];
        assert_eq!(pieces(b"[{\"a\":1}, {\"a\": 2}]", 1000), array);
        assert_eq!(pieces(b"--- [{a: 1}, {a: 2}]", 1000).len(), 3);
    }

    #[test]
    fn a_list_of_nothing_is_a_list() {
        for input in [
            r#"{"kind":"PodList","apiVersion":"v1","items":[]}"#,
            r#"{"kind":"PodList","apiVersion":"v1","items":null}"#,
            r#"{"kind":"PodList","apiVersion":"v1","metadata":{}}"#,
            "kind: PodList\napiVersion: v1\nitems: []\n",
            "kind: PodList\napiVersion: v1\nitems: null\n",
        ] {
            assert_eq!(
                pieces(input.as_bytes(), 1000),
                [list_end("PodList", None, false)],
                "{input}"
            );
        }
        let named = r#"{"kind":"AllowList","metadata":{"name":"x"}}"#;
        assert_eq!(pieces(named.as_bytes(), 1000), [value(1, named, false)]);
    }

    #[test]
    fn what_is_no_text_is_told() {
        for (input, expected) in [
            (&b"\xff\xfe{\0\"\0"[..], "UTF-16, not UTF-8"),
            (b"\0\x01\x02", "not a text"),
            (b"k8s\0\x0a\x0c", "not a text"),
        ] {
            assert_eq!(pieces(input, 100), [unreadable(1, expected)]);
        }
        assert_eq!(pieces(b"", 100), []);
    }

    #[test]
    fn a_list_with_an_item_that_is_no_json_is_partial() {
        let list = "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{\"a\":\"0123456789\"},{\"a\":1},{\"a\" 1}]}";
        let all = pieces(list.as_bytes(), 12);
        assert_eq!(all[1], value(1, r#"{"a":1}"#, true));
        assert!(
            matches!(&all[2], Piece::Unreadable { reason, .. } if reason.starts_with("not JSON"))
        );
        assert_eq!(all.last(), Some(&list_end("PodList", None, true)));
    }
}
