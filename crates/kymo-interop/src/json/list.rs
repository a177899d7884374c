//! Reads the items of a list one by one, however long the list is.

use std::io;

use kymo_model::Rv;
use serde::Deserialize;

use super::values::Nesting;
use crate::input::Text;

/// What a list says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListHead {
    /// When it was received, in a wrapped list.
    pub(crate) recv: Option<String>,
    /// `kind`, such as `PodList`.
    pub(crate) kind: String,
    /// `apiVersion` of the list.
    pub(crate) api_version: String,
    /// `metadata.resourceVersion`.
    pub(crate) rv: Option<Rv>,
    /// Whether `metadata` says that there is more.
    pub(crate) is_partial: bool,
}

impl ListHead {
    /// Reads what a list that was read as a whole says of itself.
    pub(crate) fn of(list: &serde_json::Value) -> Self {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &list["metadata"];
        Self {
            recv: None,
            kind: text(&list["kind"]),
            api_version: text(&list["apiVersion"]),
            rv: Some(text(&metadata["resourceVersion"]))
                .filter(|rv| !rv.is_empty())
                .map(Rv::new),
            is_partial: !text(&metadata["continue"]).is_empty()
                || metadata["remainingItemCount"].as_u64() > Some(0),
        }
    }

    /// Returns the kind of its items; empty for a list of mixed kinds.
    pub(crate) fn item_kind(&self) -> &str {
        self.kind.strip_suffix("List").unwrap_or_default()
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "resourceVersion")]
    resource_version: Option<String>,
    r#continue: Option<String>,
    #[serde(rename = "remainingItemCount")]
    remaining: Option<u64>,
}

/// What the next step of reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An item lies in the buffer.
    Item,
    /// An item was longer than the limit and was dropped.
    TooLong,
    /// The list ended as it should.
    End,
    /// The text is not a list, or ends inside.
    Broken(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Envelope,
    List,
    Items,
    Done,
}

/// The state of reading one list, wrapped or plain.
#[derive(Debug)]
pub(crate) struct ListReader {
    /// What was read of the list itself so far; complete at the end.
    pub(crate) head: ListHead,
    /// The line on which the last item began.
    pub(crate) line: u64,
    place: Place,
    is_wrapped: bool,
    /// Whether there is nothing around the items.
    is_array: bool,
    has_items: bool,
}

impl ListReader {
    /// Starts before the `{` of the list or of its wrapper, or the `[` of a bare array.
    pub(crate) fn new() -> Self {
        Self {
            head: ListHead::default(),
            line: 1,
            place: Place::Start,
            is_wrapped: false,
            is_array: false,
            has_items: false,
        }
    }

    /// Reads on to the next item, which is left in `item` unless it is longer than `limit`.
    pub(crate) fn step(
        &mut self,
        text: &mut Text<'_>,
        item: &mut Vec<u8>,
        limit: usize,
    ) -> io::Result<Step> {
        loop {
            let Some(byte) = skip_blank(text)? else {
                return Ok(match self.place {
                    Place::Done => Step::End,
                    _ => Step::Broken("the list ends early"),
                });
            };
            match (self.place, byte) {
                (Place::Done, _) => return Ok(Step::End),
                (Place::Start, b'{') => {
                    take(text);
                    self.place = Place::Envelope;
                }
                (Place::Start, b'[') => {
                    take(text);
                    self.is_array = true;
                    self.has_items = true;
                    self.place = Place::Items;
                }
                (Place::Envelope | Place::List, b'}') => {
                    take(text);
                    let ends_wrapped = self.is_wrapped && self.place == Place::List;
                    self.place = if ends_wrapped {
                        Place::Envelope
                    } else {
                        Place::Done
                    };
                    if self.place == Place::Done {
                        return Ok(if self.has_items {
                            Step::End
                        } else {
                            Step::Broken("a value that is too long and is not a list")
                        });
                    }
                }
                (Place::Items, b']') => {
                    take(text);
                    if self.is_array {
                        self.place = Place::Done;
                        return Ok(Step::End);
                    }
                    self.place = Place::List;
                }
                (Place::Items, _) => {
                    self.line = text.line();
                    return Ok(match read_value(text, item, limit)? {
                        Value::Whole => Step::Item,
                        Value::TooLong => Step::TooLong,
                        Value::Cut => Step::Broken("the list ends inside an item"),
                    });
                }
                (Place::Envelope | Place::List, b'"') => {
                    if let Some(broken) = self.member(text, item, limit)? {
                        return Ok(broken);
                    }
                }
                _ => return Ok(Step::Broken("not a list")),
            }
        }
    }

    /// Reads a member of the wrapper or the list.
    fn member(
        &mut self,
        text: &mut Text<'_>,
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> io::Result<Option<Step>> {
        let key = match read_value(text, buffer, limit)? {
            Value::Whole => serde_json::from_slice::<String>(buffer).unwrap_or_default(),
            _ => return Ok(Some(Step::Broken("the list ends inside a name"))),
        };
        if skip_blank(text)? != Some(b':') {
            return Ok(Some(Step::Broken("not a list")));
        }
        take(text);
        let next = skip_blank(text)?;
        match (key.as_str(), next) {
            ("list", Some(b'{')) if self.place == Place::Envelope && !self.is_wrapped => {
                take(text);
                self.is_wrapped = true;
                self.place = Place::List;
                return Ok(None);
            }
            ("items", Some(b'[')) if !self.has_items => {
                take(text);
                self.has_items = true;
                self.place = Place::Items;
                return Ok(None);
            }
            _ => {}
        }
        match read_value(text, buffer, limit)? {
            Value::Whole => {}
            Value::TooLong => return Ok(Some(Step::Broken("a value that is too long"))),
            Value::Cut => return Ok(Some(Step::Broken("the list ends early"))),
        }
        let string = || serde_json::from_slice::<String>(buffer).unwrap_or_default();
        match key.as_str() {
            "recv" => self.head.recv = Some(string()),
            "kind" => self.head.kind = string(),
            "apiVersion" => self.head.api_version = string(),
            "items" => self.has_items = true,
            "metadata" => {
                let metadata: Metadata = serde_json::from_slice(buffer).unwrap_or_default();
                self.head.rv = metadata
                    .resource_version
                    .filter(|rv| !rv.is_empty())
                    .map(Rv::new);
                self.head.is_partial = metadata.r#continue.is_some_and(|token| !token.is_empty())
                    || metadata.remaining.is_some_and(|count| count > 0);
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Skips blanks and commas; the values themselves are checked when they are read.
pub(crate) fn skip_blank(text: &mut Text<'_>) -> io::Result<Option<u8>> {
    loop {
        match text.peek()? {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => take(text),
            other => return Ok(other),
        }
    }
}

/// Takes the byte that was just shown.
pub(crate) fn take(text: &mut Text<'_>) {
    io::BufRead::consume(text, 1);
}

/// How a value was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// It lies in the buffer.
    Whole,
    /// It was longer than the limit and was dropped.
    TooLong,
    /// The text ends inside it.
    Cut,
}

/// Reads one JSON value into `buffer` by its brackets or quotes.
pub(crate) fn read_value(
    text: &mut Text<'_>,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> io::Result<Value> {
    buffer.clear();
    let mut nesting = Nesting::default();
    let is_nested = matches!(text.peek()?, Some(b'{' | b'['));
    let is_string = text.peek()? == Some(b'"');
    let mut escaped = false;
    let mut length = 0;
    loop {
        let available = io::BufRead::fill_buf(text)?;
        if available.is_empty() {
            return Ok(Value::Cut);
        }
        let end = if is_nested {
            nesting.close(available)
        } else if is_string {
            let mut bytes = available.iter().enumerate().skip(usize::from(length == 0));
            bytes.find_map(|(index, byte)| {
                let closes = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                closes.then_some(index + 1)
            })
        } else {
            let is_end =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            match available.iter().position(is_end) {
                Some(0) if length == 0 => return Ok(Value::Cut),
                end => end,
            }
        };
        let part = available
            .get(..end.unwrap_or(available.len()))
            .unwrap_or_default();
        let taken = part.len();
        length += taken;
        if length <= limit {
            buffer.extend_from_slice(part);
        }
        io::BufRead::consume(text, taken);
        if end.is_some() {
            return Ok(if length <= limit {
                Value::Whole
            } else {
                Value::TooLong
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str, limit: usize) -> (Vec<String>, Step, ListHead) {
        // One byte at a time, so that every boundary is met.
        let reader = io::BufReader::with_capacity(1, io::Cursor::new(input.as_bytes().to_vec()));
        let mut text = Text::new(Box::new(reader));
        let mut list = ListReader::new();
        let (mut buffer, mut items) = (Vec::new(), Vec::new());
        loop {
            match list.step(&mut text, &mut buffer, limit).unwrap() {
                Step::Item => items.push(String::from_utf8(buffer.clone()).unwrap()),
                Step::TooLong => items.push("too long".to_owned()),
                end => return (items, end, list.head),
            }
        }
    }

    #[test]
    fn items_come_one_by_one_wrapped_or_plain_and_metadata_may_come_last() {
        let wrapped = r#"{"recv":"2026-11-21T02:06:57Z","list":{"kind":"PodList","apiVersion":"v1",
            "items":[{"a":"]}\""}, {"b":[1]}],"metadata":{"resourceVersion":"9"}}}"#;
        let (items, end, head) = read(wrapped, 1000);
        assert_eq!(items, [r#"{"a":"]}\""}"#, r#"{"b":[1]}"#]);
        assert_eq!(end, Step::End);
        assert_eq!(head.recv.as_deref(), Some("2026-11-21T02:06:57Z"));
        assert_eq!(
            (head.item_kind(), head.rv.clone()),
            ("Pod", Some("9".into()))
        );

        let (items, end, head) = read(r#"[ {"a":1}, {"b":2} ]"#, 1000);
        assert_eq!((items.len(), end), (2, Step::End));
        assert!(head.kind.is_empty());

        let plain = r#"{"items":[],"kind":"List","metadata":{"continue":"x","n":1.5}}"#;
        let (items, end, head) = read(plain, 1000);
        assert_eq!((items.len(), end), (0, Step::End));
        assert!(head.is_partial && head.item_kind().is_empty());
    }

    #[test]
    fn a_long_item_is_dropped_and_a_cut_list_is_told() {
        let (items, end, _) = read(r#"{"items":[{"a":"0123456789"},{"b":1}]}"#, 12);
        assert_eq!(
            (items, end),
            (
                vec!["too long".to_owned(), r#"{"b":1}"#.to_owned()],
                Step::End
            )
        );
        let (items, end, _) = read(r#"{"items":[{"b":1},{"c":"#, 100);
        assert_eq!(
            (items.len(), end),
            (1, Step::Broken("the list ends inside an item"))
        );
        for bad in [
            "7",
            "{7:1}",
            r#"{"type":"ADDED","object":{}}"#,
            r#"{"items" 1}"#,
            r#"{"items":[,}"#,
        ] {
            assert!(matches!(read(bad, 100).1, Step::Broken(_)), "{bad}");
        }
    }
}
