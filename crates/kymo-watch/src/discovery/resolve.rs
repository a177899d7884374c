use thiserror::Error;

use super::{Catalogue, ServedResource};

/// A word that names no resource of the server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the server serves no resource `{word}`")]
pub struct UnknownResource {
    /// The word.
    pub word: String,
    /// A resource with a name close to it, as kubectl takes it.
    pub suggestion: Option<String>,
}

impl Catalogue {
    /// Finds the resource that a word such as `pods`, `po`, `deployments.apps` or `Deployment`
    /// names.
    ///
    /// # Errors
    /// When none has that name.
    pub fn resolve(&self, word: &str) -> Result<&ServedResource, UnknownResource> {
        Err(UnknownResource {
            word: word.to_owned(),
            suggestion: None,
        })
    }
}
