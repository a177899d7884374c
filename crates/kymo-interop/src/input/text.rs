//! Bytes of one entry, with a place to put back what was read too far.

use std::io::{self, BufRead, Read};

use super::cap::Damage;
use super::source::Source;

/// How much is read at first. Entries of which only the beginning is read ahead are many.
const FIRST_BYTES: usize = 4 << 10;
/// How much is read when reading goes on.
const MOST_BYTES: usize = 128 << 10;

/// A buffered reader that counts lines and takes bytes back.
///
/// The entry is opened when it is first read. Of many entries only some are open at a time.
pub(crate) struct Text<'a> {
    source: Source<'a>,
    buffer: Vec<u8>,
    /// What of the buffer was not taken yet.
    start: usize,
    end: usize,
    /// How much is read next.
    room: usize,
    line: u64,
    /// What went wrong when the beginning was looked at.
    failed: Option<io::Error>,
}

impl<'a> Text<'a> {
    /// Reads from `reader`.
    #[cfg(test)]
    pub(crate) fn new(reader: Box<dyn BufRead + Send + 'a>) -> Self {
        Self::of(Source::Reader(reader))
    }

    /// Reads from `source`; the first line has number 1.
    pub(super) fn of(source: Source<'a>) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            room: FIRST_BYTES,
            line: 1,
            failed: None,
        }
    }

    /// Shows what can be read at once, without taking it. What goes wrong is told by the next
    /// read.
    pub(crate) fn look(&mut self) -> &[u8] {
        if self.start >= self.end
            && self.failed.is_none()
            && let Err(error) = self.refill()
        {
            self.failed = Some(error);
        }
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the number of the line that is read next.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Puts bytes back, to be read again before all others.
    pub(crate) fn push_back(&mut self, bytes: &[u8]) {
        self.line = self.line.saturating_sub(newlines(bytes));
        let before = self.start.checked_sub(bytes.len());
        let is_there = |start: &usize| self.buffer.get(*start..self.start) == Some(bytes);
        if let Some(start) = before.filter(is_there) {
            self.start = start;
            return;
        }
        self.buffer.truncate(self.end);
        self.buffer.splice(..self.start, bytes.iter().copied());
        self.start = 0;
        self.end = self.buffer.len();
    }

    /// Reads to the end of the line or to `limit` bytes; `false` at the end of the input.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        let before = line.len();
        while line.len() < limit {
            let room = limit - line.len();
            let available = self.fill_buf()?;
            let available = available.get(..room).unwrap_or(available);
            if available.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', available);
            let taken = newline.map_or(available.len(), |end| end + 1);
            line.extend_from_slice(available.get(..taken).unwrap_or_default());
            self.start += taken;
            if newline.is_some() {
                self.line += 1;
                break;
            }
        }
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
                self.start += end + 1;
                self.line += 1;
                return Ok(());
            }
            self.start = self.end;
        }
    }

    /// Returns the next byte without taking it; `None` at the end.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.fill_buf()?.first().copied())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.start = 0;
        self.end = 0;
        if self.buffer.len() != self.room {
            // What was put back may have made it long.
            self.buffer = vec![0; self.room];
        }
        let read = self.source.read(&mut self.buffer);
        self.end = read.map_err(|error| self.at_line(error))?;
        if self.end == 0 {
            self.buffer = Vec::new();
        } else {
            self.room = (self.room * 4).min(MOST_BYTES);
        }
        Ok(())
    }

    /// Adds the line to damage.
    fn at_line(&self, error: io::Error) -> io::Error {
        match Damage::of(&error) {
            Some(damage) => Damage {
                line: Some(self.line),
                ..damage.clone()
            }
            .into(),
            None => error,
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Read for Text<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(out)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start >= self.end {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            self.refill()?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        let end = (self.start + amount).min(self.end);
        self.line += newlines(self.buffer.get(self.start..end).unwrap_or_default());
        self.start = end;
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

    #[test]
    fn what_goes_wrong_in_a_look_is_told_by_the_next_read() {
        struct Damaged(bool);
        impl Read for Damaged {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Ok(0);
                }
                Err(Damage::new(7, "cut").into())
            }
        }
        let mut text = Text::new(Box::new(io::BufReader::new(Damaged(false))));
        assert_eq!(text.look(), b"");
        let error = text.peek().unwrap_err();
        assert_eq!(Damage::of(&error).unwrap().line, Some(1));
        assert_eq!(text.peek().unwrap(), None);
        assert_eq!(self::text(b"one").look(), b"one");
    }
}
