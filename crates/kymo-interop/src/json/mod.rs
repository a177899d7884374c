//! JSON texts of any size, cut into values and items of lists.

mod list;
mod typed;
mod values;

pub(crate) use list::{ListHead, ListReader, Step, Value, read_value, skip_blank, take};
pub(crate) use typed::typed;
pub(crate) use values::{Cut, next_value, skip_value};
