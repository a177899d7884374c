use std::collections::{BTreeMap, BTreeSet, HashMap};

use kymo_model::EventType;

use super::listing::{Form, Listing, Member, Sheet, Version};
use super::read::IN_SLICE;
use crate::scale::fleet::Pod;

/// How long changes are gathered, in nanoseconds.
const BATCH: i64 = 200_000_000;

/// Something that happens to a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    ts: i64,
    entry: usize,
    clone: usize,
    state: usize,
}

/// Finds what the controller of a listing writes because of clones.
#[derive(Debug)]
pub(in crate::scale) struct Controller<'a, N> {
    listing: &'a mut Listing,
    /// Gives the name and the uid of the next slice.
    names: N,
    numbers: HashMap<(usize, usize), usize>,
    /// For each member the sheet in which it is.
    sheets: Vec<Option<usize>>,
    /// For each sheet how many members are in it.
    counts: Vec<usize>,
    /// The sheets with room.
    open: BTreeSet<usize>,
    /// Of Endpoints: who is in, and who of them is shown.
    all: BTreeMap<usize, usize>,
    shown: Vec<(usize, usize)>,
}

impl<'a, N: FnMut(&Listing) -> (String, String)> Controller<'a, N> {
    pub(in crate::scale) fn new(listing: &'a mut Listing, names: N) -> Self {
        listing.sheets = vec![Sheet::default()];
        let open = (listing.room > 0 || listing.form == Form::Endpoints).then_some(0);
        Self {
            listing,
            names,
            numbers: HashMap::new(),
            sheets: Vec::new(),
            counts: vec![0],
            open: open.into_iter().collect(),
            all: BTreeMap::new(),
            shown: Vec::new(),
        }
    }

    /// Follows the clones of pods up to a time.
    pub(in crate::scale) fn follow(mut self, pods: &[Pod], until: i64) {
        let begin = self.listing.rows.first().map_or(i64::MIN, |row| row.ts);
        let mut happenings: Vec<Happening> = Vec::new();
        for (entry, noted) in self.listing.entries.iter().enumerate() {
            let clones = pods.get(noted.pod).map(|pod| pod.clones.as_slice());
            for (clone, made) in clones.unwrap_or_default().iter().enumerate() {
                happenings.extend(
                    noted
                        .states
                        .iter()
                        .enumerate()
                        .map(|(state, said)| Happening {
                            ts: made.warp.apply(said.ts).max(begin),
                            entry,
                            clone,
                            state,
                        }),
                );
            }
        }
        happenings.sort_unstable();
        let end = self.listing.ended.unwrap_or(i64::MAX);
        let rows: Vec<i64> = self
            .listing
            .rows
            .iter()
            .filter(|row| !row.is_void && row.ts < end)
            .map(|row| row.ts)
            .collect();
        let mut rows = rows.as_slice();
        let mut left = happenings.as_slice();
        while let Some(first) = left.first().filter(|first| first.ts < end) {
            let trigger = first.ts;
            let (_, later) = rows.split_at(rows.partition_point(|row| *row < trigger));
            rows = later;
            let due = trigger.saturating_add(BATCH);
            let row = rows.first().copied().filter(|row| *row <= due);
            let ts = row.unwrap_or(due);
            if row.is_none() && (ts > until || ts >= end) {
                break;
            }
            let (batch, more) = left.split_at(left.partition_point(|one| one.ts <= ts));
            left = more;
            let mut states: BTreeMap<usize, usize> = BTreeMap::new();
            for one in batch {
                states.insert(self.member(*one), one.state);
            }
            self.sync(ts, trigger, row.is_some(), states);
        }
    }

    fn member(&mut self, one: Happening) -> usize {
        let next = self.numbers.len();
        let (entry, clone) = (one.entry, one.clone);
        let number = *self.numbers.entry((entry, clone)).or_insert(next);
        if number == next {
            self.listing.members.push(Member { entry, clone });
            self.sheets.push(None);
        }
        number
    }

    /// Writes what has changed.
    fn sync(&mut self, ts: i64, trigger: i64, has_row: bool, states: BTreeMap<usize, usize>) {
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        let mut fresh: Vec<(usize, usize)> = Vec::new();
        for (member, state) in states {
            let said = self.listing.state(member, state);
            let is_in = said.is_some_and(|state| !state.said.is_empty());
            match self.sheets.get(member).copied().flatten() {
                Some(sheet) => {
                    self.change(sheet, member, is_in.then_some(state));
                    touched.insert(sheet);
                }
                None if is_in => fresh.push((member, state)),
                None => {}
            }
        }
        for (member, state) in fresh {
            let sheet = match self.open.first() {
                Some(sheet) => *sheet,
                None => self.another(),
            };
            self.change(sheet, member, Some(state));
            touched.insert(sheet);
        }
        for sheet in touched {
            let is_empty = sheet > 0 && self.counts.get(sheet) == Some(&0);
            if is_empty {
                self.open.remove(&sheet);
            }
            if self.listing.form == Form::Endpoints && !self.shows(has_row) {
                continue;
            }
            let Some(sheet_of) = self.listing.sheets.get_mut(sheet) else {
                continue;
            };
            let event_type = match (sheet, is_empty, sheet_of.versions.is_empty()) {
                (1.., false, true) => EventType::Added,
                (1.., true, _) => EventType::Deleted,
                _ => EventType::Modified,
            };
            sheet_of.versions.push(Version {
                ts,
                trigger,
                event_type,
                changes: sheet_of.changes.len(),
            });
        }
    }

    /// Notes a change, and where the member is from then on.
    fn change(&mut self, sheet: usize, member: usize, state: Option<usize>) {
        let place = state.map(|_| sheet);
        let was_in = match self.sheets.get_mut(member) {
            Some(known) => std::mem::replace(known, place).is_some(),
            None => false,
        };
        let most = match sheet {
            0 => self.listing.room,
            _ => IN_SLICE,
        };
        if let Some(sheet) = self.listing.sheets.get_mut(sheet) {
            sheet.changes.push((member, state));
        }
        if self.listing.form == Form::Endpoints {
            match state {
                Some(state) => self.all.insert(member, state),
                None => self.all.remove(&member),
            };
            return;
        }
        if let Some(count) = self.counts.get_mut(sheet) {
            match (was_in, state) {
                (false, Some(_)) => *count += 1,
                (true, None) => *count -= 1,
                _ => {}
            }
            if *count < most {
                self.open.insert(sheet);
            } else {
                self.open.remove(&sheet);
            }
        }
    }

    /// Makes another slice.
    fn another(&mut self) -> usize {
        let (name, uid) = (self.names)(self.listing);
        let number = self.listing.sheets.len();
        self.listing.sheets.push(Sheet {
            name,
            uid,
            ..Sheet::default()
        });
        self.counts.push(0);
        self.open.insert(number);
        number
    }

    /// Tells whether Endpoints show another thing than before: of too many they show a part.
    fn shows(&mut self, has_row: bool) -> bool {
        let room = self.listing.room;
        let shown: Vec<(usize, usize)> =
            self.all.iter().take(room).map(|(a, b)| (*a, *b)).collect();
        let is_other = shown != self.shown;
        self.shown = shown;
        is_other || has_row
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::listing::{Entry, Noted, State};
    use super::*;
    use crate::scale::clone::Clone;
    use crate::scale::warp::Warp;

    const MS: i64 = 1_000_000;

    /// A listing with one pod that is in it from 1 s up to 5 s, and clones that are later by so many
    /// milliseconds.
    fn followed(form: Form, room: usize, delays: &[i64]) -> Listing {
        let row = |seq, ts| Noted {
            seq,
            ts,
            is_void: false,
            is_changed: true,
            shift: 0,
        };
        let mut listing = Listing {
            form,
            room,
            rows: vec![row(1, 0), row(2, 1000 * MS), row(3, 5000 * MS)],
            entries: vec![Entry {
                pod: 0,
                states: vec![
                    State {
                        ts: 1000 * MS,
                        said: vec![(0, Arc::from("{}"))],
                    },
                    State {
                        ts: 5000 * MS,
                        said: vec![],
                    },
                ],
            }],
            ..Listing::default()
        };
        let clones = delays.iter().map(|delay| Clone {
            uid: String::new(),
            words: Vec::new(),
            warp: Warp::new([(0, delay * MS), (4000 * MS, 4000 * MS + delay * MS)], 0),
            seat: None,
        });
        let pods = [Pod {
            stays: true,
            clones: clones.collect(),
        }];
        let names = |listing: &Listing| (format!("web-{}", listing.sheets.len()), String::new());
        Controller::new(&mut listing, names).follow(&pods, i64::MAX);
        listing
    }

    fn written(sheet: &Sheet) -> Vec<(i64, EventType, usize)> {
        let versions = sheet.versions.iter();
        versions
            .map(|version| (version.ts / MS, version.event_type, version.changes))
            .collect()
    }

    #[test]
    fn changes_are_gathered_and_written_with_a_recorded_row_where_one_comes() {
        let listing = followed(Form::Slice, 10, &[0, 100, 250, 500]);
        assert_eq!(listing.sheets.len(), 1);
        assert_eq!(
            written(&listing.sheets[0]),
            [
                (1000, EventType::Modified, 1),
                (1300, EventType::Modified, 3),
                (1700, EventType::Modified, 4),
                (5000, EventType::Modified, 5),
                (5300, EventType::Modified, 7),
                (5700, EventType::Modified, 8),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_in_other_slices_which_go_when_they_are_empty() {
        let listing = followed(Form::Slice, 50, &[0; 200]);
        let sheets: Vec<_> = listing.sheets.iter().map(written).collect();
        let other = |count| {
            [
                (1000, EventType::Added, count),
                (5000, EventType::Deleted, 2 * count),
            ]
        };
        assert_eq!(sheets[1], other(100));
        assert_eq!(sheets[2], other(50));
        assert_eq!(sheets.len(), 3);
        assert_eq!(listing.sheets[2].name, "web-2");
        assert_eq!(
            sheets[0],
            [
                (1000, EventType::Modified, 50),
                (5000, EventType::Modified, 100)
            ]
        );
    }

    #[test]
    fn endpoints_are_not_written_for_what_they_do_not_show() {
        let mut delays = vec![0; 30];
        delays.extend([1000; 30]);
        let listing = followed(Form::Endpoints, 20, &delays);
        assert_eq!(
            written(&listing.sheets[0]),
            [
                (1000, EventType::Modified, 30),
                // The first ones leave, and others are shown in their place.
                (5000, EventType::Modified, 90),
                (6200, EventType::Modified, 120),
            ]
        );
    }
}
