//! Values and lists of JSON.

use std::borrow::Cow;
use std::io::{self, BufRead as _};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Body, Content, Document, Documents, State};
use crate::input::yaml;
use crate::json::{
    Cut, ListHead, ListReader, Step, Value as Read, next_value, read_value, skip_blank, skip_value,
};

#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    items: Option<&'a RawValue>,
}

impl Documents {
    pub(super) fn json_value(&mut self) -> io::Result<Option<Document>> {
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

    pub(super) fn json_list(&mut self, mut list: ListReader) -> io::Result<Document> {
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
    pub(super) fn json_array(&mut self) -> io::Result<Document> {
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
