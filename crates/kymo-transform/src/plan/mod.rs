//! Statements become steps.

mod input;
mod nothing;
mod select;
mod stage;
mod update;
mod window;
mod work;

pub(crate) use input::Input;
pub(crate) use select::{Selection, misplaced};
pub(crate) use stage::{Stage, selection, stages};
pub(crate) use window::{Bounds, point, window};
pub(crate) use work::Work;
