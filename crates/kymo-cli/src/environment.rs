//! What the process environment decides: the time and the seed, which tests can hold.

use std::sync::Arc;
use std::time::Duration;

use kymo_model::{Clock, SystemClock, Timestamp};

use crate::command_error::CommandError;

/// Names the variable that fixes the wall clock (RFC 3339).
const NOW: &str = "KYMO_NOW";
/// Names the variable that fixes what is random.
const SEED: &str = "KYMO_SEED";

/// A wall clock that stands at the time of `KYMO_NOW`; the monotonic clock runs.
#[derive(Debug)]
struct HeldClock {
    now: Timestamp,
    system: SystemClock,
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

/// Returns the machine's clock, or the one that `KYMO_NOW` holds.
pub(crate) fn clock() -> Result<Arc<dyn Clock>, CommandError> {
    let system = SystemClock::new();
    Ok(match held_time()? {
        Some(now) => Arc::new(HeldClock { now, system }),
        None => Arc::new(system),
    })
}

/// Returns the time of `KYMO_NOW`, if it is set.
pub(crate) fn held_time() -> Result<Option<Timestamp>, CommandError> {
    let Some(text) = std::env::var_os(NOW) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    let now = text.parse().map_err(|error| {
        CommandError::usage(format!("cannot use the time of {NOW}")).caused_by(&error)
    })?;
    Ok(Some(now))
}

/// Returns the seed of `KYMO_SEED`, if it is set.
pub(crate) fn seed() -> Result<Option<u64>, CommandError> {
    let Some(text) = std::env::var_os(SEED) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    let seed = text.parse().map_err(|error: std::num::ParseIntError| {
        CommandError::usage(format!("{SEED} is not a number: `{text}`")).caused_by(&error)
    })?;
    Ok(Some(seed))
}
