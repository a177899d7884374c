//! Reads the YAML and JSON documents of a text one by one, and their lists item by item.

mod blocks;
mod json;
mod line;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead as _};

use serde_json::Value;

use self::blocks::YamlList;
use self::line::Line;
use super::text::Text;
use crate::json::{ListHead, ListReader, skip_blank};

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

    fn too_long(&self, what: &str) -> String {
        format!("{what} longer than {} bytes", self.limit)
    }
}
