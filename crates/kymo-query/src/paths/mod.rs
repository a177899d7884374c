//! Expressions over `object` that read only some paths of it.
//!
//! Objects are kept as keyframes and patches. To put one together as text costs about ten times as
//! much as to follow the value at one path through the patches, so a query that needs
//! `object ->> 'spec'` should never see the object. [`ObjectPaths`] is an optimizer rule that finds
//! calls such as `json_get_str(object, 'spec', 'nodeName')` anywhere in a plan, adds a hidden
//! column with the value at that path to the scan below, carries it up to the call (through
//! filters, joins, windows, unions, and aggregates and window functions that pick one row's
//! `object`), and lets the function work on the column instead. What a query does not use of
//! `object` in any other way is then never read.
//!
//! # Functions over paths
//!
//! A scalar function whose first argument is an object and whose other arguments are constants can
//! take part: [`ObjectFunctions`] knows it by its name, and with it what it reads:
//!
//! - the value at one path, which it then gets instead of the object, without further arguments
//!   (the JSON getters do: the value at `/spec` of an object is the same as the root of the value);
//! - several paths: it gets an object cut down to them, and its own arguments. A function such as
//!   `condition(object, 'Ready')` works on the cut object as on the whole one and needs no second
//!   implementation.
//!
//! A function that depends on nothing but the paths that are known of it gives the same results
//! either way; nothing else has to be done for it.

mod column;
mod cut;
mod json;
mod provide;
mod registry;
mod rule;
mod rules;

pub use column::PathColumn;
pub(crate) use cut::cut;
pub(crate) use registry::ObjectFunctions;
pub(crate) use rule::ObjectPaths;
