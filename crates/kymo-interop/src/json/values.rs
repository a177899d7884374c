//! Cuts a stream into JSON values: one a line, or pretty-printed over several lines.

use std::io;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::input::Text;

/// What was cut off the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A value lies in the buffer; whether it is JSON is for its reader to say.
    Value,
    /// The value in the buffer is longer than the limit; the buffer holds its beginning.
    TooLong,
    /// Lines that are not part of any value lie in the buffer.
    Stray,
}

/// Follows strings and brackets over the bytes of a value, line after line.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Follows bytes up to the one that closes the value; returns how many those are.
    pub(crate) fn close(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// How events begin that are written a line each.
const EVENTS: [&[u8]; 3] = [
    b"{\"recv\":",
    b"{\"type\":",
    b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/",
];

/// Where one value ends and the next begins on the same line.
static JOINT: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("}{\""));

/// Reads the next value into `buffer`; `None` at the end of the stream.
///
/// A line that starts with `{` in its first column starts a value even if the one before is not
/// complete, so one cut line does not swallow those behind it.
pub(crate) fn next_value(
    text: &mut Text<'_>,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> io::Result<Option<Cut>> {
    buffer.clear();
    loop {
        if !text.read_line(buffer, limit)? {
            return Ok(None);
        }
        if !buffer.trim_ascii().is_empty() {
            break;
        }
        buffer.clear();
    }
    if !is_whole_line(buffer) && buffer.len() >= limit {
        return Ok(Some(Cut::TooLong));
    }
    let start = buffer.len() - buffer.trim_ascii_start().len();
    if buffer.get(start) != Some(&b'{') {
        return Ok(Some(Cut::Stray));
    }
    // Most values are one line, whose brackets need not be followed. One that is cut is still
    // one line, unless it ends as only a line of a larger value does.
    let line = buffer.trim_ascii();
    let is_event = EVENTS.iter().any(|start| line.starts_with(start));
    let goes_on = matches!(line.last(), Some(b'{' | b'[' | b','));
    if is_event && !goes_on && JOINT.find(line).is_none() {
        return Ok(Some(Cut::Value));
    }
    let mut nesting = Nesting::default();
    let mut followed = 0;
    loop {
        let rest = buffer.get(followed..).unwrap_or_default();
        if let Some(length) = nesting.close(rest) {
            let end = followed + length;
            // The end of the line stays, so that putting the value back keeps count of lines.
            let behind = buffer.get(end..).unwrap_or_default();
            if !behind.trim_ascii().is_empty() {
                text.push_back(behind);
                buffer.truncate(end);
            }
            return Ok(Some(Cut::Value));
        }
        followed = buffer.len();
        if text.peek()? == Some(b'{') && buffer.ends_with(b"\n") {
            return Ok(Some(Cut::Value));
        }
        if !text.read_line(buffer, limit)? {
            let cut = if followed >= limit {
                Cut::TooLong
            } else {
                Cut::Value
            };
            return Ok(Some(cut));
        }
    }
}

/// Drops the rest of a value that was not read: lines up to one that starts a value.
pub(crate) fn skip_value(text: &mut Text<'_>) -> io::Result<()> {
    loop {
        text.skip_line()?;
        if matches!(text.peek()?, None | Some(b'{')) {
            return Ok(());
        }
    }
}

fn is_whole_line(buffer: &[u8]) -> bool {
    buffer.ends_with(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(input: &str, limit: usize) -> Vec<(Cut, String)> {
        let mut text = Text::new(Box::new(io::Cursor::new(input.as_bytes().to_vec())));
        let mut buffer = Vec::new();
        let mut cuts = Vec::new();
        while let Some(cut) = next_value(&mut text, &mut buffer, limit).unwrap() {
            let value = String::from_utf8_lossy(&buffer).trim().to_owned();
            cuts.push((cut, value));
            if cuts.last().is_some_and(|(cut, _)| *cut == Cut::TooLong) {
                skip_value(&mut text).unwrap();
            }
        }
        cuts
    }

    fn values(input: &str) -> Vec<String> {
        cut(input, 1000)
            .into_iter()
            .map(|(cut, value)| {
                assert_eq!(cut, Cut::Value);
                value
            })
            .collect()
    }

    #[test]
    fn values_come_one_a_line_or_pretty_or_back_to_back() {
        assert_eq!(
            values("{\"a\":1}\n\n{\"b\":2}\r\n"),
            ["{\"a\":1}", "{\"b\":2}"]
        );
        assert_eq!(
            values("{\n    \"a\": {\n        \"}\": \"\\\"{\"\n    }\n}\n{\n    \"b\": 2\n}"),
            [
                "{\n    \"a\": {\n        \"}\": \"\\\"{\"\n    }\n}",
                "{\n    \"b\": 2\n}"
            ],
        );
        assert_eq!(
            values("{\"a\":1}{\"b\":2} {\"c\":{}}\n"),
            ["{\"a\":1}", "{\"b\":2}", "{\"c\":{}}"]
        );
    }

    #[test]
    fn a_cut_value_does_not_swallow_the_next() {
        assert_eq!(
            values("{\"a\":{\"x\":1}\n{\"b\":2}\n{\"c\":"),
            ["{\"a\":{\"x\":1}", "{\"b\":2}", "{\"c\":"],
        );
        assert_eq!(
            values("{\n  \"a\": {\n{\n  \"b\": 2\n}"),
            ["{\n  \"a\": {", "{\n  \"b\": 2\n}"]
        );
    }

    #[test]
    fn what_is_no_value_and_what_is_too_long_is_told_apart() {
        assert_eq!(
            cut(
                "404 page not found\n{\"a\":\"0123456789\"}\n{\"b\":2}\n",
                30
            ),
            [
                (Cut::Stray, "404 page not found".to_owned()),
                (Cut::Value, "{\"a\":\"0123456789\"}".to_owned()),
                (Cut::Value, "{\"b\":2}".to_owned()),
            ],
        );
        assert_eq!(
            cut("{\"a\":\"0123456789\"}\n{\"b\":2}\n", 10),
            [
                (Cut::TooLong, "{\"a\":\"0123".to_owned()),
                (Cut::Value, "{\"b\":2}".to_owned()),
            ],
        );
    }
}
