use kymo_model::Timestamp;
use serde_json::{Map, Value};

/// How long a controller waits for more before it writes a status, in nanoseconds.
pub(super) const REPORT_AFTER: i64 = 200_000_000;

/// What changes in the number of pods at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) ts: i64,
    /// The owner of the pod.
    pub(crate) owner: usize,
    pub(crate) replicas: i64,
    pub(crate) ready: i64,
}

/// How many pods more or fewer than recorded there are, over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surplus {
    /// From when, and how many exist and are ready.
    steps: Vec<(i64, i64, i64)>,
}

impl Surplus {
    /// Adds up changes in the order of time.
    pub(crate) fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut steps: Vec<(i64, i64, i64)> = Vec::new();
        for change in changes {
            let (ts, replicas, ready) = steps.last().copied().unwrap_or((i64::MIN, 0, 0));
            let sum = (change.ts, replicas + change.replicas, ready + change.ready);
            match steps.last_mut() {
                Some(last) if ts == change.ts => *last = sum,
                _ => steps.push(sum),
            }
        }
        Self { steps }
    }

    /// Returns how many more exist and are ready at a time.
    pub(crate) fn at(&self, ts: Timestamp) -> (i64, i64) {
        let behind = self.steps.partition_point(|(from, ..)| *from <= ts.0);
        let step = behind
            .checked_sub(1)
            .and_then(|index| self.steps.get(index));
        step.map_or((0, 0), |(_, replicas, ready)| (*replicas, *ready))
    }

    /// Tells whether there are never more or fewer.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns when a controller that waits so long would write a status because of the changes.
    pub(crate) fn reports(&self, after: i64, until: Timestamp) -> Vec<Timestamp> {
        let mut reports: Vec<Timestamp> = Vec::new();
        for (ts, ..) in &self.steps {
            if reports.last().is_none_or(|last| last.0 < *ts) {
                reports.push(Timestamp(ts.saturating_add(after)));
            }
        }
        reports.retain(|report| *report <= until);
        reports
    }
}

/// How many replicas are asked for over time: recorded, and in the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    /// From when, what was recorded, and what it becomes.
    pub(crate) steps: Vec<(i64, u64, u64)>,
}

impl Desired {
    /// Returns what a recorded number becomes at a time.
    pub(crate) fn at(&self, ts: Timestamp, recorded: u64) -> Option<u64> {
        let behind = self.steps.partition_point(|(from, ..)| *from <= ts.0);
        let earlier = self.steps.get(..behind)?;
        earlier
            .iter()
            .rev()
            .find(|(_, found, _)| *found == recorded)
            .map(|(.., becomes)| *becomes)
    }
}

/// Sets a count, which is left out where it is zero.
pub(crate) fn set(status: &mut Map<String, Value>, field: &str, count: i64) {
    if count > 0 {
        status.insert(field.to_owned(), Value::from(count));
    } else if field == "replicas" && status.contains_key(field) {
        // This one is always written.
        status.insert(field.to_owned(), Value::from(0));
    } else {
        status.remove(field);
    }
}

/// Returns a count; what is left out is zero.
pub(crate) fn get(status: &Map<String, Value>, field: &str) -> i64 {
    status.get(field).and_then(Value::as_i64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(ts: i64, replicas: i64, ready: i64) -> Change {
        Change {
            ts,
            owner: 0,
            replicas,
            ready,
        }
    }

    #[test]
    fn changes_add_up_and_are_reported_together() {
        let surplus = Surplus::of([
            change(10, 1, 0),
            change(10, 1, 0),
            change(100_000_000, 0, 2),
            change(900_000_000, -2, -2),
        ]);
        assert_eq!(surplus.at(Timestamp(9)), (0, 0));
        assert_eq!(surplus.at(Timestamp(10)), (2, 0));
        assert_eq!(surplus.at(Timestamp(500_000_000)), (2, 2));
        assert_eq!(surplus.at(Timestamp(900_000_000)), (0, 0));
        assert_eq!(
            surplus.reports(REPORT_AFTER, Timestamp(i64::MAX)),
            [Timestamp(200_000_010), Timestamp(1_100_000_000)]
        );
    }
}
