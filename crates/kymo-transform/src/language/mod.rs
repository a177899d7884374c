//! The language of scripts: statements that make a trace out of a trace.

mod ast;

pub use ast::{
    Action, Amount, Assignment, Closure, Condition, Factor, Patch, PatchKind, Place, Scale, Script,
    Shift, Statement, Stretch, TimePoint, Unit, Window, Workload,
};
