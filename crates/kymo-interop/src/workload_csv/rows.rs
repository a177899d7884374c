//! Rows of a table, read and checked.

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

use kymo_model::Timestamp;

use super::tables::{Column, Layout, Times};

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) cpu_milli: u64,
    pub(super) memory_mib: u64,
    pub(super) gpu_count: u64,
    pub(super) gpu_model: String,
}

/// A pod. Times are nanoseconds from the zero of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct PodRow {
    pub(super) name: String,
    pub(super) cpu_milli: u64,
    pub(super) memory_mib: u64,
    pub(super) gpu_count: u64,
    /// Of each GPU.
    pub(super) gpu_milli: u64,
    pub(super) gpu_model: String,
    pub(super) qos: String,
    pub(super) phase: String,
    pub(super) created: i64,
    pub(super) scheduled: Option<i64>,
    pub(super) deleted: Option<i64>,
}

/// The fields of one row.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) layout: &'a Layout,
    pub(super) record: &'a ByteRecord,
}

impl Fields<'_> {
    /// Reads the row as a node; the reason if it is none.
    pub(super) fn node(self) -> Result<NodeRow, String> {
        Ok(NodeRow {
            name: self.name()?,
            cpu_milli: self.number(Column::CpuMilli)?,
            memory_mib: self.number(Column::MemoryMib)?,
            gpu_count: self.number(Column::GpuCount)?,
            gpu_model: self.text(Column::GpuModel)?,
        })
    }

    /// Reads the row as a pod; the reason if it is none.
    pub(super) fn pod(self) -> Result<PodRow, String> {
        let row = PodRow {
            name: self.name()?,
            cpu_milli: self.cpu_milli()?,
            memory_mib: self.number(Column::MemoryMib)?,
            gpu_count: self.number(Column::GpuCount)?,
            gpu_milli: match self.layout.place(Column::GpuMilli) {
                Some(_) => self.number(Column::GpuMilli)?,
                // Whole ones.
                None => 1000,
            },
            gpu_model: self.text(Column::GpuModel)?,
            qos: self.text(Column::Qos)?,
            phase: phase(self.text(Column::Phase)?),
            created: self
                .time(Column::Created)?
                .ok_or("it has no time of creation")?,
            scheduled: self.time(Column::Scheduled)?,
            deleted: self.time(Column::Deleted)?,
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
        let name = self.text(Column::Name)?;
        if name.is_empty() {
            return Err("it has no name".to_owned());
        }
        Ok(name)
    }

    fn cpu_milli(self) -> Result<u64, String> {
        if self.layout.place(Column::CpuCount).is_none() {
            return self.number(Column::CpuMilli);
        }
        let count = self.number(Column::CpuCount)?;
        let milli = count.checked_mul(1000);
        milli.ok_or_else(|| format!("{count} CPUs are too many"))
    }

    /// Returns the text of a column; empty where the file does not have the column.
    fn text(self, column: Column) -> Result<String, String> {
        let Some((title, place)) = self.layout.place(column) else {
            return Ok(String::new());
        };
        let field = self.record.get(place);
        let field = field.ok_or_else(|| format!("it ends before `{title}`"))?;
        let text = std::str::from_utf8(field).map_err(|_| format!("`{title}` is not UTF-8"))?;
        Ok(text.trim().to_owned())
    }

    /// Reads a number; nothing is zero.
    fn number(self, column: Column) -> Result<u64, String> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(0);
        }
        // Tools that know no missing integers write `12000.0`.
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        whole.parse().map_err(|_| {
            let title = self.layout.place(column).map_or("", |(title, _)| title);
            format!("`{title}` is `{text}`, which is no whole number")
        })
    }

    /// Reads a time; nothing is none.
    fn time(self, column: Column) -> Result<Option<i64>, String> {
        let text = self.text(column)?;
        if text.is_empty() || text == "None" {
            return Ok(None);
        }
        let Times::Counted { unit, .. } = self.layout.table.times else {
            let at = format!("{}Z", text.replacen(' ', "T", 1)).parse::<Timestamp>();
            return at.map(|at| Some(at.0)).map_err(|_| {
                let title = self.layout.place(column).map_or("", |(title, _)| title);
                format!("`{title}` is `{text}`, which is no date with a time of day")
            });
        };
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        let nanos = match whole.parse::<i64>() {
            Ok(count) => count.checked_mul(unit),
            Err(_) => text.parse::<f64>().ok().and_then(|count| {
                let nanos = count * unit as f64;
                (nanos.abs() < i64::MAX as f64).then_some(nanos as i64)
            }),
        };
        nanos.map(Some).ok_or_else(|| {
            let title = self.layout.place(column).map_or("", |(title, _)| title);
            format!("`{title}` is `{text}`, which is no time")
        })
    }
}

/// Returns the phase of a pod for the state of a job of Slurm, and any other as it is.
fn phase(state: String) -> String {
    match state.as_str() {
        "COMPLETED" => "Succeeded".to_owned(),
        "RUNNING" => "Running".to_owned(),
        "CANCELLED" | "FAILED" | "TIMEOUT" | "NODE_FAIL" => "Failed".to_owned(),
        _ => state,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

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
        let layout = Layout::of(&TITLES).unwrap();
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
        assert_eq!((pod.cpu_milli, pod.memory_mib), (12_000, 0));
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
    fn a_row_that_cannot_be_right_says_why(#[case] row: &[&str], #[case] reason: &str) {
        let error = pod(row).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_field_that_is_no_text_says_so() {
        let layout = Layout::of(&TITLES).unwrap();
        let fields: [&[u8]; 9] = [b"\xff", b"1", b"1", b"0", b"0", b"", b"0", b"", b""];
        let record = ByteRecord::from(fields.to_vec());
        let fields = Fields {
            layout: &layout,
            record: &record,
        };
        assert_eq!(fields.pod().unwrap_err(), "`name` is not UTF-8");
    }
}
