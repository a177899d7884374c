//! Updates of controllers of which only a share is seen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

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

    /// Leaves out updates, as the plan asks for. Of Events and Leases as many in every stretch of time;
    /// of others those first that are followed by another one of their object soonest, so that
    /// nothing is out of date for longer than it must be.
    pub(super) fn thin(&mut self) -> Result<(), Error> {
        let plan = self.plan;
        if plan.updates.values().all(|share| *share >= 1.0) {
            return Ok(());
        }
        let tally = self.tally()?;
        let share_of = |kind: &str| {
            let share = plan.updates.get(kind).filter(|share| **share < 1.0)?;
            let all = tally.get(kind)?.updates;
            let kept = (share.clamp(0.0, 1.0) * all as f64).round() as u64;
            Some((kept, all))
        };
        let mut surplus = self.surplus(share_of)?.into_iter().peekable();
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut thinned = self.timeline.cleared();
        let mut kept = Kept::default();
        self.each_optional(|entry, is_optional| {
            let kind = self.kind_of(entry.object);
            let is_kept = if !is_even(kind) {
                surplus.next_if_eq(&kept.length).is_none()
            } else if let Some((kept, all)) = share_of(kind).filter(|_| is_optional) {
                let number = seen.entry(kind).or_default();
                let upto =
                    |number: u64| u128::from(number) * u128::from(kept) / u128::from(all.max(1));
                *number += 1;
                upto(*number) > upto(*number - 1)
            } else {
                true
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

    /// Returns the numbers of the events of controllers that are too many. Takes memory for all events
    /// of the kinds of which a share is asked for.
    fn surplus(&self, share_of: impl Fn(&str) -> Option<(u64, u64)>) -> Result<Vec<u32>, Error> {
        let mut chains: BTreeMap<&str, Chains> = BTreeMap::new();
        let mut number = 0;
        self.each_optional(|entry, is_optional| {
            let kind = self.kind_of(entry.object);
            if let Some((kept, all)) = share_of(kind).filter(|_| !is_even(kind)) {
                let chains = chains.entry(kind).or_default();
                chains.surplus = all.saturating_sub(kept);
                chains.add(entry, number, is_optional);
            }
            number += 1;
            Ok(())
        })?;
        let mut surplus: Vec<u32> = chains.into_values().flat_map(Chains::dropped).collect();
        surplus.sort_unstable();
        Ok(surplus)
    }
}

/// Tells whether of objects of a kind as many events are left out at any time.
fn is_even(kind: &str) -> bool {
    matches!(kind, "Event" | "Lease")
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

/// The events of the objects of a kind, each with the one before and behind it of its object.
#[derive(Debug, Default)]
struct Chains {
    links: Vec<Link>,
    /// The last event of each object as yet.
    last: BTreeMap<u32, usize>,
    /// How many of those that can be left out are too many.
    surplus: u64,
}

#[derive(Debug)]
struct Link {
    number: u32,
    ts: i64,
    is_optional: bool,
    before: Option<usize>,
    behind: Option<usize>,
}

impl Chains {
    fn add(&mut self, entry: &Entry, number: u32, is_optional: bool) {
        let place = self.links.len();
        let before = self.last.insert(entry.object, place);
        if let Some(before) = before.and_then(|before| self.links.get_mut(before)) {
            before.behind = Some(place);
        }
        self.links.push(Link {
            number,
            ts: entry.ts,
            is_optional,
            before,
            behind: None,
        });
    }

    /// How long it takes from an event until the next one of its object that is not left out.
    fn gap(&self, place: usize) -> i64 {
        let link = self.links.get(place);
        let behind = link.and_then(|link| self.links.get(link.behind?));
        let gap = link.zip(behind).map(|(link, behind)| behind.ts - link.ts);
        gap.unwrap_or(i64::MAX)
    }

    /// Returns the numbers of the events that are left out.
    fn dropped(mut self) -> Vec<u32> {
        let optional = self.links.iter().enumerate();
        let optional = optional.filter(|(_, link)| link.is_optional);
        let mut queue: BinaryHeap<Reverse<(i64, usize)>> = optional
            .map(|(place, _)| Reverse((self.gap(place), place)))
            .collect();
        let mut dropped = Vec::new();
        while (dropped.len() as u64) < self.surplus {
            let Some(Reverse((gap, place))) = queue.pop() else {
                break;
            };
            let now = self.gap(place);
            if now == gap {
                dropped.extend(self.leave_out(place));
            } else {
                // The one behind it was left out meanwhile.
                queue.push(Reverse((now, place)));
            }
        }
        dropped
    }

    fn leave_out(&mut self, place: usize) -> Option<u32> {
        let link = self.links.get(place)?;
        let (number, before, behind) = (link.number, link.before, link.behind);
        if let Some(before) = before.and_then(|before| self.links.get_mut(before)) {
            before.behind = behind;
        }
        if let Some(behind) = behind.and_then(|behind| self.links.get_mut(behind)) {
            behind.before = before;
        }
        Some(number)
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

    #[test]
    fn what_is_followed_by_something_else_soonest_is_left_out() {
        let mut chains = Chains::default();
        // Of two objects; the first event of each stays, and the last as long as there are others.
        let events = [
            (0, 7),
            (0, 8),
            (1, 7),
            (2, 7),
            (5, 8),
            (30, 7),
            (31, 8),
            (40, 7),
        ];
        for (number, (ts, object)) in events.into_iter().enumerate() {
            let entry = Entry {
                ts,
                object,
                change: 0,
            };
            chains.add(&entry, number as u32, number > 1);
        }
        let dropped = |surplus| {
            let links = chains.links.iter().map(|link| Link { ..*link });
            let own = Chains {
                links: links.collect(),
                last: BTreeMap::new(),
                surplus,
            };
            own.dropped()
        };
        assert_eq!(dropped(0), [0; 0]);
        assert_eq!(dropped(2), [2, 5]);
        // Number 3 holds for 38 s without number 5, and number 4 for 26 s.
        assert_eq!(dropped(3), [2, 5, 4]);
        assert_eq!(dropped(9), [2, 5, 4, 3, 6, 7]);
    }
}
