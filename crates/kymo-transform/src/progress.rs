/// Is told how far a transform is.
pub trait Progress: Send + Sync {
    /// A row of an input was read. `false` stops the work: there is no output then.
    fn row(&self) -> bool;
}

/// Lets everything pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn row(&self) -> bool {
        true
    }
}
