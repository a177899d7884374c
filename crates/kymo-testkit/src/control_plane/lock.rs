//! One suite at a time on a machine.

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

/// How long a suite waits for another one: longer than any suite may take.
const PATIENCE: Duration = Duration::from_mins(30);

/// After this it says that it waits.
const NOTICE: Duration = Duration::from_secs(30);

/// A lock on the machine's control plane, held until dropped.
#[derive(Debug)]
pub(super) struct SuiteLock {
    _file: File,
}

impl SuiteLock {
    /// Waits for the lock.
    pub(super) async fn take() -> Result<Self> {
        let folder = cache_folder()?;
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join("control-plane.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let began = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                    if !said && began.elapsed() > NOTICE {
                        let line = "waiting for the end of another control plane on this machine\n";
                        std::io::stderr().write_all(line.as_bytes())?;
                        said = true;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    bail!(
                        "another control plane has held {} for {PATIENCE:?}",
                        path.display()
                    )
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }
}

/// Names the cache folder that the build script uses too.
fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = set("KYMO_CACHE") {
        return Ok(folder);
    }
    if let Some(folder) = set("XDG_CACHE_HOME") {
        return Ok(folder.join("kymo"));
    }
    let home = set("HOME").context("none of KYMO_CACHE, XDG_CACHE_HOME and HOME is set")?;
    Ok(home.join(".cache/kymo"))
}

fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
