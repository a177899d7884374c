//! The numbers that the rows of two traces get in one.

use kymo_query::QuerySession;

use crate::Error;
use crate::rows::{each_batch, numbers};

/// By how much the numbers of one trace grow, from which number on.
///
/// A row moves up by the number of the last row of the other trace that stands before it, so the
/// numbers of both keep their order and their gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    steps: Vec<(u64, u64)>,
}

impl Steps {
    /// Returns the number of a row in the output.
    pub(crate) fn moved(&self, seq: u64) -> u64 {
        let behind = self.steps.partition_point(|(from, _)| *from <= seq);
        let step = behind
            .checked_sub(1)
            .and_then(|index| self.steps.get(index));
        seq.saturating_add(step.map_or(0, |(_, more)| *more))
    }

    fn push(&mut self, seq: u64, more: u64) {
        if self.steps.last().is_none_or(|(_, last)| *last != more) {
            self.steps.push((seq, more));
        }
    }
}

/// Puts two sequences of numbers and times in one order: by time, which is taken as the latest up to
/// a row, because feeds can be a little behind each other. Of equal times ours come first.
pub(crate) fn interleaved(ours: &[(u64, i64)], theirs: &[(u64, i64)]) -> (Steps, Steps) {
    let (mut for_ours, mut for_theirs) = (Steps::default(), Steps::default());
    let (mut last_ours, mut last_theirs) = (0, 0);
    let mut ours = ours.iter().peekable();
    let mut theirs = theirs.iter().peekable();
    loop {
        let is_ours = match (ours.peek(), theirs.peek()) {
            (None, None) => return (for_ours, for_theirs),
            (Some(one), Some(other)) => one.1 <= other.1,
            (one, _) => one.is_some(),
        };
        if is_ours {
            if let Some((seq, _)) = ours.next() {
                for_ours.push(*seq, last_theirs);
                last_ours = *seq;
            }
        } else if let Some((seq, _)) = theirs.next() {
            for_theirs.push(*seq, last_ours);
            last_theirs = *seq;
        }
    }
}

/// Reads numbers and times of a trace, each time the latest so far and `shift` later.
pub(crate) async fn times(session: &QuerySession, shift: i64) -> Result<Vec<(u64, i64)>, Error> {
    let mut found = Vec::new();
    let mut latest = i64::MIN;
    let sql = "SELECT seq, ts FROM events ORDER BY seq";
    each_batch(session, sql, |batch| {
        for (seq, ts) in numbers(batch, 0)?.zip(numbers(batch, 1)?) {
            if let (Some(seq), Some(ts)) = (seq, ts) {
                latest = latest.max(ts.saturating_add(shift));
                found.push((seq.unsigned_abs(), latest));
            }
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence() -> impl Strategy<Value = Vec<(u64, i64)>> {
        prop::collection::vec((1u64..5, 0i64..6), 0..40).prop_map(|steps| {
            let (mut seq, mut time) = (0, 0);
            steps
                .into_iter()
                .map(|(more, later)| {
                    seq += more;
                    time += later;
                    (seq, time)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn numbers_of_both_are_in_the_order_of_time_and_each_is_given_once(
            ours in sequence(), theirs in sequence(),
        ) {
            let (for_ours, for_theirs) = interleaved(&ours, &theirs);
            let mut all: Vec<(u64, i64)> = Vec::new();
            all.extend(ours.iter().map(|(seq, time)| (for_ours.moved(*seq), *time)));
            all.extend(theirs.iter().map(|(seq, time)| (for_theirs.moved(*seq), *time)));
            all.sort_unstable();
            prop_assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        }
    }
}
