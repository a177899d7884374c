//! The places of rows that the input does not have among those that it has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use kymo_model::{Feed, FeedId, GroupResource, Rv, Timestamp};
use kymo_query::QuerySession;

use crate::Error;
use crate::rows::{each_batch, literal, numbers, texts};

/// Numbers and versions for new rows, such that both grow with time.
///
/// A row of the input moves up by the number of new rows before it. The versions of its resource
/// are multiplied by one more than the number of new rows that stand between two of them, so that
/// there is room; resources without new rows keep theirs.
#[derive(Debug, Default)]
pub(crate) struct Insertions {
    /// In the order in which the rows are made.
    rows: Vec<Place>,
    /// For each new row the number of the row of the input before which it stands, in order.
    before: Vec<u64>,
    /// By what versions are multiplied.
    widened: BTreeMap<GroupResource, u64>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    seq: u64,
    version: Option<Rv>,
}

/// A new row, as the first run of the steps tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRow {
    pub(crate) ts: Timestamp,
    pub(crate) feed: FeedId,
    /// The number of the row of the input behind which it stands; 0: of none. Receive times of
    /// different feeds can be a little out of order, so time alone does not tell.
    pub(crate) after: u64,
}

/// Where a new row stands among the versions of its resource.
#[derive(Clone, Debug, Default)]
struct Gap {
    /// The largest version before it; `None`: it stands before all of them.
    after: Option<u64>,
    /// How many new rows stand in the gap up to and with it.
    rank: u64,
}

impl Insertions {
    /// Finds the places of new rows, given in the order in which they are made; those of one
    /// object in the order of time.
    pub(crate) async fn find(
        new: &[NewRow],
        feeds: &BTreeMap<FeedId, Feed>,
        session: &QuerySession,
    ) -> Result<Self, Error> {
        let mut order: Vec<usize> = (0..new.len()).collect();
        order.sort_by_key(|index| (new.get(*index).map(|row| row.ts), *index));
        let mut found = Self {
            rows: vec![Place::default(); new.len()],
            before: Vec::with_capacity(new.len()),
            ..Self::default()
        };
        found.number(&order, new, session).await?;
        let mut resources: BTreeMap<GroupResource, Vec<usize>> = BTreeMap::new();
        for index in order {
            let feed = new.get(index).and_then(|row| feeds.get(&row.feed));
            if let Some(feed) = feed {
                let resource = feed.resource.group_resource();
                resources.entry(resource).or_default().push(index);
            }
        }
        for (resource, indices) in resources {
            found.version(&resource, &indices, session).await?;
        }
        Ok(found)
    }

    /// Tells whether there are no new rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns numbers and versions of the new rows, in the order in which they were given.
    pub(crate) fn places(&self) -> Vec<(u64, Option<Rv>)> {
        let places = self.rows.iter();
        places
            .map(|place| (place.seq, place.version.clone()))
            .collect()
    }

    /// Returns the number of new rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the number that a row of the input gets.
    pub(crate) fn moved(&self, seq: u64) -> u64 {
        seq + self.before.partition_point(|before| *before <= seq) as u64
    }

    /// Returns the version that a row of the input gets; `None` if it keeps its own.
    pub(crate) fn widened(&self, resource: &GroupResource, version: &Rv) -> Option<Rv> {
        let factor = self.widened.get(resource)?;
        let version: u64 = version.as_str().parse().ok()?;
        let widened = u128::from(version) * u128::from(*factor);
        Some(widened.to_string().as_str().into())
    }

    /// Tells whether versions of a resource change.
    pub(crate) fn widens(&self, resource: &GroupResource) -> bool {
        self.widened.contains_key(resource)
    }

    /// Returns number and version of a new row, by its place in the order in which they were given.
    pub(crate) fn place(&self, index: usize) -> Option<(u64, Option<Rv>)> {
        let place = self.rows.get(index)?;
        Some((place.seq, place.version.clone()))
    }

    async fn number(
        &mut self,
        order: &[usize],
        new: &[NewRow],
        session: &QuerySession,
    ) -> Result<(), Error> {
        let mut waiting = order.iter().copied().peekable();
        let mut held: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut placed = 0;
        let mut last = 0;
        let mut put = |this: &mut Self, index: usize, before: u64| {
            if let Some(row) = this.rows.get_mut(index) {
                row.seq = before + placed;
            }
            placed += 1;
            this.before.push(before);
        };
        each_batch(
            session,
            "SELECT seq, ts FROM events ORDER BY seq",
            |batch| {
                for (seq, ts) in numbers(batch, 0)?.zip(numbers(batch, 1)?) {
                    let (Some(seq), Some(ts)) = (seq, ts) else {
                        continue;
                    };
                    let seq = seq.unsigned_abs();
                    while let Some(Reverse((after, index))) = held.peek().copied()
                        && after < seq
                    {
                        held.pop();
                        put(self, index, seq);
                    }
                    while let Some(index) =
                        waiting.next_if(|index| new.get(*index).is_some_and(|row| row.ts.0 < ts))
                    {
                        match new.get(index) {
                            Some(row) if row.after >= seq => {
                                held.push(Reverse((row.after, index)));
                            }
                            _ => put(self, index, seq),
                        }
                    }
                    last = seq;
                }
                Ok(())
            },
        )
        .await?;
        let rest = held.into_sorted_vec().into_iter().rev();
        for index in rest.map(|Reverse((_, index))| index).chain(waiting) {
            put(self, index, last + 1);
        }
        Ok(())
    }

    async fn version(
        &mut self,
        resource: &GroupResource,
        indices: &[usize],
        session: &QuerySession,
    ) -> Result<(), Error> {
        let sql = format!(
            "SELECT seq, resource_version FROM events \
             WHERE api_group = {} AND resource = {} AND resource_version IS NOT NULL ORDER BY seq",
            literal(&resource.group),
            literal(&resource.resource),
        );
        let mut gaps: Vec<Gap> = Vec::with_capacity(indices.len());
        let mut waiting = indices.iter().peekable();
        let mut highest: Option<u64> = None;
        let mut first: Option<u64> = None;
        let mut rank = 0;
        let mut is_counted = true;
        // The number that a row gets says which come first.
        each_batch(session, &sql, |batch| {
            let versions = texts(batch, 1)?;
            for (seq, version) in numbers(batch, 0)?.zip(versions.iter()) {
                let (Some(seq), Some(version)) = (seq, version) else {
                    continue;
                };
                let Ok(version) = version.parse::<u64>() else {
                    is_counted = false;
                    continue;
                };
                let moved = self.moved(seq.unsigned_abs());
                while waiting
                    .next_if(|index| self.rows.get(**index).is_some_and(|row| row.seq < moved))
                    .is_some()
                {
                    rank += 1;
                    gaps.push(Gap {
                        after: highest,
                        rank,
                    });
                }
                first.get_or_insert(version);
                if highest.is_none_or(|highest| version > highest) {
                    highest = Some(version);
                    rank = 0;
                }
            }
            Ok(())
        })
        .await?;
        for _ in waiting {
            rank += 1;
            gaps.push(Gap {
                after: highest,
                rank,
            });
        }
        if !is_counted {
            // The versions of this server are no numbers: new rows have none.
            return Ok(());
        }
        let factor = gaps.iter().map(|gap| gap.rank).max().unwrap_or(0) + 1;
        for (index, gap) in indices.iter().zip(gaps) {
            let after = gap.after.or(first.and_then(|first| first.checked_sub(1)));
            let version =
                u128::from(after.unwrap_or(0)) * u128::from(factor) + u128::from(gap.rank);
            if let Some(row) = self.rows.get_mut(*index) {
                row.version = Some(version.to_string().as_str().into());
            }
        }
        self.widened.insert(resource.clone(), factor);
        Ok(())
    }
}
