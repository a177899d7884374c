use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kymo_model::{Clock, ClockStep, SessionClock, Timestamp};

/// The receive clock that all parts of a recorder share.
#[derive(Debug)]
pub(crate) struct SessionTime {
    clock: Mutex<SessionClock>,
}

impl SessionTime {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: Mutex::new(SessionClock::new(clock)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Compares with the wall clock; returns a step not returned before.
    pub(crate) fn check(&self) -> Option<ClockStep> {
        self.clock().check()
    }

    fn clock(&self) -> MutexGuard<'_, SessionClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
