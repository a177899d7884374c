use std::fmt;
use std::str::FromStr;

use super::context::{Context, Opened};
use super::fold::Rules;
use crate::input::{Entry, Sample};
use crate::{Error, audit, dump, kshrk, kss, kwok, simkube, watch, workload_csv};

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Audit logs of API servers.
    Audit,
    /// Captures of k8shark.
    Kshrk,
    /// Traces of SimKube.
    Simkube,
    /// Records and snapshots of the kube-scheduler-simulator.
    Kss,
    /// Recordings and snapshots of KWOK.
    Kwok,
    /// Raw watch streams.
    Watch,
    /// What a cluster held at one moment, or at several.
    Dump,
    /// Tables of nodes and pods.
    WorkloadCsv,
}

impl Format {
    /// Every format, in the order in which they are tried.
    pub const ALL: &'static [Self] = &[
        Self::Audit,
        Self::Kshrk,
        Self::Simkube,
        Self::Kss,
        Self::Kwok,
        Self::WorkloadCsv,
        Self::Watch,
        Self::Dump,
    ];

    /// Returns the word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Kshrk => "kshrk",
            Self::Simkube => "simkube",
            Self::Kss => "kss",
            Self::Kwok => "kwok",
            Self::Watch => "watch",
            Self::Dump => "dump",
            Self::WorkloadCsv => "workload-csv",
        }
    }

    /// Returns why an entry of a folder or archive is not read by this format.
    pub(crate) fn why_skipped(self, path: &str) -> Option<&'static str> {
        match self {
            Self::Audit => audit::why_skipped(path),
            Self::Kshrk => kshrk::why_skipped(path),
            Self::Simkube => simkube::why_skipped(path),
            Self::Kss => kss::why_skipped(path),
            Self::Kwok => kwok::why_skipped(path),
            Self::Watch => watch::why_skipped(path),
            Self::Dump => dump::why_skipped(path),
            Self::WorkloadCsv => workload_csv::why_skipped(path),
        }
    }

    /// Tells whether an entry begins as this format does.
    pub(crate) fn detect(self, sample: &Sample<'_>) -> bool {
        match self {
            Self::Audit => audit::detect(sample),
            Self::Kshrk => kshrk::detect(sample),
            Self::Simkube => simkube::detect(sample),
            Self::Kss => kss::detect(sample),
            Self::Kwok => kwok::detect(sample),
            Self::Watch => watch::detect(sample),
            Self::Dump => dump::detect(sample),
            Self::WorkloadCsv => workload_csv::detect(sample),
        }
    }

    /// Opens the entries.
    pub(crate) fn open(self, entries: Vec<Entry>, context: &Context) -> Result<Opened, Error> {
        Ok(match self {
            Self::Audit => audit::open(entries, context)?.into(),
            Self::Kshrk => kshrk::open(entries, context)?,
            Self::Simkube => simkube::open(entries, context)?.into(),
            Self::Kss => kss::open(entries, context)?.into(),
            Self::Kwok => kwok::open(entries, context)?.into(),
            Self::Watch => watch::open(entries, context)?.into(),
            Self::Dump => dump::open(entries, context)?,
            Self::WorkloadCsv => workload_csv::open(entries, context)?.into(),
        })
    }

    /// Returns what the fold may take for granted.
    pub(crate) fn rules(self) -> Rules {
        match self {
            // Answers overtake each other.
            Self::Audit => Rules {
                versions_grow: false,
                mints_uids: false,
                events_expire: true,
                is_followed: true,
            },
            Self::Kshrk | Self::Kwok | Self::Simkube | Self::Watch => Rules {
                versions_grow: true,
                mints_uids: false,
                events_expire: false,
                is_followed: true,
            },
            Self::Dump => Rules {
                versions_grow: true,
                mints_uids: false,
                events_expire: false,
                is_followed: false,
            },
            // The objects of a list come in any order, as if they were changes.
            Self::Kss => Rules {
                versions_grow: false,
                mints_uids: false,
                events_expire: false,
                is_followed: true,
            },
            Self::WorkloadCsv => Rules {
                versions_grow: true,
                mints_uids: true,
                events_expire: false,
                is_followed: true,
            },
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no format; these are: {}", known())]
pub struct UnknownFormat {
    /// The word.
    pub word: String,
}

fn known() -> String {
    let words: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
    words.join(", ")
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.as_str() == word)
            .ok_or_else(|| UnknownFormat {
                word: word.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_formats_belong_together() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(*format));
        }
        let error = Format::from_str("wach").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`wach` is no format; these are: "),
            "{error}"
        );
    }
}
