//! Reads the YAML and JSON documents of a text one by one, and their lists item by item.

use std::borrow::Cow;
use std::io::{self, BufRead as _};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::text::Text;
use super::yaml::{self, Broken};
use crate::json::{
    Cut, ListHead, ListReader, Step, Value as Read, next_value, read_value, skip_blank, skip_value,
};

/// A document, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// The line on which it begins.
    pub(crate) line: u64,
    /// What it is.
    pub(crate) content: Content,
}

/// What a document is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A document that is no list.
    Whole(Body),
    /// An item of a list; its [`ListEnd`](Self::ListEnd) comes after all items.
    Item(Body),
    /// The end of a list, with what the list says of itself. A top-level array or sequence says
    /// nothing. The list is partial also if an item of it could not be read, or its end.
    ListEnd(ListHead),
    /// What could not be read.
    Unreadable(String),
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    /// JSON text, cut out by its brackets; its reader says whether it is right.
    Text(String),
    /// A value of YAML.
    Value(Value),
}

impl Body {
    /// Returns JSON text: that of the document, or one made of its YAML.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Value(value) => value.to_string(),
        }
    }
}

/// Reads documents.
///
/// A value or item longer than the limit is dropped and told as unreadable. Of YAML lists only
/// those of block style with one item after the other below `items:` are read item by item; that
/// is how everything writes them. What is anchored in one item is not known in another.
pub(crate) struct Documents {
    text: Text<'static>,
    limit: usize,
    state: State,
    buffer: Vec<u8>,
    /// A line that was read, and not used yet.
    line: Line,
    /// What comes next whatever follows in the text.
    ready: Option<Document>,
    /// Whether all items of the present list could be read.
    is_whole: bool,
    /// Members of YAML mappings that were left out for later ones of their name.
    replaced: u64,
}

/// Between these lines `kubectl cluster-info dump` prints the logs of a container.
const LOGS_START: &[u8] = b"==== START logs for container ";
const LOGS_END: &[u8] = b"==== END logs for container ";

#[derive(Debug)]
enum State {
    Between,
    JsonList(ListReader),
    JsonArray,
    YamlList(YamlList),
}

/// A list of block style that is being read.
#[derive(Debug)]
struct YamlList {
    /// The lines in front of and behind the items.
    head: Vec<u8>,
    /// The line on which it begins.
    line: u64,
    /// Where the `-` of every item stands, once that is known.
    indent: Option<usize>,
    /// The line `items:`; empty if the document is a sequence and no mapping.
    key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    number: u64,
    is_pending: bool,
    /// Whether it is longer than the limit, so that its rest was not read.
    is_cut: bool,
    /// Whether the text ends in it, without a line break.
    is_open: bool,
}

impl Line {
    fn is_marker(&self, marker: &[u8]) -> bool {
        let rest = self.bytes.strip_prefix(marker);
        rest.is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
    }

    /// Tells whether there is nothing on it but blanks or a comment.
    fn is_blank(&self) -> bool {
        matches!(self.bytes.trim_ascii_start(), [] | [b'#', ..])
    }

    fn indent(&self) -> usize {
        self.bytes.iter().take_while(|byte| **byte == b' ').count()
    }

    fn is_item(&self, indent: usize) -> bool {
        let rest = self.bytes.get(indent..).unwrap_or_default();
        self.indent() == indent
            && rest
                .strip_prefix(b"-")
                .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
    }

    fn is_items_key(&self) -> bool {
        let rest = self.bytes.strip_prefix(b"items:");
        rest.is_some_and(|rest| {
            rest.first().is_none_or(u8::is_ascii_whitespace)
                && matches!(rest.trim_ascii(), [] | [b'#', ..])
        })
    }
}

#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    items: Option<&'a RawValue>,
}

impl Documents {
    /// Reads `text`; no value may be longer than `limit` bytes.
    pub(crate) fn new(text: Text<'static>, limit: usize) -> Self {
        Self {
            text,
            limit,
            state: State::Between,
            buffer: Vec::new(),
            line: Line::default(),
            ready: None,
            is_whole: true,
            replaced: 0,
        }
    }

    /// Returns how many members of YAML mappings were left out so far because another of the same
    /// name came later.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Tells whether the YAML document that was read last ends with the text and without a line
    /// break: what machines write does not, unless it was cut off.
    pub(crate) fn is_open(&self) -> bool {
        self.line.is_open && !self.line.is_pending
    }

    /// Reads the next document or part of one; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Document>> {
        if let Some(document) = self.ready.take() {
            return Ok(Some(document));
        }
        loop {
            match std::mem::replace(&mut self.state, State::Between) {
                State::Between => {
                    if !self.find_start()? {
                        return Ok(None);
                    }
                    let document = match self.line.bytes.trim_ascii_start().first() {
                        Some(b'{') => self.json_value()?,
                        Some(b'[') => {
                            self.unread_line();
                            skip_blank(&mut self.text)?;
                            self.text.consume(1);
                            self.state = State::JsonArray;
                            None
                        }
                        Some(b'-') if self.line.is_item(0) => {
                            self.begin_yaml_list(self.line.number, Vec::new());
                            None
                        }
                        _ => {
                            self.buffer.clear();
                            self.yaml_document(self.line.number, true)?
                        }
                    };
                    if document.is_some() {
                        return Ok(document);
                    }
                }
                State::JsonList(list) => return self.json_list(list).map(Some),
                State::JsonArray => return self.json_array().map(Some),
                State::YamlList(list) => {
                    let document = self.yaml_list(list)?;
                    if document.is_some() {
                        return Ok(document);
                    }
                }
            }
        }
    }

    /// Reads a line unless one is pending; `false` at the end.
    fn peek_line(&mut self) -> io::Result<bool> {
        if self.line.is_pending {
            return Ok(true);
        }
        self.line.bytes.clear();
        self.line.number = self.text.line();
        if !self.text.read_line(&mut self.line.bytes, self.limit)? {
            return Ok(false);
        }
        let is_open = !self.line.bytes.ends_with(b"\n");
        self.line.is_cut = is_open && self.line.bytes.len() >= self.limit;
        self.line.is_open = is_open && !self.line.is_cut;
        self.line.is_pending = true;
        Ok(true)
    }

    /// Drops the pending line, also what was not read of it.
    fn drop_line(&mut self) -> io::Result<()> {
        self.line.is_pending = false;
        if self.line.is_cut {
            self.text.skip_line()?;
        }
        Ok(())
    }

    /// Goes to the first line of the next document; `false` at the end.
    fn find_start(&mut self) -> io::Result<bool> {
        while self.peek_line()? {
            if self.line.bytes.starts_with(b"\xef\xbb\xbf") {
                self.line.bytes.drain(..3);
            }
            if self.line.is_marker(b"---") {
                // A document may begin behind its marker.
                self.line.bytes.drain(..3);
                if !self.line.is_blank() {
                    return Ok(true);
                }
            }
            if self.line.bytes.starts_with(LOGS_START) {
                self.skip_logs()?;
                continue;
            }
            let is_directive = self.line.bytes.starts_with(b"%");
            if !is_directive && !self.line.is_marker(b"...") && !self.line.is_blank() {
                return Ok(true);
            }
            self.drop_line()?;
        }
        Ok(false)
    }

    /// Drops the logs of a container.
    fn skip_logs(&mut self) -> io::Result<()> {
        while self.peek_line()? {
            let is_end = self.line.bytes.starts_with(LOGS_END);
            self.drop_line()?;
            if is_end {
                break;
            }
        }
        Ok(())
    }

    /// Gives the pending line back to the text, for what reads JSON from there.
    fn unread_line(&mut self) {
        self.line.is_pending = false;
        self.text.push_back(&self.line.bytes);
    }

    fn json_value(&mut self) -> io::Result<Option<Document>> {
        let line = self.line.number;
        self.unread_line();
        let mut buffer = std::mem::take(&mut self.buffer);
        let cut = next_value(&mut self.text, &mut buffer, self.limit);
        self.buffer = buffer;
        match cut? {
            None => return Ok(None),
            Some(Cut::TooLong) => {
                self.text.push_back(&self.buffer);
                self.state = State::JsonList(ListReader::new());
                return Ok(None);
            }
            Some(Cut::Value | Cut::Stray) => {}
        }
        let text = self.buffer.trim_ascii();
        let content = match serde_json::from_slice::<Probe<'_>>(text) {
            Ok(probe) if is_list(&probe) => {
                self.text.push_back(&self.buffer);
                self.state = State::JsonList(ListReader::new());
                return Ok(None);
            }
            Ok(_) => utf8(text).map(Body::Text),
            // What came before the end of a list that was cut off can be read.
            Err(error) if error.is_eof() && memchr::memmem::find(text, b"\"items\"").is_some() => {
                self.text.push_back(&self.buffer);
                self.state = State::JsonList(ListReader::new());
                return Ok(None);
            }
            // A mapping in braces may still be YAML.
            Err(error) => yaml::parse(text, self.limit)
                .map(|read| Body::Value(read.value))
                .map_err(|_| format!("not JSON: {error}")),
        };
        let content = content.map_or_else(Content::Unreadable, Content::Whole);
        Ok(Some(Document { line, content }))
    }

    fn json_list(&mut self, mut list: ListReader) -> io::Result<Document> {
        let step = list.step(&mut self.text, &mut self.buffer, self.limit)?;
        let line = list.line;
        let content = match step {
            Step::Item => {
                self.state = State::JsonList(list);
                self.item_text()
            }
            Step::TooLong => {
                self.state = State::JsonList(list);
                self.bad_item(self.too_long("an item"))
            }
            Step::End => self.list_end(list.head),
            Step::Broken(reason) => {
                skip_value(&mut self.text)?;
                let content = self.bad_item(reason.to_owned());
                self.ready = Some(Document {
                    line,
                    content: self.list_end(list.head),
                });
                content
            }
        };
        Ok(Document { line, content })
    }

    /// Reads an item of an array.
    fn json_array(&mut self) -> io::Result<Document> {
        let next = skip_blank(&mut self.text)?;
        let line = self.text.line();
        let content = if next == Some(b']') {
            self.text.consume(1);
            self.list_end(ListHead::default())
        } else {
            match read_value(&mut self.text, &mut self.buffer, self.limit)? {
                Read::Whole => {
                    self.state = State::JsonArray;
                    self.item_text()
                }
                Read::TooLong => {
                    self.state = State::JsonArray;
                    self.bad_item(self.too_long("an item"))
                }
                Read::Cut => {
                    skip_value(&mut self.text)?;
                    let content = self.bad_item("an array that ends early".to_owned());
                    self.ready = Some(Document {
                        line,
                        content: self.list_end(ListHead::default()),
                    });
                    content
                }
            }
        };
        Ok(Document { line, content })
    }

    /// Takes the item in the buffer.
    fn item_text(&mut self) -> Content {
        match utf8(&self.buffer) {
            Ok(text) => Content::Item(Body::Text(text)),
            Err(reason) => self.bad_item(reason),
        }
    }

    /// Notes that a list lacks an item.
    fn bad_item(&mut self, reason: String) -> Content {
        self.is_whole = false;
        Content::Unreadable(reason)
    }

    /// Ends a list; one that lacks an item is partial.
    fn list_end(&mut self, mut head: ListHead) -> Content {
        head.is_partial |= !std::mem::replace(&mut self.is_whole, true);
        Content::ListEnd(head)
    }

    fn parse(&mut self) -> Result<Value, Broken> {
        let read = yaml::parse(&self.buffer, self.limit)?;
        self.replaced += read.replaced;
        Ok(read.value)
    }

    /// Reads up to the end of a document, or to the first item of its list if it `may_be_list`.
    fn yaml_document(&mut self, line: u64, may_be_list: bool) -> io::Result<Option<Document>> {
        let mut is_too_long = false;
        let mut is_first = self.buffer.is_empty();
        while self.peek_line()? {
            // What begins with a brace in front of everything is the next value, if no marker
            // stands between them.
            let ends = self.line.is_marker(b"---")
                || self.line.is_marker(b"...")
                || self.line.bytes.starts_with(b"{");
            if ends && !is_first {
                break;
            }
            if may_be_list && !is_too_long && self.line.is_items_key() {
                self.line.is_pending = false;
                let key = self.line.bytes.clone();
                self.begin_yaml_list(line, key);
                return Ok(None);
            }
            is_first = false;
            is_too_long |= !self.take_line()?;
        }
        if is_too_long {
            let content = Content::Unreadable(self.too_long("a document"));
            return Ok(Some(Document { line, content }));
        }
        Ok(match self.parse() {
            Ok(Value::Null) => None,
            Ok(value) => Some(Document {
                line,
                content: Content::Whole(Body::Value(value)),
            }),
            Err(broken) => Some(unreadable(line, broken)),
        })
    }

    fn begin_yaml_list(&mut self, line: u64, key: Vec<u8>) {
        let head = std::mem::take(&mut self.buffer);
        self.state = State::YamlList(YamlList {
            head: if key.is_empty() { Vec::new() } else { head },
            line,
            indent: key.is_empty().then_some(0),
            key,
        });
    }

    /// Reads an item of a list, or what follows the last one.
    fn yaml_list(&mut self, mut list: YamlList) -> io::Result<Option<Document>> {
        let mut is_too_long = false;
        while self.peek_line()? {
            if self.line.is_blank() {
                self.drop_line()?;
                continue;
            }
            if self.line.is_marker(b"---") || self.line.is_marker(b"...") {
                break;
            }
            let indent = list.indent.unwrap_or_else(|| self.line.indent());
            if self.line.is_item(indent) {
                list.indent = Some(indent);
                return self.yaml_item(list, indent).map(Some);
            }
            if list.indent.is_none() {
                // `items` is no list of block style: the document is read as a whole.
                self.buffer = list.head;
                self.buffer.append(&mut list.key);
                return self.yaml_document(list.line, false);
            }
            // What stands behind the items, of which there are no more.
            std::mem::swap(&mut self.buffer, &mut list.head);
            is_too_long |= !self.take_line()?;
            std::mem::swap(&mut self.buffer, &mut list.head);
        }
        let line = list.line;
        let head = if is_too_long {
            Err(Broken {
                line: 0,
                reason: self.too_long("what a list says of itself"),
            })
        } else {
            self.buffer = list.head;
            self.parse()
        };
        let end = |this: &mut Self, head: &Value| Document {
            line,
            content: this.list_end(ListHead::of(head)),
        };
        Ok(Some(match head {
            Ok(head) => end(self, &head),
            Err(broken) => {
                self.is_whole = false;
                self.ready = Some(end(self, &Value::Null));
                unreadable(line, broken)
            }
        }))
    }

    fn yaml_item(&mut self, list: YamlList, indent: usize) -> io::Result<Document> {
        let line = self.line.number;
        self.state = State::YamlList(list);
        self.buffer.clear();
        let mut is_too_long = !self.take_line()?;
        while self.peek_line()? {
            if !self.line.is_blank() && self.line.indent() <= indent {
                break;
            }
            is_too_long |= !self.take_line()?;
        }
        if is_too_long {
            let content = self.bad_item(self.too_long("an item"));
            return Ok(Document { line, content });
        }
        let item = match self.parse() {
            // The lines of one item are a sequence of one.
            Ok(Value::Array(items)) if items.len() == 1 => items.into_iter().next(),
            Ok(_) => None,
            Err(broken) => {
                self.is_whole = false;
                return Ok(unreadable(line, broken));
            }
        };
        let content = match item {
            Some(item) => Content::Item(Body::Value(item)),
            None => self.bad_item("not an item of a list".to_owned()),
        };
        Ok(Document { line, content })
    }

    /// Moves the pending line to the buffer; `false` when it has no room.
    fn take_line(&mut self) -> io::Result<bool> {
        self.drop_line()?;
        if self.line.is_cut || self.buffer.len() + self.line.bytes.len() > self.limit {
            return Ok(false);
        }
        self.buffer.extend_from_slice(&self.line.bytes);
        Ok(true)
    }

    fn too_long(&self, what: &str) -> String {
        format!("{what} longer than {} bytes", self.limit)
    }
}

fn is_list(probe: &Probe<'_>) -> bool {
    let is_array = |items: &&RawValue| items.get().starts_with('[');
    probe.items.as_ref().is_some_and(is_array)
        && (probe.kind.is_empty() || probe.kind.ends_with("List"))
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(format!("not UTF-8: {error}")),
    }
}

fn unreadable(line: u64, broken: Broken) -> Document {
    Document {
        line: line + broken.line,
        content: Content::Unreadable(broken.reason),
    }
}

#[cfg(test)]
mod tests {
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
}
