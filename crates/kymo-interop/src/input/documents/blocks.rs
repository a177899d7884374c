//! Documents of YAML, and their lists of block style.

use std::io;

use serde_json::Value;

use super::{Body, Content, Document, Documents, State};
use crate::input::yaml::{self, Broken};
use crate::json::ListHead;

/// A list of block style that is being read.
#[derive(Debug)]
pub(super) struct YamlList {
    /// The lines in front of and behind the items.
    head: Vec<u8>,
    /// The line on which it begins.
    line: u64,
    /// Where the `-` of every item stands, once that is known.
    indent: Option<usize>,
    /// The line `items:`; empty if the document is a sequence and no mapping.
    key: Vec<u8>,
}

impl Documents {
    /// Reads up to the end of a document, or to the first item of its list if it `may_be_list`.
    pub(super) fn yaml_document(
        &mut self,
        line: u64,
        may_be_list: bool,
    ) -> io::Result<Option<Document>> {
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

    pub(super) fn begin_yaml_list(&mut self, line: u64, key: Vec<u8>) {
        let head = std::mem::take(&mut self.buffer);
        self.state = State::YamlList(YamlList {
            head: if key.is_empty() { Vec::new() } else { head },
            line,
            indent: key.is_empty().then_some(0),
            key,
        });
    }

    /// Reads an item of a list, or what follows the last one.
    pub(super) fn yaml_list(&mut self, mut list: YamlList) -> io::Result<Option<Document>> {
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

    fn parse(&mut self) -> Result<Value, Broken> {
        let read = yaml::parse(&self.buffer, self.limit)?;
        self.replaced += read.replaced;
        Ok(read.value)
    }
}

fn unreadable(line: u64, broken: Broken) -> Document {
    Document {
        line: line + broken.line,
        content: Content::Unreadable(broken.reason),
    }
}
