//! Text that comes from clusters and files must not steer the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Tells whether a character can steer a terminal or hide text: control characters except
/// line feed and tab, and the marks that turn the direction of writing.
fn is_unsafe(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    }
}

/// Writes control characters as `\x1b` or `\u{202e}`; keeps line feeds and tabs.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            push_escaped(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Writes a text on one line: line feeds and tabs are written as `\n` and `\t` too.
pub(crate) fn escape_line(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|c| is_unsafe(c) || matches!(c, '\n' | '\t'))
    {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            c if is_unsafe(c) => push_escaped(&mut escaped, c),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn push_escaped(text: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let written = if code < 0x80 {
        write!(text, "\\x{code:02x}")
    } else {
        write!(text, "\\u{{{code:x}}}")
    };
    debug_assert!(written.is_ok());
}

/// A writer that escapes control characters on their way to a terminal.
#[derive(Debug)]
pub(crate) struct EscapingWriter<W> {
    inner: W,
    /// Bytes of a character that is not complete yet.
    partial: Vec<u8>,
}

impl<W: Write> EscapingWriter<W> {
    /// Writes to `inner`.
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            partial: Vec::new(),
        }
    }
}

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.extend_from_slice(bytes);
        let (text, rest) = match std::str::from_utf8(&self.partial) {
            Ok(text) => (Cow::Borrowed(text), Vec::new()),
            Err(error) if error.error_len().is_none() => {
                let (good, rest) = self.partial.split_at(error.valid_up_to());
                (String::from_utf8_lossy(good), rest.to_vec())
            }
            Err(_) => (String::from_utf8_lossy(&self.partial), Vec::new()),
        };
        self.inner.write_all(escape(&text).as_bytes())?;
        self.partial = rest;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_direction_marks_are_shown_and_not_obeyed() {
        assert_eq!(
            escape("a\x1b[31mred\x07\u{202e}b\n\t"),
            "a\\x1b[31mred\\x07\\u{202e}b\n\t"
        );
        assert_eq!(escape("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(escape_line("a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
        assert!(matches!(escape("plain – naïve"), Cow::Borrowed(_)));
    }

    #[test]
    fn characters_cut_between_two_writes_come_out_whole() {
        let mut out = Vec::new();
        let mut writer = EscapingWriter::new(&mut out);
        for byte in "é\u{9b}\x1b".as_bytes() {
            writer.write_all(&[*byte]).unwrap();
        }
        assert_eq!(String::from_utf8(out).unwrap(), "é\\u{9b}\\x1b");
    }
}
