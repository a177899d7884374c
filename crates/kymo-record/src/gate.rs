use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One permit stands for so many bytes.
const UNIT: usize = 1024;

/// A bound on the bytes between the feeds and the log.
///
/// A feed that finds it full waits and reads nothing from its socket meanwhile. First come, first
/// served, so no feed is starved by the others.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    units: usize,
}

/// The right to hold bytes, until dropped.
#[derive(Debug)]
pub(crate) struct Pass(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Gate {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            permits: Arc::new(Semaphore::new(units)),
            units,
        }
    }

    /// Waits until `bytes` fit. What is larger than the whole waits until it is alone.
    pub(crate) async fn admit(&self, bytes: usize) -> Option<Pass> {
        let units = bytes.div_ceil(UNIT).clamp(1, self.units) as u32;
        let permits = Arc::clone(&self.permits);
        permits.acquire_many_owned(units).await.ok().map(Pass)
    }

    /// Returns about how many bytes are held.
    pub(crate) fn held(&self) -> u64 {
        (self.units.saturating_sub(self.permits.available_permits()) * UNIT) as u64
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn no_more_than_the_bound_is_held_at_once() {
        let gate = Gate::new(10 * UNIT);
        let first = gate.admit(6 * UNIT).await.unwrap();
        assert_eq!(gate.held(), 6 * UNIT as u64);
        assert!(gate.admit(5 * UNIT).now_or_never().is_none());
        drop(first);
        assert!(gate.admit(5 * UNIT).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_is_larger_than_the_bound_passes_alone() {
        let gate = Gate::new(10 * UNIT);
        let small = gate.admit(1).await.unwrap();
        assert!(gate.admit(100 * UNIT).now_or_never().is_none());
        drop(small);
        let large = gate.admit(100 * UNIT).now_or_never().unwrap();
        assert!(gate.admit(1).now_or_never().is_none());
        drop(large);
        assert_eq!(gate.held(), 0);
    }
}
