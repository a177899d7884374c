//! What a node has of its own: pods of `DaemonSets`, static pods, and Events about all of these.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kymo_query::QuerySession;
use rand_chacha::ChaCha8Rng;

use super::renaming::ObjectName;
use super::texts_of;
use crate::Error;
use crate::rows::{each_batch, literal, texts};
use crate::scale::{Change, Life, SiblingNames, Surplus, lives};

/// Pods that are on a node because it is there, and Events.
pub(super) struct Daemons {
    /// How many there will be of each node that may change.
    nodes: BTreeMap<String, u64>,
    pods: Vec<Daemon>,
    events: Vec<About>,
    slices: Vec<Slice>,
}

/// An `EndpointSlice` with such pods in it.
struct Slice {
    namespace: String,
    name: String,
    nodes: BTreeSet<String>,
}

struct Daemon {
    uid: String,
    namespace: String,
    name: String,
    node: String,
    /// The `DaemonSet`; `None`: static pods belong to the node itself.
    set: Option<String>,
}

/// An Event about a node or a pod of it.
struct About {
    namespace: String,
    name: String,
    node: String,
    /// The pod, by its place; `None`: the node.
    pod: Option<usize>,
}

impl Daemons {
    /// Finds them, but for pods in namespaces that have copies of their own.
    pub(super) async fn find(
        session: &QuerySession,
        nodes: BTreeMap<String, u64>,
        copied: &BTreeSet<&str>,
    ) -> Result<Self, Error> {
        let mut pods: Vec<Daemon> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let sql = "SELECT uid, namespace, name, node, owner_kind, max(owner_uid) FROM (\
             SELECT uid, namespace, name, json_get_str(object, 'spec', 'nodeName') AS node, \
             owner_kind, owner_uid FROM events \
             WHERE kind = 'Pod' AND owner_kind IN ('DaemonSet', 'Node')) \
             WHERE node IS NOT NULL GROUP BY uid, namespace, name, node, owner_kind \
             ORDER BY namespace, name, uid";
        each_batch(session, sql, |batch| {
            let column = |index| texts(batch, index);
            let (uids, spaces, names) = (column(0)?, column(1)?, column(2)?);
            let (on, kinds, owners) = (column(3)?, column(4)?, column(5)?);
            let rows = uids.iter().zip(spaces.iter()).zip(names.iter());
            let more = on.iter().zip(kinds.iter()).zip(owners.iter());
            for (((uid, namespace), name), ((node, kind), owner)) in rows.zip(more) {
                let text = |value: Option<&str>| value.unwrap_or("").to_owned();
                let (namespace, node) = (text(namespace), text(node));
                if copied.contains(namespace.as_str()) || !nodes.contains_key(&node) {
                    continue;
                }
                places.insert(text(uid), pods.len());
                pods.push(Daemon {
                    uid: text(uid),
                    namespace,
                    name: text(name),
                    node,
                    set: (kind == Some("DaemonSet")).then(|| text(owner)),
                });
            }
            Ok(())
        })
        .await?;
        let mut events = Vec::new();
        let sql = "SELECT DISTINCT namespace, name, \
             coalesce(json_get_str(object, 'involvedObject', 'kind'), json_get_str(object, 'regarding', 'kind')), \
             coalesce(json_get_str(object, 'involvedObject', 'name'), json_get_str(object, 'regarding', 'name')), \
             coalesce(json_get_str(object, 'involvedObject', 'uid'), json_get_str(object, 'regarding', 'uid')) \
             FROM events WHERE kind = 'Event' ORDER BY namespace, name";
        each_batch(session, sql, |batch| {
            let column = |index| texts(batch, index);
            let (spaces, names) = (column(0)?, column(1)?);
            let (kinds, about, uids) = (column(2)?, column(3)?, column(4)?);
            let rows = spaces.iter().zip(names.iter());
            let more = kinds.iter().zip(about.iter()).zip(uids.iter());
            for ((namespace, name), ((kind, about), uid)) in rows.zip(more) {
                let pod = uid.and_then(|uid| places.get(uid)).copied();
                let node = match (kind, pod.and_then(|pod| pods.get(pod))) {
                    (_, Some(pod)) => pod.node.clone(),
                    (Some("Node"), None) => about.unwrap_or("").to_owned(),
                    _ => continue,
                };
                if nodes.contains_key(&node) {
                    events.push(About {
                        namespace: namespace.unwrap_or("").to_owned(),
                        name: name.unwrap_or("").to_owned(),
                        node,
                        pod,
                    });
                }
            }
            Ok(())
        })
        .await?;
        let slices = slices(session, &pods, &places).await?;
        Ok(Self {
            nodes,
            pods,
            events,
            slices,
        })
    }

    /// Tells whether slices list them.
    pub(super) fn has_slices(&self) -> bool {
        !self.slices.is_empty()
    }

    /// Returns the condition on `events` for what has addresses: these pods, and the nodes.
    pub(super) fn condition(&self, nodes: &[String]) -> String {
        let list = |names: Vec<String>| match names.len() {
            0 => "''".to_owned(),
            _ => names.join(", "),
        };
        let pods = self.pods.iter().map(|pod| literal(&pod.uid)).collect();
        let nodes = nodes.iter().map(|node| literal(node)).collect();
        format!(
            "(kind = 'Pod' AND uid IN ({})) OR (kind = 'Node' AND name IN ({}))",
            list(pods),
            list(nodes)
        )
    }

    /// Knows the names of pods that are taken.
    pub(super) async fn names(&self, session: &QuerySession) -> Result<SiblingNames, Error> {
        let taken = if self.pods.is_empty() {
            BTreeSet::new()
        } else {
            texts_of(
                session,
                "SELECT DISTINCT name FROM events WHERE kind IN ('Pod', 'EndpointSlice')",
            )
            .await?
        };
        Ok(SiblingNames::new(
            taken.into_iter().collect(),
            std::collections::HashSet::new(),
        ))
    }

    /// Names what a copy of nodes has.
    pub(super) fn copied(
        &self,
        copy: u64,
        nodes: &HashMap<String, String>,
        names: &mut SiblingNames,
        random: &mut ChaCha8Rng,
        objects: &mut HashMap<ObjectName, String>,
    ) {
        let mut new_pods: HashMap<usize, String> = HashMap::new();
        for (place, pod) in self.pods.iter().enumerate() {
            let Some(node) = nodes.get(&pod.node) else {
                continue;
            };
            let new = match (&pod.set, pod.name.strip_suffix(pod.node.as_str())) {
                (None, Some(stem)) => format!("{stem}{node}"),
                (None, None) => format!("{}-{}", pod.name, copy + 1),
                (Some(_), _) => names.sibling(&pod.name, random),
            };
            objects.insert(of("pods", &pod.namespace, &pod.name), new.clone());
            new_pods.insert(place, new);
        }
        for event in &self.events {
            let Some(node) = nodes.get(&event.node) else {
                continue;
            };
            let (old, new) = match event.pod {
                Some(pod) => (
                    self.pods.get(pod).map_or("", |pod| pod.name.as_str()),
                    new_pods.get(&pod),
                ),
                None => (event.node.as_str(), Some(node)),
            };
            let name = match (event.name.strip_prefix(old), new) {
                (Some(rest), Some(new)) if rest.starts_with('.') => format!("{new}{rest}"),
                _ => format!("{}-{}", event.name, copy + 1),
            };
            objects.insert(of("events", &event.namespace, &event.name), name);
        }
        for slice in &self.slices {
            if slice.nodes.iter().any(|node| nodes.contains_key(node)) {
                let name = names.sibling(&slice.name, random);
                objects.insert(of("endpointslices", &slice.namespace, &slice.name), name);
            }
        }
    }

    /// Names what leaves with its nodes.
    pub(super) fn leaving(&self, objects: &mut HashMap<ObjectName, String>) {
        let leaves = |node: &str| self.nodes.get(node) == Some(&0);
        for pod in self.pods.iter().filter(|pod| leaves(&pod.node)) {
            objects.insert(of("pods", &pod.namespace, &pod.name), pod.name.clone());
        }
        for event in self.events.iter().filter(|event| leaves(&event.node)) {
            objects.insert(
                of("events", &event.namespace, &event.name),
                event.name.clone(),
            );
        }
    }

    /// Returns by how many pods more the `DaemonSets` count, by uid.
    pub(super) async fn counts(
        &self,
        session: &QuerySession,
    ) -> Result<HashMap<String, Surplus>, Error> {
        let mut sets: BTreeSet<&String> = BTreeSet::new();
        let mut more: HashMap<&str, i64> = HashMap::new();
        for pod in &self.pods {
            let copies = self.nodes.get(&pod.node).copied().unwrap_or(1);
            if let Some(set) = &pod.set
                && copies != 1
            {
                sets.insert(set);
                let copies = i64::try_from(copies).unwrap_or(i64::MAX);
                more.insert(pod.uid.as_str(), copies - 1);
            }
        }
        let mut counts = HashMap::new();
        for set in sets {
            let lives: Vec<Life> = lives(std::slice::from_ref(set), session).await?;
            let mut changes: Vec<Change> = Vec::new();
            for life in &lives {
                let more = more.get(life.uid()).copied().unwrap_or(0);
                changes.extend(life.changes(|ts| ts).map(|change| Change {
                    replicas: change.replicas * more,
                    ready: change.ready * more,
                    ..change
                }));
            }
            changes.sort_by_key(|change| change.ts);
            counts.insert(set.clone(), Surplus::of(changes));
        }
        Ok(counts)
    }
}

/// Finds the slices that list the pods.
async fn slices(
    session: &QuerySession,
    pods: &[Daemon],
    places: &HashMap<String, usize>,
) -> Result<Vec<Slice>, Error> {
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let sql = "SELECT DISTINCT namespace, name, pod FROM (\
         SELECT namespace, name, unnest(json_path(object, '$.endpoints[*].targetRef.uid')) AS pod \
         FROM events WHERE api_group = 'discovery.k8s.io' AND resource = 'endpointslices')";
    each_batch(session, sql, |batch| {
        let (spaces, names, uids) = (texts(batch, 0)?, texts(batch, 1)?, texts(batch, 2)?);
        for ((namespace, name), uid) in spaces.iter().zip(names.iter()).zip(uids.iter()) {
            let place = uid.and_then(|uid| places.get(uid));
            if let Some(pod) = place.and_then(|place| pods.get(*place)) {
                let text = |value: Option<&str>| value.unwrap_or("").to_owned();
                let nodes = found.entry((text(namespace), text(name))).or_default();
                nodes.insert(pod.node.clone());
            }
        }
        Ok(())
    })
    .await?;
    let slices = found.into_iter().map(|((namespace, name), nodes)| Slice {
        namespace,
        name,
        nodes,
    });
    Ok(slices.collect())
}

fn of(resource: &str, namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
