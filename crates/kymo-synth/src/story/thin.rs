//! Updates of controllers of which only a share is seen.

use std::collections::BTreeMap;

use super::{Entry, GONE, NONE, Sort, Story};
use crate::node::NodeStep;
use crate::pod::Step;

/// How many events of a kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub events: u64,
    /// Those that can be left out: updates of controllers, and Events about workloads.
    pub updates: u64,
}

impl Story<'_> {
    /// The kind of an object.
    fn kind_of(&self, object: u32) -> &str {
        let Some(found) = self.objects.get(object as usize) else {
            return "";
        };
        match found.sort {
            Sort::Pod => "Pod",
            Sort::Node => "Node",
            Sort::Lease => "Lease",
            Sort::Event => "Event",
            Sort::Plain => self
                .plains
                .get(found.index as usize)
                .map_or("", |plain| self.catalog.kind(plain.feed)),
        }
    }

    /// Tells for each event whether it can be left out.
    fn each_optional(&self, mut each: impl FnMut(&Entry, bool)) {
        let mut has_begun = vec![false; self.objects.len()];
        let begin = self.beginning().0;
        for entry in &self.timeline {
            let is_first = has_begun
                .get_mut(entry.object as usize)
                .is_some_and(|has_begun| !std::mem::replace(has_begun, true));
            let sort = self.objects.get(entry.object as usize);
            let is_optional = match sort.map(|object| object.sort) {
                Some(Sort::Event) => true,
                Some(Sort::Plain | Sort::Lease) => {
                    !is_first && entry.change != GONE && entry.ts >= begin
                }
                Some(Sort::Pod | Sort::Node) | None => false,
            };
            each(entry, is_optional);
        }
    }

    /// Returns for each object the number of its last event before the trace begins.
    fn listed(&self) -> Vec<u32> {
        let begin = self.beginning().0;
        let mut listed = vec![NONE; self.objects.len()];
        for (number, entry) in self.timeline.iter().enumerate() {
            if entry.ts >= begin {
                break;
            }
            if let Some(place) = listed.get_mut(entry.object as usize) {
                *place = number as u32;
            }
        }
        listed
    }

    /// Returns the numbers of the events before the trace begins that tell what is there then.
    pub(crate) fn listed_events(&self) -> Vec<u32> {
        let is_there = |number: &u32| {
            let entry = self.timeline.get(*number as usize);
            entry.is_some_and(|entry| !self.is_end(entry))
        };
        let mut events: Vec<u32> = self.listed().into_iter().filter(is_there).collect();
        events.sort_unstable();
        events
    }

    /// Tells whether an event is the last one of its object.
    fn is_end(&self, entry: &Entry) -> bool {
        let object = self.objects.get(entry.object as usize);
        match object.map(|object| object.sort) {
            Some(Sort::Pod) => entry.change == Step::Gone as u32,
            Some(Sort::Node) => entry.change == NodeStep::Gone as u32,
            _ => entry.change == GONE,
        }
    }

    /// Counts the events of each kind.
    pub(crate) fn tally(&self) -> BTreeMap<String, Tally> {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        let listed = self.listed();
        let begin = self.beginning().0;
        let mut number = 0;
        self.each_optional(|entry, is_optional| {
            let own = number;
            number += 1;
            // Of what happened before the trace begins it has what was there then.
            let place = listed.get(entry.object as usize).copied();
            let is_shown = entry.ts >= begin || (place == Some(own) && !self.is_end(entry));
            if !is_shown {
                return;
            }
            let tally = tallies.entry(self.kind_of(entry.object)).or_default();
            tally.events += 1;
            tally.updates += u64::from(is_optional);
        });
        let owned = tallies.into_iter();
        owned
            .map(|(kind, tally)| (kind.to_owned(), tally))
            .collect()
    }

    /// Leaves out updates, as the plan asks for: as many in every stretch of time.
    pub(super) fn thin(&mut self) {
        let plan = self.plan;
        if plan.updates.values().all(|share| *share >= 1.0) {
            return;
        }
        let tally = self.tally();
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut keeps = Vec::with_capacity(self.timeline.len());
        self.each_optional(|entry, is_optional| {
            let kind = self.kind_of(entry.object);
            let share = plan.updates.get(kind).filter(|_| is_optional);
            let (Some(share), Some(tally)) = (share, tally.get(kind)) else {
                keeps.push(true);
                return;
            };
            let kept = (share.clamp(0.0, 1.0) * tally.updates as f64).round() as u64;
            let number = seen.entry(kind).or_default();
            let upto = |number: u64| {
                u128::from(number) * u128::from(kept) / u128::from(tally.updates.max(1))
            };
            keeps.push(upto(*number + 1) > upto(*number));
            *number += 1;
        });
        // Later numbers move up; what referred to an event that is left out means the one before it.
        let mut numbers: Vec<u32> = Vec::with_capacity(keeps.len());
        let mut next = 0;
        for is_kept in &keeps {
            next += u32::from(*is_kept);
            numbers.push(next.saturating_sub(1));
        }
        let mut keeps = keeps.into_iter();
        self.timeline.retain(|_| keeps.next().unwrap_or(true));
        for event in &mut self.events {
            event.at_version = numbers
                .get(event.at_version as usize)
                .copied()
                .unwrap_or(NONE);
        }
    }
}
