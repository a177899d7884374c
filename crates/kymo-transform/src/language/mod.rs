//! The language of scripts: statements that make a trace out of a trace.

mod ast;
mod bind;
mod display;
#[cfg(test)]
mod docs;
mod error;
mod forms;
#[cfg(test)]
mod grammar;
mod parser;
mod place;
mod synthesize;

pub use ast::{
    Action, Amount, Assignment, Closure, Condition, Factor, Patch, PatchKind, Place, Scale, Script,
    Seats, Shift, Statement, Stretch, TimePoint, Unit, Window, Workload,
};
pub use error::LanguageError;
pub use forms::{FORMS, Form, LEAVES, Leaf};
pub use synthesize::{
    Argument, ArgumentValue, Call, CrashWord, DocumentText, ManifestText, Number, Outage,
    PlacementWord, StageWord, Synthesize, SynthesizeOptions, UpdatesClause,
};
