//! How a statement is run, in words and as the plan of what it asks.

use kymo_query::QuerySession;

use crate::Error;
use crate::language::{Action, Scale, Stretch, Unit};
use crate::plan;
use crate::rows::{each_batch, texts};

/// Tells how a statement is run, a line each.
pub(super) async fn plan(action: &Action, session: &QuerySession) -> Result<Vec<String>, Error> {
    let mut lines = vec![does(action).to_owned()];
    let Some(sql) = asked(action) else {
        return Ok(lines);
    };
    lines.push("asks what is meant, by this plan:".to_owned());
    each_batch(session, &format!("EXPLAIN {sql}"), |batch| {
        for (kind, text) in texts(batch, 0)?.iter().zip(texts(batch, 1)?.iter()) {
            if kind == Some("physical_plan") {
                let plan = text.unwrap_or_default().lines();
                lines.extend(plan.map(|line| format!("  {line}")));
            }
        }
        Ok(())
    })
    .await?;
    Ok(lines)
}

fn asked(action: &Action) -> Option<String> {
    match action {
        Action::Scale(Scale::Nodes {
            condition: Some(condition),
            ..
        })
        | Action::Stretch {
            condition: Some(condition),
            ..
        } => Some(format!(
            "SELECT uid FROM objects WHERE (\n{}\n)",
            condition.sql
        )),
        Action::Insert { query, .. } => Some(query.clone()),
        action => plan::selection(action).map(|selection| selection.sql()),
    }
}

pub(super) fn does(action: &Action) -> &'static str {
    match action {
        Action::Delete { .. } => "reads each event and leaves out those that it names",
        Action::Keep { .. } => "reads each event and leaves out all but those that it names",
        Action::Slice(_) => {
            "reads each event; what is alive when the window begins is an event at that time"
        }
        Action::Patch {
            unit: Unit::Events, ..
        } => "patches the object of each event that it names",
        Action::Patch {
            unit: Unit::Objects,
            ..
        } => {
            "patches each version of the objects that it names, with events at the ends of a window"
        }
        Action::Update { .. } => "sets what the expressions give, event by event",
        Action::Scale(_) => {
            "copies what it names with names, uids and addresses of its own, or leaves some out"
        }
        Action::Stretch {
            what: Stretch::Time,
            ..
        }
        | Action::Shift(_) => "moves every time of every event",
        Action::Stretch {
            what: Stretch::Arrivals,
            ..
        } => {
            "moves the timelines of what arrives, with what belongs to it, and numbers events again"
        }
        Action::Stretch {
            what: Stretch::Lifetimes,
            ..
        } => "stretches timelines around their first events, and numbers events again",
        Action::Merge { .. } => "adds the events of the other trace",
        Action::Repeat { .. } => "adds the events of the trace again and again",
        Action::Insert { .. } => "adds the rows of the query as events",
        Action::Anonymize { .. } => {
            "reads the trace twice, to learn names and to replace them, and sorts its rows again"
        }
        Action::Synthesize(_) => "makes whole lives of objects",
    }
}
