use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kymo_model::Timestamp;
use serde_json::Value;

use super::clock::Clock;
use super::lean::lean;
use super::node::NodeShape;
use super::outage::{Outages, began};
use super::pod::{PodLife, Seen};
use super::thing::Group;
use super::tuning::{CONTROLLERS, Tuning};
use super::values::{
    MOST, MOST_PODS, arrival, dealt, dealt_rare, duration, names, number, quote, quoted, rate,
    share,
};
use super::workload::Workload;
use super::{Fit, text};
use crate::clock::{MILLI, SECOND};
use crate::story::is_name;

/// Scripts of more bytes have their manifests in files.
const LARGE: usize = 512 << 10;

/// Manifests of more bytes are written to files of a script that has such.
const LONG: usize = 512;

/// A script, and the files that it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitScript {
    /// The script.
    pub text: String,
    /// Manifests: paths that the script says, each a folder and a name, and what is in them.
    pub files: Vec<(String, String)>,
}

/// How many values are written where most of them are `never`.
const RARE: usize = 200;

impl Fit {
    /// Writes the script: nodes by their shapes, workloads with what was measured of their pods, and
    /// everything else by kind. If it becomes large its manifests are files in `folder`.
    pub fn script(&self, tuning: &Tuning, folder: &str) -> FitScript {
        let whole = self.write(tuning, None);
        if whole.text.len() <= LARGE {
            return whole;
        }
        self.write(tuning, Some(folder))
    }

    fn write(&self, tuning: &Tuning, folder: Option<&str>) -> FitScript {
        let mut script = Script {
            clock: self.clock(),
            text: String::from("-- Fitted to a recorded trace.\n"),
            names: BTreeSet::new(),
            folder: folder.map(str::to_owned),
            files: BTreeMap::new(),
        };
        let span = duration((self.end - self.start).max(MILLI));
        let from = Timestamp(self.start);
        let after = match self.lead {
            0 => String::new(),
            lead => format!(" AFTER {}", duration(lead)),
        };
        script.line(&format!("SYNTHESIZE TIME {span} FROM '{from}'{after};"));
        self.write_shares(tuning, &mut script);
        let gone = self.things.gone("Namespace");
        let (namespaces, others): (Vec<Group>, Vec<Group>) = self
            .things
            .groups(&gone)
            .into_iter()
            .partition(|group| group.kind == "Namespace");
        for group in namespaces {
            script.thing(&group);
        }
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
        let count = |kind: &str| {
            let groups = others.iter().filter(|group| group.kind == kind);
            groups.map(|group| group.lives.len()).sum::<usize>()
        };
        let has_one_service = count("Service") == 1 && count("EndpointSlice") == 1;
        for mut group in others {
            let labels = group.manifest.pointer_mut("/metadata/labels");
            if let Some(labels) = labels.and_then(Value::as_object_mut)
                && group.kind == "EndpointSlice"
                && !has_one_service
            {
                // The Services are called otherwise.
                labels.shift_remove("kubernetes.io/service-name");
            }
            script.thing(&group);
        }
        for mut group in self.events.groups(&BTreeSet::new()) {
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
        FitScript {
            text: script.text,
            files: script.files.into_iter().collect(),
        }
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
        let Some((first, _)) = births.first().copied() else {
            return;
        };
        let clock = script.clock;
        let count = births.len();
        script.line(&format!(
            "SYNTHESIZE NODES {count} NAMED 'node-{number}-{{i}}'"
        ));
        script.manifest(&number.to_string(), &self.shape);
        script.clause("AT", &duration(clock.at(first)));
        if let Some(end) = self.end {
            script.clause(
                "UNTIL",
                &duration(clock.at(end).max(clock.at(first) + MILLI)),
            );
        }
        let births_of = births.iter();
        let times: Vec<i64> = births_of.map(|(at, _)| clock.between(first, *at)).collect();
        script.arrival(&times);
        let startups: Vec<i64> = births.iter().map(|(_, startup)| *startup).collect();
        script.dealt("STARTUP", &startups);
        if let Some(renewal) = renewal {
            script.clause("LEASES EVERY", &duration(renewal));
        }
        if reports > 0 {
            let changes = self.changes.iter();
            let mut changes: Vec<i64> = changes.map(|at| clock.between(first, *at)).collect();
            changes.sort_unstable();
            let surplus = changes.len().saturating_sub(reports as usize);
            changes.drain(..surplus);
            script.updates(reports, &changes, clock.between(first, fit.end));
        }
        script.end();
        let outages = self.name.as_ref().and_then(|name| fit.outages.get(name));
        if let Some(outages) = outages {
            script.outages(&format!("node-{number}-0"), outages, clock.at(first));
        }
    }
}

/// Tells whether a pod had an update of its own for something, if it could have had one.
type Had = fn(&Seen) -> Option<bool>;

/// A script that is being written.
struct Script {
    clock: Clock,
    text: String,
    names: BTreeSet<String>,
    /// Where manifests are put that are long.
    folder: Option<String>,
    files: BTreeMap<String, String>,
}

impl Script {
    /// Writes the manifest of what is called so, or where it is.
    fn manifest(&mut self, name: &str, manifest: &Value) {
        let text = manifest.to_string();
        let Some(folder) = self.folder.as_ref().filter(|_| text.len() > LONG) else {
            return self.clause("AS", &quote(&text));
        };
        let kind = super::text(manifest, "/kind");
        let words: Vec<String> = format!("{kind}/{name}")
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty() && *word != "i")
            .map(str::to_lowercase)
            .collect();
        let stem = words.join("-");
        let mut path = format!("{folder}/{stem}.yaml");
        let mut number = 1;
        while self.files.contains_key(&path) {
            number += 1;
            path = format!("{folder}/{stem}-{number}.yaml");
        }
        self.clause("FROM", &quote(&path));
        let text = serde_json::to_string_pretty(manifest).unwrap_or(text);
        self.files.insert(path, text + "\n");
    }

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
        self.clause("ARRIVAL", &arrival(times, MOST_PODS));
    }

    /// Writes values one after the other, if there is any.
    fn dealt(&mut self, word: &str, values: &[i64]) {
        if !values.is_empty() {
            self.clause(word, &dealt(values));
        }
    }

    fn updates(&mut self, count: u64, times: &[i64], span: i64) {
        let call = if count == times.len() as u64 {
            arrival(times, MOST)
        } else {
            rate(count as usize, span)
        };
        self.clause("UPDATES", &format!("{count} {call}"));
    }

    /// Writes what happened to a node that came at a time.
    fn outages(&mut self, node: &str, outages: &Outages, came: i64) {
        let clock = self.clock;
        let failures = outages.failures.iter().map(|(lost, found)| {
            let at = began(clock.at(*lost), came);
            ("FAILURE", at, *found)
        });
        let drains = outages.drains.iter();
        let drains = drains.map(|(at, until)| ("DRAIN", clock.at(*at).max(came + SECOND), *until));
        for (what, at, until) in failures.chain(drains) {
            self.line(&format!("SYNTHESIZE {what} OF NODES {}", quote(node)));
            self.clause("AT", &duration(at));
            if let Some(until) = until {
                self.clause("FOR", &duration((clock.at(until) - at).max(MILLI)));
            }
            self.end();
        }
    }

    /// Returns a name that no other object of the kind has in the namespace, or in `*` in any.
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
        let clock = self.clock;
        let mut pods: Vec<&PodLife> = like.iter().flat_map(|own| &own.pods).collect();
        pods.sort_by_key(|pod| pod.begin);
        let is_bare = own.kind == "Pod";
        let count = if is_bare { pods.len() } else { like.len() };
        let name = self.name(&own.kind, &own.namespace, &own.name, count);
        let manifest = lean(&own.kind, own.manifest());
        self.line(&format!("SYNTHESIZE \"{}\" {}", own.kind, quote(&name)));
        self.manifest(&name, &manifest);
        self.clause("AT", &duration(clock.at(own.begin)));
        let is_expiring = own.expires();
        if let Some(end) = own.end.filter(|end| !is_expiring && *end > own.begin) {
            self.clause("UNTIL", &duration(clock.at(end)));
        }
        match own.kind.as_str() {
            "Deployment" | "ReplicaSet" => {
                if let Some((_, first)) = own.replicas.first() {
                    self.clause("REPLICAS", &first.to_string());
                }
                let begin = clock.at(own.begin);
                let births = pods.iter().map(|pod| pod.came(clock));
                let times: Vec<i64> = births.map(|at| (at - begin).max(0)).collect();
                self.clause("PODS", &pods.len().to_string());
                if !times.is_empty() {
                    self.clause("ARRIVAL", &arrival(&times, MOST_PODS));
                }
            }
            "StatefulSet" => {
                if let Some((_, first)) = own.replicas.first() {
                    self.clause("REPLICAS", &first.to_string());
                }
            }
            "Job" if like.len() > 1 => {
                self.clause("REPLICAS", &like.len().to_string());
                let begins = like.iter();
                let times: Vec<i64> = begins
                    .map(|job| clock.between(own.begin, job.begin))
                    .collect();
                self.arrival(&times);
            }
            "Pod" if count > 1 => {
                self.clause("REPLICAS", &count.to_string());
                let begin = clock.at(own.begin);
                let births = pods.iter().map(|pod| pod.came(clock));
                let times: Vec<i64> = births.map(|at| (at - begin).max(0)).collect();
                self.arrival(&times);
            }
            _ => {}
        }
        self.lives(own, &pods, &manifest);
        for (at, replicas) in own.replicas.iter().skip(1) {
            let at = duration(clock.at(*at));
            self.clause("SCALE TO", &format!("{replicas} AT {at}"));
        }
        if matches!(
            own.kind.as_str(),
            "Deployment" | "StatefulSet" | "DaemonSet"
        ) {
            for (at, patch) in &own.rollouts {
                let at = duration(clock.at(*at));
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

    /// Writes how the pods of a workload live.
    fn lives(&mut self, own: &Workload, pods: &[&PodLife], manifest: &Value) {
        let clock = self.clock;
        let is_bare = own.kind == "Pod";
        let ends = text(manifest, "/spec/restartPolicy");
        let works = match own.kind.as_str() {
            "Job" | "CronJob" => true,
            "Pod" => matches!(ends.as_str(), "Never" | "OnFailure"),
            _ => false,
        };
        let each = |of: &dyn Fn(&PodLife) -> i64| pods.iter().map(|pod| of(pod)).collect();
        let startups: Vec<i64> = each(&|pod| pod.startup(clock));
        self.dealt("STARTUP", &startups);
        let lives: Vec<i64> = each(&|pod| {
            if works {
                pod.runtime(clock)
            } else {
                pod.life(clock)
            }
        });
        self.finite(if works { "RUNTIME" } else { "LIFETIME" }, &lives);
        if works {
            // What has ended is deleted with its Job.
            let is_kept = |pod: &PodLife| !is_bare && pod.runtime(clock) <= pod.lifetime(clock);
            let lives: Vec<i64> = each(&|pod| {
                if is_kept(pod) {
                    i64::MAX
                } else {
                    pod.lifetime(clock)
                }
            });
            self.finite("LIFETIME", &lives);
        }
        let ends: Vec<bool> = pods.iter().filter_map(|pod| pod.success()).collect();
        let failed = ends.iter().filter(|is_success| !**is_success).count();
        if works && failed > 0 {
            self.clause("FAILURES", &share(failed, ends.len()));
        }
        let evicted = pods
            .iter()
            .filter(|pod| pod.is_evicted && !pod.is_explained);
        let evicted = evicted.count();
        if !works && evicted > 0 {
            let ended = lives.iter().filter(|life| **life < i64::MAX).count();
            self.clause("EVICTIONS", &share(evicted.min(ended), ended));
        }
        let mut spells: Vec<(i64, Option<i64>)> = Vec::new();
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in pods {
            spells.extend(&pod.spells);
            for reason in &pod.crashes {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        spells.sort_unstable();
        let spells = spells.into_iter();
        let spells: Vec<i64> = spells
            .map(|(up, crash)| crash.map_or(i64::MAX, |crash| clock.between(up, crash)))
            .collect();
        if spells.iter().any(|spell| *spell < i64::MAX) {
            let reason = reasons.into_iter().max_by_key(|(_, count)| *count);
            let reason = match reason.map_or("", |(reason, _)| reason) {
                "OOMKilled" => " REASON OOMKILLED",
                "Completed" => " REASON COMPLETED",
                _ => "",
            };
            self.clause(
                "RESTARTS",
                &format!("{}{reason}", dealt_rare(&spells, RARE)),
            );
        }
    }

    /// Writes values of which there is one that is not `never`.
    fn finite(&mut self, word: &str, values: &[i64]) {
        if values.iter().any(|value| *value < i64::MAX) {
            self.dealt(word, values);
        }
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
            text.push(format!("STAGE {word} {}", share(had, could.len())));
        }
        if !text.is_empty() {
            self.line(&format!("  {}", text.join(" ")));
        }
    }

    /// Writes objects of another kind.
    fn thing(&mut self, group: &Group) {
        let Some((begin, _, namespace)) = group.lives.first() else {
            return;
        };
        let (clock, begin) = (self.clock, *begin);
        let count = group.lives.len();
        let reason = text(&group.manifest, "/reason");
        let name = match (group.kind.as_str(), count) {
            ("Event", _) if !reason.is_empty() => reason.as_str(),
            (_, 1) => &group.name,
            (kind, _) => kind,
        };
        let first = match namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let name = self
            .name(&group.kind, "*", name, count)
            .replacen('*', first, 1);
        self.line(&format!("SYNTHESIZE \"{}\" {}", group.kind, quote(&name)));
        self.manifest(&name, &group.manifest);
        if count > 1 {
            self.clause("REPLICAS", &count.to_string());
        }
        let namespaces: Vec<&str> = group.lives.iter().map(|(.., own)| own.as_str()).collect();
        if namespaces.iter().any(|own| own != namespace) {
            self.clause("NAMESPACES", &names(&namespaces));
        }
        self.clause("AT", &duration(clock.at(begin)));
        let lives = group.lives.iter();
        let times: Vec<i64> = lives.map(|(at, ..)| clock.between(begin, *at)).collect();
        self.arrival(&times);
        let lives = group.lives.iter();
        let lives: Vec<i64> = lives
            .map(|(at, end, _)| end.map_or(i64::MAX, |end| clock.between(*at, end)))
            .collect();
        self.finite("LIFETIME", &lives);
        if !group.changes.is_empty() {
            let changes = group.changes.iter();
            let changes: Vec<i64> = changes.map(|(at, _)| clock.between(begin, *at)).collect();
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
