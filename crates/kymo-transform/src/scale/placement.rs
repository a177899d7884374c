//! Nodes for clones, as the scheduler would find them at that time.
//!
//! Nodes and pods of the trace are followed in the order of time. A recorded pod is on its node from
//! when it is bound until it ends; a clone is bound as much later as its life is, on a node that has
//! room for it then.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, StringArray};
use kymo_query::QuerySession;
use kymo_synth::{Cluster, Needs, Placement};
use serde_json::{Value, json};

use super::fleet::{Fleet, Role, wrong};
use super::seat::{Host, Seat};
use crate::Error;
use crate::language::Workload;
use crate::rows::{each_batch, numbers, texts};

const NO_ROOM: &str =
    "SCALE NODES makes room; without PLACEMENT new pods are where those are of which they are made";
const BAD_QUANTITY: &str = "without PLACEMENT nothing has to be known of room on nodes";

/// A pod on its node.
#[derive(Debug)]
struct Stay {
    uid: String,
    /// The pod of the fleet that it is, if any.
    pod: Option<usize>,
    node: String,
    from: i64,
    until: Option<i64>,
    needs: Needs,
}

/// What happens, in the order in which it does at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// A pod gives its place back.
    Ends,
    /// A node has another version.
    Node,
    /// A recorded pod is bound.
    Bound,
    /// A clone is bound.
    Clone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    ts: i64,
    turn: Turn,
    /// Which stay, or which version of a node.
    index: usize,
    /// Which clone of that pod; none for the pod itself.
    clone: Option<usize>,
}

/// A version of a node.
#[derive(Debug)]
struct Version {
    ts: i64,
    name: String,
    /// What the scheduler looks at; none if it is gone.
    node: Option<Value>,
    host: Arc<Host>,
    is_open: bool,
}

/// Gives clones nodes.
///
/// # Errors
///
/// Clones that fit on no node, and quantities that cannot be read.
pub(super) async fn place(
    fleet: &mut Fleet,
    workload: &Workload,
    placement: &Placement,
    session: &QuerySession,
) -> Result<(), Error> {
    let mut cluster = Cluster::default();
    let versions = versions(session).await?;
    let stays = stays(fleet, &mut cluster, session).await?;
    let stays = stays.map_err(|message| wrong(workload, message, BAD_QUANTITY))?;
    let happenings = happenings(fleet, &versions, &stays);
    let mut hosts: HashMap<&str, (u32, Arc<Host>)> = HashMap::new();
    let mut seats: HashMap<(usize, Option<usize>), u32> = HashMap::new();
    let mut by_number: Vec<Arc<Host>> = Vec::new();
    let (mut placed, mut unplaced) = (0, 0_u64);
    for happening in happenings {
        let Happening { index, clone, .. } = happening;
        if happening.turn == Turn::Node {
            let Some(version) = versions.get(index) else {
                continue;
            };
            let number = match (hosts.get(version.name.as_str()), &version.node) {
                (Some((number, _)), Some(node)) => {
                    cluster.renew(*number, node).map_err(|reason| {
                        wrong(
                            workload,
                            format!("node `{}`: {reason}", version.name),
                            BAD_QUANTITY,
                        )
                    })?;
                    *number
                }
                (Some((number, _)), None) => *number,
                (None, Some(node)) => {
                    by_number.push(Arc::clone(&version.host));
                    cluster.add(node).map_err(|reason| {
                        wrong(
                            workload,
                            format!("node `{}`: {reason}", version.name),
                            BAD_QUANTITY,
                        )
                    })?
                }
                (None, None) => continue,
            };
            if version.node.is_some() {
                let host = Arc::clone(&version.host);
                if let Some(known) = by_number.get_mut(number as usize) {
                    *known = Arc::clone(&host);
                }
                hosts.insert(&version.name, (number, host));
            }
            cluster.set_open(number, version.is_open);
            continue;
        }
        let Some(stay) = stays.get(index) else {
            continue;
        };
        let needs = &stay.needs;
        let recorded = hosts.get(stay.node.as_str());
        match happening.turn {
            Turn::Ends => {
                if let Some(number) = seats.remove(&(index, clone)) {
                    cluster.release(number, needs);
                }
            }
            Turn::Bound => {
                if let Some((number, _)) = recorded {
                    cluster.occupy(*number, needs);
                    seats.insert((index, None), *number);
                }
            }
            Turn::Node | Turn::Clone => {
                let Some(number) = cluster.place(placement, needs, placed) else {
                    unplaced += 1;
                    continue;
                };
                placed += 1;
                seats.insert((index, clone), number);
                let made = stay
                    .pod
                    .and_then(|pod| fleet.pods.get_mut(pod))
                    .zip(clone)
                    .and_then(|(pod, clone)| pod.clones.get_mut(clone));
                // A node that was never seen has no address to tell.
                let recorded = match recorded {
                    Some((_, host)) => Arc::clone(host),
                    None => Arc::new(Host::of(&stay.node, &Value::Null, &Value::Null)),
                };
                if let (Some(made), Some(given)) = (made, by_number.get(number as usize)) {
                    made.seat = (given.name != recorded.name).then(|| Seat {
                        recorded,
                        given: Arc::clone(given),
                    });
                }
            }
        }
    }
    if unplaced > 0 {
        let all = placed + unplaced;
        let message = if by_number.is_empty() {
            "there are no nodes in the trace on which pods could be put".to_owned()
        } else {
            format!("{unplaced} of {all} new pods fit on no node when they come")
        };
        return Err(wrong(workload, message, NO_ROOM));
    }
    Ok(())
}

/// Puts all that happens in order.
fn happenings(fleet: &Fleet, versions: &[Version], stays: &[Stay]) -> Vec<Happening> {
    let mut happenings: Vec<Happening> = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        happenings.push(Happening {
            ts: version.ts,
            turn: Turn::Node,
            index,
            clone: None,
        });
    }
    for (index, stay) in stays.iter().enumerate() {
        let pod = stay.pod.and_then(|pod| fleet.pods.get(pod));
        let mut add = |clone: Option<usize>, turn, moved: &dyn Fn(i64) -> i64| {
            happenings.push(Happening {
                ts: moved(stay.from),
                turn,
                index,
                clone,
            });
            happenings.extend(stay.until.map(|until| Happening {
                ts: moved(until),
                turn: Turn::Ends,
                index,
                clone,
            }));
        };
        if pod.is_none_or(|pod| pod.stays) {
            add(None, Turn::Bound, &|ts| ts);
        }
        for (clone, made) in pod.into_iter().flat_map(|pod| &pod.clones).enumerate() {
            add(Some(clone), Turn::Clone, &|ts| made.warp.apply(ts));
        }
    }
    happenings.sort_unstable();
    happenings
}

/// Reads what becomes of nodes, as far as it matters where pods go.
async fn versions(session: &QuerySession) -> Result<Vec<Version>, Error> {
    let sql = "SELECT ts, name, type, json_get_json(object, 'metadata', 'labels'), \
               json_get_json(object, 'spec'), json_get_json(object, 'status', 'allocatable'), \
               json_get_json(object, 'status', 'addresses') \
               FROM events WHERE kind = 'Node' AND api_group = '' AND object IS NOT NULL ORDER BY seq";
    let mut versions: Vec<Version> = Vec::new();
    let mut last: HashMap<String, [Option<String>; 5]> = HashMap::new();
    each_batch(session, sql, |batch| {
        let columns: Vec<StringArray> = (1..7)
            .map(|column| texts(batch, column))
            .collect::<Result<_, _>>()?;
        for (row, ts) in numbers(batch, 0)?.enumerate() {
            let text = |column: usize| {
                let column = columns.get(column)?;
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            let (Some(ts), Some(name)) = (ts, text(0)) else {
                continue;
            };
            let told = [text(1), text(2), text(3), text(4), text(5)];
            if last.get(&name) == Some(&told) {
                continue;
            }
            let value = |text: &Option<String>| {
                let text = text.as_deref().unwrap_or("null");
                serde_json::from_str::<Value>(text).unwrap_or_default()
            };
            let [event_type, labels, spec, allocatable, addresses] = &told;
            let is_gone = event_type.as_deref() == Some("DELETED");
            let (labels, spec) = (value(labels), value(spec));
            versions.push(Version {
                ts,
                host: Arc::new(Host::of(&name, &labels, &value(addresses))),
                is_open: !is_gone && spec.get("unschedulable") != Some(&Value::Bool(true)),
                node: (!is_gone).then(|| {
                    json!({
                        "metadata": { "labels": labels },
                        "spec": spec,
                        "status": { "allocatable": value(allocatable) },
                    })
                }),
                name: name.clone(),
            });
            last.insert(name, told);
        }
        Ok(())
    })
    .await?;
    Ok(versions)
}

/// Reads from when until when pods are on which nodes, and what they need of them.
async fn stays(
    fleet: &Fleet,
    cluster: &mut Cluster,
    session: &QuerySession,
) -> Result<Result<Vec<Stay>, String>, Error> {
    let sql = "SELECT ts, uid, type, json_get_str(object, 'spec', 'nodeName'), \
               json_get_str(object, 'status', 'phase') FROM events \
               WHERE kind = 'Pod' AND api_group = '' AND object IS NOT NULL ORDER BY seq";
    let mut stays: Vec<Stay> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    each_batch(session, sql, |batch| {
        let (uids, types) = (texts(batch, 1)?, texts(batch, 2)?);
        let (nodes, phases) = (texts(batch, 3)?, texts(batch, 4)?);
        for (row, ts) in numbers(batch, 0)?.enumerate() {
            let Some(ts) = ts else { continue };
            let (uid, node) = (uids.value(row), nodes.value(row));
            let is_over = types.value(row) == "DELETED"
                || matches!(phases.value(row), "Succeeded" | "Failed");
            match places.get(uid).and_then(|place| stays.get_mut(*place)) {
                Some(stay) if is_over => {
                    stay.until.get_or_insert(ts);
                }
                None if !is_over && !node.is_empty() => {
                    places.insert(uid.to_owned(), stays.len());
                    stays.push(Stay {
                        pod: match fleet.roles.get(uid) {
                            Some(Role::Pod(pod)) => Some(*pod),
                            _ => None,
                        },
                        uid: uid.to_owned(),
                        node: node.to_owned(),
                        from: ts,
                        until: None,
                        needs: Needs::default(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    })
    .await?;
    let sql = "SELECT uid, json_get_json(object, 'spec') FROM objects \
               WHERE kind = 'Pod' AND api_group = ''";
    let mut unread = None;
    each_batch(session, sql, |batch| {
        let (uids, specs) = (texts(batch, 0)?, texts(batch, 1)?);
        for (uid, spec) in uids.iter().zip(specs.iter()) {
            let stay = uid.and_then(|uid| places.get(uid));
            let Some(stay) = stay.and_then(|place| stays.get_mut(*place)) else {
                continue;
            };
            let spec = spec.and_then(|spec| serde_json::from_str(spec).ok());
            let Some(Value::Object(mut spec)) = spec else {
                continue;
            };
            if stay.pod.is_none() {
                // It is where it is.
                for choice in ["affinity", "nodeSelector", "tolerations"] {
                    spec.remove(choice);
                }
            }
            match cluster.needs(&json!({ "spec": spec })) {
                Ok(needs) => stay.needs = needs,
                Err(reason) => unread = Some(format!("the pod of uid {}: {reason}", stay.uid)),
            }
        }
        Ok(())
    })
    .await?;
    Ok(unread.map_or(Ok(stays), Err))
}
