//! Is a trace whole? Every byte that counts is read.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::fs::{Filesystem, RealFs};
use crate::manifest::hex;
use crate::trace::Trace;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// What a crash leaves behind; nothing durable is missing.
    Note,
    /// Something is odd; everything is readable.
    Warning,
    /// Something cannot be read.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something about a trace that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub place: String,
    /// What was found.
    pub message: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
    /// Events that were read.
    pub events: u64,
    /// Segments that were read.
    pub segments: usize,
    /// Logs that were read.
    pub logs: usize,
}

impl CheckReport {
    /// Tells whether something cannot be read.
    pub fn is_damaged(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}

/// Checks a trace. An error means that it cannot be opened at all.
pub fn check(path: &Path) -> Result<CheckReport, Error> {
    check_with(Arc::new(RealFs), path)
}

/// Checks a trace of another file system.
pub fn check_with(fs: Arc<dyn Filesystem>, path: &Path) -> Result<CheckReport, Error> {
    let trace = Trace::open_with(fs, path)?;
    let contents = trace.contents();
    let mut report = CheckReport {
        findings: contents.findings.clone(),
        ..CheckReport::default()
    };
    for name in &contents.orphans {
        report.findings.push(Finding {
            severity: Severity::Note,
            place: name.clone(),
            message: "belongs to nothing; the next writer sets it aside".to_owned(),
        });
    }
    for segment in trace.segments() {
        let entry = segment.entry();
        report.segments += 1;
        let message = match segment.reader().verify() {
            Ok(found) if found.rows != entry.rows => {
                report.events += found.rows;
                format!(
                    "has {} events, the manifest says {}",
                    found.rows, entry.rows
                )
            }
            Ok(found) if hex(&found.digest) != entry.digest => {
                report.events += found.rows;
                "its content is not what the manifest says".to_owned()
            }
            Ok(found) => {
                report.events += found.rows;
                continue;
            }
            Err(error) => error.to_string(),
        };
        report.findings.push(Finding {
            severity: Severity::Error,
            place: entry.name.clone(),
            message,
        });
    }
    for log in &contents.logs {
        report.logs += 1;
        report.events += log.summary.events;
    }
    report
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(report)
}
