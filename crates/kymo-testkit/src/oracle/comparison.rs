//! Recorded rows against the history.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;

use super::difference::{complete, differences, prepare};
use super::history::{History, Op, Revision};
use super::identity::{ObjectId, Resource};
use super::observed::{Allowances, Certainty, Interval, ObservedEvent};
use super::report::{Fault, Report};

/// Compares a recording with the history, allowing what kymo's default policy drops.
///
/// See [`compare_with`].
pub fn compare(
    history: &History,
    observed: &[ObservedEvent],
    coverage: &[Interval],
) -> Result<Report> {
    compare_with(history, observed, coverage, &Allowances::default())
}

/// Compares a recording with the history.
///
/// Every change inside an observed stretch must be recorded once, with the same operation and body;
/// rows elsewhere must be changes of the history too. Objects stored in another API version than
/// they were recorded in are compared by metadata only. Fails only when a value in etcd is not JSON.
pub fn compare_with(
    history: &History,
    observed: &[ObservedEvent],
    coverage: &[Interval],
    allowances: &Allowances,
) -> Result<Report> {
    let mut comparison = Comparison::new(history, coverage, allowances);
    for row in observed {
        comparison.row(row)?;
    }
    comparison.missing();
    Ok(comparison.report)
}

struct Comparison<'a> {
    allowances: &'a Allowances,
    coverage: HashMap<Resource, Vec<&'a Interval>>,
    by_version: HashMap<(&'a ObjectId, u64), &'a Revision>,
    deletions: HashMap<(&'a ObjectId, &'a str), u64>,
    revisions: &'a [Revision],
    /// Versions of the history that some row has matched.
    matched: HashSet<(&'a ObjectId, u64)>,
    inferred: HashSet<(ObjectId, String)>,
    report: Report,
}

impl<'a> Comparison<'a> {
    fn new(history: &'a History, coverage: &'a [Interval], allowances: &'a Allowances) -> Self {
        let revisions = history.revisions();
        let mut by_resource: HashMap<Resource, Vec<&Interval>> = HashMap::new();
        for interval in coverage {
            let resource = Resource::new(interval.group.as_str(), interval.resource.as_str());
            by_resource.entry(resource).or_default().push(interval);
        }
        Self {
            allowances,
            coverage: by_resource,
            by_version: revisions.iter().map(|r| ((&r.id, r.rv), r)).collect(),
            deletions: revisions
                .iter()
                .filter(|r| r.op == Op::Deleted)
                .map(|r| ((&r.id, r.uid.as_str()), r.rv))
                .collect(),
            revisions,
            matched: HashSet::new(),
            inferred: HashSet::new(),
            report: Report {
                tallies: BTreeMap::new(),
                faults: Vec::new(),
            },
        }
    }

    /// Tells whether the recording claims to have this change.
    fn is_observed(&self, id: &ObjectId, rv: u64) -> bool {
        self.coverage.get(&id.resource).is_some_and(|all| {
            all.iter()
                .any(|interval| interval.observed && interval.holds(id, rv))
        })
    }

    fn row(&mut self, row: &ObservedEvent) -> Result<()> {
        let id = ObjectId {
            resource: Resource::new(row.group.as_str(), row.resource.as_str()),
            namespace: row.namespace.clone(),
            name: row.name.clone(),
        };
        let Some(rv) = row.rv else {
            self.inferred_deletion(id, row);
            return Ok(());
        };
        let Some(&truth) = self.by_version.get(&(&id, rv)) else {
            self.fault(Fault::Invented {
                id,
                rv: Some(rv),
                op: row.op,
            });
            return Ok(());
        };
        if !self.matched.insert((&truth.id, rv)) {
            self.fault(Fault::Duplicate {
                id,
                rv: Some(rv),
                op: row.op,
            });
            return Ok(());
        }
        let observed = self.is_observed(&id, rv);
        let tally = self.report.tallies.entry(id.resource.clone()).or_default();
        if observed {
            tally.matched += 1;
        } else {
            tally.outside += 1;
        }

        if truth.uid != row.uid {
            let found = row.uid.clone();
            let expected = truth.uid.clone();
            self.fault(Fault::OtherUid {
                id: id.clone(),
                rv,
                expected,
                found,
            });
        }
        // A list cannot tell a new object from a changed one.
        let same_op = row.op == truth.op
            || (row.certainty != Certainty::Seen
                && row.op != Op::Deleted
                && truth.op != Op::Deleted);
        if !same_op {
            let (expected, found) = (truth.op, row.op);
            self.fault(Fault::OtherOp {
                id: id.clone(),
                rv,
                expected,
                found,
            });
        }
        self.body(id, rv, truth, row)
    }

    fn inferred_deletion(&mut self, id: ObjectId, row: &ObservedEvent) {
        let deleted_at = self.deletions.get(&(&id, row.uid.as_str())).copied();
        let (Some(rv), Op::Deleted) = (deleted_at, row.op) else {
            self.fault(Fault::Invented {
                id,
                rv: None,
                op: row.op,
            });
            return;
        };
        if !self.inferred.insert((id.clone(), row.uid.clone())) {
            self.fault(Fault::Duplicate {
                id,
                rv: None,
                op: row.op,
            });
            return;
        }
        if self.is_observed(&id, rv) {
            self.fault(Fault::NeedlesslyInferred { id, rv });
            return;
        }
        self.report.tallies.entry(id.resource).or_default().inferred += 1;
    }

    fn body(&mut self, id: ObjectId, rv: u64, truth: &Revision, row: &ObservedEvent) -> Result<()> {
        let Some(found) = &row.body else {
            return Ok(());
        };
        let mut expected = truth.body()?;
        let mut found = found.clone();
        complete(&mut expected, &id.resource, self.allowances);
        prepare(&mut expected, &id.resource, self.allowances);
        prepare(&mut found, &id.resource, self.allowances);
        let same_version = expected.get("apiVersion") == found.get("apiVersion");
        let at = if same_version {
            differences(&expected, &found)
        } else {
            differences(&expected["metadata"], &found["metadata"])
        };
        let tally = self.report.tallies.entry(id.resource.clone()).or_default();
        if same_version {
            tally.bodies += 1;
        } else {
            tally.metadata_only += 1;
        }
        if !at.is_empty() {
            self.fault(Fault::OtherBody { id, rv, at });
        }
        Ok(())
    }

    /// Finds the changes in observed stretches that no row has matched.
    fn missing(&mut self) {
        for truth in self.revisions {
            if !self.is_observed(&truth.id, truth.rv) {
                continue;
            }
            let tally = self
                .report
                .tallies
                .entry(truth.id.resource.clone())
                .or_default();
            tally.expected += 1;
            if !self.matched.contains(&(&truth.id, truth.rv)) {
                let (id, rv, op) = (truth.id.clone(), truth.rv, truth.op);
                self.fault(Fault::Missing { id, rv, op });
            }
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.report.faults.push(fault);
    }
}

#[cfg(test)]
mod tests;
