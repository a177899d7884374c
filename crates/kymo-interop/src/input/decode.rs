//! Finds out by content how an input is packed, and unpacks it within the limits.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::cap::{Budget, Capped, Counted, Limits};
use super::tar;

/// How the bytes of an input are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The compression around it.
    pub(super) compression: Compression,
    /// What is inside.
    pub(super) content: Content,
}

/// A compression that is told by the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

/// What is inside the compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Anything but an archive.
    Stream,
    Tar,
    Zip,
}

/// How many bytes tell what an input is.
pub(super) const START_BYTES: usize = tar::BLOCK_BYTES;
/// A zstd frame may ask for a window of this many bits: 128 MiB, as `zstd --long=27` writes.
const WINDOW_LOG_MAX: u32 = 27;
/// What reading xz may take: enough for its highest preset.
const XZ_MEMORY_BYTES: u64 = 128 << 20;
/// Bytes read and decoded at a time.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// Looks at the first bytes of an input.
pub(super) fn compression(start: &[u8]) -> Compression {
    match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Compression::Xz,
        _ => Compression::None,
    }
}

/// Tells from the first bytes of an input how much memory decoding it takes.
pub(super) fn weight(start: &[u8]) -> u64 {
    let buffers = 2 * BUFFER_BYTES as u64;
    buffers
        + match (compression(start), start) {
            (Compression::None, _) => 0,
            (Compression::Gzip, _) => 64 << 10,
            // The usual presets; the highest takes four times as much.
            (Compression::Xz, _) => 16 << 20,
            (Compression::Zstd, [_, _, _, _, descriptor, window, ..]) if descriptor & 0x20 == 0 => {
                let base = 1u64 << (10 + (window >> 3)).min(31);
                base + base / 8 * u64::from(window & 7)
            }
            // A frame of one segment takes as much as its content.
            (Compression::Zstd, _) => zstd::zstd_safe::get_frame_content_size(start)
                .ok()
                .flatten()
                .unwrap_or(8 << 20),
        }
}

/// Looks at the first decoded bytes of an input.
pub(super) fn content(start: &[u8]) -> Content {
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        Content::Zip
    } else if tar::is_header(start) {
        Content::Tar
    } else {
        Content::Stream
    }
}

/// Looks at the beginning of an input, decoding what is needed of it.
pub(super) fn sniff(mut reader: impl Read + Send) -> io::Result<Shape> {
    let start = read_start(&mut reader, START_BYTES)?;
    let compression = compression(&start);
    if compression == Compression::None {
        return Ok(Shape {
            compression,
            content: content(&start),
        });
    }
    let budget = Budget::new(Limits::default());
    let whole = BufReader::new(Cursor::new(start).chain(reader));
    // What cannot be decoded fails again, with its place, when it is read.
    let decoded = decode(Box::new(whole), &budget)
        .and_then(|mut decoded| read_start(&mut decoded, START_BYTES));
    Ok(Shape {
        compression,
        content: decoded.map_or(Content::Stream, |start| content(&start)),
    })
}

/// Reads up to `length` bytes.
pub(super) fn read_start(reader: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(length as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Unpacks gzip (all members), zstd (all frames) and xz (all streams); passes everything else
/// through.
pub(super) fn decode<'a>(
    mut reader: Box<dyn BufRead + Send + 'a>,
    budget: &Budget,
) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let compression = compression(reader.fill_buf()?);
    if compression == Compression::None {
        return Ok(reader);
    }
    let (counted, encoded) = Counted::new(reader);
    let counted = BufReader::with_capacity(BUFFER_BYTES, counted);
    let decoder: Box<dyn Read + Send + 'a> = match compression {
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(counted)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY_BYTES,
                liblzma::stream::CONCATENATED,
            )?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(counted, stream))
        }
        _ => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
    };
    let capped = Capped::new(decoder, encoded, budget);
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, capped)))
}
