//! Bounds on what an input may make us read, whatever it declares of itself.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::pool::Pool;

/// Bounds on untrusted input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest value (a line, an item of a list) in bytes; longer ones are dropped and
    /// reported. Default 8 MiB.
    pub value_bytes: usize,
    /// How much all inputs together may decompress to, in bytes. Default 256 GiB.
    pub decoded_bytes: u64,
    /// How many times its size an input may decompress to, once past 64 MiB. Default 2,000.
    pub ratio: u64,
    /// How many entries an archive may have, those of archives inside it included. Default
    /// 100,000.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_bytes: 8 << 20,
            decoded_bytes: 256 << 30,
            ratio: 2000,
            entries: 100_000,
        }
    }
}

/// Below this size the ratio does not matter.
const RATIO_FREE_BYTES: u64 = 64 << 20;

/// What is left of the limits, shared by all inputs of an import.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    limits: Limits,
    decoded: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
    pool: Arc<Pool>,
}

impl Budget {
    /// Starts with nothing used.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoded: Arc::default(),
            read: Arc::default(),
            total: Arc::new(AtomicU64::new(u64::MAX)),
            pool: Arc::default(),
        }
    }

    /// Returns the same budget for a look at an input that is read again: it does not count.
    pub(super) fn unmetered(&self) -> Self {
        Self {
            decoded: Arc::default(),
            read: Arc::default(),
            ..self.clone()
        }
    }

    /// Returns the readers that are open.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns how many bytes of the inputs were read, before decompression.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns how many there are in all; `None` before they are found and where a pipe is among
    /// them.
    pub(crate) fn bytes_total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total < u64::MAX)
    }

    /// Notes how many there are in all.
    pub(super) fn set_bytes_total(&self, total: Option<u64>) {
        self.total
            .store(total.unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A place in an input from which on it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// How many bytes of the input, as it is stored, were read before.
    pub(crate) byte: u64,
    /// The line that was being read, where there are lines.
    pub(crate) line: Option<u64>,
    /// What is wrong there.
    pub(crate) reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "near byte {}: {}", self.byte, self.reason)
    }
}

impl std::error::Error for Damage {}

impl Damage {
    /// Damage at a byte.
    pub(crate) fn new(byte: u64, reason: impl Into<String>) -> Self {
        Self {
            byte,
            line: None,
            reason: reason.into(),
        }
    }

    /// Finds the damage that an error of a reader tells of; `None` if it tells of something
    /// else, such as a limit or the disk.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        Self::new(io::ErrorKind::InvalidData, damage)
    }
}

/// Counts what the compressed side gives.
pub(crate) struct Counted<R> {
    inner: R,
    counts: Arc<Counts>,
}

/// What is known of the compressed side.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    read: AtomicU64,
    /// Whether the source itself failed, so that the decoder is not to blame.
    has_failed: AtomicBool,
}

impl<R: Read> Counted<R> {
    /// Counts from zero.
    pub(crate) fn new(inner: R) -> (Self, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        (Self { inner, counts }, shared)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(out) {
            Ok(length) => {
                self.counts.read.fetch_add(length as u64, Ordering::Relaxed);
                Ok(length)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.counts.has_failed.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }
}

/// Adds what is read of the user's files to the progress.
pub(crate) struct Metered<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R> Metered<R> {
    /// Meters `inner`.
    pub(crate) fn new(inner: R, budget: &Budget) -> Self {
        Self {
            inner,
            read: Arc::clone(&budget.read),
        }
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(out)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// A decoder that stops with an error when it gives more than the limits allow.
///
/// What the decoder cannot read is told as [`Damage`]. After an error the decoder is not asked
/// again.
pub(crate) struct Capped<R> {
    decoder: R,
    encoded: Arc<Counts>,
    decoded: u64,
    budget: Budget,
    has_ended: bool,
}

impl<R: Read> Capped<R> {
    /// Caps `decoder`, which reads what `encoded` counts.
    pub(crate) fn new(decoder: R, encoded: Arc<Counts>, budget: &Budget) -> Self {
        Self {
            decoder,
            encoded,
            decoded: 0,
            budget: budget.clone(),
            has_ended: false,
        }
    }

    fn damage(&self, error: io::Error) -> io::Error {
        let is_other = self.encoded.has_failed.load(Ordering::Relaxed);
        if is_other || error.kind() == io::ErrorKind::OutOfMemory {
            return error;
        }
        let byte = self.encoded.read.load(Ordering::Relaxed);
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the compressed data ends early".to_owned(),
            _ => format!("the compressed data is damaged: {error}"),
        };
        Damage::new(byte, reason).into()
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.has_ended {
            return Ok(0);
        }
        let length = match self.decoder.read(out) {
            Ok(length) => length as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                self.has_ended = true;
                return Err(self.damage(error));
            }
        };
        self.decoded += length;
        let all = self.budget.decoded.fetch_add(length, Ordering::Relaxed) + length;
        let limits = &self.budget.limits;
        if all > limits.decoded_bytes {
            self.has_ended = true;
            return Err(over_limit(format!(
                "the input decompresses to more than {} bytes",
                limits.decoded_bytes
            )));
        }
        let encoded = self.encoded.read.load(Ordering::Relaxed).max(1);
        if self.decoded > RATIO_FREE_BYTES && self.decoded / encoded > limits.ratio {
            self.has_ended = true;
            return Err(over_limit(format!(
                "the input decompresses to more than {} times its size",
                limits.ratio
            )));
        }
        Ok(length as usize)
    }
}

fn over_limit(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, message)
}
