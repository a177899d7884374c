//! Bytes in, lines out, with a cap on how much of a line is held.

use bytes::{Bytes, BytesMut};

/// How much of a line over the cap is kept.
pub const KEPT_OF_LONG_LINE: usize = 64 << 10;

/// One line of a stream, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The whole line.
    Whole(Bytes),
    /// A line longer than the cap.
    TooLong {
        /// Its first bytes, at most [`KEPT_OF_LONG_LINE`].
        head: Bytes,
        /// How long it was.
        length: u64,
    },
}

/// Splits chunks of bytes into lines wherever the chunks are cut.
///
/// A line ends with `\n` or `\r\n`. Empty lines are left out. Bytes after the last line end are
/// not a line: [`LineSplitter::pending`] tells how many there are.
///
/// ```
/// use kymo_watch::lines::{Line, LineSplitter};
///
/// let mut lines = LineSplitter::new(1024);
/// lines.push("one\r\ntw".into());
/// assert_eq!(lines.next_line(), Some(Line::Whole("one".into())));
/// assert_eq!(lines.next_line(), None);
/// lines.push("o\n".into());
/// assert_eq!(lines.next_line(), Some(Line::Whole("two".into())));
/// ```
#[derive(Debug)]
pub struct LineSplitter {
    cap: usize,
    /// The beginning of a line whose end has not come.
    begun: BytesMut,
    /// Bytes of that line that were not kept.
    dropped: u64,
    /// What has not been looked at.
    chunk: Bytes,
}

impl LineSplitter {
    /// Splits into lines of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            begun: BytesMut::new(),
            dropped: 0,
            chunk: Bytes::new(),
        }
    }

    /// Adds a chunk. Take all lines with [`LineSplitter::next_line`] before adding another.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
            joined.extend_from_slice(&self.chunk);
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// Returns the next line that has ended.
    pub fn next_line(&mut self) -> Option<Line> {
        while !self.chunk.is_empty() {
            let Some(end) = memchr::memchr(b'\n', &self.chunk) else {
                let rest = std::mem::take(&mut self.chunk);
                self.hold(&rest);
                return None;
            };
            let mut piece = self.chunk.split_to(end + 1);
            piece.truncate(end);
            if self.begun.is_empty() && self.dropped == 0 && piece.len() <= self.cap {
                if let Some(line) = without_return(piece) {
                    return Some(Line::Whole(line));
                }
                continue;
            }
            self.hold(&piece);
            let held = self.begun.split().freeze();
            match std::mem::take(&mut self.dropped) {
                0 => {
                    if let Some(line) = without_return(held) {
                        return Some(Line::Whole(line));
                    }
                }
                dropped => {
                    return Some(Line::TooLong {
                        length: held.len() as u64 + dropped,
                        head: held,
                    });
                }
            }
        }
        None
    }

    /// Returns how many bytes came after the last line end.
    pub fn pending(&self) -> u64 {
        self.begun.len() as u64 + self.dropped + self.chunk.len() as u64
    }

    fn hold(&mut self, piece: &[u8]) {
        if self.dropped == 0 && self.begun.len() + piece.len() <= self.cap {
            self.begun.extend_from_slice(piece);
            return;
        }
        let kept = KEPT_OF_LONG_LINE.min(self.cap);
        let total = self.begun.len() + piece.len();
        let wanted = kept.saturating_sub(self.begun.len()).min(piece.len());
        self.begun
            .extend_from_slice(piece.get(..wanted).unwrap_or_default());
        if self.begun.len() > kept {
            // Copied, so that the memory of the long beginning is given back.
            self.begun = BytesMut::from(self.begun.get(..kept).unwrap_or_default());
        }
        self.dropped += (total - self.begun.len()) as u64;
    }
}

fn without_return(mut line: Bytes) -> Option<Bytes> {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], cap: usize) -> (Vec<Line>, u64) {
        let mut splitter = LineSplitter::new(cap);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(Bytes::copy_from_slice(chunk));
            while let Some(line) = splitter.next_line() {
                lines.push(line);
            }
        }
        (lines, splitter.pending())
    }

    fn whole(text: &str) -> Line {
        Line::Whole(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn both_line_ends_are_understood_and_empty_lines_left_out() {
        assert_eq!(
            split(&[b"a\r\n\n\r\nb", b"c\r", b"\nd\re\n"], 100),
            (vec![whole("a"), whole("bc"), whole("d\re")], 0)
        );
    }

    /// Fault table row 3.
    #[test]
    fn a_partial_line_at_the_end_is_no_line() {
        assert_eq!(split(&[b"a\nbc"], 100), (vec![whole("a")], 2));
    }

    /// Fault table row 14.
    #[test]
    fn a_line_over_the_cap_is_marked_and_the_next_one_is_whole() {
        let (lines, pending) = split(&[b"0123", b"4567", b"89\nok\n"], 5);
        assert_eq!(
            lines,
            [
                Line::TooLong {
                    head: "01234".into(),
                    length: 10
                },
                whole("ok")
            ]
        );
        assert_eq!(pending, 0);
    }

    #[test]
    fn of_a_long_line_only_the_beginning_is_held() {
        let mut splitter = LineSplitter::new(1 << 20);
        for _ in 0..64 {
            splitter.push(vec![b'x'; 1 << 16].into());
            assert_eq!(splitter.next_line(), None);
        }
        assert_eq!(splitter.begun.len(), KEPT_OF_LONG_LINE);
        assert!(splitter.begun.capacity() < 2 * KEPT_OF_LONG_LINE);
        assert_eq!(splitter.pending(), 1 << 22);
        splitter.push("\n".into());
        let Some(Line::TooLong { head, length }) = splitter.next_line() else {
            panic!("not too long");
        };
        assert_eq!((head.len(), length), (KEPT_OF_LONG_LINE, 1 << 22));
    }

    proptest! {
        /// Fault table row 16.
        #[test]
        fn chunk_boundaries_do_not_matter(
            bytes in proptest::collection::vec(
                prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>()],
                0..200,
            ),
            cuts in proptest::collection::vec(0usize..200, 0..20),
            cap in 1usize..40,
        ) {
            let expected = split(&[&bytes], cap);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&split(&single, cap), &expected);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&split(&chunks, cap), &expected);
        }
    }
}
