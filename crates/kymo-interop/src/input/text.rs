//! Bytes of one stream, with a place to put back what was read too far.

use std::io::{self, BufRead, Read};

/// A buffered reader that counts lines and takes bytes back.
pub(crate) struct Text<'a> {
    reader: Box<dyn BufRead + Send + 'a>,
    pushed: Vec<u8>,
    position: usize,
    line: u64,
}

impl<'a> Text<'a> {
    /// Reads from `reader`; the first line has number 1.
    pub(crate) fn new(reader: Box<dyn BufRead + Send + 'a>) -> Self {
        Self {
            reader,
            pushed: Vec::new(),
            position: 0,
            line: 1,
        }
    }

    /// Returns the number of the line that is read next.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Puts bytes back, to be read again before all others.
    pub(crate) fn push_back(&mut self, bytes: &[u8]) {
        self.line = self.line.saturating_sub(newlines(bytes));
        self.pushed.splice(..self.position, bytes.iter().copied());
        self.position = 0;
    }

    /// Reads to the end of the line or to `limit` bytes; `false` at the end of the input.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        let room = limit.saturating_sub(line.len()) as u64;
        let before = line.len();
        self.by_ref().take(room).read_until(b'\n', line)?;
        Ok(line.len() > before)
    }

    /// Drops the rest of the line.
    pub(crate) fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            if let Some(end) = memchr::memchr(b'\n', available) {
                self.consume(end + 1);
                return Ok(());
            }
            let length = available.len();
            self.consume(length);
        }
    }

    /// Returns the next byte without taking it; `None` at the end.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.fill_buf()?.first().copied())
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Read for Text<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        for (to, from) in out.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position < self.pushed.len() {
            return Ok(self.pushed.get(self.position..).unwrap_or_default());
        }
        self.pushed.clear();
        self.position = 0;
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if self.position < self.pushed.len() {
            let end = (self.position + amount).min(self.pushed.len());
            self.line += newlines(self.pushed.get(self.position..end).unwrap_or_default());
            self.position = end;
            return;
        }
        // What is consumed was just shown by the reader, so this does not read.
        if let Ok(shown) = self.reader.fill_buf() {
            self.line += newlines(shown.get(..amount).unwrap_or_default());
        }
        self.reader.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Text<'_> {
        Text::new(Box::new(bytes))
    }

    #[test]
    fn lines_are_counted_also_when_bytes_are_put_back() {
        let mut text = text(b"one\ntwo\nthree");
        let mut line = Vec::new();
        assert!(text.read_line(&mut line, 100).unwrap());
        assert_eq!((line.as_slice(), text.line()), (&b"one\n"[..], 2));
        text.push_back(&line);
        assert_eq!(text.line(), 1);
        line.clear();
        assert!(text.read_line(&mut line, 2).unwrap());
        assert_eq!((line.as_slice(), text.line()), (&b"on"[..], 1));
        text.skip_line().unwrap();
        assert_eq!((text.peek().unwrap(), text.line()), (Some(b't'), 2));
        let mut rest = String::new();
        text.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "two\nthree");
        assert!(!text.read_line(&mut line, 100).unwrap());
    }
}
