use std::collections::{HashMap, HashSet};

use datafusion::arrow::array::{Array, AsArray, StringArray};
use kymo_query::QuerySession;

use super::{Key, key};
use crate::Error;
use crate::language::Condition;
use crate::plan::misplaced;
use crate::rows::{each_batch, instants, numbers, texts};

/// The objects of a trace and what each of them belongs to.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    objects: Vec<Object>,
    by_key: HashMap<Key, u32>,
}

#[derive(Debug)]
struct Object {
    key: Key,
    /// What it belongs to, by key: its owner, or what an Event is about.
    above: Option<Key>,
    role: Role,
    /// When it was first seen, in nanoseconds.
    first: i64,
    /// When it was seen to go, in nanoseconds.
    end: Option<i64>,
    /// Whether it was seen to come into being.
    arrives: bool,
    /// Where it is: its namespace and, of a pod, its node, by the keys of their names.
    places: [Option<Key>; 2],
    /// How many events it has.
    events: u64,
    /// Whether the condition names it.
    is_named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A node or a namespace.
    Place,
    /// It makes objects from time to time and does not count them.
    Makes,
    Other,
}

/// How many steps up are looked at; deeper trees than this do not occur.
const MOST_STEPS: usize = 64;

const OBJECTS: &str = "SELECT uid, kind, namespace, name, first_seen, deleted_at, creation_seen, versions, \
     coalesce(owner_uid, json_get_str(object, 'metadata', 'ownerReferences', 0, 'uid')) AS owner, \
     CASE WHEN kind = 'Event' THEN coalesce(json_get_str(object, 'involvedObject', 'uid'), \
       json_get_str(object, 'regarding', 'uid')) END AS about, \
     CASE WHEN kind = 'Event' THEN coalesce(json_get_str(object, 'involvedObject', 'kind'), \
       json_get_str(object, 'regarding', 'kind')) END AS about_kind, \
     CASE WHEN kind = 'Pod' THEN json_get_str(object, 'spec', 'nodeName') END AS node \
     FROM objects WHERE uid <> ''";

/// A tree of the forest, or a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    /// When its root was first seen.
    pub(super) first: i64,
    /// When its root was seen to go.
    pub(super) end: Option<i64>,
    /// Whether its root came into being while the trace was recorded.
    pub(super) arrives: bool,
    /// Whether the root is a place.
    pub(super) is_place: bool,
    /// Whether the statement names something in it.
    pub(super) is_named: bool,
}

impl Forest {
    /// Asks for the objects, and which of them a condition names.
    pub(crate) async fn find(
        condition: Option<&Condition>,
        session: &QuerySession,
    ) -> Result<Self, Error> {
        let named = match condition {
            Some(condition) => Some(named(condition, session).await?),
            None => None,
        };
        let mut forest = Self::default();
        each_batch(session, OBJECTS, |batch| {
            let column = |index| texts(batch, index);
            let (uids, kinds, namespaces, names) = (column(0)?, column(1)?, column(2)?, column(3)?);
            let (owners, abouts, about_kinds, nodes) =
                (column(8)?, column(9)?, column(10)?, column(11)?);
            let firsts: Vec<_> = instants(batch, 4)?.collect();
            let ends: Vec<_> = instants(batch, 5)?.collect();
            let seen = batch.column(6).as_boolean();
            for (row, versions) in numbers(batch, 7)?.enumerate() {
                let text = |array: &StringArray| {
                    let is_there = array.is_valid(row) && !array.value(row).is_empty();
                    is_there.then(|| array.value(row).to_owned())
                };
                let (Some(uid), Some(first)) = (text(&uids), firsts.get(row).copied().flatten())
                else {
                    continue;
                };
                let kind = text(&kinds).unwrap_or_default();
                let about = text(&abouts).map(|uid| match text(&about_kinds).as_deref() {
                    // Events of kubelets about their node have its name as the uid.
                    Some("Node") => by_name("Node", &uid),
                    _ => key(&uid),
                });
                let end = ends.get(row).copied().flatten();
                let own = key(&uid);
                forest.add(Object {
                    key: own,
                    above: about.or_else(|| text(&owners).map(|owner| key(&owner))),
                    role: role(&kind),
                    first,
                    end,
                    arrives: seen.is_valid(row) && seen.value(row),
                    places: [
                        text(&namespaces).map(|name| by_name("Namespace", &name)),
                        text(&nodes).map(|name| by_name("Node", &name)),
                    ],
                    events: versions.unwrap_or(0).unsigned_abs() + u64::from(end.is_some()),
                    is_named: named.as_ref().is_none_or(|named| named.contains(&own)),
                });
                if role(&kind) == Role::Place
                    && let (Some(name), Some(index)) = (text(&names), forest.by_key.get(&own))
                {
                    let index = *index;
                    forest.by_key.entry(by_name(&kind, &name)).or_insert(index);
                }
            }
            Ok(())
        })
        .await?;
        Ok(forest)
    }

    fn add(&mut self, object: Object) {
        // An object can be served under two groups.
        if let Some(index) = self.by_key.get(&object.key).copied() {
            if let Some(known) = self.objects.get_mut(index as usize) {
                known.first = known.first.min(object.first);
                known.events += object.events;
                known.is_named |= object.is_named;
            }
            return;
        }
        if let Ok(index) = u32::try_from(self.objects.len()) {
            self.by_key.insert(object.key, index);
            self.objects.push(object);
        }
    }

    /// Finds the root of the tree of an object.
    fn root(&self, index: u32) -> u32 {
        let mut root = index;
        let mut at = index;
        for _ in 0..MOST_STEPS {
            let Some(above) = self.object(at).and_then(|object| object.above) else {
                break;
            };
            let Some(next) = self.by_key.get(&above).copied().filter(|next| *next != at) else {
                break;
            };
            let Some(owner) = self.object(next) else {
                break;
            };
            if owner.role == Role::Makes && !owner.arrives {
                break;
            }
            at = next;
            root = next;
        }
        root
    }

    fn object(&self, index: u32) -> Option<&Object> {
        self.objects.get(index as usize)
    }

    /// Tells what becomes of each tree, and returns it for each object with how many events the
    /// trees have of which it says something.
    pub(super) fn maps<M: Copy>(
        &self,
        tree: impl Fn(&Tree) -> Option<M>,
    ) -> (HashMap<Key, M>, u64) {
        let roots: Vec<u32> = (0..self.objects.len())
            .map(|index| self.root(u32::try_from(index).unwrap_or(u32::MAX)))
            .collect();
        let mut named: HashSet<u32> = HashSet::new();
        for (object, root) in self.objects.iter().zip(&roots) {
            let is_place = self
                .object(*root)
                .is_some_and(|root| root.role == Role::Place);
            if object.is_named && !is_place {
                named.insert(*root);
            }
        }
        // A place is there for what is in it.
        let mut used: HashSet<u32> = HashSet::new();
        for (object, root) in self.objects.iter().zip(&roots) {
            if named.contains(root) {
                let places = object.places.iter().flatten();
                used.extend(places.filter_map(|place| self.by_key.get(place)));
            }
        }
        let mut maps = HashMap::new();
        let mut events = 0;
        for (object, root) in self.objects.iter().zip(&roots) {
            let Some(top) = self.object(*root) else {
                continue;
            };
            let is_place = top.role == Role::Place;
            let what = Tree {
                first: top.first,
                end: top.end,
                arrives: top.arrives,
                is_place,
                is_named: if is_place {
                    used.contains(root)
                } else {
                    named.contains(root)
                },
            };
            if let Some(map) = tree(&what) {
                maps.insert(object.key, map);
                events += object.events;
            }
        }
        (maps, events)
    }
}

fn role(kind: &str) -> Role {
    match kind {
        "Node" | "Namespace" => Role::Place,
        "CronJob" => Role::Makes,
        _ => Role::Other,
    }
}

/// What stands for a place by its name, which no uid is.
fn by_name(kind: &str, name: &str) -> Key {
    key(&format!("{kind}/{name}"))
}

async fn named(condition: &Condition, session: &QuerySession) -> Result<HashSet<Key>, Error> {
    // A line of its own for the condition: errors in it are told by line.
    let sql = format!("SELECT uid FROM objects WHERE (\n{}\n)", condition.sql);
    let mut named = HashSet::new();
    let asked = each_batch(session, &sql, |batch| {
        named.extend(texts(batch, 0)?.iter().flatten().map(key));
        Ok(())
    });
    asked.await.map_err(|error| misplaced(error, condition))?;
    Ok(named)
}
