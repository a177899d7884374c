use std::collections::BTreeMap;

use super::Fit;
use crate::Tally;

/// Kinds whose controllers write as often as was seen.
pub(super) const CONTROLLERS: [&str; 6] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "StatefulSet",
];

/// What can only be said when it is known how much is made without it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// For each kind the share of updates that are seen.
    pub(super) shares: BTreeMap<String, f64>,
    /// Reports of nodes besides.
    pub(super) reports: u64,
    /// How many Events of a reason are missing.
    pub(super) missing: BTreeMap<String, u64>,
}

impl Fit {
    /// Finds out what has to be said so that as much of each kind is made as was recorded, from what
    /// the script makes without that: events of each kind, and Events by their reasons.
    pub fn tune(&self, made: &BTreeMap<String, Tally>, reasons: &BTreeMap<String, u64>) -> Tuning {
        let mut tuning = Tuning::default();
        let tally = |kind: &str| made.get(kind).copied().unwrap_or_default();
        let nodes = tally("Node").events;
        tuning.reports = self.count("Node").saturating_sub(nodes);
        for (reason, recorded) in &self.reasons {
            let made = reasons.get(reason).copied().unwrap_or(0);
            if *recorded > made {
                tuning.missing.insert(reason.clone(), recorded - made);
            }
        }
        let kinds = CONTROLLERS.iter().copied().chain(["Event", "Lease"]);
        for kind in kinds {
            let Tally {
                mut events,
                updates,
            } = tally(kind);
            if kind == "Event" {
                events += tuning.missing.values().sum::<u64>();
            }
            let surplus = events.saturating_sub(self.count(kind)).min(updates);
            if surplus > 0 {
                let share = (updates - surplus) as f64 / updates as f64;
                tuning.shares.insert(kind.to_owned(), share);
            }
        }
        tuning
    }
}
