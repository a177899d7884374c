//! Statements and commands, one after the other.

use kymo_query::{is_blank, split_statement};

use super::command::Command;
use crate::ask::Statement;
use crate::command_error::CommandError;

/// What a text asks for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A statement; the last one needs no `;`.
    Statement(Statement),
    /// A line that begins with `\`.
    Command(Command),
}

/// Reads a text of statements and commands.
pub(crate) fn items(text: &str) -> Result<Vec<Item>, CommandError> {
    let mut items = Vec::new();
    let mut rest = text;
    loop {
        rest = after_comments(rest);
        if rest.is_empty() {
            return Ok(items);
        }
        if rest.starts_with('\\') {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            items.push(Item::Command(Command::parse(line)?));
            rest = after;
            continue;
        }
        let (statement, after) = first_statement(rest).unwrap_or((rest, ""));
        if !is_blank(statement) {
            let before = text.get(..text.len() - rest.len()).unwrap_or_default();
            let lines = before.bytes().filter(|byte| *byte == b'\n').count();
            items.push(Item::Statement(Statement {
                text: statement.to_owned(),
                line: u64::try_from(lines).unwrap_or(u64::MAX).saturating_add(1),
            }));
        }
        rest = after;
    }
}

/// Tells whether a text that is typed is complete: a command, or statements that all end.
pub(super) fn is_complete(text: &str) -> bool {
    let mut rest = after_comments(text);
    if rest.starts_with('\\') || Command::plain(rest).is_some() {
        return true;
    }
    while let Some((_, after)) = split_statement(rest) {
        rest = after;
    }
    is_blank(rest)
}

/// Leaves blanks and comments of one line out, so that a command can follow them.
fn after_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
        rest = rest.trim_start();
    }
    rest
}

/// Splits at the first `;` if it ends a statement, which spares to look at all that follows.
fn first_statement(text: &str) -> Option<(&str, &str)> {
    let first = text.split_inclusive(';').next()?;
    match split_statement(first) {
        Some((statement, _)) => text.split_at_checked(statement.len()),
        None => split_statement(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str, line: u64) -> Item {
        let text = text.to_owned();
        Item::Statement(Statement { text, line })
    }

    #[test]
    fn a_text_is_statements_and_commands() {
        let text =
            "-- First\n\\x on\nSELECT ';'\n  , 2; SELECT 3;;\n-- ; \\q\n\\timing\nSELECT 4\n";
        assert_eq!(
            items(text).unwrap(),
            [
                Item::Command(Command::Expanded(Some(true))),
                statement("SELECT ';'\n  , 2;", 3),
                statement("SELECT 3;", 4),
                Item::Command(Command::Timing(None)),
                statement("SELECT 4\n", 7),
            ]
        );
        assert_eq!(items(" -- nothing\n").unwrap(), []);
        assert!(items("SELECT 1;\n\\nope\n").is_err());
    }

    #[test]
    fn what_is_typed_is_complete_when_its_last_statement_ends() {
        for text in [
            "",
            "SELECT 1;",
            "SELECT 1; SELECT 2; ",
            "SELECT 1; -- done",
            "\\d",
            "\\i it's",
            "quit",
        ] {
            assert!(is_complete(text), "{text}");
        }
        for text in ["SELECT 1", "SELECT ';", "SELECT 1; SELECT", "/* a"] {
            assert!(!is_complete(text), "{text}");
        }
    }
}
