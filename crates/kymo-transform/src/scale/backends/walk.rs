use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{Certainty, EventType, Timestamp};

use super::listing::{Form, Listing, Sheet, Version};
use super::written::Written;
use crate::draft::Draft;
use crate::scale::fleet::Fleet;

/// The way through the recorded rows of a listing: where they are, what is written besides stands
/// between them.
#[derive(Clone, Debug, Default)]
pub(in crate::scale) struct Walk {
    /// The listing that is walked through, by its place.
    listing: Option<usize>,
    /// The last recorded row.
    last: Option<Draft>,
    /// For each of its sheets.
    sheets: Vec<Progress>,
    /// By how much the generation of the recorded object is another.
    offset: i64,
}

/// How far a sheet has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    versions: usize,
    changes: usize,
    members: BTreeMap<usize, usize>,
    /// Of a slice besides: its generation, and when it was made, if that was not before all.
    generation: i64,
    created: Option<i64>,
    is_there: bool,
}

impl Progress {
    /// Takes the next version, if it comes in time.
    fn next(&mut self, sheet: &Sheet, until: i64) -> Option<Version> {
        let version = sheet.versions.get(self.versions)?;
        if version.ts > until {
            return None;
        }
        self.versions += 1;
        Some(*version)
    }

    /// Makes the changes of a version.
    fn change(&mut self, sheet: &Sheet, version: Version) {
        let changes = sheet.changes.get(self.changes..version.changes);
        for (member, state) in changes.unwrap_or_default() {
            match state {
                Some(state) => self.members.insert(*member, *state),
                None => self.members.remove(member),
            };
        }
        self.changes = version.changes;
    }
}

impl Walk {
    /// Takes a recorded row of a listing.
    pub(in crate::scale) fn row(
        &mut self,
        fleet: &Arc<Fleet>,
        index: usize,
        draft: Draft,
        out: &mut Vec<Draft>,
    ) {
        let Some(listing) = fleet.listings.get(index) else {
            out.push(draft);
            return;
        };
        if self.listing != Some(index) {
            *self = Self {
                listing: Some(index),
                sheets: vec![Progress::default(); listing.sheets.len()],
                ..Self::default()
            };
        }
        let Some(noted) = listing.noted(draft.source).copied() else {
            out.push(draft);
            return;
        };
        let ts = draft.event.ts.0;
        self.until(fleet, listing, ts.saturating_sub(1), out);
        self.offset += noted.shift;
        if draft.event.event_type == EventType::Deleted {
            self.last = None;
            for number in 1..self.sheets.len() {
                if self.sheets.get(number).is_some_and(|sheet| sheet.is_there) {
                    let version = Version {
                        ts,
                        trigger: ts,
                        event_type: EventType::Deleted,
                        changes: 0,
                    };
                    self.besides(fleet, listing, number, version, &draft, out);
                }
            }
            out.push(self.recorded(fleet, listing, draft, None));
            return;
        }
        if noted.is_void {
            self.last = Some(draft);
            self.until(fleet, listing, ts, out);
            return;
        }
        let mut has_more = false;
        if let (Some(progress), Some(sheet)) = (self.sheets.first_mut(), listing.sheets.first()) {
            while let Some(version) = progress.next(sheet, ts) {
                progress.change(sheet, version);
                has_more = true;
            }
        }
        self.offset += i64::from(has_more && !noted.is_changed);
        self.last = Some(draft.clone());
        out.push(self.recorded(fleet, listing, draft, None));
        self.until(fleet, listing, ts, out);
    }

    /// The present object has no more rows.
    pub(in crate::scale) fn end(&mut self, fleet: &Arc<Fleet>, out: &mut Vec<Draft>) {
        if let Some(index) = self.listing
            && let Some(listing) = fleet.listings.get(index)
        {
            self.until(fleet, listing, i64::MAX, out);
        }
        *self = Self::default();
    }

    /// Writes what comes up to a time.
    fn until(&mut self, fleet: &Arc<Fleet>, listing: &Listing, until: i64, out: &mut Vec<Draft>) {
        let Some(last) = self.last.take() else {
            return;
        };
        for (number, sheet) in listing.sheets.iter().enumerate() {
            while let Some(progress) = self.sheets.get_mut(number)
                && let Some(version) = progress.next(sheet, until)
            {
                if number > 0 {
                    self.besides(fleet, listing, number, version, &last, out);
                    continue;
                }
                progress.change(sheet, version);
                self.offset += 1;
                let mut draft = last.copy();
                let event = &mut draft.event;
                event.ts = Timestamp(version.ts);
                event.not_before = None;
                event.event_type = EventType::Modified;
                event.certainty = Certainty::Inferred;
                event.request = None;
                out.push(self.recorded(fleet, listing, draft, Some(version)));
            }
        }
        self.last = Some(last);
    }

    /// Writes the clones into a row of the recorded object. With a version it is written at that time.
    fn recorded(
        &self,
        fleet: &Arc<Fleet>,
        listing: &Listing,
        mut draft: Draft,
        version: Option<Version>,
    ) -> Draft {
        let members = self.sheets.first().map(|sheet| &sheet.members);
        let count = members.map_or(0, BTreeMap::len);
        if count == 0 && self.offset == 0 && !listing.shrinks && version.is_none() {
            return draft;
        }
        let room = match listing.form {
            Form::Slice => count,
            Form::Endpoints => listing.room,
        };
        let shown = members.into_iter().flatten().take(room);
        draft.rework(Arc::new(Written {
            fleet: Arc::clone(fleet),
            listing: self.listing.unwrap_or_default(),
            sheet: 0,
            members: shown.map(|(member, state)| (*member, *state)).collect(),
            is_cut: count > room,
            generation: self.offset,
            created: None,
            ts: draft.event.ts.0,
            version,
        }));
        draft
    }

    /// Writes a slice that was not recorded, like the recorded one.
    fn besides(
        &mut self,
        fleet: &Arc<Fleet>,
        listing: &Listing,
        number: usize,
        version: Version,
        like: &Draft,
        out: &mut Vec<Draft>,
    ) {
        let (Some(sheet), Some(progress)) =
            (listing.sheets.get(number), self.sheets.get_mut(number))
        else {
            return;
        };
        let mut draft = like.copy();
        let event = &mut draft.event;
        let is_at_begin = event.certainty == Certainty::Listed && event.ts.0 == version.ts;
        match version.event_type {
            EventType::Added => {
                progress.created = (!is_at_begin).then_some(version.ts);
                progress.is_there = true;
                progress.generation = 0;
            }
            EventType::Deleted => progress.is_there = false,
            _ => {}
        }
        // What is deleted is told as it was.
        if version.event_type != EventType::Deleted {
            progress.change(sheet, version);
            progress.generation += 1;
        }
        event.key.name.clone_from(&sheet.name);
        event.key.uid.clone_from(&sheet.uid);
        let is_same_row = event.ts.0 == version.ts && event.event_type == version.event_type;
        if !is_same_row {
            event.certainty = Certainty::Inferred;
            event.not_before = None;
        }
        event.ts = Timestamp(version.ts);
        event.event_type = version.event_type;
        event.request = None;
        let members = progress.members.iter();
        let written = Written {
            fleet: Arc::clone(fleet),
            listing: self.listing.unwrap_or_default(),
            sheet: number,
            members: members.map(|(member, state)| (*member, *state)).collect(),
            is_cut: false,
            generation: progress.generation,
            created: progress.created,
            ts: version.ts,
            version: Some(version),
        };
        draft.rework(Arc::new(written));
        out.push(draft);
    }
}
