//! Audit logs of API servers.
//!
//! What is read: events of `audit.k8s.io` (v1, v1beta1, v1alpha1), one JSON value after the other,
//! a line each or pretty-printed, alone or in the wrappers of [`envelope`]. All logs of an import
//! are read as one, in the order of time.
//!
//! | step | module |
//! |---|---|
//! | text into values | [`records`], [`batch`], [`skim`] |
//! | values into requests | [`envelope`], [`event`], [`google`], [`call`] |
//! | which were told before, which never answered | [`intake`], [`stages`] |
//! | requests into changes of objects | [`judge`], [`deletion`] |
//! | changes into their order | [`order`] |
//! | changes into objects | [`resolve`], [`derive`], [`known`] |

mod batch;
mod call;
mod change;
mod deletion;
mod derive;
mod envelope;
mod event;
mod glance;
mod google;
mod intake;
mod judge;
mod known;
mod members;
mod order;
mod reader;
mod records;
mod resolve;
mod resources;
mod skim;
mod stages;

use memchr::memmem;

use crate::Error;
use crate::import::{Context, ReadItems};
use crate::input::{Entry, Sample};
use reader::AuditReader;

/// Says why an entry of a folder or archive is not taken.
pub(crate) fn why_skipped(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with(['_', '.']) {
        return Some("its name begins with `_` or `.`");
    }
    let known = [".log", ".json", ".jsonl", ".ndjson", ".txt"];
    // Rotated logs end in a number or a date.
    let is_log = known.iter().any(|suffix| name.ends_with(suffix))
        || name.contains(".log.")
        || name.contains("audit");
    (!is_log).then_some("neither .log nor .json")
}

/// Tells whether an entry begins with audit events, whatever they are wrapped in.
pub(crate) fn detect(sample: &Sample<'_>) -> bool {
    let has = |word: &str| memmem::find(sample.start, word.as_bytes()).is_some();
    let is_kubernetes = has("auditID") && has("requestURI") && has("stage");
    let is_google = has("\"protoPayload\"") && has("\"k8s.io\"") && has("methodName");
    is_kubernetes || is_google
}

/// Makes one reader of all entries.
pub(crate) fn open(
    entries: Vec<Entry>,
    context: &Context,
) -> Result<Vec<Box<dyn ReadItems>>, Error> {
    Ok(vec![Box::new(AuditReader::new(entries, context)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_are_taken_and_notes_are_not() {
        for path in [
            "a/audit.log",
            "audit-2026-11-21T07-00-00.000.log",
            "kube.log.1",
            "PT1H.json",
        ] {
            assert_eq!(why_skipped(path), None, "{path}");
        }
        for path in ["README.md", ".audit.log", "a/policy.yaml"] {
            assert!(why_skipped(path).is_some(), "{path}");
        }
    }

    #[test]
    fn a_log_is_known_by_its_beginning() {
        let is_audit = |start: &str| {
            detect(&Sample {
                path: "x",
                start: start.as_bytes(),
            })
        };
        let event = r#"{"kind":"Event","auditID":"i","stage":"Panic","requestURI":"/"}"#;
        assert!(is_audit(event));
        assert!(is_audit(&format!(
            r#"{{"log":{}}}"#,
            serde_json::Value::from(event)
        )));
        assert!(is_audit(
            r#"[{"protoPayload":{"methodName":"io.k8s.core.v1.pods.get","serviceName":"k8s.io"}}]"#
        ));
        assert!(!is_audit(
            r#"{"kind":"Event","apiVersion":"v1","reason":"Started"}"#
        ));
        assert!(!is_audit(r#"{"recv":"2026-11-21T02:07:16.5Z","event":{}}"#));
    }
}
