use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kymo_model::Timestamp;
use serde_json::Value;

use super::thing::Group;
use super::workload::{PodLife, Seen, Workload};
use super::{Fit, NodeShape, spread, text};
use crate::Tally;
use crate::clock::{MILLI, SECOND};
use crate::story::is_name;

/// How many values are written one by one; of more, so many that are spread over them.
const MOST: usize = 200;

/// Kinds whose controllers write as often as was seen.
const CONTROLLERS: [&str; 6] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "StatefulSet",
];

/// What can only be said when it is known how much is made without it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// For each kind the share of updates that are seen.
    shares: BTreeMap<String, f64>,
    /// Reports of nodes besides.
    reports: u64,
    /// How many Events of a reason are missing.
    missing: BTreeMap<String, u64>,
}

impl Fit {
    /// Finds out what has to be said so that as much of each kind is made as was recorded, from what
    /// the script makes without that: events of each kind, and Events by their reasons.
    pub fn tune(&self, made: &BTreeMap<String, Tally>, reasons: &BTreeMap<String, u64>) -> Tuning {
        let mut tuning = Tuning::default();
        let tally = |kind: &str| made.get(kind).copied().unwrap_or_default();
        let nodes = tally("Node").events;
        tuning.reports = self.count("Node").saturating_sub(nodes);
        for (reason, recorded) in &self.reasons {
            let made = reasons.get(reason).copied().unwrap_or(0);
            if *recorded > made {
                tuning.missing.insert(reason.clone(), recorded - made);
            }
        }
        let kinds = CONTROLLERS.iter().copied().chain(["Event", "Lease"]);
        for kind in kinds {
            let Tally {
                mut events,
                updates,
            } = tally(kind);
            if kind == "Event" {
                events += tuning.missing.values().sum::<u64>();
            }
            let surplus = events.saturating_sub(self.count(kind)).min(updates);
            if surplus > 0 {
                let share = (updates - surplus) as f64 / updates as f64;
                tuning.shares.insert(kind.to_owned(), share);
            }
        }
        tuning
    }

    /// Writes the script: nodes by their shapes, workloads with what was measured of their pods, and
    /// everything else by kind and namespace.
    pub fn script(&self, tuning: &Tuning) -> String {
        let mut script = Script {
            start: self.start,
            text: String::from("-- Fitted to a recorded trace.\n"),
            names: BTreeSet::new(),
        };
        let span = duration((self.end - self.start).max(MILLI));
        let from = Timestamp(self.start);
        script.line(&format!("SYNTHESIZE TIME {span} FROM '{from}';"));
        self.write_shares(tuning, &mut script);
        self.write_nodes(tuning, &mut script);
        let mut jobs: BTreeMap<String, Vec<&Workload>> = BTreeMap::new();
        for own in self.workloads.values() {
            if own.kind == "Job" {
                jobs.entry(own.template_key()).or_default().push(own);
            } else {
                script.workload(&[own], &self.reasons);
            }
        }
        for mut like in jobs.into_values() {
            like.sort_by_key(|job| job.begin);
            script.workload(&like, &self.reasons);
        }
        for group in self.things.groups() {
            script.thing(&group);
        }
        for mut group in self.events.groups() {
            let missing = tuning.missing.get(&text(&group.manifest, "/reason"));
            let missing = missing.copied().unwrap_or(0) as usize;
            let recorded = group.lives.len();
            let first = recorded.saturating_sub(missing);
            group.lives.drain(..first.min(recorded));
            group.changes.clear();
            if !group.lives.is_empty() {
                script.thing(&group);
            }
        }
        script.text
    }

    fn write_shares(&self, tuning: &Tuning, script: &mut Script) {
        let seen = CONTROLLERS.iter().filter(|kind| self.count(kind) > 0);
        let mut shares: BTreeMap<&str, f64> = seen.map(|kind| (*kind, 1.0)).collect();
        let tuned = tuning.shares.iter();
        shares.extend(tuned.map(|(kind, share)| (kind.as_str(), *share)));
        let shares: Vec<String> = shares
            .into_iter()
            .map(|(kind, share)| format!("'{kind}': {}", number(share)))
            .collect();
        if !shares.is_empty() {
            script.line(&format!("SYNTHESIZE UPDATES {{{}}};", shares.join(", ")));
        }
    }

    fn write_nodes(&self, tuning: &Tuning, script: &mut Script) {
        let mut renewals = self.renewals.clone();
        renewals.sort_unstable();
        let renewal = renewals.get(renewals.len() / 2);
        // The largest group makes the reports that are missing.
        let largest = self.nodes.values().map(|shape| shape.births.len()).max();
        let mut reports = tuning.reports;
        for (number, shape) in self.nodes.values().enumerate() {
            let is_largest = Some(shape.births.len()) == largest;
            let more = if is_largest {
                std::mem::take(&mut reports)
            } else {
                0
            };
            shape.write(self, number, renewal.copied(), more, script);
        }
    }
}

impl NodeShape {
    fn write(
        &self,
        fit: &Fit,
        number: usize,
        renewal: Option<i64>,
        reports: u64,
        script: &mut Script,
    ) {
        let mut births = self.births.clone();
        births.sort_unstable();
        let Some((begin, _)) = births.first().copied() else {
            return;
        };
        let count = births.len();
        script.line(&format!(
            "SYNTHESIZE NODES {count} NAMED 'node-{number}-{{i}}'"
        ));
        script.clause("AS", &quoted(&self.shape));
        script.clause("AT", &duration(begin - fit.start));
        if let Some(end) = self.end {
            script.clause(
                "UNTIL",
                &duration((end - fit.start).max(begin - fit.start + MILLI)),
            );
        }
        let times: Vec<i64> = births.iter().map(|(at, _)| at - begin).collect();
        script.arrival(&times);
        let startups: Vec<i64> = births.iter().map(|(_, startup)| *startup).collect();
        script.dealt("STARTUP", &startups);
        if let Some(renewal) = renewal {
            script.clause("LEASES EVERY", &duration(renewal));
        }
        if reports > 0 {
            let mut changes: Vec<i64> = self.changes.iter().map(|at| at - begin).collect();
            changes.sort_unstable();
            let first = changes.len().saturating_sub(reports as usize);
            changes.drain(..first);
            script.updates(reports, &changes, fit.end - begin);
        }
        script.end();
    }
}

/// Tells whether a pod had an update of its own for something, if it could have had one.
type Had = fn(&Seen) -> Option<bool>;

/// A script that is being written.
struct Script {
    start: i64,
    text: String,
    names: BTreeSet<String>,
}

impl Script {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn clause(&mut self, word: &str, rest: &str) {
        // Writing to a string does not fail.
        writeln!(self.text, "  {word} {rest}").ok();
    }

    fn end(&mut self) {
        if self.text.ends_with('\n') {
            self.text.pop();
        }
        self.text.push_str(";\n");
    }

    /// Writes when things come, counted from the first.
    fn arrival(&mut self, times: &[i64]) {
        let last = times.last().copied().unwrap_or(0);
        if times.len() < 2 || last < times.len() as i64 * MILLI {
            return;
        }
        self.clause("ARRIVAL", &arrival(times, last));
    }

    /// Writes values one after the other, if there is any.
    fn dealt(&mut self, word: &str, values: &[i64]) {
        if !values.is_empty() {
            self.clause(word, &dealt(values));
        }
    }

    fn updates(&mut self, count: u64, times: &[i64], span: i64) {
        let call = if count == times.len() as u64 {
            arrival(times, span)
        } else {
            rate(count as usize, span)
        };
        self.clause("UPDATES", &format!("{count} {call}"));
    }

    /// Returns a name that no other object of the kind has.
    fn name(&mut self, kind: &str, namespace: &str, name: &str, count: usize) -> String {
        let place = if count > 1 { "-{i}" } else { "" };
        let name = if count == 1 && is_name(name) {
            name.to_owned()
        } else {
            name.chars()
                .map(|letter| {
                    if letter.is_ascii_alphanumeric() {
                        letter
                    } else {
                        '-'
                    }
                })
                .collect::<String>()
                .to_lowercase()
        };
        let name = name.trim_matches('-');
        let mut full = format!("{namespace}/{name}{place}");
        let mut number = 1;
        while !self.names.insert(format!("{kind} {full}")) {
            number += 1;
            full = format!("{namespace}/{name}-{number}{place}");
        }
        full
    }

    /// Writes a workload, or several that are alike.
    fn workload(&mut self, like: &[&Workload], reasons: &BTreeMap<String, u64>) {
        let Some(own) = like.first() else {
            return;
        };
        let name = self.name(&own.kind, &own.namespace, &own.name, like.len());
        self.line(&format!("SYNTHESIZE \"{}\" {}", own.kind, quote(&name)));
        self.clause("AS", &quoted(&own.manifest()));
        self.clause("AT", &duration(own.begin - self.start));
        let is_expiring = own.expires();
        if let Some(end) = own.end.filter(|end| !is_expiring && *end > own.begin) {
            self.clause("UNTIL", &duration(end - self.start));
        }
        let mut pods: Vec<&PodLife> = like.iter().flat_map(|own| &own.pods).collect();
        pods.sort_by_key(|pod| pod.begin);
        match own.kind.as_str() {
            "Deployment" | "ReplicaSet" => {
                if let Some((_, first)) = own.replicas.first() {
                    self.clause("REPLICAS", &first.to_string());
                }
                let births = pods.iter().filter_map(|pod| pod.begin);
                let times: Vec<i64> = births.map(|at| (at - own.begin).max(0)).collect();
                self.clause("PODS", &pods.len().to_string());
                if !times.is_empty() {
                    let last = times.last().copied().unwrap_or(0);
                    self.clause("ARRIVAL", &arrival(&times, last));
                }
            }
            "StatefulSet" => {
                if let Some((_, first)) = own.replicas.first() {
                    self.clause("REPLICAS", &first.to_string());
                }
            }
            "Job" if like.len() > 1 => {
                self.clause("REPLICAS", &like.len().to_string());
                let times: Vec<i64> = like.iter().map(|job| job.begin - own.begin).collect();
                self.arrival(&times);
            }
            _ => {}
        }
        let works = matches!(own.kind.as_str(), "Job" | "CronJob");
        let startups: Vec<i64> = pods.iter().filter_map(|pod| pod.startup()).collect();
        self.dealt("STARTUP", &startups);
        let lives: Vec<i64> = pods.iter().map(|pod| pod.life()).collect();
        if lives.iter().any(|life| *life < i64::MAX) {
            self.dealt(if works { "RUNTIME" } else { "LIFETIME" }, &lives);
        }
        let ends: Vec<bool> = pods.iter().filter_map(|pod| pod.success()).collect();
        let failed = ends.iter().filter(|is_success| !**is_success).count();
        if works && failed > 0 {
            let share = failed as f64 / ends.len() as f64;
            self.clause("FAILURES", &number(share));
        }
        for (at, replicas) in own.replicas.iter().skip(1) {
            self.clause(
                "SCALE TO",
                &format!("{replicas} AT {}", duration(at - self.start)),
            );
        }
        if own.kind == "Deployment" {
            for (at, patch) in &own.rollouts {
                let at = duration(at - self.start);
                self.clause("ROLLOUT AT", &format!("{at} WITH {}", quoted(patch)));
            }
        }
        self.stages(&pods);
        if !reasons.is_empty() {
            let reasons: Vec<String> = reasons.keys().map(|reason| quote(reason)).collect();
            self.clause("EVENTS OF", &format!("({})", reasons.join(", ")));
        }
        self.end();
    }

    /// Writes the shares of pods that had updates of their own.
    fn stages(&mut self, pods: &[&PodLife]) {
        let shares: [(&str, Had); 4] = [
            ("ACCEPTED", |seen| seen.accepted),
            ("READY", |seen| seen.ready),
            ("STOPPED", |seen| seen.stopped),
            ("RELEASED", |seen| seen.released),
        ];
        let mut text = Vec::new();
        for (word, seen) in shares {
            let could: Vec<bool> = pods.iter().filter_map(|pod| seen(&pod.stages)).collect();
            if could.is_empty() {
                continue;
            }
            let had = could.iter().filter(|had| **had).count();
            let share = had as f64 / could.len() as f64;
            text.push(format!("STAGE {word} {}", number(share)));
        }
        if !text.is_empty() {
            self.line(&format!("  {}", text.join(" ")));
        }
    }

    /// Writes objects of another kind.
    fn thing(&mut self, group: &Group) {
        let Some((begin, _)) = group.lives.first().copied() else {
            return;
        };
        let count = group.lives.len();
        let reason = text(&group.manifest, "/reason");
        let name = match (group.kind.as_str(), count) {
            ("Event", _) if !reason.is_empty() => reason.as_str(),
            (_, 1) => &group.name,
            (kind, _) => kind,
        };
        let namespace = match group.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let name = self.name(&group.kind, namespace, name, count);
        self.line(&format!("SYNTHESIZE \"{}\" {}", group.kind, quote(&name)));
        self.clause("AS", &quoted(&group.manifest));
        if count > 1 {
            self.clause("REPLICAS", &count.to_string());
        }
        self.clause("AT", &duration(begin - self.start));
        let times: Vec<i64> = group.lives.iter().map(|(at, _)| at - begin).collect();
        self.arrival(&times);
        if group.lives.iter().any(|(_, end)| end.is_some()) {
            let lives = group.lives.iter();
            let lives: Vec<i64> = lives
                .map(|(at, end)| end.map_or(i64::MAX, |end| end - at))
                .collect();
            self.dealt("LIFETIME", &lives);
        }
        if !group.changes.is_empty() {
            let changes: Vec<i64> = group.changes.iter().map(|at| at - begin).collect();
            let last = changes.last().copied().unwrap_or(0);
            self.updates(changes.len() as u64, &changes, last);
            if !group.patches.is_empty() {
                let patches: Vec<String> = group.patches.iter().map(quoted).collect();
                self.clause("  WITH", &format!("cycle({})", patches.join(", ")));
            }
        }
        self.end();
    }
}

impl Workload {
    /// What Jobs have in common that are alike.
    fn template_key(&self) -> String {
        let spec = self.manifest().get("spec").map(Value::to_string);
        let alone = self.end.filter(|_| !self.expires());
        let alone = alone.map_or("", |_| &self.name);
        format!("{} {alone} {}", self.namespace, spec.unwrap_or_default())
    }

    /// Tells whether its controller deletes it.
    fn expires(&self) -> bool {
        let manifest = self.manifest();
        manifest.pointer("/spec/ttlSecondsAfterFinished").is_some()
    }
}

/// Writes times one by one, or as a rate where there are too many.
fn arrival(times: &[i64], span: i64) -> String {
    if times.len() > MOST {
        return rate(times.len(), span);
    }
    let times: Vec<String> = times.iter().map(|at| duration(*at)).collect();
    format!("at({})", times.join(", "))
}

fn rate(count: usize, span: i64) -> String {
    let seconds = (span.max(MILLI) as f64) / SECOND as f64;
    format!("uniform(rate => {})", number(count as f64 / seconds))
}

fn dealt(values: &[i64]) -> String {
    let texts: Vec<String> = spread(values, MOST)
        .into_iter()
        .map(|value| match value {
            i64::MAX => "'never'".to_owned(),
            value => duration(value),
        })
        .collect();
    format!("dealt({})", texts.join(", "))
}

/// Writes a number with up to six decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// Writes a duration in seconds and whole milliseconds, in quotes.
fn duration(ns: i64) -> String {
    let millis = (ns.max(0) as f64 / MILLI as f64).round() / 1000.0;
    format!("'{millis}s'")
}

fn quoted(value: &Value) -> String {
    quote(&value.to_string())
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_one_by_one_or_so_many_of_them() {
        assert_eq!(
            dealt(&[3_000_000_000, i64::MAX, 1_500_000]),
            "dealt('3s', 'never', '0.002s')"
        );
        let many: Vec<i64> = (0..1000).map(|value| value * SECOND).collect();
        assert_eq!(dealt(&many).split(", ").count(), MOST);
        assert_eq!(arrival(&[0, 5 * MILLI], 0), "at('0s', '0.005s')");
        assert_eq!(arrival(&many, 999 * SECOND), "uniform(rate => 1.001001)");
    }
}
