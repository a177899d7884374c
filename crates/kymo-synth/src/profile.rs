use std::collections::BTreeMap;

use kymo_model::{Certainty, EventType};
use kymo_store::Trace;
use serde_json::Value;

use crate::Error;

/// What is compared of two traces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Events by kind.
    pub counts: BTreeMap<String, u64>,
    /// From the creation of pods until they run, in whole milliseconds.
    pub startups: Vec<f64>,
    /// From when pods run until they end or are deleted, in whole milliseconds.
    pub lifetimes: Vec<f64>,
}

/// What was seen of a pod.
#[derive(Debug, Default)]
struct Times {
    created: Option<i64>,
    running: Option<i64>,
    ended: Option<i64>,
}

impl Profile {
    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// A trace that cannot be read.
    pub fn of(trace: &Trace) -> Result<Self, Error> {
        let feeds = trace.feeds().clone();
        let mut profile = Self::default();
        let mut uid = String::new();
        let mut times = Times::default();
        for row in trace.rows()? {
            let row = row?;
            let Some(feed) = feeds.get(&row.event.feed) else {
                continue;
            };
            let kind = feed.resource.kind.clone();
            let is_pod = kind == "Pod";
            *profile.counts.entry(kind).or_default() += 1;
            let Some(body) = row.event.body.as_ref().filter(|_| is_pod) else {
                continue;
            };
            if row.event.key.uid != uid {
                profile.add(&std::mem::take(&mut times));
                uid.clone_from(&row.event.key.uid);
            }
            let Ok(pod) = serde_json::from_slice::<Value>(body) else {
                continue;
            };
            let ts = row.event.ts.0;
            let is_first = row.event.event_type == EventType::Added;
            if is_first && row.event.certainty == Certainty::Seen {
                times.created = Some(ts);
            }
            let phase = pod.pointer("/status/phase").and_then(Value::as_str);
            if phase == Some("Running") {
                times.running.get_or_insert(ts);
            }
            let is_over = matches!(phase, Some("Succeeded" | "Failed"))
                || pod.pointer("/metadata/deletionTimestamp").is_some();
            if is_over {
                times.ended.get_or_insert(ts);
            }
        }
        profile.add(&times);
        Ok(profile)
    }

    fn add(&mut self, times: &Times) {
        if let (Some(created), Some(running)) = (times.created, times.running) {
            self.startups.push(millis(running - created));
        }
        if let (Some(running), Some(ended)) = (times.running, times.ended) {
            self.lifetimes.push(millis(ended - running));
        }
    }
}

/// Rounds nanoseconds to milliseconds.
fn millis(ns: i64) -> f64 {
    (ns.max(0) as f64 / 1e6).round()
}
