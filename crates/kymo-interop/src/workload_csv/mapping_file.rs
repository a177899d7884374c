//! The form of mapping files.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::units::{CpuUnit, GpuUnit, MemoryUnit, TimeUnit};

/// A mapping as it is written; what its keys mean says the schema.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MappingFile {
    pub(super) name: String,
    pub(super) times: Spanned<TimesFile>,
    #[serde(default)]
    pub(super) missing: Vec<String>,
    pub(super) gpu_resources: Option<GpuResourcesFile>,
    #[serde(default)]
    pub(super) states: BTreeMap<PhaseWord, Vec<Spanned<String>>>,
    pub(super) nodes: Option<Spanned<NodesFile>>,
    pub(super) pods: Option<Spanned<PodsFile>>,
}

/// The times of all tables: a unit and a zero, or a calendar.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimesFile {
    pub(super) unit: Option<TimeUnit>,
    pub(super) zero: Option<Spanned<String>>,
    pub(super) calendar: Option<Spanned<String>>,
    pub(super) offset: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GpuResourcesFile {
    pub(super) count: Spanned<String>,
    pub(super) milli: Option<Spanned<String>>,
}

/// The phases that a state can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum PhaseWord {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

impl PhaseWord {
    /// Every phase.
    pub(super) const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Unknown,
    ];

    /// Returns the phase as Kubernetes writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NodesFile {
    pub(super) name: Spanned<Plain>,
    pub(super) cpu: Option<Spanned<Measured<CpuUnit>>>,
    pub(super) memory: Option<Spanned<Measured<MemoryUnit>>>,
    pub(super) gpus: Option<Spanned<Measured<GpuUnit>>>,
    pub(super) gpu_model: Option<Spanned<Plain>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PodsFile {
    pub(super) name: Spanned<Plain>,
    pub(super) cpu: Option<Spanned<Measured<CpuUnit>>>,
    pub(super) memory: Option<Spanned<Measured<MemoryUnit>>>,
    pub(super) gpus: Option<Spanned<Measured<GpuUnit>>>,
    pub(super) gpu_share: Option<Spanned<Measured<GpuUnit>>>,
    pub(super) gpu_model: Option<Spanned<Plain>>,
    pub(super) qos: Option<Spanned<Plain>>,
    pub(super) state: Option<Spanned<Plain>>,
    pub(super) created: Spanned<Plain>,
    pub(super) scheduled: Option<Spanned<Plain>>,
    pub(super) deleted: Option<Spanned<Plain>>,
}

/// A column or a constant without a unit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain {
    pub(super) column: Option<Spanned<String>>,
    pub(super) value: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) optional: bool,
}

/// A column or a constant in a unit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured<U> {
    pub(super) column: Option<Spanned<String>>,
    pub(super) value: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) unit: U,
}
