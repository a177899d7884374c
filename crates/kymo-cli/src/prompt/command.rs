//! What begins with `\`.

use std::path::PathBuf;

use clap::ValueEnum as _;
use kymo_query::{Parameter, Parameters};

use crate::answer::Format;
use crate::command_error::CommandError;

/// What can be typed, and what it does.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("\\d [TABLE]", "the tables; the columns of one"),
    (
        "\\df [NAME]",
        "the functions; one with an example; `\\df json*`: some",
    ),
    ("\\l", "the queries that kymo ships"),
    ("\\run NAME [name=value]...", "ask one of them"),
    ("\\i FILE", "run the statements of a file"),
    (
        "\\set [name value]",
        "the values of `$name`s; give one a value",
    ),
    ("\\unset name", "take a value away"),
    (
        "\\format [FORMAT]",
        "how answers are written: table, expanded, csv, json, ndjson",
    ),
    (
        "\\x [on|off]",
        "a line for each value (expanded), or a table",
    ),
    ("\\timing [on|off]", "how long each answer took"),
    ("\\?", "this help"),
    ("\\q", "the end; so does Ctrl-D"),
];

/// A command of the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// List the tables.
    Tables,
    /// List the columns of a table.
    Columns(String),
    /// List the functions, or tell of one.
    Functions(Option<String>),
    /// List the queries that are shipped.
    Queries,
    /// Ask one of them, with values.
    Run(String, Parameters),
    /// Run what a file says.
    File(PathBuf),
    /// List the values.
    Values,
    /// Give a value to a name.
    Set(String, Parameter),
    /// Take a value away.
    Unset(String),
    /// Tell the format, or take another.
    Format(Option<Format>),
    /// A line for each value, or not; or the other of both.
    Expanded(Option<bool>),
    /// Tell how long answers took, or not; or the other of both.
    Timing(Option<bool>),
    /// List the commands.
    Help,
    /// End.
    Quit,
}

impl Command {
    /// Reads a line that begins with `\`.
    pub(super) fn parse(line: &str) -> Result<Self, CommandError> {
        let line = line.trim().trim_end_matches(';').trim_end();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let wanted = |what: &str| {
            if rest.is_empty() {
                return Err(CommandError::usage(format!("`{name}` needs {what}")));
            }
            Ok(rest)
        };
        let command = match name {
            "\\d" | "\\dt" | "\\dv" | "\\d+" if rest.is_empty() => Self::Tables,
            "\\d" | "\\d+" => Self::Columns(rest.to_owned()),
            "\\df" => Self::Functions((!rest.is_empty()).then(|| rest.to_owned())),
            "\\l" => Self::Queries,
            "\\run" => return run(wanted("the name of a query; `\\l` lists them")?),
            "\\i" => Self::File(unquoted(wanted("a file")?).into()),
            "\\set" if rest.is_empty() => Self::Values,
            "\\set" => match rest.split_once(char::is_whitespace) {
                Some((name, value)) => Self::Set(bare(name), Parameter::read(value.trim())),
                None => Self::Set(bare(rest), Parameter::Text(String::new())),
            },
            "\\unset" => Self::Unset(bare(wanted("a name")?)),
            "\\format" => Self::Format(match rest {
                "" => None,
                text => Some(format(text)?),
            }),
            "\\x" => Self::Expanded(switch(name, rest)?),
            "\\timing" => Self::Timing(switch(name, rest)?),
            "\\?" | "\\h" | "\\help" => Self::Help,
            "\\q" => Self::Quit,
            _ => {
                let unknown = CommandError::usage(format!("no command `{name}`"));
                return Err(unknown.hint("`\\?` lists the commands"));
            }
        };
        Ok(command)
    }

    /// Reads what people type when they do not know that commands begin with `\`.
    pub(super) fn plain(line: &str) -> Option<Self> {
        let line = line.trim().trim_end_matches(';').trim_end();
        match line.to_ascii_lowercase().as_str() {
            "quit" | "exit" => Some(Self::Quit),
            "help" => Some(Self::Help),
            _ => None,
        }
    }
}

fn run(rest: &str) -> Result<Command, CommandError> {
    let mut words = words(rest).into_iter();
    let name = words.next().unwrap_or_default();
    let mut parameters = Parameters::new();
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            return Err(CommandError::usage(format!("`{word}` is not name=value")));
        };
        if parameters
            .insert(bare(name), Parameter::read(value))
            .is_some()
        {
            return Err(CommandError::usage(format!("`{name}` has two values")));
        }
    }
    Ok(Command::Run(name, parameters))
}

fn bare(name: &str) -> String {
    name.trim_start_matches('$').to_owned()
}

fn format(text: &str) -> Result<Format, CommandError> {
    let format = Format::from_str(text, true);
    let format = format.map_err(|_| CommandError::usage(format!("no format `{text}`")));
    match format {
        Ok(format) if format.is_binary() => {
            let error = CommandError::usage("a terminal cannot show this format");
            Err(error.hint("write it to a file: `kymo query TRACE SQL -o FILE`"))
        }
        Ok(format) => Ok(format),
        Err(error) => Err(error.hint("the formats are table, expanded, csv, json and ndjson")),
    }
}

fn switch(name: &str, text: &str) -> Result<Option<bool>, CommandError> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(CommandError::usage(format!("`{name}` takes `on` or `off`"))),
    }
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    inner.unwrap_or(text)
}

/// Splits at blanks that are not in quotes; the quotes stay.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    for c in text.chars() {
        if c == '\'' {
            is_quoted = !is_quoted;
        }
        if !c.is_whitespace() || is_quoted {
            word.push(c);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Parameter {
        Parameter::Text(text.to_owned())
    }

    #[test]
    fn commands_are_read_with_what_follows_them() {
        for (line, command) in [
            ("\\d", Command::Tables),
            ("\\d pods ", Command::Columns("pods".into())),
            ("\\d prod.pods;", Command::Columns("prod.pods".into())),
            ("\\df", Command::Functions(None)),
            ("\\df at", Command::Functions(Some("at".into()))),
            ("\\l", Command::Queries),
            ("\\i my file.sql", Command::File("my file.sql".into())),
            ("\\i 'my file.sql'", Command::File("my file.sql".into())),
            ("\\set", Command::Values),
            ("\\set kind Pod", Command::Set("kind".into(), text("Pod"))),
            (
                "\\set $n 5",
                Command::Set("n".into(), Parameter::Number("5".into())),
            ),
            ("\\set who 'a b'", Command::Set("who".into(), text("a b"))),
            ("\\set who", Command::Set("who".into(), text(""))),
            ("\\unset kind", Command::Unset("kind".into())),
            ("\\format", Command::Format(None)),
            ("\\format CSV", Command::Format(Some(Format::Csv))),
            ("\\x", Command::Expanded(None)),
            ("\\x on", Command::Expanded(Some(true))),
            ("\\timing OFF", Command::Timing(Some(false))),
            ("\\?", Command::Help),
            ("\\q", Command::Quit),
        ] {
            assert_eq!(Command::parse(line).unwrap(), command, "{line}");
        }
    }

    #[test]
    fn a_shipped_query_takes_values() {
        let Command::Run(name, parameters) =
            Command::parse("\\run what-changed from=10s to='20 s' $n=3").unwrap()
        else {
            panic!("no run");
        };
        assert_eq!(name, "what-changed");
        let expected = Parameters::from([
            ("from".to_owned(), text("10s")),
            ("to".to_owned(), text("20 s")),
            ("n".to_owned(), Parameter::Number("3".into())),
        ]);
        assert_eq!(parameters, expected);
    }

    #[test]
    fn what_is_no_command_is_told() {
        for (line, message) in [
            ("\\nope", "no command `\\nope`"),
            ("\\", "no command `\\`"),
            ("\\i", "`\\i` needs a file"),
            (
                "\\run",
                "`\\run` needs the name of a query; `\\l` lists them",
            ),
            ("\\run a b", "`b` is not name=value"),
            ("\\run a b=1 b=2", "`b` has two values"),
            ("\\format pdf", "no format `pdf`"),
            ("\\format parquet", "a terminal cannot show this format"),
            ("\\x maybe", "`\\x` takes `on` or `off`"),
        ] {
            assert_eq!(Command::parse(line).unwrap_err().message, message, "{line}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_known() {
        for (syntax, _) in COMMANDS {
            let name = syntax.split(' ').next().unwrap();
            let line = match name {
                "\\run" | "\\i" | "\\unset" => format!("{name} x"),
                name => name.to_owned(),
            };
            assert!(Command::parse(&line).is_ok(), "{syntax}");
        }
    }

    #[test]
    fn people_who_want_to_leave_can() {
        assert_eq!(Command::plain("quit"), Some(Command::Quit));
        assert_eq!(Command::plain(" EXIT; "), Some(Command::Quit));
        assert_eq!(Command::plain("help"), Some(Command::Help));
        assert_eq!(Command::plain("SELECT quit"), None);
    }
}
