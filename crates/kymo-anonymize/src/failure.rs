use thiserror::Error;

/// Why a trace could not be anonymized. Nothing of its content is told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Two identifiers would have the same pseudonym.
    #[error(
        "two identifiers of the kind `{domain}` would have the same pseudonym; use another key"
    )]
    Collision {
        /// Their kind.
        domain: &'static str,
    },
    /// More is to be remembered than memory is allowed for.
    #[error("the trace has more names than memory is allowed for: {known} are known so far")]
    TooManyNames {
        /// How many are known.
        known: usize,
    },
    /// An object is no JSON object.
    #[error("an object is not a JSON object")]
    NotAnObject,
    /// The result would not be written as it should.
    #[error("an object could not be written: {source}")]
    Json {
        /// What the writer says.
        source: serde_json::Error,
    },
}
