//! How the parts of a plan share memory.
//!
//! The engine's fair pool gives what cannot spill all that is there: the merge at the end of one sort then leaves nothing
//! to the sort beside it, which fails with a single batch. Here merges have shares as what can spill has: with less, they
//! merge fewer runs at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

/// What the engine calls the merge of sorted runs. It counts as something that cannot spill, but
/// takes as much as it can get, and less will do.
const MERGE: &str = "ExternalSorterMerge";

/// Every part of a plan gets this part of the limit even if others have taken the rest, so that it
/// can go on with a batch at a time.
const FLOOR: usize = 16;

/// Memory of which parts of a plan get shares.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    limit: usize,
    readers: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Bytes by consumer; those that hold nothing are left out.
    sharing: HashMap<usize, usize>,
    others: HashMap<usize, usize>,
}

impl Held {
    fn of(&mut self, shares: bool) -> &mut HashMap<usize, usize> {
        if shares {
            &mut self.sharing
        } else {
            &mut self.others
        }
    }

    fn total(&self) -> usize {
        self.sharing.values().chain(self.others.values()).sum()
    }
}

impl SharedMemory {
    /// Takes the limit in bytes and how many threads work on one step of a plan.
    pub(crate) fn new(limit: usize, readers: usize) -> Self {
        Self {
            limit,
            readers: readers.max(1),
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what one may hold, if it holds or wants something.
    fn most(&self, held: &Held, consumer: &MemoryConsumer) -> usize {
        let own = |held: &HashMap<usize, usize>| held.get(&consumer.id()).copied().unwrap_or(0);
        let floor = self.limit / FLOOR;
        if !shares(consumer) {
            let rest = self.limit.saturating_sub(held.total());
            return floor.max(own(&held.others).saturating_add(rest));
        }
        let others: usize = held.others.values().sum();
        let shared = self.limit.saturating_sub(others).max(self.limit / 2);
        let is_new = !held.sharing.contains_key(&consumer.id());
        let active = held.sharing.len() + usize::from(is_new);
        // Each thread has what sorts and the merge of it: they hold most at different times.
        let of_thread = shared / 3 * 2 / self.readers;
        floor.max(of_thread.min(shared / active.max(1)))
    }
}

fn shares(consumer: &MemoryConsumer) -> bool {
    consumer.can_spill() || consumer.name().starts_with(MERGE)
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", human_readable_size(self.limit))
    }
}

impl MemoryPool for SharedMemory {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut held = self.held();
        held.of(shares(consumer)).remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let consumer = reservation.consumer();
        let mut held = self.held();
        let own = held.of(shares(consumer)).entry(consumer.id()).or_default();
        *own = own.saturating_add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let consumer = reservation.consumer();
        let mut held = self.held();
        let sort = held.of(shares(consumer));
        let left = sort
            .get(&consumer.id())
            .map_or(0, |own| own.saturating_sub(shrink));
        if left == 0 {
            sort.remove(&consumer.id());
        } else {
            sort.insert(consumer.id(), left);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        let mut held = self.held();
        let most = self.most(&held, consumer);
        let own = held.of(shares(consumer)).entry(consumer.id()).or_default();
        let wanted = own.saturating_add(additional);
        if wanted > most {
            let has = *own;
            if has == 0 {
                held.of(shares(consumer)).remove(&consumer.id());
            }
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} has {} and needs {} more; its share of {self} is {}",
                consumer.name(),
                human_readable_size(has),
                human_readable_size(additional),
                human_readable_size(most),
            )));
        }
        *own = wanted;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.held().total()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pool(readers: usize) -> Arc<dyn MemoryPool> {
        Arc::new(SharedMemory::new(1_600, readers))
    }

    #[test]
    fn a_merge_leaves_something_to_the_sort_beside_it() {
        let pool = pool(2);
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        while merge.try_grow(10).is_ok() {}
        assert_eq!(merge.size(), 530);
        let sort = MemoryConsumer::new("ExternalSorter[1]").with_can_spill(true);
        let sort = sort.register(&pool);
        while sort.try_grow(10).is_ok() {}
        assert_eq!(sort.size(), 530);
        drop(merge);
        assert_eq!(pool.reserved(), 530);
    }

    #[test]
    fn what_cannot_spill_gets_what_is_left_and_all_get_something() {
        let pool = pool(1);
        let build = MemoryConsumer::new("HashJoinInput").register(&pool);
        build.try_grow(1_500).unwrap();
        let error = build.try_grow(200).unwrap_err();
        assert!(error.to_string().contains("needs 200"), "{error}");
        // Half of the memory is for those that share it, and one that comes late gets a sixteenth.
        let sort = MemoryConsumer::new("ExternalSorter[0]").with_can_spill(true);
        let sort = sort.register(&pool);
        sort.try_grow(530).unwrap();
        sort.try_grow(10).unwrap_err();
        let late = MemoryConsumer::new("SortPreservingMergeExec[0]").register(&pool);
        late.try_grow(100).unwrap();
        late.try_grow(1).unwrap_err();
        build.free();
        sort.shrink(500);
        late.try_grow(1_400).unwrap();
        assert_eq!(pool.reserved(), 1_530);
    }

    #[test]
    fn more_parts_of_a_plan_get_smaller_shares() {
        let pool = pool(1);
        let sizes: Vec<usize> = (0..4)
            .map(|number| {
                let consumer = MemoryConsumer::new(format!("ExternalSorter[{number}]"));
                let sort = consumer.with_can_spill(true).register(&pool);
                while sort.try_grow(1).is_ok() {}
                let size = sort.size();
                // It stays registered.
                std::mem::forget(sort);
                size
            })
            .collect();
        assert_eq!(sizes, [1_066, 800, 533, 400]);
    }
}
