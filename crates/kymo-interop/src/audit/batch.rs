//! The elements of an array that is too long to be read at once: an exported list of log entries.

use std::io;

use crate::input::Text;
use crate::json::{Value, read_value, skip_blank, take};

/// Members whose arrays hold the events of an export.
const LISTS: [&str; 4] = ["items", "records", "logEvents", "events"];

/// What the next step of reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An element lies in the buffer.
    Element,
    /// An element was longer than the limit and was dropped.
    TooLong,
    /// The array, or the object around it, ended.
    End,
    /// The text is something else, or ends inside.
    Broken(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Object,
    /// In an array, which stands in an object or alone.
    Array {
        is_member: bool,
    },
}

/// The state of reading one array, or an object with such arrays.
#[derive(Debug)]
pub(super) struct Batch {
    place: Place,
    has_list: bool,
    /// The line on which the last element began.
    pub(super) line: u64,
}

impl Batch {
    /// Starts in front of the bracket.
    pub(super) fn new() -> Self {
        Self {
            place: Place::Start,
            has_list: false,
            line: 0,
        }
    }

    /// Reads on to the next element, which is left in `buffer` unless it is longer than `limit`.
    pub(super) fn step(
        &mut self,
        text: &mut Text<'_>,
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> io::Result<Step> {
        loop {
            let Some(byte) = skip_blank(text)? else {
                return Ok(Step::Broken("a list that ends early"));
            };
            match (self.place, byte) {
                (Place::Start, b'{') => {
                    take(text);
                    self.place = Place::Object;
                }
                (Place::Start, b'[') => {
                    take(text);
                    self.has_list = true;
                    self.place = Place::Array { is_member: false };
                }
                (Place::Array { is_member }, b']') => {
                    take(text);
                    if !is_member {
                        return Ok(Step::End);
                    }
                    self.place = Place::Object;
                }
                (Place::Object, b'}') => {
                    take(text);
                    return Ok(if self.has_list {
                        Step::End
                    } else {
                        Step::Broken("a value that is too long and has no list of events")
                    });
                }
                (Place::Array { .. }, _) => {
                    self.line = text.line();
                    return Ok(match read_value(text, buffer, limit)? {
                        Value::Whole => Step::Element,
                        Value::TooLong => Step::TooLong,
                        Value::Cut => Step::Broken("a list that ends inside an element"),
                    });
                }
                (Place::Object, b'"') => {
                    if !self.member(text, buffer, limit)? {
                        return Ok(Step::Broken("a list that ends early"));
                    }
                }
                _ => return Ok(Step::Broken("not a list")),
            }
        }
    }

    /// Reads the name of a member, and its value unless that is a list; `false` if the text ends.
    fn member(
        &mut self,
        text: &mut Text<'_>,
        buffer: &mut Vec<u8>,
        limit: usize,
    ) -> io::Result<bool> {
        if read_value(text, buffer, limit)? != Value::Whole {
            return Ok(false);
        }
        let name = serde_json::from_slice::<String>(buffer).unwrap_or_default();
        if skip_blank(text)? != Some(b':') {
            return Ok(false);
        }
        take(text);
        if skip_blank(text)? == Some(b'[') && LISTS.contains(&name.as_str()) {
            take(text);
            self.has_list = true;
            self.place = Place::Array { is_member: true };
            return Ok(true);
        }
        Ok(read_value(text, buffer, limit)? != Value::Cut)
    }
}
