//! The part of `kymo check` that judges rules.

use std::io::Write;
use std::path::Path;

use kymo_query::rules::{Rule, Verdict};
use kymo_query::{Limits, QuerySession};

use crate::argument;
use crate::cli::block_on;
use crate::command_error::CommandError;
use crate::ui::{Ui, count, escape_line, of};

/// Which rules are judged and how much is told of what breaks them.
#[derive(Debug, clap::Args)]
pub(crate) struct RuleArgs {
    /// Judge these rules alone
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "no_rules"
    )]
    rules: Vec<String>,
    /// Judge no rules
    #[arg(long)]
    no_rules: bool,
    /// List the rules
    #[arg(long, exclusive = true)]
    pub(crate) list_rules: bool,
    /// How many events are told that break a rule
    #[arg(long, value_name = "N", default_value_t = 5)]
    show: usize,
    /// Memory for judging rules to stay under; what does not fit goes to temporary files
    #[arg(long, value_name = "SIZE", value_parser = argument::size, default_value = "128MiB")]
    memory_limit: u64,
}

/// Lists the rules.
pub(crate) fn list(ui: &Ui) -> Result<(), CommandError> {
    let rules = Rule::all();
    let width = rules.iter().map(|rule| rule.name.len()).max();
    let width = width.unwrap_or_default();
    let mut out = ui.stdout(false);
    for rule in rules {
        writeln!(out, "{:width$}  {}", rule.name, rule.demand())?;
    }
    out.flush()?;
    Ok(())
}

impl RuleArgs {
    /// Returns the rules that were asked for.
    pub(crate) fn chosen(&self) -> Result<Vec<&'static Rule>, CommandError> {
        if self.no_rules {
            return Ok(Vec::new());
        }
        if self.rules.is_empty() {
            return Ok(Rule::all().iter().collect());
        }
        self.rules.iter().map(|name| find(name)).collect()
    }

    /// Judges rules and writes what breaks them; tells whether all hold.
    pub(crate) fn judge(
        &self,
        ui: &Ui,
        trace: &Path,
        rules: &[&'static Rule],
        out: &mut dyn Write,
    ) -> Result<bool, CommandError> {
        if rules.is_empty() {
            return Ok(true);
        }
        let traces = [("trace".to_owned(), trace.to_owned())];
        let failed = |error: kymo_query::Error| CommandError::of_query(&error);
        let limits = Limits {
            memory_bytes: usize::try_from(self.memory_limit).unwrap_or(usize::MAX),
            // Rules ask in the order of the trace: of several threads, each would have to keep its rows
            // until those before are read.
            threads: Some(1),
            ..Limits::default()
        };
        let session = QuerySession::open(&traces, limits).map_err(failed)?;
        let progress = ui.progress();
        let mut broken = 0;
        for rule in rules {
            progress.set(&format!("judging {}", rule.name));
            let verdict = block_on(async {
                let judged = rule.judge(&session, self.show).await;
                judged.map_err(failed)
            })?;
            if !verdict.holds() {
                broken += 1;
                write_broken(&verdict, out)?;
            }
        }
        drop(progress);
        if broken == 0 {
            writeln!(out, "every rule holds")?;
        } else {
            let judged = count(rules.len() as u64);
            writeln!(out, "{} of {judged} rules broken", count(broken))?;
        }
        Ok(broken == 0)
    }
}

fn write_broken(verdict: &Verdict, out: &mut dyn Write) -> Result<(), CommandError> {
    let rule = verdict.rule;
    let events = of(verdict.count, "event");
    writeln!(out, "broken: {}: {events}: {}", rule.name, rule.demand())?;
    for violation in &verdict.first {
        writeln!(out, "  {}", escape_line(&violation.to_string()))?;
    }
    let more = verdict.count - verdict.first.len() as u64;
    if more > 0 {
        writeln!(out, "  and {} more", count(more))?;
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Rule, CommandError> {
    Rule::find(name).ok_or_else(|| {
        let unknown = CommandError::usage(format!("there is no rule `{name}`"));
        match Rule::nearest(name) {
            Some(meant) => unknown.hint(format!("did you mean `{meant}`?")),
            None => unknown.hint("`kymo check --list-rules` lists them"),
        }
    })
}
