use std::fmt;

use crate::{Class, Uniqueness};

/// Where in a trace something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The event; `None` where it is not in one.
    pub seq: Option<u64>,
    /// The path inside the object, or the part of the trace.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "event {seq} {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// A token of the original that the output holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leak {
    /// The token, in lower case.
    pub token: String,
    /// What it identifies.
    pub class: Class,
    /// How it is spelled in the output.
    pub spelling: &'static str,
    /// Where it first stands in the original.
    pub original: Place,
    /// The first places of the output where it stands.
    pub places: Vec<Place>,
    /// How often it was found.
    pub count: u64,
}

/// What came of a leak test.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LeakReport {
    /// What survived, in order of class and token.
    pub leaks: Vec<Leak>,
    /// How many tokens were searched for.
    pub tokens: usize,
    /// How many words of the original are too short to be searched for.
    pub too_short: usize,
    /// How many different texts of the output were searched.
    pub texts: u64,
    /// How many bytes of files and pages were searched.
    pub bytes: u64,
    /// What resource shapes still tell.
    pub uniqueness: Uniqueness,
}

impl LeakReport {
    /// Tells whether nothing survived.
    pub fn is_clean(&self) -> bool {
        self.leaks.is_empty()
    }
}
