//! Updates of controllers of which only a share is seen.

use std::collections::BTreeMap;

use super::{GONE, NONE, Sort, Story};
use crate::Error;
use crate::node::NodeStep;
use crate::pod::Step;
use crate::timeline::Entry;

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
    fn each_optional(
        &self,
        mut each: impl FnMut(&Entry, bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut has_begun = vec![false; self.objects.len()];
        let begin = self.beginning().0;
        for entry in self.timeline.entries() {
            let entry = entry?;
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
            each(&entry, is_optional)?;
        }
        Ok(())
    }

    /// Returns the numbers of the events before the trace begins that tell what is there then.
    pub(crate) fn listed_events(&self) -> Result<Vec<u32>, Error> {
        if self.timeline.before() == 0 {
            return Ok(Vec::new());
        }
        let mut listed = vec![NONE; self.objects.len()];
        let before = self.timeline.before() as usize;
        for (number, entry) in self.timeline.entries().take(before).enumerate() {
            let entry = entry?;
            if let Some(place) = listed.get_mut(entry.object as usize) {
                let is_end = self.is_end(&entry);
                *place = if is_end { NONE } else { number as u32 };
            }
        }
        listed.retain(|number| *number != NONE);
        listed.sort_unstable();
        Ok(listed)
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
    pub(crate) fn tally(&self) -> Result<BTreeMap<String, Tally>, Error> {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        let listed = self.listed_events()?;
        let begin = self.beginning().0;
        let mut number = 0;
        self.each_optional(|entry, is_optional| {
            // Of what happened before the trace begins it has what was there then.
            let is_shown = entry.ts >= begin || listed.binary_search(&number).is_ok();
            number += 1;
            if is_shown {
                let tally = tallies.entry(self.kind_of(entry.object)).or_default();
                tally.events += 1;
                tally.updates += u64::from(is_optional);
            }
            Ok(())
        })?;
        let owned = tallies.into_iter();
        Ok(owned
            .map(|(kind, tally)| (kind.to_owned(), tally))
            .collect())
    }

    /// Leaves out updates, as the plan asks for: as many in every stretch of time.
    pub(super) fn thin(&mut self) -> Result<(), Error> {
        let plan = self.plan;
        if plan.updates.values().all(|share| *share >= 1.0) {
            return Ok(());
        }
        let tally = self.tally()?;
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut thinned = self.timeline.cleared();
        let mut kept = Kept::default();
        self.each_optional(|entry, is_optional| {
            let kind = self.kind_of(entry.object);
            let share = plan.updates.get(kind).filter(|_| is_optional);
            let is_kept = match (share, tally.get(kind)) {
                (Some(share), Some(tally)) => {
                    let kept = (share.clamp(0.0, 1.0) * tally.updates as f64).round() as u64;
                    let number = seen.entry(kind).or_default();
                    let upto = |number: u64| {
                        u128::from(number) * u128::from(kept) / u128::from(tally.updates.max(1))
                    };
                    *number += 1;
                    upto(*number) > upto(*number - 1)
                }
                _ => true,
            };
            kept.push(is_kept);
            if is_kept {
                thinned.push(*entry)?;
            }
            Ok(())
        })?;
        self.timeline = thinned;
        // Later numbers move up; what referred to an event that is left out means the one before it.
        for event in &mut self.events {
            event.at_version = kept.number(event.at_version).unwrap_or(NONE);
        }
        Ok(())
    }
}

/// Which events are kept: a bit for each.
#[derive(Debug, Default)]
struct Kept {
    bits: Vec<u64>,
    /// How many are kept before each of `bits`.
    before: Vec<u32>,
    count: u32,
    length: u32,
}

impl Kept {
    fn push(&mut self, is_kept: bool) {
        if self.length.is_multiple_of(u64::BITS) {
            self.bits.push(0);
            self.before.push(self.count);
        }
        if let Some(bits) = self.bits.last_mut() {
            *bits |= u64::from(is_kept) << (self.length % u64::BITS);
        }
        self.count += u32::from(is_kept);
        self.length += 1;
    }

    /// Returns the new number of an event, or of the last one before it that is kept.
    fn number(&self, old: u32) -> Option<u32> {
        if old >= self.length {
            return None;
        }
        let place = (old / u64::BITS) as usize;
        let upto = u64::MAX >> (u64::BITS - 1 - old % u64::BITS);
        let within = (self.bits.get(place)? & upto).count_ones();
        Some((self.before.get(place)? + within).saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_has_the_number_of_the_event_before_it() {
        let mut kept = Kept::default();
        let is_kept = |number: u32| !number.is_multiple_of(3) && number != 64;
        (0..200).for_each(|number| kept.push(is_kept(number)));
        let mut count = 0u32;
        for number in 0..200 {
            count += u32::from(is_kept(number));
            assert_eq!(
                kept.number(number),
                Some(count.saturating_sub(1)),
                "{number}"
            );
        }
        assert_eq!(kept.number(200), None);
    }
}
