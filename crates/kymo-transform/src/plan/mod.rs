//! Statements become steps.

mod select;
mod stage;
mod window;

pub(crate) use select::Selection;
pub(crate) use stage::{Stage, selection, stages};
pub(crate) use window::{Bounds, point, window};
