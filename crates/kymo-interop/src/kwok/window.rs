//! Brings changes into the order of their times, as far as they are nearly in it.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use serde_json::Value;

use super::document::ResourcePatch;

/// How many changes wait for an earlier one: as many as KWOK's replay holds.
const CHANGES: usize = 1024;
/// How many bytes of changes wait at most.
const BYTES: usize = 64 << 20;

/// A change and where it was.
pub(super) struct Waiting {
    pub(super) patch: ResourcePatch,
    /// The line of its document.
    pub(super) line: u64,
    number: u64,
    bytes: usize,
}

impl Waiting {
    fn place(&self) -> (i64, u64) {
        (self.patch.duration_nanosecond, self.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

/// The changes that wait.
#[derive(Default)]
pub(super) struct Window {
    heap: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
    number: u64,
    /// The time of the last change that was given.
    last: Option<i64>,
    /// How many changes came after a later one was given.
    pub(super) late: u64,
}

impl Window {
    /// Takes a change.
    pub(super) fn push(&mut self, patch: ResourcePatch, line: u64) {
        let bytes = patch.template.as_ref().map_or(0, weight);
        self.bytes += bytes;
        self.number += 1;
        self.heap.push(Reverse(Waiting {
            patch,
            line,
            number: self.number,
            bytes,
        }));
    }

    /// Gives the earliest change if there are too many.
    pub(super) fn pop_if_full(&mut self) -> Option<Waiting> {
        let is_full = self.heap.len() > CHANGES || self.bytes > BYTES;
        if is_full { self.pop() } else { None }
    }

    /// Gives the earliest change.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let Reverse(waiting) = self.heap.pop()?;
        self.bytes -= waiting.bytes;
        let time = waiting.patch.duration_nanosecond;
        self.late += u64::from(self.last.is_some_and(|last| time < last));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        Some(waiting)
    }
}

/// Returns about how many bytes of memory a value takes.
fn weight(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| name.len() + 24 + weight(value);
            members.iter().map(member).sum()
        }
        _ => 0,
    };
    size_of::<Value>() + inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kwok::document::{Method, ResourceName, Target};

    fn patch(duration_nanosecond: i64, name: &str, template: Option<Value>) -> ResourcePatch {
        ResourcePatch {
            duration_nanosecond,
            method: Method::Delete,
            resource: ResourceName {
                group: String::new(),
                version: "v1".into(),
                resource: "pods".into(),
            },
            target: Target {
                name: name.into(),
                namespace: String::new(),
            },
            template,
        }
    }

    fn order(durations: &[i64]) -> (Vec<i64>, u64) {
        let mut window = Window::default();
        let mut given = Vec::new();
        for (line, duration) in durations.iter().enumerate() {
            window.push(patch(*duration, "a", None), line as u64);
            while let Some(waiting) = window.pop_if_full() {
                given.push(waiting.patch.duration_nanosecond);
            }
        }
        while let Some(waiting) = window.pop() {
            given.push(waiting.patch.duration_nanosecond);
        }
        (given, window.late)
    }

    #[test]
    fn a_change_up_to_1024_places_late_comes_to_its_time_and_a_later_one_is_counted() {
        let mut durations: Vec<i64> = (1..5000).collect();
        durations.insert(1024, 0);
        let (given, late) = order(&durations);
        assert!(given.is_sorted());
        assert_eq!(late, 0);
        durations.insert(3000, 1);
        let (given, late) = order(&durations);
        assert_eq!((given.len(), late), (5001, 1));
    }

    #[test]
    fn changes_of_one_time_keep_the_order_of_the_file() {
        let mut window = Window::default();
        for name in ["a", "b", "c"] {
            window.push(patch(7, name, None), 1);
        }
        let names = std::iter::from_fn(|| window.pop()).map(|waiting| waiting.patch.target.name);
        assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn few_large_changes_do_not_wait_for_many() {
        let mut window = Window::default();
        for _ in 0..7 {
            window.push(patch(1, "a", Some(Value::String("x".repeat(BYTES / 8)))), 1);
        }
        assert!(window.pop_if_full().is_none());
        window.push(patch(1, "a", Some(Value::String("x".repeat(BYTES / 4)))), 1);
        assert!(window.pop_if_full().is_some());
    }
}
