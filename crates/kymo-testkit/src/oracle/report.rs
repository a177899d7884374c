//! What a comparison found.

use std::collections::BTreeMap;
use std::fmt;

use super::history::Op;
use super::identity::{ObjectId, Resource};

/// How many faults a report shows.
const SHOWN: usize = 20;

/// A way in which a recording is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A change in an observed stretch is not recorded.
    Missing {
        /// The object.
        id: ObjectId,
        /// The version.
        rv: u64,
        /// What happened.
        op: Op,
    },
    /// A row tells of a change that never happened.
    Invented {
        /// The object.
        id: ObjectId,
        /// The version that the row names.
        rv: Option<u64>,
        /// What the row says happened.
        op: Op,
    },
    /// A change is recorded twice.
    Duplicate {
        /// The object.
        id: ObjectId,
        /// The version.
        rv: Option<u64>,
        /// What happened.
        op: Op,
    },
    /// A row says that something else happened.
    OtherOp {
        /// The object.
        id: ObjectId,
        /// The version.
        rv: u64,
        /// What happened.
        expected: Op,
        /// What is recorded.
        found: Op,
    },
    /// A row has another uid.
    OtherUid {
        /// The object.
        id: ObjectId,
        /// The version.
        rv: u64,
        /// The object's uid.
        expected: String,
        /// The recorded uid.
        found: String,
    },
    /// A recorded body differs.
    OtherBody {
        /// The object.
        id: ObjectId,
        /// The version.
        rv: u64,
        /// Where, as JSON pointers; at most eight.
        at: Vec<String>,
    },
    /// A deletion was inferred although its change lies in an observed stretch.
    NeedlesslyInferred {
        /// The object.
        id: ObjectId,
        /// The version of the deletion.
        rv: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version =
            |rv: &Option<u64>| rv.map_or_else(|| "no version".to_owned(), |rv| rv.to_string());
        match self {
            Self::Missing { id, rv, op } => write!(f, "missing: {id} {op:?} at {rv}"),
            Self::Invented { id, rv, op } => write!(f, "invented: {id} {op:?} at {}", version(rv)),
            Self::Duplicate { id, rv, op } => write!(f, "twice: {id} {op:?} at {}", version(rv)),
            Self::OtherOp {
                id,
                rv,
                expected,
                found,
            } => {
                write!(f, "{id} at {rv}: {expected:?} recorded as {found:?}")
            }
            Self::OtherUid {
                id,
                rv,
                expected,
                found,
            } => {
                write!(f, "{id} at {rv}: uid {expected} recorded as {found}")
            }
            Self::OtherBody { id, rv, at } => {
                write!(f, "{id} at {rv}: the body differs at {}", at.join(", "))
            }
            Self::NeedlesslyInferred { id, rv } => {
                write!(
                    f,
                    "{id}: deletion at {rv} inferred inside an observed stretch"
                )
            }
        }
    }
}

/// What was compared of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Changes of the history in observed stretches.
    pub expected: u64,
    /// Rows that matched one of them.
    pub matched: u64,
    /// Rows that matched a change outside.
    pub outside: u64,
    /// Inferred deletions that really happened.
    pub inferred: u64,
    /// Bodies compared as a whole.
    pub bodies: u64,
    /// Bodies compared by metadata only, because they are in another API version than in etcd.
    pub metadata_only: u64,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was compared, by resource.
    pub tallies: BTreeMap<Resource, Tally>,
    /// What is wrong; empty when nothing is.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Tells whether nothing is wrong. Look at the [tallies](Self::tally) too: a recording without
    /// coverage has no faults either.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// Gives the tally of one resource.
    pub fn tally(&self, resource: &Resource) -> Tally {
        self.tallies.get(resource).copied().unwrap_or_default()
    }

    /// Sums the tallies of all resources.
    pub fn total(&self) -> Tally {
        self.tallies
            .values()
            .fold(Tally::default(), |sum, tally| Tally {
                expected: sum.expected + tally.expected,
                matched: sum.matched + tally.matched,
                outside: sum.outside + tally.outside,
                inferred: sum.inferred + tally.inferred,
                bodies: sum.bodies + tally.bodies,
                metadata_only: sum.metadata_only + tally.metadata_only,
            })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        writeln!(
            f,
            "{} faults; {} of {} expected changes recorded, {} rows outside, {} inferred, {} bodies compared",
            self.faults.len(),
            total.matched,
            total.expected,
            total.outside,
            total.inferred,
            total.bodies
        )?;
        for fault in self.faults.iter().take(SHOWN) {
            writeln!(f, "  {fault}")?;
        }
        if self.faults.len() > SHOWN {
            writeln!(f, "  and {} more", self.faults.len() - SHOWN)?;
        }
        Ok(())
    }
}
