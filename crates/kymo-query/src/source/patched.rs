//! Events with the patches between versions of an object.
//!
//! A patch needs the version before, which may be in another segment. So rows are merged from all
//! segments and from what is not sealed in the order of objects; what a query demands of objects
//! (not of single events) narrows what is read, and readers share the resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kymo_store::segment::RowRanges;
use kymo_store::{Error as StoreError, Trace};

use super::sealed::{self, Sealed, Unit};
use super::tail::{self, Reading, Rows};
use super::{Batches, Counts, Part, units};
use crate::Error;
use crate::conditions::{Conditions, Key};

/// What is the same for all events of an object.
const OF_OBJECTS: [Key; 5] = [
    Key::Resource,
    Key::ApiGroup,
    Key::Namespace,
    Key::Name,
    Key::Uid,
];

/// The objects of some resources.
pub(super) struct Patched {
    trace: Arc<Trace>,
    segments: Vec<Sealed>,
    /// What every event of a wanted object meets.
    objects: Conditions,
    reading: Reading,
}

impl Part for Patched {
    fn open(&self, counts: &Counts) -> Result<Batches, Error> {
        let mut sources: Vec<Rows> = Vec::new();
        for segment in &self.segments {
            if units::can_hold(segment.reader.meta(), &self.objects) {
                sources.push(rows_of(segment, &self.objects, counts));
            }
        }
        let rows = Box::new(self.trace.merged(sources)?);
        Ok(tail::batches(rows, self.reading.clone(), counts))
    }
}

/// Divides the objects that a query asks for among readers, by resource. `reading` is what each
/// does with the rows.
pub(super) fn parts(
    trace: &Arc<Trace>,
    segments: &[Sealed],
    reading: &Reading,
    readers: usize,
) -> Vec<Arc<dyn Part>> {
    let conditions = &reading.conditions;
    let mut objects = Conditions::default();
    for key in OF_OBJECTS {
        if let Some(values) = conditions.one_of.get(&key) {
            objects.one_of.insert(key, values.clone());
        }
    }
    deal(resources(trace, conditions), readers)
        .into_iter()
        .map(|resources| {
            let mut objects = objects.clone();
            objects.one_of.insert(Key::Resource, resources.clone());
            let mut reading = reading.clone();
            reading.conditions.one_of.insert(Key::Resource, resources);
            Arc::new(Patched {
                trace: Arc::clone(trace),
                segments: segments.to_vec(),
                objects,
                reading,
            }) as Arc<dyn Part>
        })
        .collect()
}

/// Returns the resources of which events are wanted, with the numbers of their events.
fn resources(trace: &Trace, conditions: &Conditions) -> BTreeMap<String, u64> {
    let mut resources = BTreeMap::new();
    for feed in trace.feeds().values() {
        if tail::accepts_feed(conditions, feed) {
            resources.insert(feed.resource.resource.clone(), 0);
        }
    }
    for count in trace.stats().counts {
        if let Some(events) = resources.get_mut(&count.resource.resource) {
            *events += count.events;
        }
    }
    resources
}

/// Gives each resource to the reader with the fewest events, the largest first.
fn deal(resources: BTreeMap<String, u64>, readers: usize) -> Vec<BTreeSet<String>> {
    let mut sorted: Vec<(String, u64)> = resources.into_iter().collect();
    sorted.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    let mut dealt: Vec<(u64, BTreeSet<String>)> = Vec::new();
    for (resource, events) in sorted {
        if dealt.len() < readers.max(1) {
            dealt.push((events, BTreeSet::from([resource])));
        } else if let Some((sum, least)) = dealt.iter_mut().min_by_key(|(sum, _)| *sum) {
            *sum += events;
            least.insert(resource);
        }
    }
    dealt.into_iter().map(|(_, resources)| resources).collect()
}

/// Reads the rows of a segment that meet conditions, one row group after the other.
fn rows_of(segment: &Sealed, objects: &Conditions, counts: &Counts) -> Rows {
    let (segment, objects, counts) = (segment.clone(), objects.clone(), counts.clone());
    let groups = 0..segment.reader.num_row_groups();
    let rows = groups.flat_map(move |group| {
        rows_of_group(&segment, group, &objects, &counts)
            .unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
    });
    Box::new(rows)
}

fn rows_of_group(
    segment: &Sealed,
    group: usize,
    objects: &Conditions,
    counts: &Counts,
) -> Result<Rows, StoreError> {
    let path = segment.path.to_path_buf();
    let failed = move |source| StoreError::Segment {
        path: path.clone(),
        source,
    };
    let unit = Unit {
        segment: segment.clone(),
        group,
        rows: 0..segment.reader.group_rows(group).map_err(&failed)?,
    };
    let rows: RowRanges = sealed::matching(&unit, objects, None, counts).map_err(&failed)?;
    if rows.is_empty() {
        return Ok(Box::new(std::iter::empty()));
    }
    counts.objects.add(rows.len());
    let events = segment.reader.events(group, &rows).map_err(&failed)?;
    Ok(Box::new(events.map(move |row| row.map_err(&failed))))
}
