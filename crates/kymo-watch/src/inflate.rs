use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

/// At most about 1,032 times as much comes out of this many bytes of deflate: 1 MiB.
const SLICE: usize = 1024;

/// Undoes `Content-Encoding: gzip` of a server that compresses though asked not to.
///
/// Kubernetes 1.37 and later send one gzip member per event, so members are expected anywhere.
/// Chunks are taken in slices, so that no more than about 1 MiB comes out at once.
#[derive(Debug)]
pub(crate) struct Inflate {
    decoder: MultiGzDecoder<Vec<u8>>,
    chunk: Bytes,
}

impl Inflate {
    pub(crate) fn new() -> Self {
        Self {
            decoder: MultiGzDecoder::new(Vec::new()),
            chunk: Bytes::new(),
        }
    }

    /// Adds a chunk. Take everything with [`Inflate::next_chunk`] before adding another.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "the chunk before was not taken");
        self.chunk = chunk;
    }

    /// Returns the next decompressed bytes; `None` when the chunk is used up.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        while !self.chunk.is_empty() {
            let slice = self.chunk.split_to(SLICE.min(self.chunk.len()));
            self.decoder.write_all(&slice)?;
            self.decoder.flush()?;
            let output = std::mem::take(self.decoder.get_mut());
            if !output.is_empty() {
                return Ok(Some(output.into()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(bytes: &[u8], chunk: usize) -> io::Result<(Vec<u8>, usize)> {
        let mut inflate = Inflate::new();
        let (mut output, mut largest) = (Vec::new(), 0);
        for chunk in bytes.chunks(chunk) {
            inflate.push(Bytes::copy_from_slice(chunk));
            while let Some(piece) = inflate.next_chunk()? {
                largest = largest.max(piece.len());
                output.extend_from_slice(&piece);
            }
        }
        Ok((output, largest))
    }

    /// Fault table row 16.
    #[test]
    fn gzip_members_give_the_same_bytes_wherever_they_are_cut() {
        let mut bytes = Vec::new();
        let mut text: Vec<u8> = Vec::new();
        for number in 0..20 {
            let event = format!(
                "{{\"event\":{number},\"pad\":\"{}\"}}\n",
                "y".repeat(number * 7)
            );
            bytes.extend(member(event.as_bytes()));
            text.extend(event.as_bytes());
        }
        for chunk in [1, 2, 3, 17, 1000, bytes.len()] {
            assert_eq!(inflate(&bytes, chunk).unwrap().0, text, "chunks of {chunk}");
        }
    }

    #[test]
    fn every_event_comes_out_as_soon_as_its_member_is_in() {
        let mut inflate = Inflate::new();
        for text in ["one\n", "two\n"] {
            inflate.push(member(text.as_bytes()).into());
            assert_eq!(inflate.next_chunk().unwrap().unwrap(), text);
            assert_eq!(inflate.next_chunk().unwrap(), None);
        }
    }

    #[test]
    fn a_bomb_comes_out_in_small_pieces() {
        let bomb = member(&vec![0; 64 << 20]);
        let (output, largest) = inflate(&bomb, bomb.len()).unwrap();
        assert_eq!(output.len(), 64 << 20);
        assert!(largest <= 2 << 20, "{largest}");
    }

    #[test]
    fn what_is_no_gzip_is_an_error() {
        assert!(inflate(b"{\"type\":\"ADDED\"}\n", 100).is_err());
    }
}
