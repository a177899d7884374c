//! One running program.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use super::Component;

/// A program with its own process group and log; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    component: Component,
    child: Child,
    log: PathBuf,
    ended: bool,
}

impl Process {
    /// Starts `program`; what it prints is added to `log`, `home` is its HOME and current folder.
    pub(super) fn spawn(
        component: Component,
        program: &Path,
        args: &[String],
        home: &Path,
        log: PathBuf,
    ) -> Result<Self> {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let child = Command::new(program)
            .args(args)
            .current_dir(home)
            .env("HOME", home)
            // Nothing here is to be sent through a proxy or found in a developer's settings.
            .env_remove("KUBECONFIG")
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(
                output
                    .try_clone()
                    .context("cannot duplicate the log's handle")?,
            )
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self {
            component,
            child,
            log,
            ended: false,
        })
    }

    pub(super) fn component(&self) -> Component {
        self.component
    }

    /// Tells the process id, which is the process group's too.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of the log, when the program has ended by itself.
    pub(super) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self
            .child
            .try_wait()
            .context("cannot ask for the process")?
        {
            self.ended = true;
            bail!(
                "{} ended ({status}); the end of {}:\n{}",
                self.component,
                self.log.display(),
                tail(&self.log, 20)
            );
        }
        Ok(())
    }

    /// Sends a signal to the program.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        if self.ended {
            bail!("{} is not running", self.component);
        }
        self.group()
            .and_then(|group| Ok(kill_process_group(group, signal)?))
            .with_context(|| format!("cannot signal {}", self.component))
    }

    fn group(&self) -> Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("not a process id")
    }

    /// Asks the program to end, and kills it when it has not after `grace`.
    pub(super) async fn stop(&mut self, grace: Duration) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < grace {
            if self
                .child
                .try_wait()
                .context("cannot ask for the process")?
                .is_some()
            {
                self.ended = true;
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.kill();
        Ok(())
    }

    /// Kills the program and waits until it is gone.
    pub(super) fn kill(&mut self) {
        if self.ended {
            return;
        }
        // It may have ended by itself; then there is nothing to signal.
        drop(self.signal(Signal::KILL));
        drop(self.child.wait());
        self.ended = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Gives the last `lines` lines of a log, or why it cannot be read.
pub(super) fn tail(log: &Path, lines: usize) -> String {
    match std::fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<&str> = text.lines().collect();
            let from = all.len().saturating_sub(lines);
            all.get(from..).unwrap_or_default().join("\n")
        }
        Err(error) => format!("({error})"),
    }
}
