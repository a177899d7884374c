//! Ends the programs when the test process cannot do it any more.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// Reads process groups from stdin. At its end, which comes when the writer ends in whatever way,
/// kills the groups left and removes the folder.
const SCRIPT: &str = r#"
groups=
folder=$1
while read -r op group; do
  case $op in
    +) groups="$group $groups" ;;
    -)
      kept=
      for each in $groups; do [ "$each" = "$group" ] || kept="$kept $each"; done
      groups=$kept ;;
    keep) folder= ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
[ -z "$folder" ] || rm -rf -- "$folder"
"#;

/// A shell that outlives this process long enough to kill what it started.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts the shell; `remove` is the folder that goes with the programs.
    pub(super) fn start(remove: Option<&Path>) -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .arg("-c")
            .arg(SCRIPT)
            .arg("control-plane-watchdog")
            .arg(remove.unwrap_or_else(|| Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own group: Ctrl-C in a terminal must not end it first.
            .process_group(0)
            .spawn()
            .context("cannot start the watchdog shell")?;
        let orders = shell.stdin.take();
        Ok(Self { shell, orders })
    }

    /// Has the group killed when this process ends.
    pub(super) fn guard(&mut self, group: u32) -> Result<()> {
        self.order(&format!("+ {group}\n"))
    }

    /// Forgets a group that has ended.
    pub(super) fn release(&mut self, group: u32) -> Result<()> {
        self.order(&format!("- {group}\n"))
    }

    /// Leaves the folder where it is.
    pub(super) fn keep_folder(&mut self) -> Result<()> {
        self.order("keep\n")
    }

    fn order(&mut self, line: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("the watchdog has no stdin")?;
        // One write: a pipe takes a short line as a whole.
        orders
            .write_all(line.as_bytes())
            .and_then(|()| orders.flush())
            .context("the watchdog has ended")
    }

    /// Has everything left killed now, and waits for that.
    pub(super) fn finish(&mut self) {
        drop(self.orders.take());
        drop(self.shell.wait());
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_left_when_the_pipe_closes_are_killed_and_released_ones_are_not() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("folder");
        let mut watchdog = Watchdog::start(Some(&data)).expect("start");
        let mut sleepers: Vec<Child> = (0..2)
            .map(|_| {
                Command::new("sleep")
                    .arg("60")
                    .process_group(0)
                    .spawn()
                    .expect("sleep")
            })
            .collect();
        for sleeper in &sleepers {
            watchdog.guard(sleeper.id()).expect("guard");
        }
        watchdog.release(sleepers[1].id()).expect("release");
        watchdog.finish();
        assert!(
            !sleepers[0].wait().expect("wait").success(),
            "guarded: killed"
        );
        assert!(
            sleepers[1].try_wait().expect("try_wait").is_none(),
            "released: lives on"
        );
        sleepers[1].kill().expect("kill");
        sleepers[1].wait().expect("wait");
        assert!(!data.exists(), "the folder is removed");
    }
}
