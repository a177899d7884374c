//! What the columns of tables mean, as a small YAML file says it.

mod check;
mod parts;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use kymo_model::Timestamp;

use super::calendar::Calendar;
use super::mapping_file::{MappingFile, PhaseWord};
use super::units::{self, TimeUnit};
use crate::Error;

/// The longest mapping file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What something in a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::workload_csv) enum Role {
    /// The name of a node or pod.
    Name,
    Cpu,
    Memory,
    /// GPUs of a node, or that a pod wants.
    Gpus,
    /// How much of each of its GPUs a pod wants.
    GpuShare,
    /// The model of a node's GPUs, or those that a pod can use, with `|` between them.
    GpuModel,
    /// The class of service.
    Qos,
    /// The state of a pod when it was last seen.
    State,
    Created,
    /// When a pod was bound to a node.
    Scheduled,
    Deleted,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::workload_csv) enum Subject {
    Node,
    Pod,
}

/// What the times of a mapping are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::workload_csv) enum Times {
    Counted { unit: TimeUnit, zero: Zero },
    Calendar(Calendar),
}

/// Where times are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::workload_csv) enum Zero {
    /// No file tells it: it is asked for.
    Start,
    /// 1970 in UTC.
    Epoch,
    At(Timestamp),
}

/// The extended resources that GPUs are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::workload_csv) struct GpuResources {
    /// Whole devices.
    pub(in crate::workload_csv) count: String,
    /// Thousandths of all devices together, where pods share them.
    pub(in crate::workload_csv) milli: Option<String>,
}

/// Where something in a row comes from.
#[derive(Debug)]
pub(in crate::workload_csv) struct Source {
    pub(in crate::workload_csv) role: Role,
    pub(in crate::workload_csv) from: Origin,
    /// How many of the smallest unit one is.
    pub(in crate::workload_csv) factor: u64,
}

#[derive(Debug)]
pub(in crate::workload_csv) enum Origin {
    Column { title: String, is_optional: bool },
    Value(String),
}

/// A kind of file.
#[derive(Debug)]
pub(in crate::workload_csv) struct Table {
    pub(in crate::workload_csv) subject: Subject,
    pub(in crate::workload_csv) sources: Vec<Source>,
}

impl Table {
    /// Returns the titles of its columns, and whether a file may lack them.
    pub(in crate::workload_csv) fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        self.sources.iter().filter_map(|source| match &source.from {
            Origin::Column { title, is_optional } => Some((title.as_str(), *is_optional)),
            Origin::Value(_) => None,
        })
    }

    /// Returns where something comes from.
    pub(in crate::workload_csv) fn source(&self, role: Role) -> Option<&Source> {
        self.sources.iter().find(|source| source.role == role)
    }
}

/// What tables of a data set mean.
#[derive(Debug)]
pub(in crate::workload_csv) struct Mapping {
    /// The data set.
    pub(in crate::workload_csv) name: String,
    pub(in crate::workload_csv) times: Times,
    /// Fields that stand for nothing.
    missing: Vec<String>,
    pub(in crate::workload_csv) gpus: GpuResources,
    states: Vec<(String, PhaseWord)>,
    pub(in crate::workload_csv) tables: Vec<Table>,
}

impl Mapping {
    /// Reads a file of at most 1 MiB.
    pub(in crate::workload_csv) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let failed = |source| Error::open(path, source);
        let file = fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut file = file.take(MOST_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(failed)?;
        let refused = |reason: &str| Error::Mapping {
            path: name.clone(),
            line: 1,
            column: 1,
            reason: reason.to_owned(),
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(refused("it is larger than 1 MiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
        Self::parse(&name, &text)
    }

    /// Reads the text of a mapping; `path` is for messages.
    pub(in crate::workload_csv) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let file: MappingFile = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location();
            let message = error.without_snippet().to_string();
            let reason = message.lines().next().unwrap_or_default();
            // The place is told in front of it.
            let reason = reason.split(" at line ").next().unwrap_or_default();
            Error::Mapping {
                path: path.to_owned(),
                line: place.map_or(1, |place| place.line()),
                column: place.map_or(1, |place| place.column()),
                reason: reason.to_owned(),
            }
        })?;
        Self::check(file).map_err(|(place, reason)| Error::Mapping {
            path: path.to_owned(),
            line: place.line(),
            column: place.column(),
            reason,
        })
    }

    /// Tells whether a field stands for nothing.
    pub(in crate::workload_csv) fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.missing.iter().any(|missing| missing == text)
    }

    /// Reads a time as nanoseconds from the zero, those of a calendar from 1970; what it is not
    /// otherwise.
    pub(in crate::workload_csv) fn time(&self, text: &str) -> Result<i64, String> {
        match &self.times {
            Times::Counted { unit, .. } => {
                units::nanos(text, *unit).ok_or_else(|| "no time".to_owned())
            }
            Times::Calendar(calendar) => calendar
                .read(text)
                .map(|at| at.0)
                .ok_or_else(|| "no date with a time of day".to_owned()),
        }
    }

    /// Returns the phase that a state stands for; what it is not otherwise.
    pub(in crate::workload_csv) fn phase(&self, state: &str) -> Result<&'static str, String> {
        let mut listed = self.states.iter();
        if let Some((_, phase)) = listed.find(|(known, _)| known == state) {
            return Ok(phase.as_str());
        }
        let mut phases = PhaseWord::ALL.into_iter().map(PhaseWord::as_str);
        phases
            .find(|phase| *phase == state)
            .ok_or_else(|| "no phase, and `states` does not have it".to_owned())
    }
}
