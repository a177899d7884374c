//! A reader that knows where it is and how much one value may take.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Where a [`Metered`] reader is, seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    position: Rc<Cell<u64>>,
    stop: Rc<Cell<u64>>,
    limit: u64,
}

impl Meter {
    /// Bounds each value to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            position: Rc::default(),
            stop: Rc::new(Cell::new(limit as u64)),
            limit: limit as u64,
        }
    }

    /// Returns how many bytes were read.
    pub(crate) fn position(&self) -> u64 {
        self.position.get()
    }

    /// Begins a value.
    pub(crate) fn begin(&self) {
        self.stop
            .set(self.position.get().saturating_add(self.limit));
    }
}

/// Reads no more of a value than the meter allows, whatever the value says of its length.
pub(crate) struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Metered<R> {
    /// Starts at the first byte.
    pub(crate) fn new(inner: R, meter: Meter) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let position = self.meter.position.get();
        let room = self.meter.stop.get().saturating_sub(position);
        if room == 0 && !out.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a value of more than {} bytes", self.meter.limit),
            ));
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(out.len());
        let length = self.inner.read(out.get_mut(..room).unwrap_or_default())?;
        self.meter.position.set(position + length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_at_the_limit_and_the_next_one_begins_where_it_is() {
        let meter = Meter::new(4);
        let mut reader = Metered::new(&b"0123456789"[..], meter.clone());
        let mut out = [0; 3];
        reader.read_exact(&mut out).unwrap();
        meter.begin();
        reader.read_exact(&mut out).unwrap();
        assert_eq!((&out, meter.position()), (b"345", 6));
        let error = reader.read_exact(&mut out).unwrap_err();
        assert_eq!(error.to_string(), "a value of more than 4 bytes");
        meter.begin();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"789");
    }
}
