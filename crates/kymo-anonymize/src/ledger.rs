//! Which rule touched what, for the report.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::table;
use crate::treatment::Treatment;

/// How many examples of each rule are kept.
const SAMPLES: usize = 3;
/// The length of an example, in letters.
const SAMPLE_LETTERS: usize = 80;

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// The field and where it stands; `*` for fields that the table does not have.
    pub field: String,
    /// What was done.
    pub treatment: &'static str,
    /// How many texts it saw.
    pub seen: u64,
    /// How many of them it changed.
    pub changed: u64,
    /// Some results; never an original.
    pub samples: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    seen: u64,
    changed: u64,
    samples: Vec<String>,
}

/// Counts by rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    counts: BTreeMap<(Option<usize>, Treatment), Count>,
}

impl Ledger {
    /// Counts a text that a rule turned into another one.
    pub(crate) fn count(
        &mut self,
        rule: Option<usize>,
        treatment: Treatment,
        before: &str,
        after: &str,
    ) {
        let count = self.counts.entry((rule, treatment)).or_default();
        count.seen += 1;
        if before == after {
            return;
        }
        count.changed += 1;
        if count.samples.len() < SAMPLES && !after.is_empty() {
            let sample: String = after.chars().take(SAMPLE_LETTERS).collect();
            if !count.samples.contains(&sample) {
                count.samples.push(sample);
            }
        }
    }

    pub(crate) fn touched(&self) -> Vec<Touched> {
        let mut touched: Vec<Touched> = self
            .counts
            .iter()
            .map(|((rule, treatment), count)| Touched {
                field: rule
                    .and_then(|rule| table::field_rules().get(rule))
                    .map_or_else(|| "*".to_owned(), place),
                treatment: treatment.as_str(),
                seen: count.seen,
                changed: count.changed,
                samples: count.samples.clone(),
            })
            .collect();
        touched.sort_by(|a, b| (&a.field, a.treatment).cmp(&(&b.field, b.treatment)));
        touched
    }
}

/// Writes `metadata.name`, or `(containers|env).name` where a rule is for several places.
fn place(rule: &table::FieldRule) -> String {
    let parents: Vec<&str> = rule.parents.iter().copied().take(3).collect();
    match parents.as_slice() {
        [""] => rule.field.to_owned(),
        [parent] => format!("{parent}.{}", rule.field),
        _ => {
            let more = if rule.parents.len() > 3 { "|…" } else { "" };
            format!("({}{more}).{}", parents.join("|"), rule.field)
        }
    }
}
