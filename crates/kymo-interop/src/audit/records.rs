//! Cuts a text into the values in which events may be.

use std::io;

use super::batch::{Batch, Step};
use super::envelope::behind_prefix;
use super::skim::read_verb;
use crate::input::Text;
use crate::json::{Cut, next_value, skip_value};

/// What comes next in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A value that has to be parsed.
    Value(&'a str),
    /// An event whose verb only reads; it was not parsed.
    Read(&'static str),
    /// What could not be read.
    Broken(String),
}

/// Reads the records of one text.
pub(super) struct Records {
    text: Text<'static>,
    limit: usize,
    buffer: Vec<u8>,
    batch: Option<Batch>,
}

impl Records {
    /// Starts at the beginning; no record may be longer than `limit`.
    pub(super) fn new(text: Text<'static>, limit: usize) -> Self {
        Self {
            text,
            limit,
            buffer: Vec::new(),
            batch: None,
        }
    }

    /// Reads the next record and the number of its line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Record<'_>)>> {
        loop {
            let line = self.text.line();
            if let Some((step, began)) = self.step()? {
                match step {
                    Step::Element => return Ok(Some((began, value(&self.buffer)))),
                    Step::TooLong => {
                        let reason = format!("a value longer than {} bytes", self.limit);
                        return Ok(Some((began, Record::Broken(reason))));
                    }
                    Step::Broken(reason) => {
                        return Ok(Some((line, Record::Broken(reason.to_owned()))));
                    }
                    Step::End => continue,
                }
            }
            let Some(cut) = next_value(&mut self.text, &mut self.buffer, self.limit)? else {
                return Ok(None);
            };
            match cut {
                Cut::Value => {
                    if let Some(verb) = read_verb(self.buffer.trim_ascii_end()) {
                        return Ok(Some((line, Record::Read(verb))));
                    }
                    return Ok(Some((line, value(&self.buffer))));
                }
                Cut::TooLong => self.open_batch(),
                Cut::Stray => match self.buffer.trim_ascii_start().first() {
                    Some(b'[') => self.open_batch(),
                    // What stands between the values of an array that was cut.
                    Some(b',' | b']') if is_punctuation(&self.buffer) => {}
                    _ => return Ok(Some((line, stray(&self.buffer)))),
                },
            }
        }
    }

    fn open_batch(&mut self) {
        self.text.push_back(&self.buffer);
        self.batch = Some(Batch::new());
    }

    /// Takes a step in the open batch, if there is one; returns the line on which the element
    /// began too.
    fn step(&mut self) -> io::Result<Option<(Step, u64)>> {
        let Some(batch) = &mut self.batch else {
            return Ok(None);
        };
        let step = batch.step(&mut self.text, &mut self.buffer, self.limit)?;
        let began = batch.line;
        match step {
            Step::End => self.batch = None,
            Step::Broken(_) => {
                self.batch = None;
                skip_value(&mut self.text)?;
            }
            Step::Element | Step::TooLong => {}
        }
        Ok(Some((step, began)))
    }
}

fn value(bytes: &[u8]) -> Record<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Record::Value(text.trim()),
        Err(error) => Record::Broken(format!("not UTF-8 after byte {}", error.valid_up_to())),
    }
}

fn stray(bytes: &[u8]) -> Record<'_> {
    match std::str::from_utf8(bytes).ok().and_then(behind_prefix) {
        Some(text) => Record::Value(text),
        None => Record::Broken("not a JSON object".to_owned()),
    }
}

fn is_punctuation(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str, limit: usize) -> Vec<(u64, String)> {
        let text = Text::new(Box::new(io::Cursor::new(input.as_bytes().to_vec())));
        let mut records = Records::new(text, limit);
        let mut read = Vec::new();
        while let Some((line, record)) = records.next().unwrap() {
            read.push((
                line,
                match record {
                    Record::Value(text) => text.to_owned(),
                    Record::Read(verb) => format!("read {verb}"),
                    Record::Broken(reason) => format!("broken: {reason}"),
                },
            ));
        }
        read
    }

    fn texts(input: &str, limit: usize) -> Vec<String> {
        read(input, limit)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn lines_and_pretty_values_and_arrays_of_them_are_cut_alike() {
        let expected = ["{\"a\":1}", "{\"b\":[2]}"];
        assert_eq!(texts("{\"a\":1}\n{\"b\":[2]}\n", 100), expected);
        assert_eq!(texts("{\"a\":1}{\"b\":[2]}", 100), expected);
        assert_eq!(texts("[{\"a\":1},{\"b\":[2]}]\n", 100), expected);
        assert_eq!(texts("[\n  {\"a\":1},\n  {\"b\":[2]}\n]\n", 100), expected);
        assert_eq!(texts("{\"a\":1}\n,\n{\"b\":[2]}\n]\n", 100), expected);
        assert_eq!(
            texts(
                "2026-11-21T07:00:00Z {\"a\":1}\n2026-11-21T07:00:01Z {\"b\":[2]}\n",
                100
            ),
            expected
        );
        let pretty = read(
            "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": [2]\n  }\n]\n",
            100,
        );
        assert_eq!(
            pretty.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [2, 5]
        );
    }

    #[test]
    fn a_list_that_is_longer_than_the_limit_is_read_element_by_element() {
        let list = r#"{"kind":"EventList","metadata":{},"items":[{"a":1},{"b":"0123456789012345"},{"c":3}]}"#;
        let told = texts(&format!("{list}\n{{\"d\":4}}\n"), 20);
        assert_eq!(
            told,
            [
                "{\"a\":1}",
                "broken: a value longer than 20 bytes",
                "{\"c\":3}",
                "{\"d\":4}"
            ]
        );
        let cut = texts(&format!("{}\n", &list[..60]), 20);
        assert_eq!(
            cut,
            ["{\"a\":1}", "broken: a list that ends inside an element"]
        );
        let other = format!("{{\"a\":\"{}\"}}\n{{\"b\":2}}\n", "x".repeat(50));
        assert_eq!(
            texts(&other, 20),
            [
                "broken: a value that is too long and has no list of events",
                "{\"b\":2}"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_and_does_not_end_the_rest() {
        let told = texts("I1121 starting\n{\"a\":1}\n{\"b\":\n{\"c\":3}\n", 100);
        assert_eq!(
            told,
            [
                "broken: not a JSON object",
                "{\"a\":1}",
                "{\"b\":",
                "{\"c\":3}"
            ]
        );
        let text = Text::new(Box::new(io::Cursor::new(b"{\"a\":\"\xff\"}\n".to_vec())));
        let mut records = Records::new(text, 100);
        let broken = Record::Broken("not UTF-8 after byte 6".to_owned());
        assert_eq!(records.next().unwrap(), Some((1, broken)));
    }
}
