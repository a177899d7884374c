use std::collections::VecDeque;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::event::Reason;
use super::object::Draft;
use super::pod::{Naming, ORDINAL};
use super::queue::Action;
use super::set::SetKind;
use super::{NONE, Story};
use crate::Error;
use crate::clock::{MILLI, SECOND, seconds};
use crate::defaults::{self, as_object, object};
use crate::order::WorkloadOrder;
use crate::pod::{NameForm, Step, controller};

/// What goes on with a Job.
#[derive(Clone, Debug, Default)]
pub(super) struct JobState {
    parallelism: u32,
    completions: u32,
    backoff: u32,
    is_indexed: bool,
    /// Seconds after its end until it is deleted.
    ttl: Option<i64>,
    started: i64,
    succeeded: u32,
    failed: u32,
    /// Uids of pods that ended and are not counted yet.
    uncounted: Vec<(String, bool)>,
    /// Indexes that no pod works at.
    indexes: VecDeque<u32>,
    /// Pods that have ended and are not deleted.
    ended: Vec<u32>,
    finished: Option<(i64, bool)>,
    /// The `CronJob` that made it.
    cron: u32,
}

impl Story<'_> {
    fn job(&mut self, set: u32) -> Option<&mut JobState> {
        match self.sets.get_mut(set as usize).map(|set| &mut set.kind) {
            Some(SetKind::Job(job)) => Some(job),
            _ => None,
        }
    }

    /// Makes a Job of a body with `spec`; returns its set.
    pub(super) fn create_job(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
        mut body: Value,
        cron: Option<&(u32, String)>,
    ) -> Result<u32, Error> {
        self.ensure_namespace(&order.namespace)?;
        // The uid stands in the selector: it is that of the object that comes next.
        let uid = self.seed.uid(self.objects.len() as u64).to_string();
        let spec = object(as_object(&mut body), "spec");
        defaults::job(spec, name, &uid);
        let amount = |name: &str| spec.get(name).and_then(Value::as_u64);
        let most = u64::from(NONE - 1);
        let parallelism = amount("parallelism").unwrap_or(1).min(most) as u32;
        let completions = amount("completions").unwrap_or(1).min(most) as u32;
        let is_indexed = spec
            .get("completionMode")
            .is_some_and(|mode| mode == "Indexed");
        let mut state = JobState {
            parallelism,
            completions,
            backoff: amount("backoffLimit").unwrap_or(6).min(most) as u32,
            is_indexed,
            ttl: spec.get("ttlSecondsAfterFinished").and_then(Value::as_i64),
            started: self.now,
            cron: NONE,
            ..JobState::default()
        };
        if is_indexed {
            state.indexes = (0..completions).collect();
        }
        let mut template = spec.get("template").cloned().unwrap_or_default();
        if let Some((cron, owner)) = cron {
            state.cron = *cron;
            let owner: Value =
                serde_json::from_str(&format!("{{{}}}", owner.trim_start_matches(',')))
                    .unwrap_or_default();
            let metadata = object(as_object(&mut body), "metadata");
            if let Some(owner) = owner.get("ownerReferences") {
                metadata.insert("ownerReferences".to_owned(), owner.clone());
            }
        }
        let draft = Draft {
            api_version: "batch/v1",
            kind: "Job",
            namespace: &order.namespace,
            name,
            body,
            generation: Some(1),
            has_status: true,
        };
        let plain = self.create(&draft, "{}")?;
        let owner = controller("batch/v1", "Job", name, &uid);
        let prefix = format!("{name}-");
        let mut labels = Vec::new();
        let mut annotations = Vec::new();
        let index = "batch.kubernetes.io/job-completion-index";
        if is_indexed {
            labels.push((index, ORDINAL));
            annotations.push((index, ORDINAL));
        }
        as_object(&mut template);
        let naming = Naming {
            namespace: &order.namespace,
            prefix: &prefix,
            form: if is_indexed {
                NameForm::IndexAndLetters
            } else {
                NameForm::Letters
            },
            is_tracked: true,
            labels: &labels,
            annotations: &annotations,
            owner: &owner,
        };
        let group = self.group(number, &template, &naming);
        let set = self.add_set(
            SetKind::Job(Box::new(state)),
            number,
            plain,
            group,
            completions,
        );
        self.surely_after(10 * MILLI, Action::Reconcile(set));
        self.hears(set);
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.sets.push(set);
        }
        Ok(set)
    }

    /// Makes the pods that a Job wants now.
    pub(super) fn reconcile_job(&mut self, set: u32) -> Result<(), Error> {
        loop {
            let Some(own) = self.sets.get(set as usize) else {
                return Ok(());
            };
            let active = own.active.len() as u32;
            let Some(job) = self.job(set) else {
                return Ok(());
            };
            if job.finished.is_some() {
                return Ok(());
            }
            let done = job.succeeded + job.count_uncounted(true);
            let left = job.completions.saturating_sub(done);
            if active >= job.parallelism.min(left) {
                return Ok(());
            }
            let index = if job.is_indexed {
                match job.indexes.pop_front() {
                    Some(index) => index,
                    None => return Ok(()),
                }
            } else {
                NONE
            };
            self.make_pod(set, index)?;
        }
    }

    /// A pod of a Job is deleted before it ended: another one works at its index.
    pub(super) fn job_lost_pod(&mut self, set: u32, ordinal: u32) {
        if let Some(job) = self.job(set)
            && job.is_indexed
            && job.finished.is_none()
        {
            job.indexes.push_back(ordinal);
        }
    }

    /// The containers of a pod have ended.
    pub(super) fn pod_ended(&mut self, pod: u32, set: u32, is_success: bool) {
        let Some((object, ordinal)) = self
            .pods
            .get(pod as usize)
            .map(|pod| (pod.object, pod.ordinal))
        else {
            return;
        };
        let uid = self.seed.uid(u64::from(object)).to_string();
        let Some(job) = self.job(set) else {
            return;
        };
        job.uncounted.push((uid, is_success));
        job.ended.push(pod);
        if job.is_indexed && !is_success {
            job.indexes.push_back(ordinal);
        }
        self.hears(set);
        // Another one comes after a pause.
        let pause = if is_success { 20 * MILLI } else { 10 * SECOND };
        self.surely_after(pause, Action::Reconcile(set));
        self.surely_after(300 * MILLI, Action::Pod(pod, Step::Counted));
    }

    /// The controller of Jobs writes a status: what has ended is first listed and then counted.
    pub(super) fn sync_job(&mut self, set: u32) -> Result<(), Error> {
        let now = self.now;
        let Some(own) = self.sets.get(set as usize) else {
            return Ok(());
        };
        let (active, ready, leaving) = (own.active.len(), own.ready, own.leaving);
        let (plain, order) = (own.plain, own.order);
        let Some(job) = self.job(set) else {
            return Ok(());
        };
        if job.finished.is_some() {
            return Ok(());
        }
        let listed = std::mem::take(&mut job.uncounted);
        let done = job.succeeded + listed.iter().filter(|(_, good)| *good).count() as u32;
        let failed = job.failed + listed.iter().filter(|(_, good)| !*good).count() as u32;
        let end = if done >= job.completions {
            Some(true)
        } else if failed > job.backoff {
            Some(false)
        } else {
            None
        };
        if !listed.is_empty() {
            let text = job.text(
                active,
                ready,
                leaving,
                &listed,
                end.map(|good| (now, good, false)),
            );
            self.write_set(set, text)?;
        }
        let Some(job) = self.job(set) else {
            return Ok(());
        };
        job.succeeded = done;
        job.failed = failed;
        if let Some(good) = end {
            job.finished = Some((now, good));
        }
        let text = job.text(
            active,
            ready,
            leaving,
            &[],
            end.map(|good| (now, good, true)),
        );
        let (ttl, cron) = (job.ttl, job.cron);
        self.write_set(set, text)?;
        let Some(good) = end else {
            return Ok(());
        };
        if good {
            self.tell_of_plain(order, plain, Reason::Completed, 0, NONE)?;
        } else {
            let active = self
                .sets
                .get(set as usize)
                .map(|set| set.active.clone())
                .unwrap_or_default();
            for pod in active {
                self.delete_pod(pod, 20 * MILLI);
            }
        }
        if let Some(ttl) = ttl {
            self.after(ttl.clamp(0, 1 << 31) * SECOND, Action::Expire(set));
        }
        if cron != NONE {
            self.job_of_cron_ended(cron, set, good)?;
        }
        Ok(())
    }

    /// A Job that has ended is deleted.
    pub(super) fn expire(&mut self, set: u32) -> Result<(), Error> {
        self.delete_set(set)
    }

    /// Deletes the pods of a Job that have ended.
    pub(super) fn delete_ended(&mut self, set: u32) {
        let Some(job) = self.job(set) else {
            return;
        };
        for (place, pod) in std::mem::take(&mut job.ended).into_iter().enumerate() {
            self.delete_pod(pod, 100 * MILLI + MILLI * place as i64);
        }
    }

    /// Returns what a `CronJob` says of one of its Jobs.
    pub(super) fn job_reference(&self, set: u32, namespace: &str) -> Value {
        let Some(plain) = self
            .sets
            .get(set as usize)
            .and_then(|set| self.plains.get(set.plain as usize))
        else {
            return Value::Null;
        };
        json!({
            "kind": "Job",
            "namespace": namespace,
            "name": plain.name,
            "uid": plain.uid,
            "apiVersion": "batch/v1",
            "resourceVersion": super::version_of(plain.last).to_string(),
        })
    }
}

impl JobState {
    fn count_uncounted(&self, is_success: bool) -> u32 {
        let ended = self.uncounted.iter();
        ended.filter(|(_, good)| *good == is_success).count() as u32
    }

    /// The status; `end` is when and how it ends, and whether the last word is said.
    fn text(
        &self,
        active: usize,
        ready: u32,
        leaving: u32,
        listed: &[(String, bool)],
        end: Option<(i64, bool, bool)>,
    ) -> String {
        let mut text = String::from("{");
        if let Some((at, good, is_last)) = end {
            let at = seconds(at);
            let (first, last, reason, message) = if good {
                (
                    "SuccessCriteriaMet",
                    "Complete",
                    "CompletionsReached",
                    "Reached expected number of succeeded pods",
                )
            } else {
                (
                    "FailureTarget",
                    "Failed",
                    "BackoffLimitExceeded",
                    "Job has reached the specified backoff limit",
                )
            };
            text.push_str(r#""conditions":["#);
            for kind in [first, last].into_iter().take(1 + usize::from(is_last)) {
                if kind == last {
                    text.push(',');
                }
                write!(
                    text,
                    r#"{{"type":"{kind}","status":"True","lastProbeTime":"{at}","lastTransitionTime":"{at}","reason":"{reason}","message":"{message}"}}"#
                )
                .ok();
            }
            text.push_str("],");
        }
        write!(text, r#""startTime":"{}""#, seconds(self.started)).ok();
        if let Some((at, true, true)) = end {
            write!(text, r#","completionTime":"{}""#, seconds(at)).ok();
        }
        for (name, number) in [
            ("active", active as u32),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
        ] {
            if number > 0 {
                write!(text, r#","{name}":{number}"#).ok();
            }
        }
        if self.is_indexed && self.succeeded > 0 {
            let through = self.succeeded - 1;
            let indexes = if through == 0 {
                "0".to_owned()
            } else {
                format!("0-{through}")
            };
            write!(text, r#","completedIndexes":"{indexes}""#).ok();
        }
        write!(
            text,
            r#","terminating":{leaving},"uncountedTerminatedPods":{{"#
        )
        .ok();
        let mut is_first = true;
        for (name, good) in [("succeeded", true), ("failed", false)] {
            let uids: Vec<&str> = listed
                .iter()
                .filter(|(_, own)| *own == good)
                .map(|(uid, _)| uid.as_str())
                .collect();
            if uids.is_empty() {
                continue;
            }
            if !is_first {
                text.push(',');
            }
            is_first = false;
            write!(text, r#""{name}":["{}"]"#, uids.join(r#"",""#)).ok();
        }
        write!(text, r#"}},"ready":{ready}}}"#).ok();
        text
    }
}
