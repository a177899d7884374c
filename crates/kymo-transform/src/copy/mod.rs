//! Copies of whole graphs of objects, and traces that are put together.
//!
//! What is done here concerns every row of a trace, so a statement has a stage of its own. A copy has
//! uids that follow from the seed, the trace, the statement, the recorded uid and the number of the
//! copy ([`Renaming`]); every field that refers to a copied object refers to the copy
//! (`references`). Copies get their numbers and versions by multiplication, so nothing is kept of rows
//! that have passed.

mod addresses;
mod ask;
mod backends;
mod cluster;
mod copies;
mod daemons;
mod merge;
mod names;
mod namespaces;
mod references;
mod renaming;
mod repeat;

use ask::count;
pub(crate) use ask::texts_of;
pub(crate) use cluster::{everything, nodes};
pub(crate) use copies::Copies;
pub(crate) use merge::{Wanted, join, merge, partial};
pub(crate) use names::{Kinds, Names};
pub(crate) use namespaces::namespace;
pub(crate) use renaming::{ObjectName, Renaming};
pub(crate) use repeat::{Repeat, repeat};

use merge::{Parts, Worlds};
use std::sync::{Arc, Mutex, PoisonError};

use kymo_model::{GroupResource, Rv};
use kymo_store::Trace;
use kymo_store::segment::SegmentMeta;

use crate::Error;
use crate::language::Place;
use crate::merged::{Coming, KeptRows};
use crate::pass::Tally;
use crate::progress::Progress;

/// What makes the whole output of a stage.
#[derive(Clone, Debug)]
pub(crate) enum Whole {
    /// Some objects are there several times.
    Copies(Arc<Copies>),
    /// The trace is there several times, one after the other.
    Repeat(Arc<Repeat>),
    /// Another part of the same recording comes to it.
    Parts(Arc<Parts>),
    /// Another trace comes to it.
    Worlds(Arc<Worlds>),
}

impl Whole {
    /// Changes what the trace says beside its rows.
    pub(crate) fn meta(&self, trace: &Trace, meta: &mut SegmentMeta) {
        match self {
            Self::Copies(copies) => copies.meta(meta),
            Self::Repeat(repeat) => repeat.meta(meta),
            Self::Parts(parts) => parts.meta(trace, meta),
            Self::Worlds(worlds) => worlds.meta(meta),
        }
    }

    /// Returns the rows that stand in the output as they do in the trace, in its order.
    pub(crate) fn staying(&self, trace: &Trace, watch: Watch) -> Result<KeptRows, Error> {
        match self {
            Self::Copies(copies) => Arc::clone(copies).staying(trace, watch),
            Self::Repeat(_) => repeat::staying(trace, watch),
            Self::Parts(parts) => Arc::clone(parts).rows(trace, watch),
            Self::Worlds(worlds) => Arc::clone(worlds).staying(trace, watch),
        }
    }

    /// Returns the rows that come to them; none if they are in place already.
    pub(crate) fn coming(&self, trace: &Trace, watch: Watch) -> Result<Option<Coming>, Error> {
        match self {
            Self::Copies(copies) => Arc::clone(copies).coming(trace, watch),
            Self::Repeat(repeat) => Arc::clone(repeat).coming(trace, watch).map(Some),
            Self::Parts(_) => Ok(None),
            Self::Worlds(worlds) => Arc::clone(worlds).coming(watch).map(Some),
        }
    }
}

/// Who is told how far the work is.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) tally: Arc<Mutex<Tally>>,
}

impl Watch {
    /// Counts a row that was read.
    fn read(&self) -> Result<(), Error> {
        self.goes_on()?;
        self.count(|tally| tally.read += 1);
        Ok(())
    }

    /// Tells of a row that another reading counts. Fails if the work shall end.
    fn goes_on(&self) -> Result<(), Error> {
        if self.progress.row() {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    }

    fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts rows that come out.
    fn written(&self, all: usize, new: usize) {
        self.count(|tally| {
            tally.written += all as u64;
            tally.new += new as u64;
        });
    }
}

/// Whose statement it is: what makes its uids unlike those of every other, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Seed, trace and place in the script.
    pub(crate) label: String,
    pub(crate) place: Place,
}

impl Order {
    fn wrong(&self, message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Statement {
            message: message.into(),
            place: self.place,
            hint: Some(hint.into()),
        }
    }
}

/// Returns `version * factor + more`; `None` where a version is no number.
fn widened(version: &Rv, factor: u64, more: u64) -> Option<Rv> {
    let version: u64 = version.as_str().parse().ok()?;
    let widened = u128::from(version) * u128::from(factor) + u128::from(more);
    Some(widened.to_string().as_str().into())
}

/// Names a resource.
fn resource(group: &str, resource: &str) -> GroupResource {
    GroupResource::new(group, resource)
}
