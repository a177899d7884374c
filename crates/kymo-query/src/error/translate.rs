//! From the engine's errors to ours.

use std::error::Error as StdError;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use super::{Error, Position, nearest};
use crate::functions::struct_fields;

/// When an error of the engine arose, which says what a failed evaluation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// While the statement was made into a plan.
    Planning,
    /// While the plan ran over data.
    Running,
}

/// Says in our words what the engine said.
pub(crate) fn translate(error: DataFusionError, phase: Phase) -> Error {
    match find(&error, phase, None) {
        Some(found) => found,
        None => Error::Engine {
            source: Arc::new(error),
        },
    }
}

fn find(error: &DataFusionError, phase: Phase, at: Option<Position>) -> Option<Error> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            find(inner, phase, position(diagnostic).or(at))
        }
        DataFusionError::Context(_, inner) => find(inner, phase, at),
        DataFusionError::Shared(inner) => find(inner, phase, at),
        DataFusionError::Collection(errors) => {
            errors.iter().find_map(|error| find(error, phase, at))
        }
        DataFusionError::External(inner) => find_source(inner.as_ref(), phase, at),
        DataFusionError::ArrowError(inner, _) => find_arrow(inner, phase, at),
        DataFusionError::SQL(inner, _) => Some(syntax(inner, at)),
        DataFusionError::SchemaError(inner, _) => Some(schema(inner, at)),
        DataFusionError::Plan(message) => Some(plan(message, at)),
        DataFusionError::NotImplemented(message) | DataFusionError::Configuration(message) => {
            Some(Error::Statement {
                message: message.clone(),
                position: at,
            })
        }
        DataFusionError::Execution(message) => Some(evaluation(message.clone(), phase, at)),
        DataFusionError::ResourcesExhausted(message) => Some(Error::Resources {
            message: message.clone(),
        }),
        DataFusionError::IoError(error) => Some(spill(&error.to_string())),
        DataFusionError::ExecutionJoin(error) if error.is_panic() => Some(Error::Panicked {
            message: error.to_string(),
        }),
        _ => None,
    }
}

fn find_source(
    error: &(dyn StdError + Send + Sync + 'static),
    phase: Phase,
    at: Option<Position>,
) -> Option<Error> {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return Some(ours.clone());
    }
    if let Some(engine) = error.downcast_ref::<DataFusionError>() {
        return find(engine, phase, at);
    }
    error
        .downcast_ref::<ArrowError>()
        .and_then(|arrow| find_arrow(arrow, phase, at))
}

fn find_arrow(error: &ArrowError, phase: Phase, at: Option<Position>) -> Option<Error> {
    match error {
        ArrowError::ExternalError(inner) => find_source(inner.as_ref(), phase, at),
        ArrowError::IoError(message, _) => Some(spill(message)),
        ArrowError::MemoryError(message) => Some(Error::Resources {
            message: message.clone(),
        }),
        other => Some(evaluation(other.to_string(), phase, at)),
    }
}

/// A full spill directory comes as an error of reading and writing when it met the writer of a
/// file; only its text tells, by the name of the setting.
fn spill(message: &str) -> Error {
    let message = message.to_owned();
    if message.contains("max_temp_directory_size") {
        Error::Resources { message }
    } else {
        Error::Spill { message }
    }
}

fn evaluation(message: String, phase: Phase, position: Option<Position>) -> Error {
    if let Some(text) = not_a_time(&message) {
        return Error::NotATime {
            text: text.to_owned(),
            position,
        };
    }
    match phase {
        Phase::Planning => Error::Statement { message, position },
        Phase::Running => Error::Evaluation { message },
    }
}

/// Finds the text of which the engine wanted a time.
fn not_a_time(message: &str) -> Option<&str> {
    let (_, said) = message.split_once("Error parsing timestamp from '")?;
    said.rsplit_once("': ").map(|(text, _)| text)
}

fn position(diagnostic: &Diagnostic) -> Option<Position> {
    diagnostic.span.map(|span| Position {
        line: span.start.line,
        column: span.start.column,
    })
}

fn syntax(error: &ParserError, at: Option<Position>) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply",
    };
    let (message, found) = split_position(text);
    Error::Syntax {
        message: message.to_owned(),
        position: found.or(at),
    }
}

/// The parser writes the place at the end of its message: ` at Line: 1, Column: 8`.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Position {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    match position {
        Some(position) => (message, Some(position)),
        None => (text, None),
    }
}

fn schema(error: &SchemaError, position: Option<Position>) -> Error {
    let SchemaError::FieldNotFound {
        field,
        valid_fields,
    } = error
    else {
        return Error::Statement {
            message: error.to_string(),
            position,
        };
    };
    let nearest = nearest(
        &field.name,
        valid_fields.iter().map(|column| column.name.as_str()),
    );
    Error::UnknownColumn {
        name: field.flat_name(),
        nearest: nearest.map(str::to_owned),
        is_quoted: false,
        position: position.or_else(|| {
            field.spans().first().map(|span| Position {
                line: span.start.line,
                column: span.start.column,
            })
        }),
    }
}

/// Functions that do not exist are told in words only.
fn plan(message: &str, position: Option<Position>) -> Error {
    if let Some(rest) = message.strip_prefix("Invalid function '") {
        let (name, rest) = rest.split_once('\'').unwrap_or((rest, ""));
        let meant = rest
            .split_once("Did you mean '")
            .and_then(|(_, meant)| meant.split_once('\''))
            .map(|(meant, _)| meant);
        return Error::UnknownFunction {
            name: name.to_owned(),
            nearest: meant.and_then(|meant| nearest(name, [meant]).map(str::to_owned)),
            position,
        };
    }
    if let Some(name) = message
        .strip_prefix("Field ")
        .and_then(|rest| rest.strip_suffix(" not found in struct"))
    {
        return Error::UnknownField {
            nearest: nearest(name, struct_fields()).map(str::to_owned),
            name: name.to_owned(),
            position,
        };
    }
    if let Some(name) = message
        .strip_prefix("table function '")
        .and_then(|rest| rest.strip_suffix("' not found"))
    {
        return Error::UnknownFunction {
            name: name.to_owned(),
            nearest: None,
            position,
        };
    }
    if let Some((left, right)) = message
        .strip_prefix("Cannot coerce arithmetic expression ")
        .and_then(|rest| rest.strip_suffix(" to valid types"))
        .and_then(|types| types.split_once(" - ").or_else(|| types.split_once(" + ")))
        && [left, right]
            .iter()
            .any(|side| side.starts_with("Timestamp"))
        && [left, right].iter().any(|side| side.starts_with("Utf8"))
    {
        return Error::TimeAndText;
    }
    Error::Statement {
        message: of_coercion(message).unwrap_or(message).to_owned(),
        position,
    }
}

/// Finds what a function said about its arguments in what the engine made of it.
fn of_coercion(message: &str) -> Option<&str> {
    let (_, said) = message.split_once("user-defined coercion failed with: ")?;
    let said = said
        .split_once(" No function matches")
        .map_or(said, |(said, _)| said);
    Some(
        said.strip_prefix("Error during planning: ")
            .unwrap_or(said)
            .trim_end_matches('.'),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn the_place_of_a_syntax_error_is_taken_out_of_the_message() {
        let (message, position) =
            split_position("Expected: an expression, found: FROM at Line: 2, Column: 17");
        assert_eq!(message, "Expected: an expression, found: FROM");
        assert_eq!(
            position,
            Some(Position {
                line: 2,
                column: 17
            })
        );
        assert_eq!(split_position("no place"), ("no place", None));
    }

    #[test]
    fn our_own_error_comes_back_whole_from_under_the_engine() {
        let ours = Error::Timeout {
            limit: std::time::Duration::from_secs(3),
        };
        let wrapped = DataFusionError::Shared(Arc::new(DataFusionError::Context(
            "while sorting".into(),
            Box::new(DataFusionError::from(ArrowError::ExternalError(Box::new(
                DataFusionError::from(ours),
            )))),
        )));
        let found = translate(wrapped, Phase::Running);
        assert_eq!(found.kind(), ErrorKind::Limit);
        assert_eq!(
            found.to_string(),
            "the query was stopped after its limit of 3 s"
        );
    }

    #[test]
    fn a_failed_cast_is_the_statements_fault_and_an_internal_error_is_ours() {
        let cast = DataFusionError::from(ArrowError::CastError("cannot cast 'x'".into()));
        assert_eq!(translate(cast, Phase::Running).kind(), ErrorKind::Input);
        let internal = DataFusionError::Internal("boom".into());
        assert_eq!(translate(internal, Phase::Running).kind(), ErrorKind::Bug);
        let memory = DataFusionError::ResourcesExhausted("no".into());
        assert_eq!(translate(memory, Phase::Running).kind(), ErrorKind::Limit);
    }
}
