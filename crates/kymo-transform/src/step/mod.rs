//! What is done to the rows of an object, one after the other.

mod filter;
mod patch;
mod retime;
mod slice;
mod suggestion;
mod touches;
mod update;
mod waiting;

pub(crate) use filter::Filter;
pub(crate) use patch::{Patch, Patching};
pub(crate) use retime::{Retime, moved};
pub(crate) use slice::Slice;
pub(crate) use update::{Update, Values};
pub(crate) use waiting::Waiting;

use std::collections::BTreeSet;

use kymo_model::FeedId;

use crate::Error;
use crate::draft::Draft;
use crate::scale::ScaleStep;
use crate::timelines::Timelines;

/// One thing that is done to rows. The rows of an object come in order, one object after the other.
///
/// The same rows may come without bodies in a first run that only asks which rows there will be: a
/// step must decide that without looking at bodies.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Filter(Filter),
    Slice(Box<Slice>),
    Patch(Box<Patch>),
    Retime(Retime),
    Scale(Box<ScaleStep>),
    Update(Update),
    Timelines(Timelines),
}

impl Step {
    /// Takes a row, and gives what becomes of it.
    fn row(&mut self, draft: Draft, out: &mut Vec<Draft>) -> Result<(), Error> {
        match self {
            Self::Filter(filter) => {
                if filter.keeps(&draft) {
                    out.push(draft);
                }
                Ok(())
            }
            Self::Slice(slice) => {
                slice.row(draft, out);
                Ok(())
            }
            Self::Patch(patch) => patch.row(draft, out),
            Self::Scale(scale) => scale.row(draft, out),
            Self::Retime(retime) => {
                out.push(retime.row(draft)?);
                Ok(())
            }
            Self::Update(update) => {
                out.push(update.row(draft)?);
                Ok(())
            }
            Self::Timelines(timelines) => {
                out.push(timelines.row(draft)?);
                Ok(())
            }
        }
    }

    /// Gives what is left when an object has no more rows.
    fn end_of_object(&mut self, out: &mut Vec<Draft>) -> Result<(), Error> {
        match self {
            Self::Filter(_) | Self::Retime(_) | Self::Update(_) | Self::Timelines(_) => Ok(()),
            Self::Slice(slice) => {
                slice.end_of_object(out);
                Ok(())
            }
            Self::Patch(patch) => patch.end_of_object(out),
            Self::Scale(scale) => scale.end_of_object(out),
        }
    }
}

/// Steps, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    pub(crate) steps: Vec<Step>,
}

impl Chain {
    /// Returns the feeds of which a filter left out rows.
    pub(crate) fn filtered(&self) -> BTreeSet<FeedId> {
        let filters = self.steps.iter().filter_map(|step| match step {
            Step::Filter(filter) => Some(&filter.filtered),
            _ => None,
        });
        filters.flatten().copied().collect()
    }

    /// Returns what is done to rows that stay where they are. The rows that come to them have no
    /// bodies then.
    pub(crate) fn of_staying(&self) -> Self {
        let mut staying = self.clone();
        for step in &mut staying.steps {
            if let Step::Scale(scale) = step {
                scale.without_bodies();
            }
        }
        staying
    }

    /// Returns what is done to rows without bodies: objects are left as they are.
    pub(crate) fn of_heads(&self) -> Self {
        let mut heads = self.clone();
        for step in &mut heads.steps {
            if let Step::Update(update) = step {
                update.objects = None;
            }
        }
        heads
    }

    /// Returns the plurals of resources of which it may add objects, so that their rows have to be
    /// sorted.
    pub(crate) fn adds_to(&self) -> &'static [&'static str] {
        if self.steps.iter().any(|step| matches!(step, Step::Scale(_))) {
            &[
                "endpointslices",
                "events",
                "persistentvolumeclaims",
                "persistentvolumes",
                "pods",
            ]
        } else {
            &[]
        }
    }

    /// Takes the next row of the present object.
    pub(crate) fn row(&mut self, draft: Draft, out: &mut Vec<Draft>) -> Result<(), Error> {
        self.pass(0, vec![draft], out)
    }

    /// The present object has no more rows.
    pub(crate) fn end_of_object(&mut self, out: &mut Vec<Draft>) -> Result<(), Error> {
        for index in 0..self.steps.len() {
            let mut left = Vec::new();
            if let Some(step) = self.steps.get_mut(index) {
                step.end_of_object(&mut left)?;
            }
            self.pass(index + 1, left, out)?;
        }
        Ok(())
    }

    fn pass(
        &mut self,
        first: usize,
        mut drafts: Vec<Draft>,
        out: &mut Vec<Draft>,
    ) -> Result<(), Error> {
        for step in self.steps.iter_mut().skip(first) {
            let mut next = Vec::with_capacity(drafts.len());
            for draft in drafts {
                step.row(draft, &mut next)?;
            }
            drafts = next;
        }
        out.append(&mut drafts);
        Ok(())
    }
}
