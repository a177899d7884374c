//! The rules of a legal trace.

mod broken;
mod page;
mod recorded;
mod shop;
