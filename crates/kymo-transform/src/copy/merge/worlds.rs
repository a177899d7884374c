use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kymo_model::{Feed, FeedId, GroupResource, Rv, Timestamp};
use kymo_query::QuerySession;
use kymo_store::segment::{KeptRow, SegmentMeta};
use kymo_store::{SessionInfo, Trace};

use super::collisions::{prefixed, refuse_collisions, shared};
use super::later;
use super::order::{Steps, interleaved, times};
use crate::Error;
use crate::ahead::{ahead, bytes};
use crate::copy::addresses::Addresses;
use crate::copy::names::{Kinds, Names};
use crate::copy::renaming::{LEASES_OF_NODES, Renaming};
use crate::copy::{Order, Watch};
use crate::draft::Draft;
use crate::language::Place;
use crate::merged::{Coming, KeptRows};
use crate::plan::Input;
use crate::times::{TimeMap, move_times};

/// The longest names of a namespace and of all else, in characters.
const LONGEST: (usize, usize) = (63, 253);

/// Two traces of different objects in one.
///
/// Numbers follow time. Versions of a resource that both have are given anew, in the order of the
/// numbers: those of two servers cannot be compared.
#[derive(Debug)]
pub(crate) struct Worlds {
    pub(super) other: Arc<Trace>,
    renaming: Option<Renaming>,
    /// What both have is ours: these objects are left out, by plural and name.
    left_out: HashSet<(String, String)>,
    /// By how much the times of the other trace move, in nanoseconds.
    pub(super) shift: i64,
    pub(super) ours: Steps,
    pub(super) theirs: Steps,
    /// Resources whose versions are given anew.
    pub(super) reissued: BTreeSet<GroupResource>,
    pub(super) feeds: BTreeMap<FeedId, Feed>,
    pub(super) their_feeds: BTreeMap<FeedId, FeedId>,
    pub(super) first_session: u32,
    place: Place,
}

impl Worlds {
    pub(crate) async fn of(
        order: &Order,
        prefix: Option<&str>,
        shift: i64,
        input: &Input,
        other: &Input,
        both: &QuerySession,
    ) -> Result<Self, Error> {
        let mut left_out = HashSet::new();
        let renaming = if let Some(prefix) = prefix {
            let shared = shared(both).await?;
            left_out = shared.names;
            let mut renaming = renamed(order, prefix, input, other, both).await?;
            renaming.uids = shared.uids;
            Some(renaming)
        } else {
            refuse_collisions(order, shift, both).await?;
            None
        };
        let (ours, theirs) = {
            let ours = times(&input.session, 0).await?;
            let theirs = times(&other.session, shift).await?;
            interleaved(&ours, &theirs)
        };
        let resources = |input: &Input| -> BTreeSet<GroupResource> {
            let feeds = input.feeds.values();
            feeds.map(|feed| feed.resource.group_resource()).collect()
        };
        let reissued = resources(input)
            .intersection(&resources(other))
            .cloned()
            .collect();
        let mut feeds: BTreeMap<FeedId, Feed> = (*input.feeds).clone();
        let mut their_feeds = BTreeMap::new();
        for (id, feed) in other.feeds.iter() {
            let next = FeedId(feeds.last_key_value().map_or(0, |(last, _)| last.0 + 1));
            let mut feed = feed.clone();
            let new = renaming
                .as_ref()
                .zip(feed.scope.namespace.as_deref())
                .and_then(|(renaming, namespace)| renaming.namespaces.of(namespace))
                .map(std::borrow::Cow::into_owned);
            if new.is_some() {
                feed.scope.namespace = new;
            }
            feeds.insert(next, feed);
            their_feeds.insert(*id, next);
        }
        let first_session = input.trace.sessions().map(|session| session.number).max();
        Ok(Self {
            other: Arc::clone(&other.trace),
            renaming,
            left_out,
            shift,
            ours,
            theirs,
            reissued,
            feeds,
            their_feeds,
            first_session: first_session.unwrap_or(0),
            place: order.place,
        })
    }

    pub(crate) fn meta(&self, meta: &mut SegmentMeta) {
        let theirs = self.other.meta();
        let more = theirs.sessions.iter().map(|session| SessionInfo {
            number: self.session(session.number),
            started: later(session.started, self.shift),
            ..session.clone()
        });
        meta.sessions.extend(more);
        self.records(meta, &theirs);
        let last = self.ours.moved(meta.last_seq);
        meta.last_seq = last.max(self.theirs.moved(theirs.last_seq));
        meta.feeds = self
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
    }

    pub(super) fn session(&self, session: u32) -> u32 {
        session.saturating_add(self.first_session)
    }

    pub(crate) fn staying(self: Arc<Self>, trace: &Trace, watch: Watch) -> Result<KeptRows, Error> {
        let rows = ahead(trace.kept_rows()?, bytes)?;
        Ok(Box::new(rows.map(move |row| {
            watch.read()?;
            let row = row?;
            let seq = self.ours.moved(row.row.seq);
            let mut draft = Draft::new(row);
            self.reissue(&mut draft, seq)?;
            watch.written(1, 0);
            draft.into_kept(seq)
        })))
    }

    /// Returns the rows of the other trace. Under their own names they are in order.
    pub(crate) fn coming(self: Arc<Self>, watch: Watch) -> Result<Coming, Error> {
        let is_in_order = self.renaming.is_none();
        let rows = ahead(self.other.kept_rows()?, bytes)?;
        let rows = rows.filter_map(move |row| {
            let draft = watch
                .read()
                .and_then(|()| Ok(row?))
                .and_then(|row| self.their_row(row))
                .transpose()?;
            watch.written(1, 1);
            Some(draft)
        });
        Ok(if is_in_order {
            Coming::InOrder(Box::new(rows.map(|row| {
                let (draft, seq) = row?;
                draft.into_kept(seq)
            })))
        } else {
            Coming::InAnyOrder(vec![Box::new(rows.map(|row| {
                let (draft, seq) = row?;
                draft.into_row(seq)
            }))])
        })
    }

    /// Returns what becomes of a row of the other trace, and its number; `None` if it is left out.
    fn their_row(&self, row: KeptRow) -> Result<Option<(Draft, u64)>, Error> {
        let mut draft = Draft::new(row);
        let seq = self.theirs.moved(draft.source);
        let session = self.session(draft.session);
        let feed = self.other.feeds().get(&draft.event.feed);
        let new_feed = self.their_feeds.get(&draft.event.feed).copied();
        if let (Some(renaming), Some(feed)) = (&self.renaming, feed) {
            let key = &draft.event.key;
            let of_the_cluster = (feed.resource.resource.clone(), key.name.clone());
            if key.namespace.is_empty() && self.left_out.contains(&of_the_cluster) {
                return Ok(None);
            }
            match renaming.row(&draft, &feed.resource)? {
                Some(renamed) => draft = renamed,
                None => return Ok(None),
            }
        }
        if self.shift != 0 {
            self.move_times(&mut draft)?;
        }
        draft.session = session;
        draft.event.feed = new_feed.unwrap_or(draft.event.feed);
        self.reissue(&mut draft, seq)?;
        Ok(Some((draft, seq)))
    }

    fn move_times(&self, draft: &mut Draft) -> Result<(), Error> {
        let map = TimeMap {
            target: self.shift,
            ..TimeMap::IDENTITY
        };
        let moved = |draft: &Draft, time: Timestamp| {
            map.apply(time.0)
                .map(Timestamp)
                .ok_or_else(|| Error::TimeOutOfRange {
                    seq: draft.source,
                    object: draft.event.key.clone(),
                    place: self.place,
                })
        };
        draft.event.ts = moved(draft, draft.event.ts)?;
        if let Some(time) = draft.event.not_before {
            draft.event.not_before = Some(moved(draft, time)?);
        }
        let text = match draft.text()? {
            Some(text) => match move_times(text, |time| map.apply(time)) {
                std::borrow::Cow::Owned(moved) => Some(moved),
                std::borrow::Cow::Borrowed(_) => None,
            },
            None => None,
        };
        if let Some(text) = text {
            draft.set_text(text);
        }
        Ok(())
    }

    fn reissue(&self, draft: &mut Draft, seq: u64) -> Result<(), Error> {
        let feed = self.feeds.get(&draft.event.feed);
        let is_reissued =
            feed.is_some_and(|feed| self.reissued.contains(&feed.resource.group_resource()));
        let is_number = |version: &Rv| version.as_str().parse::<u64>().is_ok();
        if is_reissued && draft.event.rv.as_ref().is_some_and(is_number) {
            draft.set_version(Some(seq.to_string().as_str().into()))?;
        }
        Ok(())
    }
}

/// Gives everything of the other trace other names and addresses.
async fn renamed(
    order: &Order,
    prefix: &str,
    input: &Input,
    other: &Input,
    both: &QuerySession,
) -> Result<Renaming, Error> {
    let of_namespaces = |trace: &str| {
        format!(
            "SELECT namespace FROM {trace}.events UNION \
             SELECT name FROM {trace}.events WHERE kind = 'Namespace'"
        )
    };
    let of_kind = |trace: &str, kind: &str| {
        format!("SELECT DISTINCT name FROM {trace}.events WHERE kind = '{kind}'")
    };
    let (ours, theirs) = (of_namespaces("ours"), of_namespaces("theirs"));
    let mut namespaces =
        prefixed(order, "namespace", &ours, &theirs, prefix, LONGEST.0, both).await?;
    namespaces.remove(LEASES_OF_NODES);
    let mut of = HashMap::new();
    for kind in ["Node", "PersistentVolume"] {
        let (ours, theirs) = (of_kind("ours", kind), of_kind("theirs", kind));
        of.insert(
            kind,
            prefixed(order, kind, &ours, &theirs, prefix, LONGEST.1, both).await?,
        );
    }
    let mut addresses = Addresses::find(&other.session, "true", 1).await?;
    addresses.avoid(&input.session).await?;
    if !addresses.has_ports() {
        return Err(order.wrong(
            "there are not enough node ports for the Services of both",
            "DELETE the Services that have one",
        ));
    }
    Ok(Renaming {
        label: order.label.clone(),
        copy: 1,
        namespaces: Names::Others(namespaces),
        nodes: Names::Others(of.remove("Node").unwrap_or_default()),
        volumes: Names::Others(of.remove("PersistentVolume").unwrap_or_default()),
        rest: Names::Same,
        addresses: Some(Arc::new(addresses)),
        kinds: Arc::new(Kinds::of(&other.feeds)),
        ..Renaming::default()
    })
}
