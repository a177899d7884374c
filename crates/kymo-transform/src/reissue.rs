//! New numbers and versions for rows whose times change one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{Certainty, Feed, FeedId, GroupResource, ObjectKey, Rv, Timestamp};
use kymo_store::Trace;

use crate::Error;
use crate::draft::Draft;
use crate::language::Place;
use crate::pass::Drafts;
use crate::progress::Progress;
use crate::step::Chain;

/// The numbers that rows get in the order of their new times, out of those that they had; and the
/// versions of each resource, out of those that it had, in that order.
///
/// Holds 16 bytes for each row, and as much again for each version that changes.
#[derive(Debug, Default)]
pub(crate) struct Reissue {
    /// What a row had and gets, in the order of the former.
    numbers: Vec<(u64, u64)>,
    versions: BTreeMap<GroupResource, Vec<(u64, u64)>>,
    /// The first and the last time of a row.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
}

struct Moved {
    /// The new time, which never goes back within an object.
    ts: i64,
    source: u64,
    feed: FeedId,
    /// The version that a watch told; `None` also where it is no number.
    version: Option<u64>,
    /// Whether it has a version that is no number.
    is_opaque: bool,
}

impl Reissue {
    /// Finds the places of rows, by their heads alone. Fails where a statement would turn the
    /// order of an object's events.
    pub(crate) fn find(
        trace: &Trace,
        chain: &Chain,
        feeds: &BTreeMap<FeedId, Feed>,
        progress: Arc<dyn Progress>,
        place: Place,
    ) -> Result<Self, Error> {
        let mut rows = Vec::new();
        let mut last: Option<(FeedId, ObjectKey, Timestamp, i64)> = None;
        for draft in Drafts::new(trace.heads()?, chain.of_heads(), progress, Arc::default()) {
            let draft = draft?;
            let mut ts = draft.event.ts.0;
            if let Some((feed, key, received, before)) = &last
                && *feed == draft.event.feed
                && *key == draft.event.key
                && ts < *before
            {
                if draft.received >= *received {
                    return Err(turned(&draft, place));
                }
                ts = *before;
            }
            let is_told = !matches!(
                draft.event.certainty,
                Certainty::Listed | Certainty::Reported
            );
            let version = draft.event.rv.as_ref().filter(|_| is_told);
            let number = version.and_then(|version| version.as_str().parse().ok());
            rows.push(Moved {
                ts,
                source: draft.source,
                feed: draft.event.feed,
                version: number,
                is_opaque: version.is_some() && number.is_none(),
            });
            last = Some((draft.event.feed, draft.event.key, draft.received, ts));
        }
        let mut sources: Vec<u64> = rows.iter().map(|row| row.source).collect();
        sources.sort_unstable();
        rows.sort_unstable_by_key(|row| (row.ts, row.source));
        let versions = versions(&rows, feeds);
        let mut numbers: Vec<(u64, u64)> = rows.iter().map(|row| row.source).zip(sources).collect();
        numbers.sort_unstable();
        let times = rows.first().zip(rows.last());
        Ok(Self {
            numbers,
            versions,
            span: times.map(|(first, last)| (Timestamp(first.ts), Timestamp(last.ts))),
        })
    }

    /// Gives a row its version and returns its number.
    pub(crate) fn place(
        &self,
        draft: &mut Draft,
        resource: Option<&GroupResource>,
    ) -> Result<u64, Error> {
        let versions = resource.and_then(|resource| self.versions.get(resource));
        let number: Option<u64> = draft
            .event
            .rv
            .as_ref()
            .and_then(|version| version.as_str().parse().ok());
        if let (Some(versions), Some(number)) = (versions, number)
            && let Some(version) = found(versions, number)
            && version != number
        {
            draft.set_version(Some(Rv::from(version.to_string().as_str())))?;
        }
        found(&self.numbers, draft.source).ok_or(Error::Changed)
    }
}

fn found(pairs: &[(u64, u64)], key: u64) -> Option<u64> {
    let index = pairs.binary_search_by_key(&key, |(had, _)| *had).ok()?;
    pairs.get(index).map(|(_, gets)| *gets)
}

fn turned(draft: &Draft, place: Place) -> Error {
    Error::Update {
        seq: draft.source,
        object: draft.event.key.clone(),
        reason: "it would come before the event of the object in front of it".to_owned(),
        place,
    }
}

/// Hands the versions of each resource out again, in the order of rows. Resources in which they
/// grow as it is keep theirs, and so do those whose versions are no numbers.
fn versions(
    rows: &[Moved],
    feeds: &BTreeMap<FeedId, Feed>,
) -> BTreeMap<GroupResource, Vec<(u64, u64)>> {
    let mut told: BTreeMap<GroupResource, (bool, Vec<(u64, usize)>)> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let Some(feed) = feeds.get(&row.feed) else {
            continue;
        };
        if row.version.is_none() && !row.is_opaque {
            continue;
        }
        let (is_opaque, versions) = told.entry(feed.resource.group_resource()).or_default();
        *is_opaque |= row.is_opaque;
        versions.extend(row.version.map(|version| (version, place)));
    }
    let mut given = BTreeMap::new();
    for (resource, (is_opaque, mut versions)) in told {
        let grow = versions.is_sorted_by(|a, b| a.0 <= b.0);
        if is_opaque || grow {
            continue;
        }
        versions.sort_unstable();
        versions.dedup_by_key(|(version, _)| *version);
        let sorted: Vec<u64> = versions.iter().map(|(version, _)| *version).collect();
        versions.sort_unstable_by_key(|(_, place)| *place);
        let mut pairs: Vec<(u64, u64)> = versions
            .into_iter()
            .map(|(version, _)| version)
            .zip(sorted)
            .collect();
        pairs.sort_unstable();
        given.insert(resource, pairs);
    }
    given
}
