//! Finds out by content how a file is packed, and unpacks it within the limits.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::cap::{Budget, Capped, Counted};

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One stream, compressed or not.
    Stream,
    /// A tar archive whose entries can be read in any order.
    Tar,
    /// A tar archive inside gzip or zstd.
    CompressedTar,
    /// A zip archive.
    Zip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A zstd frame may ask for a window of this many bits: 128 MiB, as `zstd --long=27` writes.
const WINDOW_LOG_MAX: u32 = 27;
/// Where `ustar` stands in the first block of a tar archive.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

fn compression(start: &[u8]) -> Compression {
    match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

fn is_tar(start: &[u8]) -> bool {
    start.get(TAR_MAGIC) == Some(b"ustar")
}

/// Looks at the beginning of a file.
pub(super) fn sniff(path: &Path) -> io::Result<Shape> {
    let mut file = BufReader::new(fs::File::open(path)?);
    let mut start = Vec::new();
    file.by_ref().take(512).read_to_end(&mut start)?;
    if start.starts_with(b"PK\x03\x04") {
        return Ok(Shape::Zip);
    }
    if is_tar(&start) {
        return Ok(Shape::Tar);
    }
    if compression(&start) == Compression::None {
        return Ok(Shape::Stream);
    }
    let reader = BufReader::new(fs::File::open(path)?);
    let decoded = decode(Box::new(reader), &Budget::new(super::Limits::default()))?;
    let mut start = Vec::new();
    // What cannot be decoded fails again, with its place, when it is read.
    let is_compressed_tar = decoded.take(512).read_to_end(&mut start).is_ok() && is_tar(&start);
    Ok(if is_compressed_tar {
        Shape::CompressedTar
    } else {
        Shape::Stream
    })
}

/// Unpacks gzip (all members) and zstd (all frames); passes everything else through.
pub(super) fn decode<'a>(
    mut reader: Box<dyn BufRead + 'a>,
    budget: &Budget,
) -> io::Result<Box<dyn BufRead + 'a>> {
    let kind = compression(reader.fill_buf()?);
    if kind == Compression::None {
        return Ok(reader);
    }
    let (counted, encoded) = Counted::new(reader);
    let counted = BufReader::with_capacity(128 * 1024, counted);
    let decoder: Box<dyn Read + 'a> = match kind {
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(counted)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        _ => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
    };
    let capped = Capped::new(decoder, encoded, budget);
    Ok(Box::new(BufReader::with_capacity(128 * 1024, capped)))
}
