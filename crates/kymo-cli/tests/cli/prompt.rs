//! The prompt, through a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::Duration;

use rexpect::process::WaitStatus;
use rexpect::reader::Options;
use rexpect::session::{PtySession, spawn_with_options};

use crate::environment::TestEnv;

const PROMPT: &str = "kymo> ";
const UP: &str = "\x1b[A";

struct Terminal(PtySession);

impl Terminal {
    fn open(env: &TestEnv, args: &[&str]) -> Self {
        let mut command = env.command([&["query", "edge.kymo"], args].concat());
        command.env("TERM", "xterm");
        let options = Options::new()
            .timeout_ms(Some(60_000))
            .strip_ansi_escape_codes(true);
        let mut terminal = Self(spawn_with_options(command, options).unwrap());
        terminal.sees(PROMPT);
        terminal
    }

    fn sees(&mut self, text: &str) -> String {
        self.0.exp_string(text).unwrap()
    }

    fn types(&mut self, text: &str) {
        self.0.send(text).unwrap();
        self.0.flush().unwrap();
    }

    /// Types a line; returns what is seen before the next prompt.
    fn asks(&mut self, line: &str) -> String {
        self.types(&format!("{line}\r"));
        // The line that was typed ends first.
        self.sees("\r\n");
        self.sees(PROMPT)
    }

    fn ends(mut self) {
        self.0.exp_eof().unwrap();
        let status = self.0.process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
    }
}

#[test]
fn statements_are_typed_and_the_prompt_goes_on_after_an_error() {
    let env = TestEnv::with_trace();
    let mut terminal = Terminal::open(&env, &[]);
    terminal.types("SELECT kind, count(*) AS n FROM events\r");
    let answer = terminal.asks("WHERE kind = 'Service' GROUP BY kind;");
    assert!(
        answer.contains("Service") && answer.contains("(1 row)"),
        "{answer}"
    );
    let error = terminal.asks("SELECT nam FROM events;");
    assert!(
        error.contains("no column `nam`; did you mean `name`?") && error.contains("^^^"),
        "{error}"
    );
    let error = terminal.asks("DELETE FROM events;");
    assert!(error.contains("DELETE is refused"), "{error}");
    let both = terminal.asks("SELECT 'a'; SELECT 'b';");
    assert_eq!(both.matches("(1 row)").count(), 2, "{both}");
    let timed = terminal.asks("\\timing") + &terminal.asks("SELECT 1;");
    assert!(
        timed.contains("Timing is on") && timed.contains("Time: "),
        "{timed}"
    );
    terminal.types("\x04");
    terminal.ends();
}

#[test]
fn tab_completes() {
    let env = TestEnv::with_trace();
    let mut terminal = Terminal::open(&env, &[]);
    terminal.types("SELECT count(DISTINCT namesp\t) FROM even\t");
    terminal.sees("events");
    let error = terminal.asks(";");
    // Before the table is named, its columns are not known.
    assert!(error.contains("no column `namesp`"), "{error}");
    terminal.types("\\format nd\t");
    terminal.sees("ndjson");
    assert!(terminal.asks("").contains("written as ndjson"));
    terminal.types("\\run node-fail\t");
    terminal.sees("node-failures");
    terminal.types("\x03");
    terminal.sees(PROMPT);
    terminal.types("\\q\r");
    terminal.ends();
}

#[test]
fn ctrl_c_leaves_a_line_and_cancels_a_statement() {
    let env = TestEnv::with_trace();
    let mut terminal = Terminal::open(&env, &[]);
    terminal.types("SELECT 'never");
    terminal.types("\x03");
    terminal.sees(PROMPT);
    terminal.types(
        "SELECT count(*) FROM events a, events b, events c, events d, events e, events f \
         WHERE a.seq + b.seq + c.seq + d.seq + e.seq + f.seq < 0;\r",
    );
    terminal.sees("\r\n");
    // The terminal must have left the mode in which keys are only keys.
    sleep(Duration::from_secs(3));
    terminal.types("\x03");
    terminal.sees("Cancelled");
    terminal.sees(PROMPT);
    let answer = terminal.asks("SELECT 7 AS seven;");
    assert!(answer.contains("seven"), "{answer}");
    terminal.types("exit\r");
    terminal.ends();
}

#[test]
fn what_was_typed_is_kept_for_its_user_alone_unless_that_is_not_wanted() {
    let env = TestEnv::with_trace();
    let file = env.path(".local/state/kymo/history");
    let mut terminal = Terminal::open(&env, &["--no-history"]);
    terminal.asks("SELECT 'secret';");
    terminal.types("\\q\r");
    terminal.ends();
    assert!(!file.exists());

    let mut terminal = Terminal::open(&env, &[]);
    terminal.asks("SELECT 6 * 7 AS answer;");
    terminal.types("\x04");
    terminal.ends();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);

    let mut terminal = Terminal::open(&env, &[]);
    terminal.types(UP);
    terminal.sees("SELECT 6 * 7 AS answer;");
    assert!(terminal.asks("").contains("42"));
    terminal.types("\x04");
    terminal.ends();
}

#[test]
fn a_terminal_without_a_prompt_shows_no_prompt() {
    let env = TestEnv::with_trace();
    let mut command = env.command(["query", "edge.kymo", "SELECT 5 AS five"]);
    command.env("TERM", "xterm");
    let mut session = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
    let seen = session.exp_eof().unwrap();
    assert!(seen.contains("five") && !seen.contains(PROMPT), "{seen}");
}
