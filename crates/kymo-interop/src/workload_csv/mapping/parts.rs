//! The parts of a table: what each of its columns is.

use serde_saphyr::{Location, Spanned};

use super::Role;
use crate::workload_csv::mapping_file::{Measured, NodesFile, Plain, PodsFile};
use crate::workload_csv::units::Unit;

/// A part of a table as it is written.
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) place: Location,
    /// How many of the smallest unit one is.
    pub(super) factor: u64,
    pub(super) plain: Plain,
}

/// The parts that are there.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn plain(mut self, role: Role, plain: Option<Spanned<Plain>>) -> Self {
        self.0.extend(plain.map(|plain| Part {
            role,
            place: plain.referenced,
            factor: 1,
            plain: plain.value,
        }));
        self
    }

    fn measured<U: Unit>(mut self, role: Role, measured: Option<Spanned<Measured<U>>>) -> Self {
        self.0.extend(measured.map(|measured| {
            let place = measured.referenced;
            let Measured {
                column,
                value,
                optional,
                unit,
            } = measured.value;
            Part {
                role,
                place,
                factor: unit.factor(),
                plain: Plain {
                    column,
                    value,
                    optional,
                },
            }
        }));
        self
    }
}

impl NodesFile {
    /// Returns its parts.
    pub(super) fn parts(self) -> Vec<Part> {
        let parts = Parts::default()
            .plain(Role::Name, Some(self.name))
            .measured(Role::Cpu, self.cpu)
            .measured(Role::Memory, self.memory)
            .measured(Role::Gpus, self.gpus)
            .plain(Role::GpuModel, self.gpu_model);
        parts.0
    }
}

impl PodsFile {
    /// Returns its parts.
    pub(super) fn parts(self) -> Vec<Part> {
        let parts = Parts::default()
            .plain(Role::Name, Some(self.name))
            .plain(Role::Created, Some(self.created))
            .measured(Role::Cpu, self.cpu)
            .measured(Role::Memory, self.memory)
            .measured(Role::Gpus, self.gpus)
            .measured(Role::GpuShare, self.gpu_share)
            .plain(Role::GpuModel, self.gpu_model)
            .plain(Role::Qos, self.qos)
            .plain(Role::State, self.state)
            .plain(Role::Scheduled, self.scheduled)
            .plain(Role::Deleted, self.deleted);
        parts.0
    }
}
