use kymo_store::WriterOptions;
use kymo_watch::FeedOptions;

use crate::{Config, Error};

/// How many initial lists run at once.
pub(crate) const PARALLEL_LISTS: usize = 4;

/// The parts of the memory budget, in bytes.
///
/// | part | share | what it bounds |
/// |---|---|---|
/// | in flight | 1/4 | what feeds have delivered and the log has not taken |
/// | pages | 1/4 | four lists at once, a page each |
/// | seal | 3/16 | the bodies held while a log becomes a segment |
/// | row group | 1/8 | the part of a segment that is held until it is whole |
/// | line | 1/16, at most 8 MiB | the longest line of a watch |
///
/// The rest is for the table of live objects (about 100 bytes each), the log's buffer, sockets
/// and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) total: u64,
    pub(crate) in_flight: usize,
    page: usize,
    seal: usize,
    row_group: usize,
    line: usize,
}

impl Budget {
    pub(crate) fn divide(total: u64) -> Result<Self, Error> {
        if total < Config::LEAST_MEMORY_BUDGET {
            return Err(Error::BudgetTooSmall {
                budget: total,
                least: Config::LEAST_MEMORY_BUDGET,
            });
        }
        let share = |numerator: u64, denominator: u64| {
            usize::try_from(total / denominator * numerator).unwrap_or(usize::MAX)
        };
        Ok(Self {
            total,
            in_flight: share(1, 4),
            page: share(1, 4) / PARALLEL_LISTS,
            seal: share(3, 16),
            row_group: share(1, 8),
            line: share(1, 16),
        })
    }

    /// Lowers what would not fit.
    pub(crate) fn fit_feed(&self, options: &mut FeedOptions) {
        options.page_bytes = options.page_bytes.min(self.page);
        options.line_bytes = options.line_bytes.min(self.line);
    }

    /// Lowers what would not fit.
    pub(crate) fn fit_writer(&self, options: &mut WriterOptions) {
        options.seal_chunk_bytes = options.seal_chunk_bytes.min(self.seal);
        let segment = &mut options.segment;
        segment.row_group_bytes = segment.row_group_bytes.min(self.row_group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fit_into_the_whole() {
        for total in [
            Config::LEAST_MEMORY_BUDGET,
            Config::DEFAULT_MEMORY_BUDGET,
            1 << 40,
        ] {
            let budget = Budget::divide(total).unwrap();
            let writing = budget.seal + budget.row_group;
            let parts = budget.in_flight + PARALLEL_LISTS * budget.page + writing + budget.line;
            assert!(parts as u64 <= total / 8 * 7, "{budget:?}");
            let mut feed = FeedOptions::default();
            budget.fit_feed(&mut feed);
            assert!(feed.page_bytes <= budget.page && feed.line_bytes <= budget.line);
        }
    }

    #[test]
    fn a_budget_that_is_too_small_is_refused() {
        assert!(matches!(
            Budget::divide(Config::LEAST_MEMORY_BUDGET - 1),
            Err(Error::BudgetTooSmall { .. })
        ));
    }
}
