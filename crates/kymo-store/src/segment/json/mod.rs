//! JSON as text with an index beside it, and RFC 6902 patches between two such texts.
//!
//! Successive versions of an object are nearly the same bytes. A [`Doc`] keeps the compact text of
//! a value and one small [`Node`] per value in it, in document order, with lengths instead of
//! positions. A subtree's index therefore does not depend on where it stands: the parser copies it
//! from the version before when the bytes are the same, the differ skips it, and an edit moves it
//! as it is. Numbers and strings stay the text that came, so nothing is rounded.

mod diff;
mod doc;
mod parse;
mod patch;
mod pointer;
#[cfg(test)]
mod tests;

pub(crate) use diff::{Change, Edit, diff};
pub(crate) use doc::{At, Doc, Kind, Node, same};
pub(crate) use parse::{HintedMembers, Parser, Rejected, has_repeated_name};
pub use patch::PatchError;
pub(crate) use patch::apply;
pub(crate) use pointer::{is_under, push_segment, quoted, segments};
