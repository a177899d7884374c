//! The data sets that are known, and what their columns mean.
//!
//! A data set is added by its tables here, as long as its rows are nodes or pods with these
//! columns.

use std::fmt::Write as _;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The name of a node or pod.
    Name,
    /// Thousandths of a CPU.
    CpuMilli,
    /// CPUs.
    CpuCount,
    /// Mebibytes of memory.
    MemoryMib,
    /// How many GPUs.
    GpuCount,
    /// Thousandths of each GPU.
    GpuMilli,
    /// The model of a node's GPUs, or those that a pod can use, with `|` between them.
    GpuModel,
    /// The class of service.
    Qos,
    /// The phase of a pod when it was last seen.
    Phase,
    /// When a pod was created.
    Created,
    /// When a pod was bound to a node.
    Scheduled,
    /// When a pod was deleted.
    Deleted,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A node.
    Node,
    /// A pod.
    Pod,
}

/// What the times of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Counted from a zero that is not told.
    Counted {
        /// How many nanoseconds one unit is.
        unit: i64,
        /// The unit in words.
        name: &'static str,
    },
    /// Dates and times of day without a time zone, such as `2020-04-01 00:04:09`.
    Calendar,
}

/// A kind of file.
#[derive(Debug)]
pub(super) struct Table {
    /// The data set.
    pub(super) family: &'static str,
    pub(super) subject: Subject,
    pub(super) times: Times,
    columns: &'static [(&'static str, Column)],
    /// Columns that only some files of the kind have.
    optional: &'static [(&'static str, Column)],
}

const SECONDS: Times = Times::Counted {
    unit: 1_000_000_000,
    name: "seconds",
};

const TABLES: [Table; 3] = [
    Table {
        family: "Alibaba cluster-trace-gpu-v2023 (openb)",
        subject: Subject::Node,
        times: SECONDS,
        columns: &[
            ("sn", Column::Name),
            ("cpu_milli", Column::CpuMilli),
            ("memory_mib", Column::MemoryMib),
            ("gpu", Column::GpuCount),
        ],
        optional: &[("model", Column::GpuModel)],
    },
    Table {
        family: "Alibaba cluster-trace-gpu-v2023 (openb)",
        subject: Subject::Pod,
        times: SECONDS,
        columns: &[
            ("name", Column::Name),
            ("cpu_milli", Column::CpuMilli),
            ("memory_mib", Column::MemoryMib),
            ("num_gpu", Column::GpuCount),
            ("gpu_milli", Column::GpuMilli),
            ("creation_time", Column::Created),
        ],
        optional: &[
            ("gpu_spec", Column::GpuModel),
            ("qos", Column::Qos),
            ("pod_phase", Column::Phase),
            ("deletion_time", Column::Deleted),
            ("scheduled_time", Column::Scheduled),
        ],
    },
    Table {
        family: "SenseTime Helios",
        subject: Subject::Pod,
        times: Times::Calendar,
        columns: &[
            ("job_id", Column::Name),
            ("gpu_num", Column::GpuCount),
            ("cpu_num", Column::CpuCount),
            ("state", Column::Phase),
            ("submit_time", Column::Created),
            ("start_time", Column::Scheduled),
            ("end_time", Column::Deleted),
        ],
        optional: &[],
    },
];

/// A table, and where its columns stand in a file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) table: &'static Table,
    /// Column, its title and its place.
    places: Vec<(Column, &'static str, usize)>,
    /// Titles that the table does not have.
    pub(super) unknown: Vec<String>,
}

impl Layout {
    /// Finds the table of a file by its first line.
    pub(super) fn of(titles: &[&str]) -> Option<Self> {
        let position = |title: &str| titles.iter().position(|found| *found == title);
        let fits = |table: &&Table| {
            let mut needed = table.columns.iter();
            needed.all(|(title, _)| position(title).is_some())
        };
        let table = TABLES
            .iter()
            .filter(fits)
            .max_by_key(|table| table.columns.len())?;
        let known = table.columns.iter().chain(table.optional);
        let places: Vec<_> = known
            .filter_map(|(title, column)| Some((*column, *title, position(title)?)))
            .collect();
        let is_unknown = |at: &usize| !places.iter().any(|(_, _, place)| place == at);
        let unknown = titles.iter().enumerate().filter(|(at, _)| is_unknown(at));
        Some(Self {
            table,
            unknown: unknown.map(|(_, title)| (*title).to_owned()).collect(),
            places,
        })
    }

    /// Returns the title and the place of a column, if the file has it.
    pub(super) fn place(&self, column: Column) -> Option<(&'static str, usize)> {
        let place = self.places.iter().find(|(found, _, _)| *found == column)?;
        Some((place.1, place.2))
    }
}

/// Lists what is known, for people.
pub(super) fn known() -> String {
    let mut text = String::new();
    for table in &TABLES {
        let subject = match table.subject {
            Subject::Node => "nodes",
            Subject::Pod => "pods",
        };
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{subject} of {}: ", table.family);
        let titles: Vec<&str> = table.columns.iter().map(|(title, _)| *title).collect();
        text.push_str(&titles.join(", "));
        for (title, _) in table.optional {
            let _ = write!(text, ", ({title})");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_columns_in_any_order() {
        let titles = ["gpu", "extra", "memory_mib", "sn", "cpu_milli"];
        let layout = Layout::of(&titles).unwrap();
        assert_eq!(layout.table.subject, Subject::Node);
        assert_eq!(layout.place(Column::Name), Some(("sn", 3)));
        assert_eq!(layout.place(Column::GpuModel), None);
        assert_eq!(layout.unknown, ["extra"]);
        assert!(Layout::of(&["sn", "cpu_milli"]).is_none());
        assert!(Layout::of(&[]).is_none());
    }

    #[test]
    fn what_is_known_is_listed_with_what_may_be_missing() {
        let known = known();
        assert!(known.starts_with("nodes of Alibaba"), "{known}");
        assert!(known.contains("sn, cpu_milli, memory_mib, gpu, (model); pods of"));
        assert!(known.contains("(deletion_time), (scheduled_time); pods of SenseTime Helios: "));
        assert!(known.ends_with("submit_time, start_time, end_time"));
    }
}
