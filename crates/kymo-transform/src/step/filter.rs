use std::collections::BTreeSet;
use std::sync::Arc;

use kymo_model::FeedId;
use roaring::RoaringTreemap;

use crate::draft::Draft;

/// Lets rows through, or not.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// The rows that a statement names, by their numbers.
    pub(crate) rows: Arc<RoaringTreemap>,
    /// Whether these are the ones that stay.
    pub(crate) keep: bool,
    /// The feeds of rows that were left out.
    pub(crate) filtered: BTreeSet<FeedId>,
}

impl Filter {
    pub(crate) fn keeps(&mut self, draft: &Draft) -> bool {
        let stays = self.rows.contains(draft.source) == self.keep;
        if !stays {
            self.filtered.insert(draft.event.feed);
        }
        stays
    }
}
