//! The invariants of a legal trace: the files of `queries/check/`.
//!
//! Each rule is a query whose rows are the events that break it, so that everyone can read it, run
//! it over a trace, and adapt it. A rule judges only what the trace can know: what came before it
//! began, what a gap hides, and resources of which a transform left a part break nothing.

mod shipped;
mod violation;

use std::path::Path;

use futures::StreamExt as _;

pub use self::shipped::Rule;
pub use self::violation::Violation;

use crate::{Error, Limits, QuerySession};

/// What a rule found in a trace.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The rule.
    pub rule: &'static Rule,
    /// How many events break it.
    pub count: u64,
    /// The first of them, by `seq`.
    pub first: Vec<Violation>,
}

impl Verdict {
    /// Tells whether the trace keeps the rule.
    pub fn holds(&self) -> bool {
        self.count == 0
    }
}

impl Rule {
    /// Judges the only trace of a session; `keep` is how many violations are told.
    ///
    /// Must be called inside a Tokio runtime.
    pub async fn judge(
        &'static self,
        session: &QuerySession,
        keep: usize,
    ) -> Result<Verdict, Error> {
        let mut verdict = Verdict {
            rule: self,
            count: 0,
            first: Vec::new(),
        };
        let mut answer = session.sql(self.text).await?;
        while let Some(batch) = answer.next().await {
            let batch = batch?;
            verdict.count += batch.num_rows() as u64;
            let room = keep.saturating_sub(verdict.first.len());
            if room > 0 {
                let some = batch.slice(0, room.min(batch.num_rows()));
                verdict.first.extend(Violation::read(self.name, &some)?);
            }
        }
        Ok(verdict)
    }
}

/// Judges a trace by every rule and returns up to a thousand violations of each.
///
/// Makes a Tokio runtime, so it must not be called inside of one.
pub fn check(path: &Path) -> Result<Vec<Violation>, Error> {
    const KEEP: usize = 1_000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Panicked {
            message: error.to_string(),
        })?;
    let session = QuerySession::open(&[("trace".to_owned(), path.to_owned())], Limits::default())?;
    let mut violations = Vec::new();
    for rule in Rule::all() {
        violations.extend(runtime.block_on(rule.judge(&session, KEEP))?.first);
    }
    Ok(violations)
}
