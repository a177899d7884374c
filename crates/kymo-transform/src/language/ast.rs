//! What a script says, as data.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Synthesize;

/// Where something stands in a script: bytes `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

/// Statements in the order in which they run.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The text that all places refer to.
    pub text: Arc<str>,
    /// The statements.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it does.
    pub action: Action,
    /// `EXPLAIN` stands before it: it is shown, not run.
    pub explain: bool,
    /// Where it stands, without its semicolon.
    pub place: Place,
}

/// What a statement does to the trace.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `DELETE FROM {events | objects} [WHERE condition] [CASCADE]`
    Delete {
        /// What a row of the condition is.
        unit: Unit,
        /// Which; all without one.
        condition: Option<Condition>,
        /// `CASCADE`: and everything that they own. Only with objects.
        cascade: bool,
    },
    /// `KEEP {events | objects} [WHERE condition] [WITH {OWNERS | OWNED | OWNERS AND OWNED}]`
    Keep {
        /// What a row of the condition is.
        unit: Unit,
        /// Which; all without one.
        condition: Option<Condition>,
        /// What is kept besides. Only with objects.
        with: Closure,
    },
    /// `SLICE FROM time TO time`
    Slice(Window),
    /// `PATCH {events | objects} WITH {JSON | MERGE | STRATEGIC} 'document' [WHERE condition]
    /// [FROM time] [TO time]`
    Patch {
        /// What a row of the condition is.
        unit: Unit,
        /// The patch.
        patch: Patch,
        /// Which; all without one.
        condition: Option<Condition>,
        /// When; always where both ends are open.
        window: Window,
    },
    /// `UPDATE {events | objects} SET column = expression, … [WHERE condition]`
    Update {
        /// What a row of the condition is; expressions are about each event.
        unit: Unit,
        /// The columns to set.
        assignments: Vec<Assignment>,
        /// Which; all without one.
        condition: Option<Condition>,
    },
    /// `SCALE …`
    Scale(Scale),
    /// `STRETCH {TIME | ARRIVALS | LIFETIMES} BY factor [WHERE condition]`
    Stretch {
        /// What is stretched.
        what: Stretch,
        /// By how much.
        factor: Factor,
        /// Which objects; all without one. Not with `TIME`.
        condition: Option<Condition>,
    },
    /// `SHIFT TIME {TO time | BY duration}`
    Shift(Shift),
    /// `MERGE TRACE 'path' [AT time] [PREFIX NAMESPACES 'prefix']`
    Merge {
        /// The other trace.
        path: String,
        /// Where `path` stands.
        path_place: Place,
        /// When it begins; as it was without one.
        at: Option<TimePoint>,
        /// What is put before the names of its namespaces.
        prefix: Option<String>,
    },
    /// `REPEAT n TIMES [EVERY duration]`
    Repeat {
        /// How often the trace is seen in the end; at least 1.
        times: u64,
        /// From one beginning to the next, in nanoseconds; the length of the trace without one.
        every: Option<i64>,
    },
    /// `SYNTHESIZE …`
    Synthesize(Synthesize),
    /// `ANONYMIZE [WITH POLICY 'policy']`
    Anonymize {
        /// The name of a policy or the path of its file.
        policy: Option<String>,
        /// Where `policy` stands, or the statement.
        policy_place: Place,
    },
    /// `INSERT INTO events [(columns)] SELECT …`
    Insert {
        /// The names of the columns in the order of the query; those of the query without any.
        columns: Vec<String>,
        /// The query.
        query: String,
        /// Where it stands.
        place: Place,
    },
}

/// What a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Single observations.
    Events,
    /// Whole timelines.
    Objects,
}

/// The expression behind `WHERE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The text as it stands in the script.
    pub sql: String,
    /// Where it stands.
    pub place: Place,
    /// The names of columns in it, in lower case unless quoted; also those of tables before a dot.
    pub columns: BTreeSet<String>,
    /// Whether it asks a subquery.
    pub has_subquery: bool,
}

/// What `KEEP` keeps besides what it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// The chain of owners.
    pub owners: bool,
    /// Everything that is owned, over any number of steps.
    pub owned: bool,
}

/// A stretch of time, half open: from `from` up to, not with, `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its begin; the trace's without one.
    pub from: Option<TimePoint>,
    /// Its end; behind the trace's without one.
    pub to: Option<TimePoint>,
}

/// A time as it was written: RFC 3339, or an offset from the start (`'10m'`) or, with a minus, from
/// the end of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimePoint {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A patch and how it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// How.
    pub kind: PatchKind,
    /// The document; of the right form for its kind (RFC 6902: a list of operations).
    pub document: serde_json::Value,
    /// Where it stands.
    pub place: Place,
}

/// The ways to apply a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// JSON Patch, RFC 6902.
    Json,
    /// JSON Merge Patch, RFC 7386.
    Merge,
    /// Strategic merge patch of the Kubernetes API.
    Strategic,
}

/// `column = expression`
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The column: `object` or `ts`.
    pub column: String,
    /// Where its name stands.
    pub column_place: Place,
    /// The expression as it stands in the script, and what it reads.
    pub value: Condition,
}

/// What is made more or fewer, and of how many.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// `SCALE {Deployment | ReplicaSet | StatefulSet | DaemonSet | Job | …} 'namespace/name'
    /// {TO n REPLICAS | BY factor} [RAMP duration] [PLACEMENT {SPREAD | BINPACK}]`
    Workload {
        /// Which.
        workload: Workload,
        /// To how many.
        amount: Amount,
        /// Over how long the new pods arrive, in nanoseconds.
        ramp: Option<i64>,
        /// On which nodes they are; `None` for those of the pods that they are made of.
        placement: Option<Seats>,
    },
    /// `SCALE namespace 'name' {TO n | BY factor}`
    Namespace {
        /// Its name.
        name: String,
        /// Where the name stands.
        place: Place,
        /// To how many copies, the first one included.
        amount: Amount,
    },
    /// `SCALE nodes {TO n | BY factor} [WHERE condition]`
    Nodes {
        /// To how many.
        amount: Amount,
        /// Which of the nodes are copied; all without one.
        condition: Option<Condition>,
    },
    /// `SCALE everything BY factor`: all namespaces and all nodes.
    Everything {
        /// By how much.
        amount: Amount,
    },
}

/// A workload as a script names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The kind, in the API's spelling.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Where `'namespace/name'` stands.
    pub place: Place,
}

/// Which of the nodes with room new pods are put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seats {
    /// Where the fewest pods are.
    Spread,
    /// Where the least is left.
    Binpack,
}

/// How many there shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many.
    To(u64),
    /// So many times as many.
    By(Factor),
}

/// A factor as an exact fraction of whole numbers, above zero and in lowest terms.
///
/// `0.25` is 1/4. Decimal texts have such a form, so that stretching twice can be the same as
/// stretching once by the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Above the line.
    pub numerator: u64,
    /// Below the line.
    pub denominator: u64,
    /// Where it stands.
    pub place: Place,
}

/// What `STRETCH` makes longer or shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Everything: every time field moves.
    Time,
    /// The gaps between the first events of objects; their lifetimes stay.
    Arrivals,
    /// Lifetimes of objects; their beginnings stay.
    Lifetimes,
}

/// Where `SHIFT TIME` moves the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shift {
    /// So that it begins then.
    To(TimePoint),
    /// By so many nanoseconds.
    By(i64),
}
