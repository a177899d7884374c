//! The queries that kymo ships: the files of `queries/`.

use crate::error::nearest;

/// A query that kymo ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedQuery {
    /// What it is called: the name of its file.
    pub name: &'static str,
    /// Its text, with a header that says what it answers, in which unit and by which clock.
    pub text: &'static str,
}

macro_rules! queries {
    ($($name:literal,)+) => {
        &[$(NamedQuery {
            name: $name,
            text: include_str!(concat!("../../../queries/", $name, ".sql")),
        }),+]
    };
}

const QUERIES: &[NamedQuery] = queries! {
    "allocation",
    "autoscaler-reaction",
    "busiest-objects",
    "disruptions",
    "events-per-kind",
    "field-history",
    "flapping-pods",
    "gaps",
    "gpu-fragmentation",
    "hole-filling",
    "hpa-lag",
    "image-rollouts",
    "job-summary",
    "job-times",
    "karpenter-pods",
    "kube-state-metrics-pods",
    "kueue-admission",
    "lifetimes",
    "node-balance",
    "node-churn",
    "node-failures",
    "node-hours",
    "node-latency",
    "node-startup",
    "nodeclaims",
    "object-history",
    "packing",
    "pdb-violations",
    "pending-pods",
    "pod-churn",
    "pod-latency",
    "pod-spread",
    "pod-startup",
    "pod-startup-sli",
    "pod-startup-survival",
    "restarts",
    "rollouts",
    "scale-up-steps",
    "scheduling-latency",
    "scheduling-rate",
    "scheduling-sli",
    "scheduling-throughput",
    "slo-misses",
    "under-provisioning",
    "unschedulable",
    "warnings",
    "what-changed",
    "who-changed",
};

impl NamedQuery {
    /// Returns every query, by name.
    pub fn all() -> &'static [Self] {
        QUERIES
    }

    /// Finds a query.
    pub fn find(name: &str) -> Option<&'static Self> {
        QUERIES.iter().find(|query| query.name == name)
    }

    /// Returns the query that was probably meant by a name that does not exist.
    pub fn nearest(name: &str) -> Option<&'static str> {
        let meant = nearest(name, QUERIES.iter().map(|query| query.name))?;
        QUERIES
            .iter()
            .map(|query| query.name)
            .find(|name| *name == meant)
    }

    /// Returns the question that it answers.
    pub fn question(&self) -> &'static str {
        let mut lines = self.text.lines();
        let question = lines.find_map(|line| line.strip_prefix("-- Question: "));
        question.unwrap_or_default()
    }

    /// Returns what the header says of the values that the query needs; `None` if it needs none.
    pub fn parameters(&self) -> Option<&'static str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix("-- Parameters: "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_queries_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../queries");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let names: Vec<&str> = NamedQuery::all().iter().map(|query| query.name).collect();
        assert_eq!(names, files);
    }

    #[test]
    fn a_query_is_found_by_its_name_and_by_nearly_its_name() {
        let query = NamedQuery::find("pod-startup").unwrap();
        assert!(query.question().contains("pods"));
        assert_eq!(query.parameters(), None);
        assert!(
            NamedQuery::find("node-balance")
                .unwrap()
                .parameters()
                .is_some()
        );
        assert_eq!(NamedQuery::find("pod_startup"), None);
        assert_eq!(NamedQuery::nearest("pod_startup"), Some("pod-startup"));
    }
}
