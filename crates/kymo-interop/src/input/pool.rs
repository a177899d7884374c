//! Readers that are open at the same time.
//!
//! A merge reads many entries in turn. There may be more of them than file descriptors, and each
//! decoder takes memory, so the reader that was not used for the longest time is closed for
//! another.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many readers are open at a time: less than any usual limit of file descriptors.
pub(super) const OPEN: usize = 128;
/// How much memory their decoders may take, as far as it can be told beforehand.
const OPEN_BYTES: u64 = 512 << 20;

/// The readers that are open.
#[derive(Default)]
pub(super) struct Pool {
    slots: Mutex<Vec<Arc<Slot>>>,
    uses: Arc<AtomicU64>,
}

/// A reader that may be closed for another.
pub(super) struct Slot {
    reader: Mutex<Option<Box<dyn Read + Send>>>,
    weight: u64,
    last_used: AtomicU64,
    uses: Arc<AtomicU64>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Slot {
    /// Reads; `None` if the reader was closed.
    pub(super) fn read(&self, out: &mut [u8]) -> Option<io::Result<usize>> {
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        self.last_used.store(now, Ordering::Relaxed);
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.as_mut().map(|reader| reader.read(out))
    }

    fn close(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        *reader = None;
    }
}

impl Pool {
    /// Takes a reader whose decoder takes `weight` bytes, and closes others for it.
    pub(super) fn open(&self, reader: Box<dyn Read + Send>, weight: u64) -> Arc<Slot> {
        let mut slots = self.lock();
        let mut total = slots.iter().map(|slot| slot.weight).sum::<u64>();
        while slots.len() >= OPEN || total.saturating_add(weight) > OPEN_BYTES {
            let oldest = slots
                .iter()
                .enumerate()
                .min_by_key(|(_, slot)| slot.last_used.load(Ordering::Relaxed));
            let Some((oldest, _)) = oldest else {
                break;
            };
            let slot = slots.swap_remove(oldest);
            total -= slot.weight;
            slot.close();
        }
        let slot = Arc::new(Slot {
            reader: Mutex::new(Some(reader)),
            weight,
            last_used: AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed)),
            uses: Arc::clone(&self.uses),
        });
        slots.push(Arc::clone(&slot));
        slot
    }

    /// Closes a reader.
    pub(super) fn close(&self, slot: &Arc<Slot>) {
        slot.close();
        self.lock().retain(|other| !Arc::ptr_eq(other, slot));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Pool {
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn close_all(&self) {
        for slot in self.lock().drain(..) {
            slot.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Box<dyn Read + Send> {
        Box::new(io::repeat(7))
    }

    #[test]
    fn the_reader_not_used_for_longest_is_closed_for_another() {
        let pool = Pool::default();
        let slots: Vec<_> = (0..OPEN).map(|_| pool.open(reader(), 1)).collect();
        assert!(slots[0].read(&mut [0]).is_some());
        let another = pool.open(reader(), 1);
        assert!(slots[1].read(&mut [0]).is_none());
        assert!(slots[0].read(&mut [0]).is_some());
        pool.close(&another);
        assert_eq!(pool.len(), OPEN - 1);
    }

    #[test]
    fn heavy_decoders_are_few_and_one_is_always_allowed() {
        let pool = Pool::default();
        let first = pool.open(reader(), OPEN_BYTES * 2);
        assert!(first.read(&mut [0]).is_some());
        for _ in 0..10 {
            pool.open(reader(), OPEN_BYTES / 4);
        }
        assert_eq!(pool.len(), 4);
        assert!(first.read(&mut [0]).is_none());
    }
}
