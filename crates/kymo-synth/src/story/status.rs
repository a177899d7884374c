//! What controllers write into the status of workloads.

use std::fmt::Write as _;

use crate::clock::seconds;

/// How many pods a controller counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) replicas: u32,
    pub(super) ready: u32,
    pub(super) leaving: u32,
}

pub(super) fn replica_set(counts: Counts, observed: u32) -> String {
    let Counts {
        replicas,
        ready,
        leaving,
    } = counts;
    let mut text = format!(r#"{{"replicas":{replicas}"#);
    if replicas > 0 {
        write!(text, r#","fullyLabeledReplicas":{replicas}"#).ok();
    }
    if ready > 0 {
        write!(
            text,
            r#","readyReplicas":{ready},"availableReplicas":{ready}"#
        )
        .ok();
    }
    write!(
        text,
        r#","terminatingReplicas":{leaving},"observedGeneration":{observed}}}"#
    )
    .ok();
    text
}

/// The status of a `StatefulSet`, of which so many pods are of the template that it had, and of the
/// present one.
pub(super) fn stateful_set(
    counts: Counts,
    (current, updated): (u32, u32),
    observed: u32,
    (revision, update): (&str, &str),
) -> String {
    let Counts {
        replicas, ready, ..
    } = counts;
    let mut text = format!(r#"{{"observedGeneration":{observed},"replicas":{replicas}"#);
    for (name, number) in [
        ("readyReplicas", ready),
        ("currentReplicas", current),
        ("updatedReplicas", updated),
    ] {
        if number > 0 {
            write!(text, r#","{name}":{number}"#).ok();
        }
    }
    write!(
        text,
        r#","currentRevision":"{revision}","updateRevision":"{update}","collisionCount":0,"availableReplicas":{ready}}}"#
    )
    .ok();
    text
}

/// The status of a `DaemonSet`, of which so many pods are of the present template.
pub(super) fn daemon_set(counts: Counts, wanted: u32, updated: u32, observed: u32) -> String {
    let Counts {
        replicas, ready, ..
    } = counts;
    let mut text = format!(
        r#"{{"currentNumberScheduled":{replicas},"numberMisscheduled":0,"desiredNumberScheduled":{wanted},"numberReady":{ready},"observedGeneration":{observed}"#
    );
    for (name, number) in [
        ("updatedNumberScheduled", updated),
        ("numberAvailable", ready),
        ("numberUnavailable", wanted.saturating_sub(ready)),
    ] {
        if number > 0 {
            write!(text, r#","{name}":{number}"#).ok();
        }
    }
    text.push('}');
    text
}

/// A condition of a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) is_true: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) updated: i64,
    pub(super) since: i64,
}

impl Condition {
    fn write(&self, kind: &str, text: &mut String) {
        let status = if self.is_true { "True" } else { "False" };
        let message = serde_json::Value::String(self.message.clone());
        write!(
            text,
            r#"{{"type":"{kind}","status":"{status}","lastUpdateTime":"{}","lastTransitionTime":"{}","reason":"{}","message":{message}}}"#,
            seconds(self.updated),
            seconds(self.since),
            self.reason,
        )
        .ok();
    }
}

/// The status of a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rollout {
    pub(super) observed: u32,
    pub(super) counts: Counts,
    pub(super) updated: u32,
    pub(super) unavailable: u32,
    pub(super) progressing: Option<Condition>,
    pub(super) available: Option<Condition>,
    /// Whether the condition Available was written before Progressing last was.
    pub(super) is_available_first: bool,
}

impl Rollout {
    pub(super) fn text(&self) -> String {
        let mut text = String::from("{");
        if self.observed > 0 {
            write!(text, r#""observedGeneration":{},"#, self.observed).ok();
        }
        for (name, number) in [
            ("replicas", self.counts.replicas),
            ("updatedReplicas", self.updated),
            ("readyReplicas", self.counts.ready),
            ("availableReplicas", self.counts.ready),
            ("unavailableReplicas", self.unavailable),
        ] {
            if number > 0 {
                write!(text, r#""{name}":{number},"#).ok();
            }
        }
        if self.observed > 0 {
            write!(text, r#""terminatingReplicas":{},"#, self.counts.leaving).ok();
        }
        let mut parts = [
            ("Progressing", &self.progressing),
            ("Available", &self.available),
        ];
        if self.is_available_first {
            parts.reverse();
        }
        text.push_str(r#""conditions":["#);
        let mut is_first = true;
        for (kind, condition) in parts {
            if let Some(condition) = condition {
                if !is_first {
                    text.push(',');
                }
                is_first = false;
                condition.write(kind, &mut text);
            }
        }
        text.push_str("]}");
        text
    }
}
