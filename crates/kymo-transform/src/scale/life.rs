use kymo_query::QuerySession;

use super::counts::Change;
use super::warp::Warp;
use crate::Error;
use crate::rows::{each_batch, literal, numbers, texts};

/// The recorded life of a pod. Times are receive times in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(super) uid: String,
    pub(super) name: String,
    /// Its owner, by its place in the list of owners.
    pub(super) owner: usize,
    /// Which part of the work of a Job it does.
    pub(super) index: Option<u64>,
    pub(super) addresses: Vec<String>,
    /// How many events it has.
    pub(super) events: u64,
    /// When it was first seen.
    pub(super) first: i64,
    /// Whether that was in a list: it may have been there for long.
    is_listed: bool,
    created: Option<i64>,
    /// When it became ready, and not, in turn.
    ready: Vec<i64>,
    /// From when its owner does not count it: it ends, has ended, or is gone.
    pub(super) inactive: Option<i64>,
    /// When it was deleted.
    gone: Option<i64>,
    /// When it ended by itself, and whether it succeeded.
    pub(super) ended: Option<(i64, bool)>,
}

impl Life {
    /// Returns how long it took from the first time it was seen until it was ready.
    pub(super) fn start(&self) -> Option<i64> {
        let ready = self.ready.first()?;
        (!self.is_listed).then_some(ready - self.first)
    }

    /// Returns the uid of the pod.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// Tells whether its owner counts it.
    pub(super) fn is_active_at(&self, ts: i64) -> bool {
        self.first <= ts && self.inactive.is_none_or(|inactive| inactive > ts)
    }

    /// Returns what its owner counts, with times moved.
    pub(crate) fn changes(&self, moved: impl Fn(i64) -> i64) -> impl Iterator<Item = Change> {
        let change = |ts, replicas, ready| Change {
            ts,
            owner: self.owner,
            replicas,
            ready,
        };
        let mut changes = vec![change(moved(self.first), 1, 0)];
        let mut is_ready = false;
        for ts in &self.ready {
            if self.inactive.is_some_and(|inactive| *ts >= inactive) {
                break;
            }
            is_ready = !is_ready;
            changes.push(change(moved(*ts), 0, if is_ready { 1 } else { -1 }));
        }
        if let Some(inactive) = self.inactive {
            changes.push(change(moved(inactive), -1, -i64::from(is_ready)));
        }
        changes.into_iter()
    }

    /// Returns what those count who see it until it is gone, with times moved.
    pub(super) fn standing(&self, moved: impl Fn(i64) -> i64) -> impl Iterator<Item = Change> {
        let gone = self.gone.map(|gone| Change {
            ts: moved(gone),
            owner: self.owner,
            replicas: -1,
            ready: 0,
        });
        let changes = self.changes(moved).map(|change| Change {
            replicas: change.replicas.max(0),
            ..change
        });
        changes.chain(gone)
    }

    /// Returns how many pods have succeeded (in place of replicas) and failed (in place of ready).
    pub(super) fn ends(&self, moved: impl Fn(i64) -> i64) -> Option<Change> {
        let (ts, succeeded) = self.ended?;
        Some(Change {
            ts: moved(ts),
            owner: self.owner,
            replicas: i64::from(succeeded),
            ready: i64::from(!succeeded),
        })
    }

    /// Returns the times of a clone that begins `offset` later and starts as `sibling` did.
    pub(super) fn warp(&self, sibling: Option<&Self>, offset: i64, end: i64) -> Warp {
        let since = self.created.unwrap_or(self.first).min(self.first);
        if self.is_listed {
            return Warp::new([], since);
        }
        let limit = self.inactive.unwrap_or(end).min(end);
        let moved = self.first.saturating_add(offset);
        let first = if moved < limit { moved } else { self.first };
        let mut knots = vec![(self.first, first)];
        if let Some(ready) = self.ready.first() {
            let own = ready - self.first;
            let drawn = sibling.and_then(Self::start).unwrap_or(own);
            let choices = [(first, drawn), (first, own), (self.first, own)];
            let fits = choices
                .iter()
                .find(|(first, start)| first.saturating_add(*start) < limit);
            if let Some((first, start)) = fits {
                knots = vec![(self.first, *first), (*ready, first + start)];
            }
        }
        knots.extend([(limit, limit), (end, end)]);
        Warp::new(knots, since)
    }
}

/// Reads the lives of the pods that the owners have.
pub(crate) async fn lives(owners: &[String], session: &QuerySession) -> Result<Vec<Life>, Error> {
    let list: Vec<String> = owners.iter().map(|uid| literal(uid)).collect();
    let sql = format!(
        "SELECT ts, uid, name, owner_uid, type, certainty, created, deleted, \
         condition(object, 'Ready')['status'], json_get_str(object, 'status', 'phase'), \
         json_get_str(object, 'status', 'podIP'), json_get_str(object, 'status', 'podIPs', 1, 'ip'), \
         json_get_str(object, 'metadata', 'annotations', 'batch.kubernetes.io/job-completion-index'), \
         json_get_str(object, 'status', 'hostIP') \
         FROM events WHERE kind = 'Pod' AND owner_uid IN ({}) ORDER BY name, uid, seq",
        list.join(", ")
    );
    let mut lives: Vec<Life> = Vec::new();
    each_batch(session, &sql, |batch| {
        let column = |index| texts(batch, index);
        let (uids, names, parents, types, certainties) =
            (column(1)?, column(2)?, column(3)?, column(4)?, column(5)?);
        let (ready, phases, first_ip, second_ip) =
            (column(8)?, column(9)?, column(10)?, column(11)?);
        let (indexes, hosts) = (column(12)?, column(13)?);
        let created: Vec<Option<i64>> = nanoseconds(batch, 6)?;
        let deleted: Vec<Option<i64>> = nanoseconds(batch, 7)?;
        for (row, ts) in numbers(batch, 0)?.enumerate() {
            let Some(ts) = ts else { continue };
            let text = |array: &datafusion::arrow::array::StringArray| {
                use datafusion::arrow::array::Array as _;
                array.is_valid(row).then(|| array.value(row).to_owned())
            };
            let uid = text(&uids).unwrap_or_default();
            if lives.last().is_none_or(|life| life.uid != uid) {
                let parent = text(&parents);
                lives.push(Life {
                    uid,
                    name: text(&names).unwrap_or_default(),
                    owner: owners
                        .iter()
                        .position(|owner| Some(owner) == parent.as_ref())
                        .unwrap_or(0),
                    first: ts,
                    is_listed: text(&certainties).as_deref() == Some("listed"),
                    created: created.get(row).copied().flatten(),
                    ..Life::default()
                });
            }
            let Some(life) = lives.last_mut() else {
                continue;
            };
            life.events += 1;
            if life.index.is_none() {
                life.index = text(&indexes).and_then(|index| index.parse().ok());
            }
            let addresses = match text(&first_ip) {
                // It has those of its node.
                address if address.is_some() && address == text(&hosts) => [None, None],
                address => [address, text(&second_ip)],
            };
            for address in addresses.into_iter().flatten() {
                if !life.addresses.contains(&address) {
                    life.addresses.push(address);
                }
            }
            let is_ready = text(&ready).as_deref() == Some("True");
            if is_ready != (life.ready.len() % 2 == 1) {
                life.ready.push(ts);
            }
            let has_ended = matches!(text(&phases).as_deref(), Some("Failed" | "Succeeded"));
            if has_ended {
                let succeeded = text(&phases).as_deref() == Some("Succeeded");
                life.ended.get_or_insert((ts, succeeded));
            }
            let is_going = deleted.get(row).copied().flatten().is_some();
            let is_gone = text(&types).as_deref() == Some("DELETED");
            if is_gone {
                life.gone.get_or_insert(ts);
            }
            if has_ended || is_going || is_gone {
                life.inactive.get_or_insert(ts);
            }
        }
        Ok(())
    })
    .await?;
    Ok(lives)
}

/// Returns a column of times in seconds as nanoseconds.
fn nanoseconds(
    batch: &datafusion::arrow::array::RecordBatch,
    column: usize,
) -> Result<Vec<Option<i64>>, Error> {
    let seconds = numbers(batch, column)?;
    Ok(seconds
        .map(|time| time.and_then(|time| time.checked_mul(1_000_000_000)))
        .collect())
}
