use std::sync::Arc;

use serde_json::Value;

use super::{NONE, Sort, Story};
use crate::Error;
use crate::order::{With, WorkloadOrder};

/// Among how many of the youngest objects the one is looked for that an Event is about.
const LOOK_BACK: usize = 1_000;

/// Why there is an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Scheduled,
    FailedScheduling,
    Pulled,
    Created,
    Started,
    BackOff,
    Killing,
    /// A controller made a pod; the detail is the pod.
    SuccessfulCreate,
    /// A controller deleted a pod; the detail is the pod.
    SuccessfulDelete,
    /// A Deployment scaled a `ReplicaSet`; the detail is the new number.
    ScalingReplicaSet,
    /// A Job is done.
    Completed,
}

impl EventRecord {
    /// Returns its name, from that of the object that it is about.
    pub(crate) fn name(&self, about: &str) -> String {
        format!("{about}.{:x}", self.stamp)
    }
}

impl Reason {
    /// Those that a workload's Events can have.
    pub(crate) const ALL: [Self; 11] = [
        Self::Scheduled,
        Self::FailedScheduling,
        Self::Pulled,
        Self::Created,
        Self::Started,
        Self::BackOff,
        Self::Killing,
        Self::SuccessfulCreate,
        Self::SuccessfulDelete,
        Self::ScalingReplicaSet,
        Self::Completed,
    ];

    /// Returns what stands in `reason`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "Scheduled",
            Self::FailedScheduling => "FailedScheduling",
            Self::Pulled => "Pulled",
            Self::Created => "Created",
            Self::Started => "Started",
            Self::BackOff => "BackOff",
            Self::Killing => "Killing",
            Self::SuccessfulCreate => "SuccessfulCreate",
            Self::SuccessfulDelete => "SuccessfulDelete",
            Self::ScalingReplicaSet => "ScalingReplicaSet",
            Self::Completed => "Completed",
        }
    }
}

/// An Event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventRecord {
    /// The object that it is about.
    pub(crate) about: u32,
    /// The number of the last event of that object then.
    pub(crate) at_version: u32,
    pub(crate) reason: Reason,
    /// The container, the pod or the number that the reason tells of.
    pub(crate) detail: u32,
    /// The number of the object of which the name tells, for a `ReplicaSet`.
    pub(crate) other: u32,
    /// The time in its name; different for all Events about an object.
    pub(crate) stamp: i64,
}

impl Story<'_> {
    /// Makes an Event about a pod, if its order asks for Events.
    pub(super) fn tell_of_pod(
        &mut self,
        pod: u32,
        reason: Reason,
        container: usize,
    ) -> Result<(), Error> {
        if !self
            .order_of_pod(pod)
            .is_some_and(|order| Self::asks(order, reason))
        {
            return Ok(());
        }
        let Some((about, last)) = self
            .pods
            .get(pod as usize)
            .map(|pod| (pod.object, pod.last))
        else {
            return Ok(());
        };
        self.tell_of(about, last, reason, container as u32, NONE)
    }

    /// Makes an Event about an object of an order, if it asks for Events.
    pub(super) fn tell_of_plain(
        &mut self,
        order: u32,
        plain: u32,
        reason: Reason,
        detail: u32,
        other: u32,
    ) -> Result<(), Error> {
        let asks = self
            .plan
            .workloads
            .get(order as usize)
            .is_some_and(|order| Self::asks(order, reason));
        let Some((about, last)) = self
            .plains
            .get(plain as usize)
            .map(|plain| (plain.object, plain.last))
            .filter(|_| asks)
        else {
            return Ok(());
        };
        self.tell_of(about, last, reason, detail, other)
    }

    /// Finds out which object an Event of a manifest is about that does not say its uid: the youngest
    /// of its kind in the namespace.
    pub(super) fn find_subject(&self, namespace: &str, body: &mut Value) {
        for member in ["involvedObject", "regarding"] {
            let Some(Value::Object(subject)) = body.get_mut(member) else {
                continue;
            };
            let kind = subject.get("kind").and_then(Value::as_str);
            let found = match kind.filter(|_| !subject.contains_key("uid")) {
                Some("Pod") => self.young_pod(namespace),
                Some(kind) => self.young_plain(kind, namespace),
                None => None,
            };
            if let Some((name, uid)) = found {
                subject.insert("namespace".to_owned(), Value::from(namespace));
                subject.insert("name".to_owned(), Value::from(name));
                subject.insert("uid".to_owned(), Value::from(uid));
            }
        }
    }

    fn young_pod(&self, namespace: &str) -> Option<(String, String)> {
        let pods = self.pods.iter().rev().take(LOOK_BACK);
        let mut pods = pods.filter(|pod| {
            let group = self.groups.get(pod.group as usize);
            group.is_some_and(|group| group.namespace == namespace)
        });
        let pod = pods.next()?;
        let uid = self.seed.uid(u64::from(pod.object));
        Some((self.pod_name(pod), uid.to_string()))
    }

    fn young_plain(&self, kind: &str, namespace: &str) -> Option<(String, String)> {
        let plains = self.plains.iter().rev().take(LOOK_BACK);
        let mut plains = plains.filter(|plain| {
            &*plain.namespace == namespace && self.catalog.kind(plain.feed) == kind
        });
        let plain = plains.next()?;
        Some((plain.name.to_string(), plain.uid.to_string()))
    }

    /// Tells whether an order asks for Events of a reason.
    fn asks(order: &WorkloadOrder, reason: Reason) -> bool {
        let With {
            events, reasons, ..
        } = &order.with;
        let is_one = |reasons: &Arc<[String]>| reasons.iter().any(|known| known == reason.word());
        *events && reasons.as_ref().is_none_or(is_one)
    }

    fn tell_of(
        &mut self,
        about: u32,
        at_version: u32,
        reason: Reason,
        detail: u32,
        other: u32,
    ) -> Result<(), Error> {
        let index = self.events.len();
        let object = self.object(Sort::Event, index as u32)?;
        self.events.push(EventRecord {
            about,
            at_version,
            reason,
            detail,
            other,
            stamp: self.now.saturating_add((index % 1000) as i64),
        });
        self.catalog.feed("v1", "Event");
        self.note(object, 0).map(|_| ())
    }
}
