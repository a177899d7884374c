//! A user of a test: a home of their own, a fixed time, a fixed width.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A home folder in which `kymo` is run.
pub(crate) struct TestEnv {
    home: tempfile::TempDir,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Makes a command that sees nothing of the machine but its programs.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kymo"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("COLUMNS", "100")
            .env("KYMO_NOW", "2026-11-22T08:00:00Z")
            .env("KYMO_SEED", "7")
            .current_dir(self.home.path());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.command(args).output().unwrap()
    }

    /// Makes a command whose clock runs.
    pub(crate) fn live<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(args);
        command.env_remove("KYMO_NOW");
        command
    }

    /// Imports the fixture as `edge.kymo`.
    pub(crate) fn with_trace() -> Self {
        let env = Self::new();
        let output = env.run([
            OsStr::new("import"),
            OsStr::new("watch"),
            fixture().as_os_str(),
            OsStr::new("-o"),
            OsStr::new("edge.kymo"),
        ]);
        assert!(output.status.success(), "{output:?}");
        env
    }

    /// Returns the settings that take out of a snapshot what differs from run to run.
    pub(crate) fn settings(&self) -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        let home = self.home.path().to_str().unwrap();
        settings.add_filter(&regex_escape(home), "[HOME]");
        let fixtures = fixture()
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        settings.add_filter(&regex_escape(&fixtures), "[FIXTURES]");
        settings.add_filter(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:[PORT]");
        settings.add_filter(r"\.kymo-import-\w+", ".kymo-import-[RANDOM]");
        settings.add_filter(r"\bprocess \d+", "process [PID]");
        settings.add_filter(r"kymo(-cli)? \d+\.\d+\.\d+", "kymo [VERSION]");
        settings
    }
}

/// Snapshots a command: exit status, stdout and stderr.
macro_rules! snapshot {
    ($env:expr, [$($arg:expr),* $(,)?], @$expected:literal) => {{
        let env: &crate::environment::TestEnv = &$env;
        let args: Vec<&std::ffi::OsStr> = vec![$(std::ffi::OsStr::new($arg)),*];
        env.settings().bind(|| insta_cmd::assert_cmd_snapshot!(env.command(args), @$expected));
    }};
}
pub(crate) use snapshot;

fn regex_escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_alphanumeric() || c == '/' {
                vec![c]
            } else {
                vec!['\\', c]
            }
        })
        .collect()
}

/// The recorded rollout in the repository.
pub(crate) fn fixture() -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fixtures.canonicalize().unwrap().join("streams/edge-auth")
}
