use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kymo_model::{Feed, FeedId, Timestamp};
use kymo_query::{QuerySession, Span};
use kymo_synth::Placement;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::backends::{self, Controller, Listing};
use super::clone::Clone;
use super::counts::{Change, Desired, REPORT_AFTER, Surplus};
use super::followers::add_followers;
use super::indexes::{self, Done, Indexes};
use super::life::{Life, lives};
use super::names::{self, Names};
use super::ordinals::{Ordinals, ordinal};
use super::placement;
use super::ratio::Ratio;
use crate::Error;
use crate::copy::{Kinds, Renaming};
use crate::language::{Amount, Workload};
use crate::rows::{each_batch, literal, numbers, texts};

/// What becomes of the pods of a workload and of those that own them.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    pub(super) pods: Vec<Pod>,
    pub(super) owners: Vec<Owner>,
    /// What all objects of the workload's name count together.
    pub(super) total: Owner,
    /// What numbered pods have for themselves: copies by number.
    pub(super) claims: BTreeMap<u64, Vec<Renaming>>,
    /// The slices and Endpoints that they are in.
    pub(super) listings: Vec<Listing>,
    pub(super) feeds: Arc<BTreeMap<FeedId, Feed>>,
    /// What objects are to the workload, by uid.
    pub(super) roles: HashMap<String, Role>,
    /// How many events of the input are of these.
    pub(crate) named: u64,
}

/// A recorded pod.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) stays: bool,
    pub(super) clones: Vec<Clone>,
}

/// An object that counts pods: the workload, a `ReplicaSet` of it, or what follows it.
#[derive(Debug, Default)]
pub(super) struct Owner {
    /// How many pods there are more than recorded.
    pub(super) surplus: Surplus,
    /// Of a Deployment: from when which of its `ReplicaSets` is the new one.
    pub(super) newest: Option<Vec<(i64, usize)>>,
    pub(super) desired: Desired,
    /// How many more are asked for.
    pub(super) scale: Surplus,
    /// When it is seen to write its status besides what was recorded.
    pub(super) reports: Vec<Timestamp>,
    pub(super) ratio: Option<Ratio>,
    pub(super) kind: Kind,
    /// How many pods more have succeeded and failed.
    pub(super) ended: Surplus,
    /// Of an indexed Job: which indexes are done.
    pub(super) done: Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Pod(usize),
    /// An Event about a pod.
    Event(usize),
    Owner(usize),
    /// A claim of a numbered pod, its volume, or an Event about it.
    Claim(u64),
    /// An `EndpointSlice` or Endpoints.
    Listing(usize),
}

/// What a script asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) amount: Amount,
    /// Over how long clones arrive behind the pods that they are made of, in nanoseconds.
    pub(crate) ramp: Option<i64>,
    /// On which nodes clones are; `None` for those of the pods that they are made of.
    pub(crate) placement: Option<&'a Placement>,
    pub(crate) seed: u64,
    /// What makes uids unlike those of all other statements.
    pub(crate) label: &'a str,
    pub(crate) feeds: &'a Arc<BTreeMap<FeedId, Feed>>,
}

/// Without a ramp, clones arrive so long behind the recorded pod at most, in nanoseconds.
const ARRIVAL: i64 = 500_000_000;

/// How the pods of a workload are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a Deployment or `ReplicaSet`: one is as good as another.
    #[default]
    Replicas,
    /// Of a `StatefulSet`: by number.
    Numbered,
    /// Of a Job: until so many have succeeded.
    Job,
    /// By a `PodDisruptionBudget`.
    Budget,
    /// By a `HorizontalPodAutoscaler`.
    Autoscaler,
}

impl Kind {
    fn of(workload: &Workload) -> Result<Self, Error> {
        match workload.kind.as_str() {
            "Deployment" | "ReplicaSet" => Ok(Self::Replicas),
            "StatefulSet" => Ok(Self::Numbered),
            "Job" => Ok(Self::Job),
            "DaemonSet" => Err(wrong(
                workload,
                "a DaemonSet has as many pods as there are nodes for them".to_owned(),
                "SCALE NODES makes copies of nodes with their pods",
            )),
            kind => Err(wrong(
                workload,
                format!("a {kind} cannot be scaled"),
                "Deployments, ReplicaSets, StatefulSets and Jobs can",
            )),
        }
    }
}

/// Finds the workload and says what becomes of it.
pub(crate) async fn plan(
    order: &Order<'_>,
    span: Span,
    session: &QuerySession,
) -> Result<Fleet, Error> {
    let workload = order.workload;
    let kind = Kind::of(workload)?;
    let owners = Owners::find(workload, session).await?;
    let lives = lives(&owners.uids, session).await?;
    let ratio = owners.ratio(order, workload)?;
    let is_same = ratio.numerator == ratio.denominator;
    if lives.is_empty() && ratio.numerator > 0 && !is_same {
        return Err(wrong(
            workload,
            format!(
                "{} `{}/{}` has no pods in the trace from which more could be made",
                workload.kind, workload.namespace, workload.name
            ),
            "pods whose owner is not in the trace are not found either",
        ));
    }
    let mut random = ChaCha8Rng::seed_from_u64(order.seed);
    let ratio = Ratio {
        phase: random.random_range(0..ratio.denominator.max(1)),
        ..ratio
    };
    let mut names = taken(workload, session).await?;
    let mut fleet = Fleet {
        feeds: Arc::clone(order.feeds),
        ..Fleet::default()
    };
    let ordinals = match kind {
        Kind::Numbered => Some(Ordinals::of(workload, &lives, ratio, session).await?),
        _ => None,
    };
    let indexes = match kind {
        Kind::Job if is_indexed(workload, session).await? => {
            Some(Indexes::of(&lives, |count| ratio.of_work(count)))
        }
        _ => None,
    };
    let slots = match kind {
        Kind::Numbered => lives.iter().map(|life| ordinal(&life.name)).collect(),
        Kind::Job => in_turn(&lives),
        _ => slots(&lives),
    };
    let copies_of = |life: &Life, slot: u64| match (&ordinals, indexes) {
        (Some(ordinals), _) => ordinals.copies(slot),
        (None, Some(indexes)) => life.index.map_or(1, |index| indexes.copies(index)),
        (None, None) => ratio.copies(slot),
    };
    let mut done: Vec<(i64, u64)> = Vec::new();
    for (index, (life, slot)) in lives.iter().zip(&slots).enumerate() {
        let copies = copies_of(life, *slot);
        let siblings: Vec<&Life> = lives
            .iter()
            .filter(|other| other.owner == life.owner && other.start().is_some())
            .collect();
        let mut clones = Vec::new();
        for copy in 1..copies {
            let within = order.ramp.unwrap_or(ARRIVAL).max(0);
            let offset = random.random_range(0..=within);
            let sibling = match siblings.len() {
                0 => None,
                count => siblings.get(random.random_range(0..count)).copied(),
            };
            let warp = life.warp(sibling, offset, span.end.0);
            let mut words = match (&ordinals, indexes, life.index) {
                (Some(ordinals), ..) => ordinals.words(&life.name, ordinals.clone_of(*slot, copy)),
                (None, Some(indexes), Some(part)) => {
                    let number = indexes.clone_of(part, copy);
                    if let Some((ended, true)) = life.ended {
                        done.push((warp.apply(ended), number));
                    }
                    let name =
                        names.sibling(&format!("{}-{number}-xxxxx", workload.name), &mut random);
                    indexes::words(&workload.name, life, &name, number)
                }
                _ => vec![(life.name.clone(), names.sibling(&life.name, &mut random))],
            };
            for address in &life.addresses {
                words.push((address.clone(), names.address(address)));
            }
            let uid = names::uid(order.label, &life.uid, copy);
            // Events about the pod name its uid.
            words.push((life.uid.clone(), uid.clone()));
            clones.push(Clone {
                uid,
                words,
                warp,
                seat: None,
            });
        }
        fleet.roles.insert(life.uid.clone(), Role::Pod(index));
        fleet.named += life.events;
        fleet.pods.push(Pod {
            stays: copies > 0,
            clones,
        });
    }
    if let Some(placement) = order.placement {
        placement::place(&mut fleet, workload, placement, session).await?;
    }
    add_events(&mut fleet, workload, session).await?;
    add_listings(&mut fleet, order, &lives, span, session).await?;
    add_owners(&mut fleet, &owners, &lives, ratio, span);
    for owner in &mut fleet.owners {
        owner.kind = kind;
        if let Some(indexes) = indexes {
            owner.done = Done::of(indexes, std::mem::take(&mut done));
        }
    }
    add_followers(&mut fleet, workload, &lives, span, session).await?;
    if let Some(ordinals) = &ordinals {
        let kinds = Kinds::of(order.feeds);
        let (owned, claims) = ordinals
            .claims(workload, order.label, kinds, session)
            .await?;
        for owned in owned {
            fleet.roles.insert(owned.uid, Role::Claim(owned.ordinal));
        }
        fleet.claims = claims;
    }
    Ok(fleet)
}

/// Tells whether the pods of a Job each do one part of the work.
async fn is_indexed(workload: &Workload, session: &QuerySession) -> Result<bool, Error> {
    let sql = format!(
        "SELECT DISTINCT name FROM events WHERE kind = 'Job' AND namespace = {} AND name = {} \
         AND json_get_str(object, 'spec', 'completionMode') = 'Indexed'",
        literal(&workload.namespace),
        literal(&workload.name)
    );
    Ok(!strings(session, &sql).await?.is_empty())
}

/// Numbers pods in the order in which they came.
fn in_turn(lives: &[Life]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|index| {
        lives
            .get(*index)
            .map(|life| (life.first, life.name.clone()))
    });
    let mut slots = vec![0; lives.len()];
    for (slot, index) in (0..).zip(order) {
        if let Some(place) = slots.get_mut(index) {
            *place = slot;
        }
    }
    slots
}

pub(super) fn wrong(workload: &Workload, message: String, hint: &str) -> Error {
    Error::Statement {
        message,
        place: workload.place,
        hint: Some(hint.to_owned()),
    }
}

/// Gives each pod a place among those of its owner: the lowest that is free when it comes.
fn slots(lives: &[Life]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|index| {
        lives
            .get(*index)
            .map(|life| (life.first, life.name.clone()))
    });
    let mut slots = vec![0; lives.len()];
    let mut held: BTreeMap<usize, Vec<(u64, Option<i64>)>> = BTreeMap::new();
    for index in order {
        let Some(life) = lives.get(index) else {
            continue;
        };
        let held = held.entry(life.owner).or_default();
        held.retain(|(_, until)| until.is_none_or(|until| until > life.first));
        // Of one more slots than are held one is free.
        let slot = (0..=held.len() as u64)
            .find(|slot| held.iter().all(|(other, _)| other != slot))
            .unwrap_or(0);
        held.push((slot, life.inactive));
        if let Some(place) = slots.get_mut(index) {
            *place = slot;
        }
    }
    slots
}

/// The workload and its `ReplicaSets`.
struct Owners {
    /// Their uids; the workloads come last.
    uids: Vec<String>,
    workloads: usize,
    /// Time, owner, replicas asked for, revision.
    history: Vec<(i64, usize, Option<u64>, Option<u64>)>,
}

impl Owners {
    async fn find(workload: &Workload, session: &QuerySession) -> Result<Self, Error> {
        let of = |name: &str| literal(name);
        let sql = format!(
            "SELECT uid FROM objects WHERE kind = {} AND namespace = {} AND name = {} ORDER BY uid",
            of(&workload.kind),
            of(&workload.namespace),
            of(&workload.name),
        );
        let workloads = strings(session, &sql).await?;
        if workloads.is_empty() {
            return Err(unknown(workload, session).await?);
        }
        let list: Vec<String> = workloads.iter().map(|uid| literal(uid)).collect();
        let sql = format!(
            "SELECT uid FROM objects WHERE kind = 'ReplicaSet' AND owner_uid IN ({}) ORDER BY uid",
            list.join(", ")
        );
        let mut uids = strings(session, &sql).await?;
        let count = workloads.len();
        uids.extend(workloads);
        let list: Vec<String> = uids.iter().map(|uid| literal(uid)).collect();
        let sql = format!(
            "SELECT ts, uid, coalesce(json_get_int(object, 'spec', 'replicas'), \
             json_get_int(object, 'spec', 'completions'), json_get_int(object, 'spec', 'parallelism')), \
             json_get_str(object, 'metadata', 'annotations', 'deployment.kubernetes.io/revision') \
             FROM events WHERE kind IN ('ReplicaSet', {}) AND uid IN ({}) AND type <> 'DELETED' \
             ORDER BY seq",
            of(&workload.kind),
            list.join(", ")
        );
        let mut history = Vec::new();
        each_batch(session, &sql, |batch| {
            let (found, revisions) = (texts(batch, 1)?, texts(batch, 3)?);
            let rows = numbers(batch, 0)?.zip(numbers(batch, 2)?);
            for ((ts, replicas), (uid, revision)) in rows.zip(found.iter().zip(revisions.iter())) {
                let owner = uids.iter().position(|known| Some(known.as_str()) == uid);
                if let (Some(ts), Some(owner)) = (ts, owner) {
                    let replicas = replicas.and_then(|count| u64::try_from(count).ok());
                    let revision = revision.and_then(|text| text.parse().ok());
                    history.push((ts, owner, replicas, revision));
                }
            }
            Ok(())
        })
        .await?;
        Ok(Self {
            uids,
            workloads: count,
            history,
        })
    }

    fn is_workload(&self, owner: usize) -> bool {
        owner + self.workloads >= self.uids.len()
    }

    /// Returns by how much the workload grows.
    fn ratio(&self, order: &Order<'_>, workload: &Workload) -> Result<Ratio, Error> {
        let (numerator, denominator) = match order.amount {
            Amount::By(factor) => (factor.numerator, factor.denominator),
            Amount::To(0) => (0, 1),
            Amount::To(count) => {
                let asked = self
                    .history
                    .iter()
                    .filter(|(_, owner, ..)| self.is_workload(*owner));
                let highest = asked.filter_map(|(_, _, replicas, _)| *replicas).max();
                (count, highest.unwrap_or(0))
            }
        };
        if denominator == 0 {
            return Err(wrong(
                workload,
                format!(
                    "{} `{}/{}` has no replicas at any time of the trace",
                    workload.kind, workload.namespace, workload.name
                ),
                "there is no pod from which others could be made",
            ));
        }
        Ok(Ratio {
            numerator,
            denominator,
            phase: 0,
        })
    }
}

async fn unknown(workload: &Workload, session: &QuerySession) -> Result<Error, Error> {
    let sql = format!(
        "SELECT DISTINCT namespace || '/' || name FROM objects WHERE kind = {} ORDER BY 1",
        literal(&workload.kind)
    );
    let known = strings(session, &sql).await?;
    let wanted = format!("{}/{}", workload.namespace, workload.name);
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, &wanted), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("the trace has no object of kind {}", workload.kind),
    };
    Ok(wrong(
        workload,
        format!("no {} `{wanted}` in the trace", workload.kind),
        &hint,
    ))
}

pub(super) async fn strings(session: &QuerySession, sql: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    each_batch(session, sql, |batch| {
        found.extend(texts(batch, 0)?.iter().flatten().map(str::to_owned));
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Finds the names and addresses that pods have.
async fn taken(workload: &Workload, session: &QuerySession) -> Result<Names, Error> {
    let sql = format!(
        "SELECT DISTINCT name FROM events WHERE kind = 'Pod' AND namespace = {}",
        literal(&workload.namespace)
    );
    let names: HashSet<String> = strings(session, &sql).await?.into_iter().collect();
    let sql = "SELECT DISTINCT json_get_str(object, 'status', 'podIP') FROM events \
               WHERE kind = 'Pod'";
    let addresses = strings(session, sql).await?.into_iter().collect();
    Ok(Names::new(names, addresses))
}

/// Finds the Events that tell of the pods.
async fn add_events(
    fleet: &mut Fleet,
    workload: &Workload,
    session: &QuerySession,
) -> Result<(), Error> {
    let sql = format!(
        "SELECT uid, coalesce(json_get_str(object, 'involvedObject', 'uid'), \
         json_get_str(object, 'regarding', 'uid')) FROM events \
         WHERE kind = 'Event' AND namespace = {}",
        literal(&workload.namespace)
    );
    each_batch(session, &sql, |batch| {
        let (events, about) = (texts(batch, 0)?, texts(batch, 1)?);
        for (event, pod) in events.iter().zip(about.iter()) {
            let role = pod.and_then(|pod| fleet.roles.get(pod)).copied();
            if let (Some(event), Some(Role::Pod(pod))) = (event, role) {
                fleet.roles.insert(event.to_owned(), Role::Event(pod));
                fleet.named += 1;
            }
        }
        Ok(())
    })
    .await
}

/// Finds what lists the pods behind Services, and what becomes of it.
async fn add_listings(
    fleet: &mut Fleet,
    order: &Order<'_>,
    lives: &[Life],
    span: Span,
    session: &QuerySession,
) -> Result<(), Error> {
    let places = lives.iter().enumerate();
    let places = places.map(|(place, life)| (life.uid(), place)).collect();
    let mut listings = backends::read(order.workload, &fleet.pods, &places, session).await?;
    let sql = format!(
        "SELECT DISTINCT name FROM events WHERE resource = 'endpointslices' AND namespace = {}",
        literal(&order.workload.namespace)
    );
    let taken = strings(session, &sql).await?.into_iter().collect();
    let mut names = Names::new(taken, HashSet::new());
    let mut random = ChaCha8Rng::seed_from_u64(order.seed);
    for (index, listing) in listings.iter_mut().enumerate() {
        let name = |listing: &Listing| {
            let number = listing.sheets() as u64;
            let uid = names::uid(order.label, &listing.uid, number);
            (names.sibling(listing.name(), &mut random), uid)
        };
        Controller::new(listing, name).follow(&fleet.pods, span.end.0);
        fleet.named += listing.rows();
        fleet
            .roles
            .insert(listing.uid.clone(), Role::Listing(index));
    }
    fleet.listings = listings;
    Ok(())
}

fn add_owners(fleet: &mut Fleet, owners: &Owners, lives: &[Life], ratio: Ratio, span: Span) {
    let mut changes: Vec<Change> = Vec::new();
    let mut ends: Vec<Change> = Vec::new();
    for (life, pod) in lives.iter().zip(&fleet.pods) {
        if !pod.stays {
            changes.extend(life.changes(|ts| ts).map(|change| Change {
                replicas: -change.replicas,
                ready: -change.ready,
                ..change
            }));
            ends.extend(life.ends(|ts| ts).map(|change| Change {
                replicas: -change.replicas,
                ready: -change.ready,
                ..change
            }));
        }
        for clone in &pod.clones {
            changes.extend(life.changes(|ts| clone.warp.apply(ts)));
            ends.extend(life.ends(|ts| clone.warp.apply(ts)));
        }
    }
    changes.sort_by_key(|change| change.ts);
    ends.sort_by_key(|change| change.ts);
    for (index, uid) in owners.uids.iter().enumerate() {
        let is_workload = owners.is_workload(index);
        let has_sets = is_workload && owners.workloads < owners.uids.len();
        let counts = |owner: usize| owner == index || has_sets;
        let surplus = Surplus::of(
            changes
                .iter()
                .filter(|change| counts(change.owner))
                .copied(),
        );
        let owned: Vec<(&Life, u64)> = lives
            .iter()
            .zip(&fleet.pods)
            .filter(|(life, _)| counts(life.owner))
            .map(|(life, pod)| (life, u64::from(pod.stays) + pod.clones.len() as u64))
            .collect();
        let history: Vec<(i64, u64)> = owners
            .history
            .iter()
            .filter(|(_, owner, ..)| *owner == index)
            .filter_map(|(ts, _, replicas, _)| replicas.map(|count| (*ts, count)))
            .collect();
        let desired = desired(&history, &owned, ratio, span);
        let owner = Owner {
            reports: surplus.reports(REPORT_AFTER, span.end),
            surplus,
            newest: has_sets.then(|| newest(owners)),
            scale: scale(&history, &desired, ratio),
            desired,
            ratio: Some(ratio),
            kind: Kind::default(),
            ended: Surplus::of(ends.iter().copied()),
            done: Done::default(),
        };
        fleet
            .roles
            .insert(uid.clone(), Role::Owner(fleet.owners.len()));
        fleet.named += history.len() as u64;
        fleet.owners.push(owner);
    }
    let owned: Vec<(&Life, u64)> = lives
        .iter()
        .zip(&fleet.pods)
        .map(|(life, pod)| (life, u64::from(pod.stays) + pod.clones.len() as u64))
        .collect();
    let history: Vec<(i64, u64)> = owners
        .history
        .iter()
        .filter(|(_, owner, ..)| owners.is_workload(*owner))
        .filter_map(|(ts, _, replicas, _)| replicas.map(|count| (*ts, count)))
        .collect();
    let desired = desired(&history, &owned, ratio, span);
    fleet.total = Owner {
        surplus: Surplus::of(changes),
        scale: scale(&history, &desired, ratio),
        desired,
        ratio: Some(ratio),
        ..Owner::default()
    };
}

/// Returns how many pods more than recorded are asked for, over time.
fn scale(history: &[(i64, u64)], desired: &Desired, ratio: Ratio) -> Surplus {
    let mut last = 0;
    let changes = history.iter().map(|(ts, count)| {
        let becomes = desired.at(Timestamp(*ts), *count);
        let becomes = becomes.unwrap_or_else(|| ratio.of(*count));
        let more = i64::try_from(becomes).unwrap_or(i64::MAX);
        let more = more.saturating_sub_unsigned(*count);
        let replicas = more - std::mem::replace(&mut last, more);
        Change {
            ts: *ts,
            owner: 0,
            replicas,
            ready: 0,
        }
    });
    Surplus::of(changes)
}

/// Finds from when which `ReplicaSet` has the highest revision.
fn newest(owners: &Owners) -> Vec<(i64, usize)> {
    let mut revisions: BTreeMap<usize, u64> = BTreeMap::new();
    let mut newest: Vec<(i64, usize)> = Vec::new();
    for (ts, owner, _, revision) in &owners.history {
        if owners.is_workload(*owner) {
            continue;
        }
        revisions.insert(*owner, revision.unwrap_or(0));
        let highest = revisions.iter().max_by_key(|(_, revision)| **revision);
        if let Some((owner, _)) = highest
            && newest.last().is_none_or(|(_, last)| last != owner)
        {
            newest.push((*ts, *owner));
        }
    }
    newest
}

/// What the replicas asked for become: the pods that are there when the next number comes, if these
/// were as many as was asked for; or else the number times the factor.
fn desired(history: &[(i64, u64)], owned: &[(&Life, u64)], ratio: Ratio, span: Span) -> Desired {
    let mut steps: Vec<(i64, u64, u64)> = Vec::new();
    let mut changes: Vec<(i64, u64)> = history.to_vec();
    changes.dedup_by_key(|(_, count)| *count);
    for (index, (ts, count)) in changes.iter().enumerate() {
        let next = changes
            .get(index + 1)
            .map_or(span.end.0, |(next, _)| *next - 1);
        let (alive, copies) = owned
            .iter()
            .filter(|(life, _)| life.is_active_at(next))
            .fold((0, 0), |(alive, copies), (_, more)| {
                (alive + 1, copies + more)
            });
        let becomes = if alive == *count {
            copies
        } else {
            ratio.of(*count)
        };
        steps.push((*ts, *count, becomes));
    }
    Desired { steps }
}
