//! The lines of a text, with one that is read ahead.

use std::io;

use super::Documents;

/// A line.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) number: u64,
    pub(super) is_pending: bool,
    /// Whether it is longer than the limit, so that its rest was not read.
    pub(super) is_cut: bool,
    /// Whether the text ends in it, without a line break.
    pub(super) is_open: bool,
}

impl Line {
    pub(super) fn is_marker(&self, marker: &[u8]) -> bool {
        let rest = self.bytes.strip_prefix(marker);
        rest.is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
    }

    /// Tells whether there is nothing on it but blanks or a comment.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.bytes.trim_ascii_start(), [] | [b'#', ..])
    }

    pub(super) fn indent(&self) -> usize {
        self.bytes.iter().take_while(|byte| **byte == b' ').count()
    }

    pub(super) fn is_item(&self, indent: usize) -> bool {
        let rest = self.bytes.get(indent..).unwrap_or_default();
        self.indent() == indent
            && rest
                .strip_prefix(b"-")
                .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
    }

    pub(super) fn is_items_key(&self) -> bool {
        let rest = self.bytes.strip_prefix(b"items:");
        rest.is_some_and(|rest| {
            rest.first().is_none_or(u8::is_ascii_whitespace)
                && matches!(rest.trim_ascii(), [] | [b'#', ..])
        })
    }
}

impl Documents {
    /// Reads a line unless one is pending; `false` at the end.
    pub(super) fn peek_line(&mut self) -> io::Result<bool> {
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
    pub(super) fn drop_line(&mut self) -> io::Result<()> {
        self.line.is_pending = false;
        if self.line.is_cut {
            self.text.skip_line()?;
        }
        Ok(())
    }

    /// Moves the pending line to the buffer; `false` when it has no room.
    pub(super) fn take_line(&mut self) -> io::Result<bool> {
        self.drop_line()?;
        if self.line.is_cut || self.buffer.len() + self.line.bytes.len() > self.limit {
            return Ok(false);
        }
        self.buffer.extend_from_slice(&self.line.bytes);
        Ok(true)
    }

    /// Gives the pending line back to the text, for what reads JSON from there.
    pub(super) fn unread_line(&mut self) {
        self.line.is_pending = false;
        self.text.push_back(&self.line.bytes);
    }
}
