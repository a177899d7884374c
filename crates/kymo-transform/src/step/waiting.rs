use std::collections::HashMap;
use std::sync::Arc;

use kymo_store::segment::{Revision, Revisions};
use roaring::RoaringTreemap;

use super::{Chain, Step};

/// Patches of which each can wait until an object is put together, and the rows that each names: a
/// trace can be rewritten column by column then.
pub(crate) struct Waiting {
    patches: Vec<(Arc<RoaringTreemap>, Arc<dyn Revision>)>,
    /// What some of them do together, by which they are.
    known: HashMap<u64, Option<Arc<Revisions>>>,
}

impl Waiting {
    /// Returns the patches of a chain; `None` if something else is done as well, or if one cannot
    /// wait.
    pub(crate) fn of(chain: &Chain) -> Option<Self> {
        let patches: Option<Vec<_>> = chain
            .steps
            .iter()
            .map(|step| match step {
                Step::Patch(patch) => patch.waits(),
                _ => None,
            })
            .collect();
        let patches = patches.filter(|patches| patches.len() <= u64::BITS as usize)?;
        let can_wait = |(_, patch): &(_, Arc<dyn Revision>)| {
            Revisions::with(None, Arc::clone(patch)).is_some()
        };
        patches.iter().all(can_wait).then_some(Self {
            patches,
            known: HashMap::new(),
        })
    }

    /// Returns what is done to the object of an event, by its number.
    pub(crate) fn done(&mut self, seq: u64) -> Option<Arc<Revisions>> {
        let mut which = 0u64;
        for (place, (rows, _)) in self.patches.iter().enumerate() {
            which |= u64::from(rows.contains(seq)) << place;
        }
        let patches = &self.patches;
        let known = self.known.entry(which).or_insert_with(|| {
            let mut all: Option<Revisions> = None;
            for (place, (_, patch)) in patches.iter().enumerate() {
                if which >> place & 1 == 1 {
                    all = Revisions::with(all.as_ref(), Arc::clone(patch));
                }
            }
            all.map(Arc::new)
        });
        known.clone()
    }
}
