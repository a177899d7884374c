//! Bounds on what an input may make us read, whatever it declares of itself.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// How many entries an archive may have. Default 100,000.
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
}

impl Budget {
    /// Starts with nothing used.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoded: Arc::default(),
        }
    }
}

/// Counts what the compressed side gives.
#[derive(Debug)]
pub(crate) struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Counted<R> {
    /// Counts from zero.
    pub(crate) fn new(inner: R) -> (Self, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&count);
        (Self { inner, count }, shared)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(out)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// A decoder that stops with an error when it gives more than the limits allow.
pub(crate) struct Capped<R> {
    decoder: R,
    encoded: Arc<AtomicU64>,
    decoded: u64,
    budget: Budget,
}

impl<R: Read> Capped<R> {
    /// Caps `decoder`, which reads what `encoded` counts.
    pub(crate) fn new(decoder: R, encoded: Arc<AtomicU64>, budget: &Budget) -> Self {
        Self {
            decoder,
            encoded,
            decoded: 0,
            budget: budget.clone(),
        }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.decoder.read(out)? as u64;
        self.decoded += length;
        let all = self.budget.decoded.fetch_add(length, Ordering::Relaxed) + length;
        let limits = &self.budget.limits;
        if all > limits.decoded_bytes {
            return Err(io::Error::other(format!(
                "the input decompresses to more than {} bytes",
                limits.decoded_bytes
            )));
        }
        let encoded = self.encoded.load(Ordering::Relaxed).max(1);
        if self.decoded > RATIO_FREE_BYTES && self.decoded / encoded > limits.ratio {
            return Err(io::Error::other(format!(
                "the input decompresses to more than {} times its size",
                limits.ratio
            )));
        }
        Ok(length as usize)
    }
}
