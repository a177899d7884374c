//! What a command says when it fails, and the exit status that says whose fault it was.

use std::error::Error;
use std::io;

use serde::Serialize;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The answer is "no": a check found something.
    Negative,
    /// The command line or a statement is wrong.
    Usage,
    /// The cluster, the disk or a permission.
    Environment,
    /// The trace or another input holds what it must not.
    Corrupt,
    /// A reader of our output went away; not an error.
    BrokenPipe,
    /// kymo itself.
    Bug,
}

impl Kind {
    /// Returns the exit status.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Corrupt => 4,
            Self::Bug => 70,
        }
    }
}

/// A failure as the user sees it: one sentence, its causes, and what to do next.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// Whose fault it is.
    pub(crate) kind: Kind,
    /// What failed; empty when everything was said before (a check that found something).
    pub(crate) message: String,
    /// Why, from the nearest cause to the farthest.
    pub(crate) causes: Vec<String>,
    /// Lines of the user's own text with a mark below, shown under the message.
    pub(crate) excerpt: Option<String>,
    /// What the user can do.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            excerpt: None,
            hints: Vec::new(),
        }
    }

    /// The command line or a statement is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The cluster, the disk or a permission stands in the way.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self::new(Kind::Environment, message)
    }

    /// kymo did something wrong.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// The command did its work and the answer is "no"; nothing is left to say.
    pub(crate) fn negative() -> Self {
        Self::new(Kind::Negative, "")
    }

    /// The command did its work, said what it found, and found damage.
    pub(crate) fn found_damage() -> Self {
        Self::new(Kind::Corrupt, "")
    }

    /// Takes an error of a library as the message, with its causes.
    pub(crate) fn of(kind: Kind, error: &(dyn Error + 'static)) -> Self {
        let mut this = Self::new(kind, error.to_string());
        this.push_causes(error.source());
        this
    }

    /// Adds an error and its causes.
    pub(crate) fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        self.push_causes(Some(error));
        self
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the user's text with a mark.
    #[cfg(feature = "query")]
    pub(crate) fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// A message that an outer error already ends with is not repeated.
    fn push_causes(&mut self, mut next: Option<&(dyn Error + 'static)>) {
        while let Some(error) = next {
            let text = error.to_string();
            let said_by = self.causes.last().unwrap_or(&self.message);
            if !text.is_empty() && !said_by.ends_with(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
    }

    /// Writes the form for people; empty when there is nothing to say.
    pub(crate) fn to_text(&self) -> String {
        if self.message.is_empty() {
            return String::new();
        }
        let mut lines = vec![format!("error: {}", self.message)];
        let excerpt = self.excerpt.iter().flat_map(|excerpt| excerpt.lines());
        lines.extend(excerpt.map(|line| format!("  {line}")));
        lines.extend(
            self.causes
                .iter()
                .map(|cause| format!("  caused by: {cause}")),
        );
        let bug = (self.kind == Kind::Bug).then_some(BUG_HINT);
        let hints = self.hints.iter().map(String::as_str).chain(bug);
        lines.extend(hints.map(|hint| format!("hint: {hint}")));
        lines.join("\n") + "\n"
    }

    /// Writes the form for programs: one JSON object.
    pub(crate) fn to_json(&self) -> String {
        let body = JsonError {
            error: JsonBody {
                kind: self.kind,
                exit_code: self.kind.exit_code(),
                message: &self.message,
                causes: &self.causes,
                hints: &self.hints,
            },
        };
        let mut text = serde_json::to_string(&body).unwrap_or_default();
        text.push('\n');
        text
    }
}

const BUG_HINT: &str = "this is a bug in kymo: please report it with the command that you ran";

#[derive(Serialize)]
struct JsonError<'a> {
    error: JsonBody<'a>,
}

#[derive(Serialize)]
struct JsonBody<'a> {
    kind: Kind,
    exit_code: u8,
    message: &'a str,
    causes: &'a [String],
    hints: &'a [String],
}

/// Output that cannot be written: a reader that went away is no error.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Kind::BrokenPipe, "");
        }
        Self::environment("cannot write the output").caused_by(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl std::fmt::Display for Layer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn the_text_names_the_thing_its_causes_and_what_to_do() {
        let inner = Layer("connection refused", None);
        let error = Layer(
            "cannot reach the server: connection refused",
            Some(Box::new(inner)),
        );
        let error = CommandError::environment("cannot record")
            .caused_by(&error)
            .hint("is it up?");
        assert_eq!(
            error.to_text(),
            "error: cannot record\n  caused by: cannot reach the server: connection refused\n\
             hint: is it up?\n",
        );
        assert_eq!(error.kind.exit_code(), 3);
    }

    #[test]
    fn the_json_form_is_one_object_on_one_line() {
        let text = CommandError::usage("no such column").hint("uid").to_json();
        assert_eq!(
            text,
            "{\"error\":{\"kind\":\"usage\",\"exit_code\":2,\"message\":\"no such column\",\
             \"causes\":[],\"hints\":[\"uid\"]}}\n",
        );
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(
            (error.kind.exit_code(), error.to_text()),
            (0, String::new())
        );
    }

    #[test]
    fn a_bug_asks_for_a_report() {
        assert!(
            CommandError::bug("index out of range")
                .to_text()
                .contains("please report")
        );
    }
}
