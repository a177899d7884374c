use kymo_model::Timestamp;

use super::Selection;
use crate::language::{Action, Closure, Script, Shift, Statement, Stretch, TimePoint, Unit};

/// Statements that run together, in one reading of the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The statements, by their places in the script.
    pub(crate) statements: Vec<usize>,
}

/// What the statements of a stage have changed so far, for those that are asked after them.
#[derive(Clone, Copy, Debug, Default)]
struct Changed {
    /// Rows are gone.
    rows: bool,
    /// Rows of some objects are gone and others of them are there.
    timelines: bool,
    /// What rows say has changed.
    content: bool,
    /// Nothing can follow in this stage.
    closed: bool,
    /// Nothing but another stretch of time.
    stretched: bool,
    /// Nothing but more that is made from scratch.
    made: bool,
}

/// Splits a script into stages. What a statement asks is asked of the input of its stage, so it can
/// only join others if what these change does not change the answer.
pub(crate) fn stages(script: &Script) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut changed = Changed {
        closed: true,
        ..Changed::default()
    };
    for (index, statement) in script.statements.iter().enumerate() {
        if !joins(statement, changed) {
            stages.push(Stage::default());
            changed = Changed::default();
        }
        if let Some(stage) = stages.last_mut() {
            stage.statements.push(index);
        }
        changed = after(statement, changed);
    }
    stages
}

/// Returns what a statement asks of the trace.
pub(crate) fn selection(action: &Action) -> Option<Selection<'_>> {
    match action {
        Action::Delete {
            unit,
            condition,
            cascade,
        } => Some(Selection {
            unit: *unit,
            condition: condition.as_ref(),
            closure: Closure {
                owners: false,
                owned: *cascade,
            },
        }),
        Action::Keep {
            unit,
            condition,
            with,
        } => Some(Selection {
            unit: *unit,
            condition: condition.as_ref(),
            closure: *with,
        }),
        Action::Patch {
            unit, condition, ..
        }
        | Action::Update {
            unit, condition, ..
        } => Some(Selection {
            unit: *unit,
            condition: condition.as_ref(),
            closure: Closure::default(),
        }),
        _ => None,
    }
}

fn joins(statement: &Statement, changed: Changed) -> bool {
    if changed.closed {
        let is_made = matches!(statement.action, Action::Synthesize(_));
        return (changed.stretched && is_stretch_of_time(&statement.action))
            || (changed.made && is_made);
    }
    let untouched = !changed.rows && !changed.content;
    // Without its first events a trace may begin later.
    if changed.rows && counts_from_begin(&statement.action) {
        return false;
    }
    match &statement.action {
        Action::Delete { .. } | Action::Keep { .. } | Action::Patch { .. } => {
            selection(&statement.action).is_some_and(|selection| {
                untouched
                    || selection.is_of_identity()
                    || !(changed.content
                        || selection.looks_around()
                        || (changed.timelines && selection.unit == Unit::Objects))
            })
        }
        Action::Slice(_) | Action::Shift(_) => true,
        Action::Synthesize(_) | Action::Anonymize { .. } => false,
        action => untouched || is_stretch_of_time(action),
    }
}

fn is_stretch_of_time(action: &Action) -> bool {
    matches!(
        action,
        Action::Stretch {
            what: Stretch::Time,
            ..
        }
    )
}

/// Tells whether a statement means times by their distance from an end of the trace.
fn counts_from_begin(action: &Action) -> bool {
    let is_relative = |point: &Option<TimePoint>| {
        point
            .as_ref()
            .is_some_and(|point| point.text.parse::<Timestamp>().is_err())
    };
    match action {
        Action::Slice(window) | Action::Patch { window, .. } => {
            is_relative(&window.from) || is_relative(&window.to)
        }
        Action::Shift(Shift::By(_)) => false,
        Action::Shift(Shift::To(_)) => true,
        action => is_stretch_of_time(action),
    }
}

fn after(statement: &Statement, changed: Changed) -> Changed {
    match &statement.action {
        Action::Delete { unit, .. } | Action::Keep { unit, .. } => Changed {
            rows: true,
            timelines: changed.timelines || *unit == Unit::Events,
            ..changed
        },
        Action::Patch { unit, window, .. } => Changed {
            content: true,
            // Events at the ends of the stretch are new rows, which have no place yet.
            closed: *unit == Unit::Objects && (window.from.is_some() || window.to.is_some()),
            ..changed
        },
        action if is_stretch_of_time(action) => Changed {
            closed: true,
            stretched: true,
            ..changed
        },
        Action::Synthesize(_) => Changed {
            closed: true,
            made: true,
            ..changed
        },
        // What follows counts from another begin, or has other rows to ask.
        _ => Changed {
            closed: true,
            ..changed
        },
    }
}
