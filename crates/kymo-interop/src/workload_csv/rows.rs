//! Rows of a table, read and checked.

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

use super::mapping::{Origin, Role};
use super::tables::Layout;
use super::units;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) cpu_milli: u64,
    pub(super) memory_bytes: u64,
    pub(super) gpu_count: u64,
    pub(super) gpu_model: String,
}

/// A pod. Times are nanoseconds from the zero of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct PodRow {
    pub(super) name: String,
    pub(super) cpu_milli: u64,
    pub(super) memory_bytes: u64,
    pub(super) gpus: Option<GpuWish>,
    pub(super) gpu_model: String,
    pub(super) qos: String,
    pub(super) phase: String,
    pub(super) created: i64,
    pub(super) scheduled: Option<i64>,
    pub(super) deleted: Option<i64>,
}

/// The GPUs that a pod wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct GpuWish {
    pub(super) devices: u64,
    /// Thousandths of each of them; `None` if that is not told.
    pub(super) each_milli: Option<u64>,
    /// Thousandths of all of them together.
    pub(super) milli: u64,
}

/// The fields of one row.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) layout: &'a Layout<'a>,
    pub(super) record: &'a ByteRecord,
}

impl Fields<'_> {
    /// Reads the row as a node; the reason if it is none.
    pub(super) fn node(self) -> Result<NodeRow, String> {
        let gpus = self.number(Role::Gpus)?;
        if !gpus.is_multiple_of(1000) {
            return Err("it has a part of a GPU".to_owned());
        }
        Ok(NodeRow {
            name: self.name()?,
            cpu_milli: self.number(Role::Cpu)?,
            memory_bytes: self.number(Role::Memory)?,
            gpu_count: gpus / 1000,
            gpu_model: self.text(Role::GpuModel)?,
        })
    }

    /// Reads the row as a pod; the reason if it is none.
    pub(super) fn pod(self) -> Result<PodRow, String> {
        let row = PodRow {
            name: self.name()?,
            cpu_milli: self.number(Role::Cpu)?,
            memory_bytes: self.number(Role::Memory)?,
            gpus: self.gpus()?,
            gpu_model: self.text(Role::GpuModel)?,
            qos: self.text(Role::Qos)?,
            phase: self.phase()?,
            created: self
                .time(Role::Created)?
                .ok_or("it has no time of creation")?,
            scheduled: self.time(Role::Scheduled)?,
            deleted: self.time(Role::Deleted)?,
        };
        if row.scheduled.is_some_and(|at| at < row.created) {
            return Err("it is scheduled before it is created".to_owned());
        }
        if row
            .deleted
            .is_some_and(|at| at < row.scheduled.unwrap_or(row.created))
        {
            return Err("it is deleted before it is created or scheduled".to_owned());
        }
        Ok(row)
    }

    fn name(self) -> Result<String, String> {
        let name = self.text(Role::Name)?;
        if name.is_empty() {
            return Err("it has no name".to_owned());
        }
        Ok(name)
    }

    fn gpus(self) -> Result<Option<GpuWish>, String> {
        let all = self.number(Role::Gpus)?;
        let share = self.layout.table.source(Role::GpuShare);
        let has_share = share.is_some_and(|source| match source.from {
            Origin::Value(_) => true,
            Origin::Column { .. } => self.layout.place(Role::GpuShare).is_some(),
        });
        if all == 0 {
            return Ok(None);
        }
        let wish = if has_share {
            let each = self.number(Role::GpuShare)?;
            let devices = all / 1000;
            if !all.is_multiple_of(1000) {
                return Err("it has a share of each GPU, but no whole number of them".to_owned());
            }
            let milli = devices.checked_mul(each).ok_or("its GPUs are too many")?;
            GpuWish {
                devices,
                each_milli: Some(each),
                milli,
            }
        } else {
            let is_whole = all.is_multiple_of(1000);
            GpuWish {
                devices: all.div_ceil(1000),
                each_milli: match all {
                    part @ ..1000 => Some(part),
                    _ => is_whole.then_some(1000),
                },
                milli: all,
            }
        };
        if self.layout.mapping.gpus.milli.is_none() && !wish.milli.is_multiple_of(1000) {
            return Err("it wants a part of a GPU, and `gpu-resources` has no `milli`".to_owned());
        }
        Ok(Some(wish))
    }

    /// Returns the phase that the row's state stands for; empty where it has none.
    fn phase(self) -> Result<String, String> {
        let state = self.text(Role::State)?;
        if self.layout.mapping.is_missing(&state) {
            return Ok(String::new());
        }
        let phase = self.layout.mapping.phase(&state);
        phase
            .map(str::to_owned)
            .map_err(|reason| self.is_not(Role::State, &state, &reason))
    }

    /// Returns the text of a column or the value that stands for it; empty where there is neither.
    fn text(self, role: Role) -> Result<String, String> {
        let Some(source) = self.layout.table.source(role) else {
            return Ok(String::new());
        };
        let title = match &source.from {
            Origin::Value(text) => return Ok(text.clone()),
            Origin::Column { title, .. } => title,
        };
        let Some(place) = self.layout.place(role) else {
            return Ok(String::new());
        };
        let field = self.record.get(place);
        let field = field.ok_or_else(|| format!("it ends before `{title}`"))?;
        let text = std::str::from_utf8(field).map_err(|_| format!("`{title}` is not UTF-8"))?;
        Ok(text.trim().to_owned())
    }

    /// Reads a number of the smallest unit; nothing is zero.
    fn number(self, role: Role) -> Result<u64, String> {
        let text = self.text(role)?;
        if self.layout.mapping.is_missing(&text) {
            return Ok(0);
        }
        let source = self.layout.table.source(role);
        units::amount(&text, source.map_or(1, |source| source.factor))
            .map_err(|reason| self.is_not(role, &text, &reason))
    }

    /// Reads a time; nothing is none.
    fn time(self, role: Role) -> Result<Option<i64>, String> {
        let text = self.text(role)?;
        if self.layout.mapping.is_missing(&text) {
            return Ok(None);
        }
        let at = self.layout.mapping.time(&text);
        at.map(Some)
            .map_err(|reason| self.is_not(role, &text, &reason))
    }

    fn is_not(self, role: Role, text: &str, reason: &str) -> String {
        let title = match self.layout.table.source(role).map(|source| &source.from) {
            Some(Origin::Column { title, .. }) => title,
            _ => "",
        };
        format!("`{title}` is `{text}`, which is {reason}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::mapping::Mapping;
    use super::super::tables::shipped;
    use super::*;

    const TITLES: [&str; 9] = [
        "name",
        "cpu_milli",
        "memory_mib",
        "num_gpu",
        "gpu_milli",
        "pod_phase",
        "creation_time",
        "deletion_time",
        "scheduled_time",
    ];

    fn pod(row: &[&str]) -> Result<PodRow, String> {
        let layout = Layout::of(shipped(), &TITLES).unwrap();
        let record = ByteRecord::from(row.to_vec());
        Fields {
            layout: &layout,
            record: &record,
        }
        .pod()
    }

    #[test]
    fn numbers_may_have_a_point_and_be_missing() {
        let pod = pod(&["a", " 12000.0", "", "1", "460", "Running", "7.5", "", "8.0"]).unwrap();
        assert_eq!((pod.cpu_milli, pod.memory_bytes), (12_000, 0));
        assert_eq!(
            (pod.created, pod.scheduled),
            (7_500_000_000, Some(8_000_000_000))
        );
        assert_eq!(pod.deleted, None);
    }

    #[rstest]
    #[case(&["", "1", "1", "0", "0", "", "0", "", ""], "no name")]
    #[case(&["a", "1.5", "1", "0", "0", "", "0", "", ""], "`cpu_milli` is `1.5`")]
    #[case(&["a", "-1", "1", "0", "0", "", "0", "", ""], "`cpu_milli` is `-1`")]
    #[case(&["a", "1", "x", "0", "0", "", "0", "", ""], "`memory_mib` is `x`")]
    #[case(&["a", "1", "1", "0", "0", "", "", "", ""], "no time of creation")]
    #[case(&["a", "1", "1", "0", "0", "", "soon", "", ""], "`creation_time` is `soon`")]
    #[case(&["a", "1", "1", "0", "0", "", "1e300", "", ""], "no time")]
    #[case(&["a", "1", "1", "0", "0", "", "NaN", "", ""], "no time")]
    #[case(&["a", "1", "1", "0", "0", "", "99999999999999", "", ""], "no time")]
    #[case(&["a", "1", "1", "0", "0", "", "5", "", "4"], "scheduled before")]
    #[case(&["a", "1", "1", "0", "0", "", "5", "6", "7"], "deleted before")]
    #[case(&["a", "1", "1"], "ends before `num_gpu`")]
    #[case(&["a", "1", "1", "1.5", "500", "", "0", "", ""], "no whole number of them")]
    #[case(&["a", "1", "1", "1", "0.5", "", "0", "", ""], "`gpu_milli` is `0.5`")]
    #[case(&["a", "1", "1", "0", "0", "Lost", "0", "", ""], "`pod_phase` is `Lost`, which is no phase")]
    fn a_row_that_cannot_be_right_says_why(#[case] row: &[&str], #[case] reason: &str) {
        let error = pod(row).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_field_that_is_no_text_says_so() {
        let layout = Layout::of(shipped(), &TITLES).unwrap();
        let fields: [&[u8]; 9] = [b"\xff", b"1", b"1", b"0", b"0", b"", b"0", b"", b""];
        let record = ByteRecord::from(fields.to_vec());
        let fields = Fields {
            layout: &layout,
            record: &record,
        };
        assert_eq!(fields.pod().unwrap_err(), "`name` is not UTF-8");
    }

    fn wish(resources: &str, gpus: &str) -> Result<Option<GpuWish>, String> {
        let text = format!(
            "name: own\ntimes: {{unit: s, zero: epoch}}\ngpu-resources: {resources}\npods:\n  \
             name: {{column: id}}\n  created: {{value: 0}}\n  gpus: {{column: gpus, unit: count}}\n"
        );
        let mappings = [Mapping::parse("own.yaml", &text).unwrap()];
        let layout = Layout::of(&mappings, &["id", "gpus"]).unwrap();
        let record = ByteRecord::from(vec!["a", gpus]);
        let fields = Fields {
            layout: &layout,
            record: &record,
        };
        fields.pod().map(|row| row.gpus)
    }

    #[rstest]
    #[case("0.5", Some((1, Some(500), 500)))]
    #[case("1.5", Some((2, None, 1500)))]
    #[case("2", Some((2, Some(1000), 2000)))]
    #[case("0", None)]
    fn a_count_of_gpus_may_have_parts(
        #[case] gpus: &str,
        #[case] expected: Option<(u64, Option<u64>, u64)>,
    ) {
        let expected = expected.map(|(devices, each_milli, milli)| GpuWish {
            devices,
            each_milli,
            milli,
        });
        let resources = "{count: x.io/gpu, milli: x.io/milli}";
        assert_eq!(wish(resources, gpus), Ok(expected));
    }

    #[test]
    fn a_part_of_a_gpu_needs_a_resource_of_parts() {
        let error = wish("{count: nvidia.com/gpu}", "0.5").unwrap_err();
        assert!(error.contains("a part of a GPU"), "{error}");
        assert!(wish("{count: nvidia.com/gpu}", "3").is_ok());
    }
}
