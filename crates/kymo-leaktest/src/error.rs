use std::path::PathBuf;

/// Why two traces could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A trace cannot be read.
    #[error(transparent)]
    Store(#[from] kymo_store::Error),
    /// A file of the output cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A Parquet file of the output cannot be read.
    #[error("{} is not a Parquet file that can be read: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: parquet::errors::ParquetError,
    },
    /// The tokens of the original do not fit into a search.
    #[error("the original's {tokens} tokens cannot be searched for: {source}")]
    Search {
        /// How many there are.
        tokens: usize,
        /// What the search says.
        source: aho_corasick::BuildError,
    },
}
