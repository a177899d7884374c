//! Pods: what they are made of, what happens to them, and how the API server shows it.

mod form;
mod shape;
mod status;

pub(crate) use form::{Filler, Forms};
pub(crate) use shape::{Identity, Shape};

use std::fmt::Write as _;
use std::sync::Arc;

use crate::clock::seconds;
use crate::text::{Place, quoted};

/// Pods that a controller makes of one template.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The namespace.
    pub(crate) namespace: String,
    /// What their names begin with.
    pub(crate) prefix: String,
    /// What comes behind it.
    pub(crate) form: NameForm,
    /// The labels as JSON, without the brace at the end.
    pub(crate) labels: String,
    /// The rest of the metadata before the owner, with a comma before it.
    pub(crate) annotations: String,
    /// `ownerReferences` with a comma before it.
    pub(crate) owner: String,
    /// Whether they have the finalizer of a Job.
    pub(crate) is_tracked: bool,
    /// Everything else.
    pub(crate) shape: Arc<Shape>,
}

/// What comes behind the prefix of a pod's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameForm {
    /// Nothing: a user gave the whole name.
    Whole,
    /// Five letters.
    Letters,
    /// The ordinal.
    Ordinal,
    /// The index of an indexed Job, a minus and five letters.
    IndexAndLetters,
}

/// What a pod has to know of its node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    /// The name.
    pub(crate) name: String,
    /// The address.
    pub(crate) address: String,
    /// Labels of the topology that pods get when they are bound, as JSON with a comma before each.
    pub(crate) topology: String,
}

impl Host {
    /// Returns the zone that it is in.
    pub(crate) fn zone(&self) -> Option<String> {
        let labels = format!("{{{}}}", self.topology.trim_start_matches(','));
        let labels: serde_json::Value = serde_json::from_str(&labels).ok()?;
        let zone = labels.get("topology.kubernetes.io/zone")?.as_str()?;
        Some(zone.to_owned())
    }
}

/// What happens to a pod. Each is an event of its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum Step {
    /// A controller or a user makes it.
    Created,
    /// The scheduler finds no node.
    Unschedulable,
    /// The scheduler binds it to a node.
    Bound,
    /// The kubelet sees it.
    Accepted,
    /// Its containers run.
    Running,
    /// And are ready.
    Ready,
    /// Its containers run and are ready at once.
    Up,
    /// An image cannot be pulled.
    Stuck,
    /// A container ends with an error.
    Crashed,
    /// And is started again.
    Restarted,
    /// All containers end well.
    Succeeded,
    /// They end with an error.
    Failed,
    /// The Job's controller has counted it.
    Counted,
    /// Its node does not answer any more.
    Lost,
    /// And answers again.
    Found,
    /// It is about to be evicted, by the taint manager.
    Tainted,
    /// It is about to be evicted, by the API.
    Evicted,
    /// It is deleted, with its time of grace.
    Terminating,
    /// Its containers have ended after that.
    Stopped,
    /// The kubelet needs no grace any more.
    Released,
    /// It is gone.
    Gone,
}

impl Step {
    pub(crate) const ALL: [Self; 21] = [
        Self::Created,
        Self::Unschedulable,
        Self::Bound,
        Self::Accepted,
        Self::Running,
        Self::Ready,
        Self::Up,
        Self::Stuck,
        Self::Crashed,
        Self::Restarted,
        Self::Succeeded,
        Self::Failed,
        Self::Counted,
        Self::Lost,
        Self::Found,
        Self::Tainted,
        Self::Evicted,
        Self::Terminating,
        Self::Stopped,
        Self::Released,
        Self::Gone,
    ];

    pub(crate) fn of(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

/// A pod with what has happened to it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PodState {
    created: i64,
    unschedulable: Option<i64>,
    bound: Option<i64>,
    accepted: Option<i64>,
    started: Option<i64>,
    /// Since when all containers are or are not ready.
    ready_since: i64,
    is_ready: bool,
    is_stuck: bool,
    restarts: u32,
    crashed: Option<i64>,
    /// When the containers ended for good, and how.
    ended: Option<(i64, bool)>,
    counted: bool,
    lost: Option<i64>,
    disrupted: Option<(i64, bool)>,
    /// When it shall be gone, and the time of grace.
    deletion: Option<(i64, i64)>,
}

impl PodState {
    /// Changes it by a step.
    pub(crate) fn take(&mut self, step: Step, ts: i64, shape: &Shape) {
        match step {
            Step::Created => self.created = ts,
            Step::Unschedulable => self.unschedulable = Some(ts),
            Step::Bound => self.bound = Some(ts),
            Step::Accepted => {
                self.accepted = Some(ts);
                self.ready_since = ts;
            }
            Step::Running | Step::Up => {
                if self.accepted.is_none() {
                    self.accepted = Some(ts);
                    self.ready_since = ts;
                }
                self.started = Some(ts);
                if step == Step::Up {
                    self.is_ready = true;
                    self.ready_since = ts;
                }
            }
            Step::Stuck => self.is_stuck = true,
            Step::Ready => {
                self.is_ready = true;
                self.ready_since = ts;
            }
            Step::Crashed => {
                self.crashed = Some(ts);
                self.is_ready = false;
                self.ready_since = ts;
            }
            Step::Restarted => {
                self.restarts += 1;
                self.started = Some(ts);
                self.is_ready = true;
                self.ready_since = ts;
            }
            Step::Succeeded | Step::Failed | Step::Stopped => {
                self.ended = Some((ts, step != Step::Failed));
                self.is_ready = false;
                self.ready_since = ts;
            }
            Step::Counted => self.counted = true,
            Step::Lost => {
                self.lost = Some(ts);
                self.is_ready = false;
                self.ready_since = ts;
            }
            Step::Found => {
                self.lost = None;
                self.is_ready = true;
                self.ready_since = ts;
            }
            Step::Tainted => self.disrupted = Some((ts, true)),
            Step::Evicted => self.disrupted = Some((ts, false)),
            Step::Terminating => {
                let is_over = self.ended.is_some() || self.bound.is_none();
                let grace = if is_over { 0 } else { shape.grace };
                self.deletion = Some((ts, grace));
            }
            Step::Released => self.deletion = Some((ts, 0)),
            Step::Gone => {
                let is_running = self.started.is_some() && self.ended.is_none();
                if is_running && let Some((_, grace)) = &mut self.deletion {
                    *grace = 0;
                }
            }
        }
    }

    /// When it shall be gone.
    fn deleted_at(&self) -> Option<i64> {
        let (at, grace) = self.deletion?;
        Some(at.saturating_add(grace * crate::clock::SECOND))
    }

    fn generation(&self) -> u32 {
        if self.deletion.is_some() { 2 } else { 1 }
    }
}

impl Group {
    /// Writes a pod as the API server shows it.
    pub(crate) fn write(
        &self,
        pod: &Identity<'_>,
        state: &PodState,
        version: u64,
        out: &mut String,
    ) {
        let Identity {
            name,
            uid,
            ordinal,
            host,
            ..
        } = pod;
        let host = host.filter(|_| state.bound.is_some());
        // Writing to a string does not fail.
        write!(
            out,
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}""#
        )
        .ok();
        match self.form {
            NameForm::Whole => {}
            NameForm::Letters | NameForm::Ordinal => {
                write!(out, r#","generateName":"{}""#, self.prefix).ok();
            }
            NameForm::IndexAndLetters => {
                write!(out, r#","generateName":"{}{ordinal}-""#, self.prefix).ok();
            }
        }
        write!(
            out,
            r#","namespace":"{}","uid":"{uid}","resourceVersion":"{version}","generation":{},"creationTimestamp":"{}""#,
            self.namespace,
            state.generation(),
            seconds(state.created),
        )
        .ok();
        if let (Some(at), Some((_, grace))) = (state.deleted_at(), state.deletion) {
            let at = seconds(at);
            write!(
                out,
                r#","deletionTimestamp":"{at}","deletionGracePeriodSeconds":{grace}"#
            )
            .ok();
        }
        self.write_labels(pod, host, out);
        Self::write_filled(&self.annotations, pod, out);
        out.push_str(&self.owner);
        if self.is_tracked && !state.counted {
            out.push_str(r#","finalizers":["batch.kubernetes.io/job-tracking"]"#);
        }
        out.push_str(r#"},"spec":"#);
        self.shape.spec.write(out, |place, out| match place {
            Place::Access => out.push_str(pod.access),
            Place::Node => {
                if let Some(host) = host {
                    write!(out, r#""nodeName":"{}","#, host.name).ok();
                }
            }
            Place::Name => out.push_str(name),
            Place::Ordinal => {
                write!(out, "{ordinal}").ok();
            }
            Place::Target => out.push_str(pod.target),
            Place::Version | Place::Status => {}
        });
        out.push_str(r#","status":"#);
        self.shape.write_status(pod, state, host, out);
        out.push('}');
    }

    fn write_labels(&self, pod: &Identity<'_>, host: Option<&Host>, out: &mut String) {
        let topology = host.map(|host| host.topology.as_str()).unwrap_or_default();
        if self.labels.len() <= 1 && topology.is_empty() {
            return;
        }
        out.push_str(r#","labels":"#);
        Self::write_filled(&self.labels, pod, out);
        if self.labels.len() <= 1 {
            out.push_str(topology.trim_start_matches(','));
        } else {
            out.push_str(topology);
        }
        out.push('}');
    }

    /// Writes a text in which `\u{1}` stands for the ordinal and `\u{2}` for the name.
    fn write_filled(text: &str, pod: &Identity<'_>, out: &mut String) {
        for character in text.chars() {
            match character {
                '\u{1}' => {
                    write!(out, "{}", pod.ordinal).ok();
                }
                '\u{2}' => out.push_str(pod.name),
                other => out.push(other),
            }
        }
    }
}

/// Writes the reference to the controller of an object, with a comma before it.
pub(crate) fn controller(api_version: &str, kind: &str, name: &str, uid: &str) -> String {
    let mut text = String::from(r#","ownerReferences":[{"apiVersion":"#);
    for (value, next) in [
        (api_version, r#","kind":"#),
        (kind, r#","name":"#),
        (name, r#","uid":"#),
        (uid, r#","controller":true,"blockOwnerDeletion":true}]"#),
    ] {
        quoted(value, &mut text);
        text.push_str(next);
    }
    text
}
