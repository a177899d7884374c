//! Frames: the unit that is written, checked and found again after damage.
//!
//! All integers are little endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | magic `KyF\x1a` |
//! | 4..8 | length of the payload |
//! | 8 | kind |
//! | 9 | flags: bit 0 a reader must understand the kind, bit 1 the payload is a zstd frame |
//! | 10..12 | 0 |
//! | 12..16 | length of the raw content, at most 16 MiB |
//! | 16..24 | seq |
//! | 24..28 | checksum of the frame before |
//! | 28..32 | CRC-32C, seeded per file, over bytes 0..28 and the payload |
//! | 32.. | payload |
//!
//! A frame proves itself; the checksum of the one before proves that none is missing between. The
//! seed comes from the trace id, which the content of a trace cannot know, so that bytes of an
//! object do not pass for a frame.

mod walk;

use std::io;

use zstd::bulk::{Compressor, Decompressor};

pub(crate) use walk::{Step, Walk};

/// Length of the header.
pub(crate) const HEADER: usize = 32;
/// The most raw bytes a frame can hold.
pub(crate) const MAX_RAW: usize = 16 * 1024 * 1024;
/// The most payload bytes: what zstd makes at worst of [`MAX_RAW`].
pub(crate) const MAX_PAYLOAD: usize = MAX_RAW + MAX_RAW / 128 + 1024;

const MAGIC: [u8; 4] = *b"KyF\x1a";
const MUST_UNDERSTAND: u8 = 1;
const COMPRESSED: u8 = 2;
const LEVEL: i32 = 1;

/// What a frame holds.
pub(crate) mod kind {
    /// Records of a log.
    pub(crate) const RECORDS: u8 = 1;
    /// One entry of a manifest.
    pub(crate) const MANIFEST: u8 = 2;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    flags: u8,
    raw_length: u32,
    pub(crate) seq: u64,
    pub(crate) before: u32,
    pub(crate) crc: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(bytes.get(at..at + 4).unwrap_or(&[0; 4]));
    u32::from_le_bytes(value)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Header {
    /// Reads a header that can be one; whether it is, the checksum tells.
    pub(crate) fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let header = Self {
            length: u32_at(bytes, 4),
            kind: bytes[8],
            flags: bytes[9],
            raw_length: u32_at(bytes, 12),
            seq: u64_at(bytes, 16),
            before: u32_at(bytes, 24),
            crc: u32_at(bytes, 28),
        };
        let plausible = bytes.starts_with(&MAGIC)
            && bytes[10..12] == [0, 0]
            && header.length as usize <= MAX_PAYLOAD
            && header.raw_length as usize <= MAX_RAW;
        plausible.then_some(header)
    }

    fn write(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8] = self.kind;
        bytes[9] = self.flags;
        bytes[12..16].copy_from_slice(&self.raw_length.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.before.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    /// Tells whether header and payload are what was written.
    pub(crate) fn proves(&self, seed: u32, payload: &[u8]) -> bool {
        self.checksum(seed, payload) == self.crc
    }

    fn checksum(&self, seed: u32, payload: &[u8]) -> u32 {
        let header = self.write();
        let crc = crc32c::crc32c_append(seed, &header[..28]);
        crc32c::crc32c_append(crc, payload)
    }

    /// Tells whether a reader that does not know the kind must stop.
    pub(crate) fn must_be_understood(&self) -> bool {
        self.flags & MUST_UNDERSTAND != 0
    }
}

/// Makes frames, each chained to the one before.
pub(crate) struct Encoder {
    seed: u32,
    chain: u32,
    compressor: Compressor<'static>,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Begins a chain at `chain`.
    pub(crate) fn new(seed: u32, chain: u32) -> io::Result<Self> {
        Ok(Self {
            seed,
            chain,
            compressor: Compressor::new(LEVEL)?,
            bytes: Vec::new(),
        })
    }

    /// Makes one frame of at most [`MAX_RAW`] bytes. The chain goes on only by
    /// [`Encoder::accept`], when the frame is written.
    pub(crate) fn encode(&mut self, kind: u8, seq: u64, raw: &[u8]) -> io::Result<(&[u8], u32)> {
        self.bytes.clear();
        self.bytes
            .resize(HEADER + zstd::zstd_safe::compress_bound(raw.len()), 0);
        let space = self.bytes.get_mut(HEADER..).unwrap_or_default();
        let length = self.compressor.compress_to_buffer(raw, space)?;
        let mut header = Header {
            length: length as u32,
            kind,
            flags: MUST_UNDERSTAND | COMPRESSED,
            raw_length: raw.len() as u32,
            seq,
            before: self.chain,
            crc: 0,
        };
        self.bytes.truncate(HEADER + length);
        let payload = self.bytes.get(HEADER..).unwrap_or_default();
        header.crc = header.checksum(self.seed, payload);
        if let Some(space) = self.bytes.get_mut(..HEADER) {
            space.copy_from_slice(&header.write());
        }
        Ok((&self.bytes, header.crc))
    }

    /// Lets the next frame follow the one whose checksum is `crc`.
    pub(crate) fn accept(&mut self, crc: u32) {
        self.chain = crc;
    }
}

/// Gives the raw content of frames back, into one buffer that never outgrows [`MAX_RAW`].
#[derive(Default)]
pub(crate) struct Decoder {
    decompressor: Decompressor<'static>,
    raw: Vec<u8>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// Decodes a payload; `None` if it is not what the header declares.
    pub(crate) fn decode(&mut self, header: &Header, payload: &[u8]) -> Option<&[u8]> {
        let length = header.raw_length as usize;
        if length > MAX_RAW {
            return None;
        }
        if header.flags & COMPRESSED == 0 {
            self.raw.clear();
            self.raw.extend_from_slice(payload);
            return (payload.len() == length).then_some(&self.raw);
        }
        if self.raw.len() < length {
            self.raw.resize(length, 0);
        }
        let space = self.raw.get_mut(..length)?;
        let count = self
            .decompressor
            .decompress_to_buffer(payload, space)
            .ok()?;
        (count == length).then(|| self.raw.get(..length)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(frame: &[u8]) -> (Header, &[u8]) {
        let header = Header::parse(frame[..HEADER].try_into().unwrap()).unwrap();
        (header, &frame[HEADER..])
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(raw in proptest::collection::vec(any::<u8>(), 0..5000), seq: u64, seed: u32) {
            let mut encoder = Encoder::new(seed, 7).unwrap();
            let (frame, crc) = encoder.encode(kind::RECORDS, seq, &raw).unwrap();
            let (header, payload) = split(frame);
            prop_assert!(header.proves(seed, payload));
            prop_assert_eq!((header.seq, header.before, header.crc), (seq, 7, crc));
            let mut decoder = Decoder::default();
            prop_assert_eq!(decoder.decode(&header, payload), Some(&raw[..]));
        }
    }

    #[test]
    fn the_chain_goes_on_only_when_a_frame_was_written() {
        let mut encoder = Encoder::new(1, 2).unwrap();
        let (first, _) = encoder.encode(kind::RECORDS, 1, b"lost").unwrap();
        assert_eq!(split(first).0.before, 2);
        let (second, crc) = encoder.encode(kind::RECORDS, 1, b"kept").unwrap();
        assert_eq!(split(second).0.before, 2);
        encoder.accept(crc);
        let (third, _) = encoder.encode(kind::RECORDS, 1, b"next").unwrap();
        assert_eq!(split(third).0.before, crc);
    }

    /// Fault table row 36.
    #[test]
    fn a_bomb_does_not_grow_the_buffer() {
        let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 19).unwrap();
        let header = Header {
            length: bomb.len() as u32,
            kind: kind::RECORDS,
            flags: COMPRESSED,
            raw_length: 1000,
            seq: 1,
            before: 0,
            crc: 0,
        };
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(&header, &bomb), None);
        assert!(decoder.raw.capacity() <= 4096);
        let lying = Header {
            raw_length: u32::MAX,
            ..header
        };
        assert_eq!(decoder.decode(&lying, &bomb), None);
        assert!(decoder.raw.capacity() <= 4096);
        let bytes = lying.write();
        assert_eq!(
            Header::parse(&bytes),
            None,
            "a length over the limit is no header"
        );
    }
}
