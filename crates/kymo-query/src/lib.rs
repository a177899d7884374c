//! SQL over traces.
//!
//! A [`QuerySession`] shows each trace as a schema of tables: `events` (one row for each observed
//! change), `coverage` (what was observed and what not), `feeds` and `sessions`. Statements are in
//! the dialect of `PostgreSQL`; `->` and `->>` reach into objects.
//!
//! ```no_run
//! use kymo_query::{Limits, QuerySession};
//!
//! # async fn example() -> Result<(), kymo_query::Error> {
//! let traces = [("prod".to_owned(), "prod.kymo".into())];
//! let session = QuerySession::open(&traces, Limits::default())?;
//! let answer = session
//!     .sql("SELECT kind, count(*) FROM events GROUP BY kind ORDER BY 2 DESC")
//!     .await?;
//! for note in answer.gap_notes() {
//!     eprintln!("note: {note}");
//! }
//! for batch in answer.collect().await? {
//!     println!("{} rows", batch.num_rows());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Safety by layers
//!
//! Trace files and statements are not trusted.
//!
//! 1. A text holds exactly one statement, and that is a query, an EXPLAIN of one, SHOW TABLES,
//!    SHOW COLUMNS, SHOW FUNCTIONS or DESCRIBE.
//! 2. The engine refuses plans that define, write or set anything.
//! 3. The session has no file formats, table factories, table functions, tables by URL or object
//!    stores; its catalog takes nothing new.
//! 4. Functions that make large values out of small ones are left out or capped.
//! 5. Memory, spilled data (in a directory of mode 0700) and time are limited by [`Limits`];
//!    dropping an [`Answer`] ends its query.
//! 6. A panic while decoding or calculating becomes an [`enum@Error`].

mod answer;
mod catalog;
mod completion;
mod conditions;
mod error;
mod export;
mod function_help;
mod functions;
mod library;
mod limits;
mod memory;
mod notes;
mod object_stores;
mod parameters;
mod paths;
mod relations;
pub mod rules;
mod session;
mod show_functions;
mod source;
mod span;
mod statement;
mod table;
mod until;
mod wide_top;

pub use answer::Answer;
pub use completion::Completions;
pub use conditions::{Conditions, Key};
pub use error::{Error, ErrorKind, Position, nearest};
pub use export::{Exported, export_events};
pub use function_help::FunctionHelp;
pub use library::NamedQuery;
pub use limits::Limits;
pub use parameters::{Parameter, Parameters};
pub use paths::PathColumn;
pub use session::QuerySession;
pub use source::{
    Batches, Counts, EventsRequest, EventsScan, Part, Predicate, Pruning, Source, TraceSource,
    Until,
};
pub use span::Span;
pub use statement::typed::{is_blank, placeholders, split_statement};
pub use statement::{SqlPart, SqlReader};
