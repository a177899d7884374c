//! The only door to the terminal: results to stdout, messages to stderr.

mod escape;
mod number;
mod progress;
mod table;

use std::io::{self, BufWriter, IsTerminal as _, Write};

use indicatif::MultiProgress;

pub(crate) use escape::{escape, escape_line};
pub(crate) use number::{bytes, count, of};
pub(crate) use progress::Progress;
pub(crate) use table::{Align, Table};

use crate::command_error::{CommandError, Kind};
use escape::EscapingWriter;

/// When to colour messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the user sees, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    color: bool,
    quiet: bool,
    json_errors: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    progress: MultiProgress,
}

impl Ui {
    /// Looks at the terminal. `json_errors` asks for failures as JSON.
    pub(crate) fn new(color: ColorChoice, quiet: bool, json_errors: bool) -> Self {
        let stdout_is_terminal = io::stdout().is_terminal();
        let stderr_is_terminal = io::stderr().is_terminal();
        let color = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stderr_is_terminal && !refused
            }
        };
        Self {
            color,
            quiet,
            json_errors,
            stdout_is_terminal,
            stderr_is_terminal,
            progress: MultiProgress::new(),
        }
    }

    /// Returns how wide a table may be now; `None` where nothing limits it.
    pub(crate) fn width(&self) -> Option<usize> {
        width(self.stdout_is_terminal)
    }

    /// Tells whether results go to a terminal.
    #[cfg(feature = "query")]
    pub(crate) fn is_stdout_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Tells whether a user sits at a terminal and sees results there.
    #[cfg(feature = "query")]
    pub(crate) fn is_dialogue(&self) -> bool {
        self.stdout_is_terminal && io::stdin().is_terminal()
    }

    /// Tells whether messages go to a terminal, so that a line can be redrawn.
    pub(crate) fn is_interactive(&self) -> bool {
        self.stderr_is_terminal && !self.quiet
    }

    /// Opens stdout. On a terminal control characters are escaped unless `raw`.
    pub(crate) fn stdout(&self, raw: bool) -> Box<dyn Write + Send> {
        let stdout = BufWriter::with_capacity(64 * 1024, io::stdout());
        if self.stdout_is_terminal && !raw {
            Box::new(EscapingWriter::new(stdout))
        } else {
            Box::new(stdout)
        }
    }

    /// Says something of interest; not with `--quiet`.
    pub(crate) fn message(&self, text: &str) {
        if !self.quiet {
            self.write_stderr(&format!("{}\n", escape(text)));
        }
    }

    /// Warns.
    pub(crate) fn warning(&self, text: &str) {
        let label = self.paint("33", "warning");
        self.write_stderr(&format!("{label}: {}\n", escape(text)));
    }

    /// Says why the command failed, as JSON if the user asked for JSON.
    pub(crate) fn report(&self, error: &CommandError) {
        if self.json_errors {
            if error.kind != Kind::BrokenPipe && !error.message.is_empty() {
                self.write_stderr(&error.to_json());
            }
            return;
        }
        let text = error.to_text();
        let text = escape(&text);
        let painted: Vec<String> = text
            .lines()
            .map(|line| {
                if let Some(rest) = line.strip_prefix("error:") {
                    format!("{}{rest}\n", self.paint("1;31", "error:"))
                } else if let Some(rest) = line.strip_prefix("hint:") {
                    format!("{}{rest}\n", self.paint("1;36", "hint:"))
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
        self.write_stderr(&painted.concat());
    }

    /// Starts a progress line; it draws nothing when stderr is no terminal.
    pub(crate) fn progress(&self) -> Progress {
        Progress::new(&self.progress, self.is_interactive())
    }

    /// Writes to stderr above the progress line. There is nobody left to tell of a failure.
    pub(crate) fn write_stderr(&self, text: &str) {
        if self.is_interactive() {
            self.progress
                .suspend(|| io::stderr().write_all(text.as_bytes()).ok());
        } else {
            io::stderr().write_all(text.as_bytes()).ok();
        }
    }

    /// Shows what libraries log: our own warnings, with `verbose` more, or what `KYMO_LOG` names.
    pub(crate) fn log_to_stderr(&self, verbose: u8) {
        let level = match verbose {
            0 => "off,kymo_record=warn,kymo_store=warn,kymo_watch=warn",
            1 => "info",
            _ => "debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("KYMO_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        let ui = self.clone();
        // Only the first call of a process has an effect.
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_target(false)
            .with_writer(move || LogLine {
                ui: ui.clone(),
                text: Vec::new(),
            })
            .try_init()
            .ok();
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One line of a log, written above the progress line.
struct LogLine {
    ui: Ui,
    text: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        self.ui
            .write_stderr(&escape(&String::from_utf8_lossy(&self.text)));
    }
}

/// `COLUMNS` wins, so that tests and scripts can fix it.
fn width(stdout_is_terminal: bool) -> Option<usize> {
    let asked = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let terminal = || {
        stdout_is_terminal
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(width, _)| usize::from(width.0))
    };
    asked.or_else(terminal).filter(|width| *width > 0)
}
