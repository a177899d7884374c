//! Statements that make a trace out of a trace.
//!
//! A script is parsed ([`language`]), split into stages (`plan`) and run stage by stage
//! ([`Transform`]). A stage first asks its input, in SQL, which rows its statements name; then reads
//! it once, object by object, through a chain of steps (`step`), and writes the output. Rows that no
//! statement names are handed on as they are.

mod ahead;
mod anonymize;
mod copy;
mod draft;
mod error;
mod insert;
mod insertions;
pub mod language;
mod lineage;
mod merged;
mod pass;
mod plan;
mod preview;
mod progress;
mod records;
mod reissue;
mod rows;
mod scale;
mod step;
mod synth;
mod timelines;
mod times;
mod transform;

pub use anonymize::{Anonymization, Anonymized};
pub use error::Error;
pub use preview::{Change, Counted, Difference, Kept, Preview, StatementPreview};
pub use progress::{Progress, Unwatched};
pub use synth::{Distance, Fitted, Synth, SynthReport, fit};
pub use transform::{Report, Transform};
