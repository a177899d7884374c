//! More or fewer pods of a workload.
//!
//! Every recorded pod has a *slot* among those that its owner had at that time. A slot becomes so
//! many copies that any number of neighbouring slots becomes that number times the factor, give or
//! take one. The first copy is the recorded pod itself; the others are clones, with the recorded
//! pod's life and the start of a sibling that is drawn.

pub(crate) mod backends;
mod clone;
mod counts;
mod fleet;
mod followers;
mod indexes;
mod life;
mod names;
mod ordinals;
mod placement;
mod ratio;
mod seat;
mod step;
mod warp;

pub(crate) use counts::{Change, Surplus, get, set};
pub(crate) use fleet::{Order, plan};
pub(crate) use life::{Life, lives};
pub(crate) use names::Names as SiblingNames;
pub(crate) use ratio::Ratio;
pub(crate) use step::ScaleStep;
