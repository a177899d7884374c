//! On which nodes the pods of a trace were, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kymo_model::{EventType, pod_requests};
use kymo_store::Trace;
use serde_json::Value;

use crate::Error;

/// A pod on its node.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    /// The name of the node.
    pub node: String,
    /// When the pod was bound to it, in nanoseconds since 1970.
    pub from: i64,
    /// When it ended or was deleted; without it that was not seen.
    pub until: Option<i64>,
    /// What it requests, in base units.
    pub requests: Arc<BTreeMap<String, f64>>,
}

/// What was read of a pod so far.
#[derive(Debug, Default)]
struct Reading {
    uid: String,
    stay: Option<Stay>,
}

impl Stay {
    /// Reads the stays of all pods of a trace, and the names of its nodes.
    ///
    /// # Errors
    ///
    /// A trace that cannot be read.
    pub fn of(trace: &Trace) -> Result<(Vec<Self>, BTreeSet<String>), Error> {
        let feeds = trace.feeds().clone();
        let (mut stays, mut nodes) = (Vec::new(), BTreeSet::new());
        let mut reading = Reading::default();
        for row in trace.rows()? {
            let row = row?;
            let kind = feeds.get(&row.event.feed);
            let kind = kind
                .map(|feed| &feed.resource)
                .filter(|resource| resource.group.is_empty());
            match kind.map(|resource| resource.kind.as_str()) {
                Some("Node") => {
                    nodes.insert(row.event.key.name);
                    continue;
                }
                Some("Pod") => {}
                _ => continue,
            }
            if row.event.key.uid != reading.uid {
                stays.extend(reading.stay.take());
                reading.uid.clone_from(&row.event.key.uid);
            }
            let body = row.event.body.as_ref();
            let pod = body.and_then(|body| serde_json::from_slice::<Value>(body).ok());
            let is_gone = row.event.event_type == EventType::Deleted;
            reading.take(&pod.unwrap_or_default(), row.event.ts.0, is_gone);
        }
        stays.extend(reading.stay);
        nodes.extend(stays.iter().map(|stay| stay.node.clone()));
        Ok((stays, nodes))
    }
}

impl Reading {
    fn take(&mut self, pod: &Value, ts: i64, is_gone: bool) {
        let text = |pointer: &str| {
            let text = pod.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let is_over = is_gone || matches!(text("/status/phase").as_str(), "Succeeded" | "Failed");
        if self.stay.is_none() && !is_over {
            let node = text("/spec/nodeName");
            // What cannot be read takes no room.
            let requests = pod_requests(pod).unwrap_or_default();
            self.stay = (!node.is_empty()).then(|| Stay {
                node,
                from: ts,
                until: None,
                requests: Arc::new(requests.into_iter().collect()),
            });
        }
        if is_over && let Some(stay) = &mut self.stay {
            stay.until.get_or_insert(ts);
        }
    }
}

/// For each pod in the order in which they were bound: how many of the nodes had fewer pods than
/// the one that it was bound to, as a share. Where pods are spread these are zero.
pub fn ranks(stays: &[Stay], nodes: &BTreeSet<String>) -> Vec<f64> {
    let mut changes: Vec<(i64, bool, &str)> = Vec::with_capacity(stays.len() * 2);
    for stay in stays {
        changes.push((stay.from, true, &stay.node));
        changes.extend(stay.until.map(|until| (until, false, stay.node.as_str())));
    }
    changes.sort_unstable();
    let mut pods: BTreeMap<&str, u32> = nodes.iter().map(|node| (node.as_str(), 0)).collect();
    let mut having: BTreeMap<u32, usize> = BTreeMap::from([(0, nodes.len())]);
    let mut ranks = Vec::with_capacity(stays.len());
    for (_, comes, node) in changes {
        let Some(count) = pods.get_mut(node) else {
            continue;
        };
        if comes {
            let fewer: usize = having.range(..*count).map(|(_, nodes)| nodes).sum();
            ranks.push(fewer as f64 / nodes.len() as f64);
        }
        if let Some(known) = having.get_mut(count) {
            *known = known.saturating_sub(1);
        }
        *count = if comes {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        *having.entry(*count).or_default() += 1;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(node: &str, from: i64, until: Option<i64>) -> Stay {
        Stay {
            node: node.to_owned(),
            from,
            until,
            requests: Arc::default(),
        }
    }

    #[test]
    fn a_rank_is_the_share_of_nodes_with_fewer_pods() {
        let nodes = ["a", "b", "c", "d"].map(str::to_owned).into();
        let spread = [
            stay("a", 1, None),
            stay("b", 2, None),
            stay("c", 3, Some(4)),
            stay("c", 5, None),
        ];
        assert_eq!(ranks(&spread, &nodes), [0.0; 4]);
        let packed = [
            stay("a", 1, None),
            stay("a", 2, None),
            stay("b", 3, None),
            stay("a", 4, None),
        ];
        assert_eq!(ranks(&packed, &nodes), [0.0, 0.75, 0.0, 0.75]);
        assert_eq!(ranks(&[], &nodes), [0.0; 0]);
    }
}
