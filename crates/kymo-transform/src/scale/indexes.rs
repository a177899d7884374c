//! Jobs whose pods each do one part of the work, by index.

use kymo_model::Timestamp;
use serde_json::{Map, Value};

use super::counts::set;
use super::life::Life;

/// What becomes of the indexes of a Job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexes {
    /// One more than the highest that has a pod.
    count: u64,
    /// How many there will be in place of these.
    becomes: u64,
}

impl Indexes {
    /// Makes as many indexes of those that have pods as `becomes` says: the lowest stay, and those of
    /// clones stand behind the recorded ones.
    pub(super) fn of(lives: &[Life], becomes: impl Fn(u64) -> u64) -> Self {
        let highest = lives.iter().filter_map(|life| life.index).max();
        let count = highest.map_or(0, |highest| highest.saturating_add(1));
        Self {
            count,
            becomes: becomes(count),
        }
    }

    /// Returns how many there will be of one.
    pub(super) fn copies(self, index: u64) -> u64 {
        if self.becomes <= self.count {
            u64::from(index < self.becomes)
        } else {
            let (each, more) = self.shares();
            each + u64::from(index < more)
        }
    }

    /// Returns the index of a clone.
    pub(super) fn clone_of(self, index: u64, copy: u64) -> u64 {
        let (each, more) = self.shares();
        let before = each.saturating_sub(1).saturating_mul(index) + index.min(more);
        self.count.saturating_add(before).saturating_add(copy) - 1
    }

    /// Returns how many there will be of each, and of how many one more.
    fn shares(self) -> (u64, u64) {
        let count = self.count.max(1);
        (self.becomes / count, self.becomes % count)
    }

    /// Returns all indexes that clones of one have.
    fn clones(self, index: u64) -> impl Iterator<Item = u64> {
        (1..self.copies(index)).map(move |copy| self.clone_of(index, copy))
    }
}

/// Returns what a clone's pod says in place of what the recorded one says. `pod` is its new name.
pub(super) fn words(job: &str, life: &Life, pod: &str, number: u64) -> Vec<(String, String)> {
    let old = life.index.unwrap_or(0);
    let name = |number: u64| format!("{job}-{number}");
    let index = |number: u64| format!("\"batch.kubernetes.io/job-completion-index\":\"{number}\"");
    let generate = |number: u64| format!("\"generateName\":\"{job}-{number}-\"");
    vec![
        (life.name.clone(), pod.to_owned()),
        (name(old), name(number)),
        (index(old), index(number)),
        (generate(old), generate(number)),
    ]
}

/// Which indexes of a Job are done over time.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The indexes of clones, and from when they are done.
    clones: Vec<(i64, u64)>,
    indexes: Option<Indexes>,
}

impl Done {
    /// Notes when clones have succeeded.
    pub(super) fn of(indexes: Indexes, mut clones: Vec<(i64, u64)>) -> Self {
        clones.sort_unstable();
        Self {
            clones,
            indexes: Some(indexes),
        }
    }

    /// Sets which indexes are done and have failed, and how many have succeeded.
    pub(super) fn write(&self, status: &mut Map<String, Value>, ts: Timestamp) {
        let is_other = |indexes: &Indexes| indexes.becomes != indexes.count;
        let Some(indexes) = self.indexes.filter(is_other) else {
            return;
        };
        let recorded = |field: &str| {
            let text = status.get(field).and_then(Value::as_str);
            let mut ranges = ranges(text.unwrap_or_default());
            if indexes.becomes <= indexes.count {
                ranges.retain(|(first, _)| *first < indexes.becomes);
                for (_, last) in &mut ranges {
                    *last = (*last).min(indexes.becomes.saturating_sub(1));
                }
            }
            ranges
        };
        let mut completed = recorded("completedIndexes");
        let done = self.clones.partition_point(|(from, _)| *from <= ts.0);
        let done = self.clones.get(..done).unwrap_or_default();
        completed.extend(done.iter().map(|(_, index)| (*index, *index)));
        let mut failed = recorded("failedIndexes");
        let own = failed.clone().into_iter().flat_map(|(first, last)| {
            (first..=last.min(indexes.count)).flat_map(|index| indexes.clones(index))
        });
        failed.extend(own.map(|index| (index, index)));
        let completed = united(completed);
        let count: u64 = completed.iter().map(|(first, last)| last - first + 1).sum();
        let failed = united(failed);
        for (field, ranges) in [("completedIndexes", completed), ("failedIndexes", failed)] {
            if !ranges.is_empty() {
                status.insert(field.to_owned(), Value::String(text(&ranges)));
            } else if status.contains_key(field) {
                status.shift_remove(field);
            }
        }
        set(
            status,
            "succeeded",
            i64::try_from(count).unwrap_or(i64::MAX),
        );
    }
}

/// Reads indexes such as `0-3,5`.
fn ranges(text: &str) -> Vec<(u64, u64)> {
    let parts = text.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range: (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (range.0 <= range.1 && range.1 < u64::MAX / 2).then_some(range)
    });
    parts.collect()
}

/// Puts neighbours together, in order.
fn united(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut united: Vec<(u64, u64)> = Vec::new();
    for (first, last) in ranges {
        match united.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => united.push((first, last)),
        }
    }
    united
}

/// Writes indexes as the controller does: a range from three on has a minus.
fn text(ranges: &[(u64, u64)]) -> String {
    let parts = ranges.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clones_have_the_indexes_behind_the_recorded_ones() {
        let indexes = Indexes {
            count: 3,
            becomes: 8,
        };
        let clones: Vec<Vec<u64>> = (0..3)
            .map(|index| indexes.clones(index).collect())
            .collect();
        assert_eq!(clones, [vec![3, 4], vec![5, 6], vec![7]]);
        let fewer = Indexes {
            count: 3,
            becomes: 2,
        };
        let left: Vec<u64> = (0..3).map(|index| fewer.copies(index)).collect();
        assert_eq!(left, [1, 1, 0]);
    }

    #[test]
    fn what_is_done_is_told_in_ranges_and_counted() {
        let done = Done::of(
            Indexes {
                count: 3,
                becomes: 8,
            },
            vec![(20, 5), (10, 3), (10, 4), (30, 7)],
        );
        let at = |ts| {
            let mut status =
                json!({"completedIndexes": "0,2", "failedIndexes": "1", "succeeded": 2});
            done.write(status.as_object_mut().unwrap(), Timestamp(ts));
            status
        };
        assert_eq!(
            at(20),
            json!({"completedIndexes": "0,2-5", "failedIndexes": "1,5,6", "succeeded": 5})
        );
        assert_eq!(at(5)["completedIndexes"], "0,2");
    }

    #[test]
    fn ranges_that_make_no_sense_are_left_out() {
        assert_eq!(
            ranges("0-3,x,9-5,7,0-18446744073709551615"),
            [(0, 3), (7, 7)]
        );
        assert_eq!(text(&united(ranges("7,0-3,4,8"))), "0-4,7,8");
    }
}
