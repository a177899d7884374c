//! `SCALE NODES` and `SCALE EVERYTHING`: more of a cluster, or less.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kymo_query::QuerySession;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::addresses::Addresses;
use super::daemons::Daemons;
use super::names::{Kinds, Names};
use super::namespaces::{Graphs, MOST};
use super::renaming::Renaming;
use super::{Copies, Order, resource, texts_of};
use crate::Error;
use crate::language::{Amount, Condition};
use crate::plan::Input;
use crate::rows::{each_batch, numbers, texts};
use crate::scale::Ratio;

/// What belongs to the cluster as such, of which there is one.
const SYSTEM: [&str; 3] = ["kube-node-lease", "kube-public", "kube-system"];

/// A node as it was recorded, and how many there will be.
struct Node {
    name: String,
    uid: String,
    first: i64,
    /// When it was gone; the latest time there is while it stays.
    gone: i64,
    copies: u64,
}

/// Plans copies of nodes, or which of them stay. Returns how many events of nodes there are, too.
pub(crate) async fn nodes(
    order: &Order,
    amount: Amount,
    condition: Option<&Condition>,
    seed: u64,
    input: &Input,
) -> Result<(Copies, u64), Error> {
    let (mut nodes, named) = nodes_of(condition, &input.session).await?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let ratio = ratio(order, amount, nodes.len() as u64, &mut random)?;
    for (slot, node) in (0..).zip(&mut nodes) {
        node.copies = ratio.copies(slot);
    }
    let copies = cluster(order, nodes, BTreeMap::new(), &mut random, input).await?;
    Ok((copies, named))
}

/// Plans copies of all namespaces and nodes, or which of them stay.
pub(crate) async fn everything(
    order: &Order,
    amount: Amount,
    seed: u64,
    input: &Input,
) -> Result<(Copies, u64), Error> {
    let session = &input.session;
    let (mut nodes, _) = nodes_of(None, session).await?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let of_nodes = ratio(order, amount, nodes.len() as u64, &mut random)?;
    for (slot, node) in (0..).zip(&mut nodes) {
        node.copies = of_nodes.copies(slot);
    }
    let names = texts_of(
        session,
        "SELECT namespace FROM events WHERE namespace <> '' UNION \
         SELECT name FROM events WHERE kind = 'Namespace'",
    )
    .await?;
    let names: Vec<String> = names
        .into_iter()
        .filter(|name| !SYSTEM.contains(&name.as_str()))
        .collect();
    let ratio = ratio(order, amount, names.len() as u64, &mut random)?;
    let namespaces = (0..)
        .zip(names)
        .map(|(slot, name)| (name, ratio.copies(slot)));
    let copies = cluster(order, nodes, namespaces.collect(), &mut random, input).await?;
    let named = super::count(session, "SELECT count(*) FROM events").await?;
    Ok((copies, named))
}

async fn nodes_of(
    condition: Option<&Condition>,
    session: &QuerySession,
) -> Result<(Vec<Node>, u64), Error> {
    // A line of its own for the condition: errors in it are told by line.
    let sql = match condition {
        Some(condition) => format!(
            "SELECT DISTINCT name FROM objects WHERE kind = 'Node' AND (\n{}\n)",
            condition.sql
        ),
        None => "SELECT DISTINCT name FROM objects WHERE kind = 'Node'".to_owned(),
    };
    let selected = match (texts_of(session, &sql).await, condition) {
        (Err(Error::Query { source }), Some(condition)) => {
            return Err(Error::Condition {
                source,
                place: condition.place,
                first_line: 2,
            });
        }
        (selected, _) => selected?,
    };
    let mut nodes = Vec::new();
    let mut named = 0;
    let sql = "SELECT name, max(uid), CAST(min(ts) AS BIGINT), \
               CASE WHEN bool_or(type = 'DELETED') THEN CAST(max(ts) AS BIGINT) END, count(*) \
               FROM events WHERE kind = 'Node' GROUP BY name ORDER BY name";
    each_batch(session, sql, |batch| {
        let (names, uids) = (texts(batch, 0)?, texts(batch, 1)?);
        let rows = names.iter().zip(uids.iter());
        let times = numbers(batch, 2)?.zip(numbers(batch, 3)?);
        for (((name, uid), (first, gone)), events) in rows.zip(times).zip(numbers(batch, 4)?) {
            let name = name.unwrap_or("").to_owned();
            if !selected.contains(&name) {
                continue;
            }
            named += events.unwrap_or(0).unsigned_abs();
            nodes.push(Node {
                name,
                uid: uid.unwrap_or("").to_owned(),
                first: first.unwrap_or(i64::MIN),
                gone: gone.unwrap_or(i64::MAX),
                copies: 1,
            });
        }
        Ok(())
    })
    .await?;
    Ok((nodes, named))
}

/// Returns by how much something grows of which there are `count`.
fn ratio(
    order: &Order,
    amount: Amount,
    count: u64,
    random: &mut ChaCha8Rng,
) -> Result<Ratio, Error> {
    let (numerator, denominator) = match amount {
        Amount::To(to) => (to, count.max(1)),
        Amount::By(factor) => (factor.numerator, factor.denominator),
    };
    if numerator.div_ceil(denominator.max(1)) > MOST {
        return Err(order.wrong(
            format!("more than {MOST} copies are more than one statement makes"),
            "SCALE the copies again",
        ));
    }
    // Some are left of what there is.
    let phase = if numerator < denominator && count < denominator {
        denominator - 1
    } else {
        random.random_range(0..denominator.max(1))
    };
    Ok(Ratio {
        numerator,
        denominator,
        phase,
    })
}

/// Puts the copies of nodes and namespaces together.
async fn cluster(
    order: &Order,
    mut nodes: Vec<Node>,
    namespaces: BTreeMap<String, u64>,
    random: &mut ChaCha8Rng,
    input: &Input,
) -> Result<Copies, Error> {
    let session = &input.session;
    let moved = moved(&mut nodes, random);
    let kinds = Arc::new(Kinds::of(&input.feeds));
    let most = nodes.iter().map(|node| node.copies);
    let most = most.chain(namespaces.values().copied()).max().unwrap_or(1);
    let more = most.saturating_sub(1);
    let copied: BTreeSet<&str> = namespaces.keys().map(String::as_str).collect();
    let daemons = {
        let nodes = nodes.iter();
        let nodes = nodes.map(|node| (node.name.clone(), node.copies));
        Daemons::find(session, nodes.collect(), &copied).await?
    };
    let list = |names: &[&str]| {
        let literals: Vec<String> = names
            .iter()
            .map(|name| crate::rows::literal(name))
            .collect();
        match literals.len() {
            0 => "false".to_owned(),
            _ => format!("namespace IN ({})", literals.join(", ")),
        }
    };
    let staying: Vec<&str> = namespaces
        .iter()
        .filter(|(_, copies)| **copies > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    let gone: Vec<&str> = namespaces
        .iter()
        .filter(|(_, copies)| **copies == 0)
        .map(|(name, _)| name.as_str())
        .collect();
    let mut graphs = Graphs::of(session, &input.feeds, &list(&staying), more).await?;
    graphs.addresses = {
        let own = format!(
            "{} OR {}",
            list(&staying),
            daemons.condition(&nodes_in(&nodes))
        );
        Arc::new(Addresses::find(session, &own, more).await?)
    };
    if !graphs.addresses.has_ports() {
        return Err(order.wrong(
            "there are not enough node ports for the Services of the copies",
            "DELETE the Services that have one, or make fewer copies",
        ));
    }
    if more > 0 {
        graphs.widened.extend([
            resource("", "nodes"),
            resource("storage.k8s.io", "csinodes"),
            resource("coordination.k8s.io", "leases"),
            resource("", "namespaces"),
            resource("", "pods"),
            resource("", "events"),
            resource("events.k8s.io", "events"),
        ]);
        if daemons.has_slices() {
            let slices = resource("discovery.k8s.io", "endpointslices");
            graphs.widened.insert(slices);
        }
    }
    let mut taken_nodes = texts_of(
        session,
        "SELECT DISTINCT name FROM events WHERE kind = 'Node'",
    )
    .await?;
    let mut taken_namespaces = texts_of(
        session,
        "SELECT namespace FROM events UNION SELECT name FROM events WHERE kind = 'Namespace'",
    )
    .await?;
    let mut names = daemons.names(session).await?;
    let mut renamings = Vec::new();
    for copy in 1..=more {
        let of_nodes = nodes.iter().filter(|node| node.copies > copy);
        let of_nodes: HashMap<String, String> = of_nodes
            .map(|node| (node.name.clone(), free_name(&node.name, &mut taken_nodes)))
            .collect();
        let of_namespaces = namespaces.iter().filter(|(_, copies)| **copies > copy);
        let of_namespaces: HashMap<String, String> = of_namespaces
            .map(|(name, _)| (name.clone(), free_name(name, &mut taken_namespaces)))
            .collect();
        if let Some(long) = of_namespaces.values().find(|name| name.len() > 63) {
            return Err(order.wrong(
                format!("a copy would be called `{long}`, which is longer than 63 characters"),
                "Kubernetes allows no longer names of namespaces",
            ));
        }
        let mut renaming = graphs.renaming(order, copy, of_namespaces);
        daemons.copied(copy, &of_nodes, &mut names, random, &mut renaming.objects);
        renaming.nodes = Names::Others(of_nodes);
        renamings.push(renaming);
    }
    let mut copies = Copies::new(renamings, graphs.widened, &input.feeds);
    let same = |names: Vec<&str>| {
        let names = names
            .into_iter()
            .map(|name| (name.to_owned(), name.to_owned()));
        Names::Others(names.collect())
    };
    let mut leaving = Renaming {
        namespaces: same(gone.clone()),
        nodes: same(moved.keys().map(String::as_str).collect()),
        kinds: Arc::clone(&kinds),
        ..Renaming::default()
    };
    if !gone.is_empty() {
        let graphs = Graphs::of(session, &input.feeds, &list(&gone), 0).await?;
        leaving.volumes = same(graphs.volumes.keys().map(String::as_str).collect());
    }
    daemons.leaving(&mut leaving.objects);
    let uids = nodes.iter().filter_map(|node| {
        let kept = nodes
            .iter()
            .find(|kept| moved.get(&node.name) == Some(&kept.name))?;
        Some((node.uid.clone(), kept.uid.clone()))
    });
    let uids = uids.collect();
    if !moved.is_empty() {
        copies.moves = Some(Renaming {
            nodes: Names::Others(moved.into_iter().collect()),
            uids,
            kinds,
            ..Renaming::default()
        });
    }
    copies.leaving = Some(leaving);
    copies.counts = daemons.counts(session).await?;
    Ok(copies)
}

fn nodes_in(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| node.name.clone()).collect()
}

/// Returns where the pods of nodes go that leave: to one that is there all the time. A node for which
/// there is none stays.
fn moved(nodes: &mut [Node], random: &mut ChaCha8Rng) -> BTreeMap<String, String> {
    let staying: Vec<(String, i64, i64)> = nodes
        .iter()
        .filter(|node| node.copies > 0)
        .map(|node| (node.name.clone(), node.first, node.gone))
        .collect();
    let mut moved = BTreeMap::new();
    for node in nodes.iter_mut().filter(|node| node.copies == 0) {
        let able: Vec<&String> = staying
            .iter()
            .filter(|(_, first, gone)| *first <= node.first && *gone >= node.gone)
            .map(|(name, ..)| name)
            .collect();
        // Nodes that a first list shows are there since before the trace, in whatever order.
        let able = if able.is_empty() {
            let whole = |first: i64| first <= node.first.saturating_add(LISTED_WITHIN);
            let late = staying.iter();
            late.filter(|(_, first, gone)| whole(*first) && *gone >= node.gone)
                .map(|(name, ..)| name)
                .collect()
        } else {
            able
        };
        match able.choose(random) {
            Some(name) => {
                moved.insert(node.name.clone(), (*name).clone());
            }
            None => node.copies = 1,
        }
    }
    moved
}

/// Within so long, in nanoseconds, a recorder has listed all nodes.
const LISTED_WITHIN: i64 = 1_000_000_000;

/// Returns the name with the first number from 2 that makes a new one.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut number = 2_u64;
    loop {
        let new = format!("{name}-{number}");
        if taken.insert(new.clone()) {
            return new;
        }
        number += 1;
    }
}
