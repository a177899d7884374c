/// Watches how far the making of a trace is.
pub trait Progress: Send + Sync {
    /// Something more has happened; `false` ends the work.
    fn event(&self) -> bool;
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn event(&self) -> bool {
        true
    }
}
