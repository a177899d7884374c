//! What a script would do, found without making a trace.

mod difference;
mod explain;
mod run;
mod survey;

pub use difference::{Change, Difference, Kept};
pub use survey::Counted;
pub(crate) use survey::Survey;

/// What a script would do to a trace.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Preview {
    /// For each statement, in order, what it would do to what those before it made.
    pub statements: Vec<StatementPreview>,
}

/// What a statement would do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StatementPreview {
    /// How many events it names; `None` where it names none.
    pub named: Option<u64>,
    /// Why it matches nothing, where it does and that is known.
    pub reason: Option<String>,
    /// What it does to how many events and objects.
    pub counted: Counted,
    /// The first objects that it touches.
    pub sample: Vec<Difference>,
    /// How it is run, a line each; only of a statement behind `EXPLAIN`.
    pub plan: Option<Vec<String>>,
}
