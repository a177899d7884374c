//! What happened, as rows of a trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, Feed, FeedId, ObjectKey, Rv, Timestamp,
};
use kymo_store::segment::{FilledRow, NewRow, Row, SegmentMeta};
use kymo_store::{LogRecord, PlacedRecord, SessionInfo};
use serde_json::{Value, json};

use crate::clock::{micros, seconds};
use crate::managed;
use crate::node::{NodeState, NodeStep};
use crate::order::Plan;
use crate::order_of_rows::{Index, key_of};
use crate::pod::{Filler, Forms, Identity, PodState, Step};
use crate::story::{EventRecord, GONE, Sort, Story, version_of};
use crate::text::Place;
use crate::timeline::{Happening, LivesReader};
use crate::{Error, Progress, Tally};

/// A trace that was made up, ready to be written.
pub struct Synthesis<'a> {
    story: Story<'a>,
    index: Index,
    /// Events before the trace begins that tell what is there then.
    listed: Vec<u32>,
}

/// What the sessions of traces that were made up say of themselves.
const COMMAND: &str = "synth";

impl<'a> Synthesis<'a> {
    /// Lets everything happen that a plan asks for. What would take much memory lies where temporary
    /// files are.
    pub fn new(plan: &'a Plan, progress: &dyn Progress) -> Result<Self, Error> {
        Self::aside(plan, progress, &std::env::temp_dir())
    }

    /// Does the same with its temporary files in `folder`; they have no names and are gone with it.
    pub fn aside(plan: &'a Plan, progress: &dyn Progress, folder: &Path) -> Result<Self, Error> {
        let mut story = Story::tell(plan, progress, folder)?;
        if !story.pods.is_empty() {
            story.catalog.feed("v1", "Pod");
        }
        story.catalog.feed("v1", "Node");
        if story
            .objects
            .iter()
            .any(|object| object.sort == Sort::Lease)
        {
            story.catalog.feed("coordination.k8s.io/v1", "Lease");
        }
        Ok(Self {
            listed: story.listed_events()?,
            index: Index::of(&story)?,
            story,
        })
    }

    /// Returns how many events there are.
    pub fn events(&self) -> u64 {
        let after = self.story.timeline.len() - self.story.timeline.before() as usize;
        (after + self.listed.len()) as u64
    }

    /// The number of an event in the trace, from 1.
    fn seq(&self, event: u32) -> u64 {
        let listed = self.listed.len() as u64;
        match event.checked_sub(self.story.timeline.before()) {
            Some(after) => listed + u64::from(after) + 1,
            None => self.listed.partition_point(|known| *known < event) as u64 + 1,
        }
    }

    /// Counts the events of each kind.
    pub fn tally(&self) -> Result<BTreeMap<String, Tally>, Error> {
        self.story.tally()
    }

    /// Counts the Events about workloads by their reasons.
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for event in &self.story.events {
            *reasons.entry(event.reason.word().to_owned()).or_default() += 1;
        }
        reasons
    }

    /// Returns the feeds of the resources.
    pub fn feeds(&self) -> BTreeMap<FeedId, Feed> {
        self.story.catalog.feeds().into_iter().collect()
    }

    /// Returns what the trace says of itself: all of it was seen, by one session of `tool`.
    pub fn meta(&self, tool: &str) -> SegmentMeta {
        let (start, end) = (self.story.beginning(), Timestamp(self.story.end));
        // The version of the lists with which it begins.
        let listed = version_of(self.story.timeline.before()) - 1;
        let last = self.events();
        let mut records: Vec<PlacedRecord> = Vec::new();
        for (feed, _) in self.story.catalog.feeds() {
            records.push(PlacedRecord {
                seq: 1,
                session: 1,
                record: LogRecord::Transition {
                    feed,
                    epoch: 0,
                    ts: start,
                    state: CoverageState::Observed,
                    cause: Cause::Start,
                    rv: Some(Rv::new(listed.to_string())),
                    detail: None,
                },
            });
        }
        let version = self.story.timeline.len().checked_sub(1);
        for (feed, _) in self.story.catalog.feeds() {
            if let Some(version) = version {
                records.push(PlacedRecord {
                    seq: last + 1,
                    session: 1,
                    record: LogRecord::Mark {
                        feed,
                        rv: Rv::new(version_of(version as u32).to_string()),
                        ts: end,
                    },
                });
            }
        }
        records.push(PlacedRecord {
            seq: last + 1,
            session: 1,
            record: LogRecord::SessionEnd {
                ts: end,
                cause: Cause::Stop,
            },
        });
        SegmentMeta {
            feeds: self.story.catalog.feeds(),
            sessions: vec![SessionInfo {
                number: 1,
                started: start,
                tool: tool.to_owned(),
                command: COMMAND.to_owned(),
                ..SessionInfo::default()
            }],
            records,
            first_seq: 1,
            last_seq: last,
            ..SegmentMeta::default()
        }
    }

    /// Returns the rows in the order of a segment, for one: pods that are alike share a form.
    pub fn new_rows(&self) -> NewRows<'_, 'a> {
        let mut sizes = vec![0u32; self.story.groups.len()];
        for pod in &self.story.pods {
            if let Some(size) = sizes.get_mut(pod.group as usize) {
                *size += 1;
            }
        }
        let mut rows = self.rows();
        rows.sizes = sizes;
        NewRows(rows)
    }

    /// Returns the rows in the order of a segment, each with its body as text.
    pub fn rows(&self) -> Rows<'_, 'a> {
        let feed_of = |kind: &str| {
            let feeds = self.story.catalog.feeds();
            let found = feeds.iter().find(|(_, feed)| {
                feed.resource.kind == kind
                    && matches!(feed.resource.group.as_str(), "" | "coordination.k8s.io")
            });
            found.map_or(FeedId(0), |(id, _)| *id)
        };
        Rows {
            synthesis: self,
            lives: self.index.lives.read(),
            life: Vec::new(),
            ended: false,
            ready: Vec::new().into_iter(),
            pods: feed_of("Pod"),
            nodes: feed_of("Node"),
            leases: feed_of("Lease"),
            events: feed_of("Event"),
            body: String::new(),
            sizes: Vec::new(),
            forms: Forms::default(),
        }
    }
}

/// Fewer pods of a template are written as text: a form is worth it when it is used again.
const FEW: u32 = 4;

/// The rows of a trace that was made up, in the order of a segment.
pub struct Rows<'s, 'a> {
    synthesis: &'s Synthesis<'a>,
    lives: LivesReader<'s>,
    /// What happened to the present object.
    life: Vec<Happening>,
    ended: bool,
    ready: std::vec::IntoIter<NewRow>,
    pods: FeedId,
    nodes: FeedId,
    leases: FeedId,
    events: FeedId,
    body: String,
    /// How many pods each group has; empty where none are written as forms.
    sizes: Vec<u32>,
    forms: Forms,
}

impl Iterator for Rows<'_, '_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.following()?.map(|row| match row {
            NewRow::Kept(kept) => kept.row,
            NewRow::Filled(filled) => filled.row,
        }))
    }
}

/// The rows of a trace that was made up, for a segment.
pub struct NewRows<'s, 'a>(Rows<'s, 'a>);

impl Iterator for NewRows<'_, '_> {
    type Item = Result<NewRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.following()
    }
}

impl Rows<'_, '_> {
    fn following(&mut self) -> Option<Result<NewRow, Error>> {
        while !self.ended {
            if let Some(row) = self.ready.next() {
                return Some(Ok(row));
            }
            let mut life = std::mem::take(&mut self.life);
            let rank = match self.lives.next(&mut life) {
                Ok(rank) => rank,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            let object = rank.and_then(|rank| self.synthesis.index.objects.get(rank as usize));
            if let Some(object) = object {
                let rows = self.object(*object, &life);
                self.ready = self.listed(rows).into_iter();
            } else {
                self.ended = true;
            }
            self.life = life;
        }
        None
    }
}

/// What the rows of an object have in common.
struct Common {
    feed: FeedId,
    key: ObjectKey,
}

impl Rows<'_, '_> {
    /// Puts what an object was when the trace begins in the place of what happened before.
    fn listed(&self, mut rows: Vec<NewRow>) -> Vec<NewRow> {
        let begin = self.synthesis.story.beginning();
        let before = rows.partition_point(|row| row.row().event.ts < begin);
        let Some(last) = before.checked_sub(1) else {
            return rows;
        };
        let mut rows = rows.split_off(last);
        let row = match rows.first_mut() {
            Some(NewRow::Kept(kept)) => &mut kept.row,
            Some(NewRow::Filled(filled)) => &mut filled.row,
            None => return rows,
        };
        if row.event.event_type == EventType::Deleted {
            rows.remove(0);
            return rows;
        }
        row.event.ts = begin;
        row.event.event_type = EventType::Added;
        row.event.certainty = Certainty::Listed;
        rows
    }

    /// Writes all rows of an object.
    fn object(&mut self, number: u32, life: &[Happening]) -> Vec<NewRow> {
        let story = &self.synthesis.story;
        let Some(object) = story.objects.get(number as usize).copied() else {
            return Vec::new();
        };
        let rows = match object.sort {
            Sort::Pod => return self.pod(number, object.index, life),
            Sort::Node => self.node(object.index, life),
            Sort::Lease => self.lease(number, object.index, life),
            Sort::Event => self.event(number, object.index, life),
            Sort::Plain => self.plain(object.index, life),
        };
        rows.into_iter().map(NewRow::from).collect()
    }

    fn row(&mut self, common: &Common, event: u32, ts: i64, is_first: bool, is_last: bool) -> Row {
        let mut row = self.row_without_body(common, event, ts, is_first, is_last);
        if self.synthesis.story.plan.managed_fields {
            self.manage(ts);
        }
        row.event.body = Some(Arc::from(self.body.as_bytes()));
        row
    }

    fn row_without_body(
        &self,
        common: &Common,
        event: u32,
        ts: i64,
        is_first: bool,
        is_last: bool,
    ) -> Row {
        let event_type = match (is_first, is_last) {
            (true, _) => EventType::Added,
            (false, false) => EventType::Modified,
            (false, true) => EventType::Deleted,
        };
        Row {
            seq: self.synthesis.seq(event),
            session: 1,
            event: Event {
                feed: common.feed,
                ts: Timestamp(ts),
                not_before: None,
                event_type,
                certainty: Certainty::Seen,
                epoch: 0,
                key: common.key.clone(),
                rv: Some(Rv::new(version_of(event).to_string())),
                body: None,
                request: None,
            },
        }
    }

    /// Adds who wrote which fields of the body.
    fn manage(&mut self, ts: i64) {
        if let Ok(mut object) = serde_json::from_str::<Value>(&self.body) {
            managed::add(&mut object, ts);
            self.body = object.to_string();
        }
    }

    fn pod(&mut self, number: u32, index: u32, life: &[Happening]) -> Vec<NewRow> {
        let synthesis = self.synthesis;
        let story = &synthesis.story;
        let Some(pod) = story.pods.get(index as usize) else {
            return Vec::new();
        };
        let Some(group) = story.groups.get(pod.group as usize) else {
            return Vec::new();
        };
        let uid = story.seed.uid(u64::from(number));
        let access: String = uid
            .as_bytes()
            .iter()
            .take(5)
            .map(|byte| {
                let letters = b"bcdfghjklmnpqrstvwxz2456789";
                let letter = letters.get(usize::from(*byte) % letters.len());
                char::from(letter.copied().unwrap_or(b'b'))
            })
            .collect();
        let uid = uid.to_string();
        let name = story.pod_name(pod);
        let node = story.nodes.get(pod.node as usize);
        let target = story.nodes.get(pod.ordinal as usize);
        let address = node.map(|node| format!("{}.{}", node.range, pod.address));
        let identity = Identity {
            name: &name,
            uid: &uid,
            ordinal: pod.ordinal,
            access: &access,
            target: target.map_or("", |node| node.host.name.as_str()),
            host: node.map(|node| &node.host),
            address: address.as_deref().unwrap_or_default(),
        };
        let common = Common {
            feed: self.pods,
            key: ObjectKey {
                namespace: group.namespace.clone(),
                name: name.clone(),
                uid: uid.clone(),
            },
        };
        let is_form = self
            .sizes
            .get(pod.group as usize)
            .is_some_and(|size| *size >= FEW)
            && !story.plan.managed_fields
            && story.plan.lead == 0;
        let mut filler = is_form
            .then(|| Filler::new(identity, group, pod.group, &mut self.forms))
            .flatten();
        let mut state = PodState::default();
        let mut rows = Vec::with_capacity(life.len());
        for entry in life {
            let Some(step) = Step::of(entry.change) else {
                continue;
            };
            state.take(step, entry.ts, &group.shape);
            let (is_first, is_last) = (step == Step::Created, step == Step::Gone);
            let version = version_of(entry.number);
            if let Some(filler) = &mut filler {
                let row = self.row_without_body(&common, entry.number, entry.ts, is_first, is_last);
                if let Some(filled) = filler.fill(&row, &state, version, &mut self.forms) {
                    rows.push(NewRow::Filled(FilledRow { row, filled }));
                    continue;
                }
            }
            self.body.clear();
            group.write(&identity, &state, version, &mut self.body);
            let row = self.row(&common, entry.number, entry.ts, is_first, is_last);
            rows.push(row.into());
        }
        rows
    }

    fn node(&mut self, index: u32, life: &[Happening]) -> Vec<Row> {
        let synthesis = self.synthesis;
        let story = &synthesis.story;
        let Some(node) = story.nodes.get(index as usize) else {
            return Vec::new();
        };
        let common = Common {
            feed: self.nodes,
            key: ObjectKey {
                namespace: String::new(),
                name: node.host.name.clone(),
                uid: node.uid.clone(),
            },
        };
        let mut state = NodeState::default();
        let mut rows = Vec::new();
        for entry in life {
            let Some(step) = NodeStep::of(entry.change) else {
                continue;
            };
            state.take(step, entry.ts);
            self.body.clear();
            node.write(&state, version_of(entry.number), &mut self.body);
            let is_first = matches!(step, NodeStep::Created | NodeStep::Present);
            rows.push(self.row(
                &common,
                entry.number,
                entry.ts,
                is_first,
                step == NodeStep::Gone,
            ));
        }
        rows
    }

    fn lease(&mut self, number: u32, index: u32, life: &[Happening]) -> Vec<Row> {
        let synthesis = self.synthesis;
        let story = &synthesis.story;
        let Some(node) = story.nodes.get(index as usize) else {
            return Vec::new();
        };
        let uid = story.seed.uid(u64::from(number)).to_string();
        let common = Common {
            feed: self.leases,
            key: ObjectKey {
                namespace: "kube-node-lease".to_owned(),
                name: node.host.name.clone(),
                uid: uid.clone(),
            },
        };
        let mut created = None;
        let mut renewed = 0;
        let mut rows = Vec::new();
        for entry in life {
            let is_first = created.is_none();
            let first = *created.get_or_insert(entry.ts);
            let is_gone = entry.change == GONE;
            if !is_gone {
                renewed = entry.ts;
            }
            self.body.clear();
            node.write_lease(
                &uid,
                first,
                renewed,
                version_of(entry.number),
                &mut self.body,
            );
            rows.push(self.row(&common, entry.number, entry.ts, is_first, is_gone));
        }
        rows
    }

    fn plain(&mut self, index: u32, life: &[Happening]) -> Vec<Row> {
        let synthesis = self.synthesis;
        let story = &synthesis.story;
        let Some(plain) = story.plains.get(index as usize) else {
            return Vec::new();
        };
        let common = Common {
            feed: plain.feed,
            key: ObjectKey {
                namespace: plain.namespace.to_string(),
                name: plain.name.to_string(),
                uid: plain.uid.to_string(),
            },
        };
        let mut version = None;
        let mut rows = Vec::new();
        for entry in life {
            let is_first = version.is_none();
            let is_gone = entry.change == GONE;
            if !is_gone {
                version = story.versions.get(entry.change as usize);
            }
            let Some(version) = version else {
                continue;
            };
            let Some(base) = story.bases.get(version.base as usize) else {
                continue;
            };
            self.body.clear();
            base.write(&mut self.body, |place, out| match place {
                Place::Version => {
                    write!(out, "{}", version_of(entry.number)).ok();
                }
                Place::Status => {
                    write!(out, r#""status":{}"#, version.status).ok();
                }
                _ => {}
            });
            rows.push(self.row(&common, entry.number, entry.ts, is_first, is_gone));
        }
        rows
    }

    fn event(&mut self, number: u32, index: u32, life: &[Happening]) -> Vec<Row> {
        let synthesis = self.synthesis;
        let story = &synthesis.story;
        let (Some(record), Some(entry)) = (
            story.events.get(index as usize).copied(),
            life.first().copied(),
        ) else {
            return Vec::new();
        };
        let event = entry.number;
        let (namespace, about) = key_of(story, record.about);
        let name = record.name(&about);
        let uid = story.seed.uid(u64::from(number)).to_string();
        let body = story.event_body(&record, &namespace, &about, &name, &uid, event, entry.ts);
        self.body.clear();
        self.body.push_str(&body.to_string());
        let common = Common {
            feed: self.events,
            key: ObjectKey {
                namespace,
                name,
                uid,
            },
        };
        vec![self.row(&common, event, entry.ts, true, false)]
    }
}

impl Story<'_> {
    #[expect(
        clippy::too_many_arguments,
        reason = "each says one thing of the Event"
    )]
    fn event_body(
        &self,
        record: &EventRecord,
        namespace: &str,
        about: &str,
        name: &str,
        uid: &str,
        event: u32,
        ts: i64,
    ) -> Value {
        use crate::story::Reason;

        let object = self.objects.get(record.about as usize);
        let pod = object
            .filter(|object| object.sort == Sort::Pod)
            .and_then(|object| self.pods.get(object.index as usize));
        let plain = object
            .filter(|object| object.sort == Sort::Plain)
            .and_then(|object| self.plains.get(object.index as usize));
        let kind = plain.and_then(|plain| {
            let feeds = self.catalog.feeds();
            feeds
                .get(plain.feed.0 as usize)
                .map(|(_, feed)| (feed.resource.kind.clone(), feed.resource.api_version()))
        });
        let (kind, api_version) = kind.unwrap_or_else(|| ("Pod".to_owned(), "v1".to_owned()));
        let own_uid = plain.map_or_else(
            || self.seed.uid(u64::from(record.about)).to_string(),
            |plain| plain.uid.to_string(),
        );
        let shape = pod
            .and_then(|pod| self.groups.get(pod.group as usize))
            .map(|group| &group.shape);
        let container = shape.and_then(|shape| shape.containers().get(record.detail as usize));
        let container_name = container.map_or("", |container| container.name.as_str());
        let host = pod
            .and_then(|pod| self.nodes.get(pod.node as usize))
            .map_or("", |node| node.host.name.as_str());
        let other = self
            .pods
            .get(record.detail as usize)
            .map(|pod| self.pod_name(pod));
        let other = other.unwrap_or_default();
        let set = self.plains.get(record.other as usize);
        let set = set.map_or("", |plain| &plain.name);
        let (reason, message, component, kind_of_event) = match record.reason {
            Reason::Scheduled => (
                "Scheduled",
                format!("Successfully assigned {namespace}/{about} to {host}"),
                "default-scheduler",
                "Normal",
            ),
            Reason::FailedScheduling => (
                "FailedScheduling",
                "no nodes are available".to_owned(),
                "default-scheduler",
                "Warning",
            ),
            Reason::Pulled => (
                "Pulled",
                format!(
                    "Container image \"{}\" already present on machine",
                    container.map_or("", |container| container.image.as_str())
                ),
                "kubelet",
                "Normal",
            ),
            Reason::Created => (
                "Created",
                "Container created".to_owned(),
                "kubelet",
                "Normal",
            ),
            Reason::Started => (
                "Started",
                "Container started".to_owned(),
                "kubelet",
                "Normal",
            ),
            Reason::BackOff => (
                "BackOff",
                format!("Back-off restarting failed container {container_name} in pod {about}"),
                "kubelet",
                "Warning",
            ),
            Reason::Killing => (
                "Killing",
                format!("Stopping container {container_name}"),
                "kubelet",
                "Normal",
            ),
            Reason::SuccessfulCreate => (
                "SuccessfulCreate",
                format!("Created pod: {other}"),
                controller_of(&kind),
                "Normal",
            ),
            Reason::SuccessfulDelete => (
                "SuccessfulDelete",
                format!("Deleted pod: {other}"),
                controller_of(&kind),
                "Normal",
            ),
            Reason::ScalingReplicaSet => (
                "ScalingReplicaSet",
                format!("Scaled replica set {set} to {}", record.detail),
                "deployment-controller",
                "Normal",
            ),
            Reason::Completed => (
                "Completed",
                "Job completed".to_owned(),
                "job-controller",
                "Normal",
            ),
        };
        let mut involved = json!({
            "kind": kind,
            "namespace": namespace,
            "name": about,
            "uid": own_uid,
            "apiVersion": api_version,
            "resourceVersion": version_of(record.at_version).to_string(),
        });
        let is_of_container = matches!(
            record.reason,
            Reason::Pulled | Reason::Created | Reason::Started | Reason::BackOff | Reason::Killing
        );
        if is_of_container && let Some(members) = involved.as_object_mut() {
            members.insert(
                "fieldPath".to_owned(),
                json!(format!("spec.containers{{{container_name}}}")),
            );
        }
        let metadata = json!({
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": version_of(event).to_string(),
            "creationTimestamp": seconds(ts),
        });
        if component == "default-scheduler" {
            return json!({
                "kind": "Event",
                "apiVersion": "v1",
                "metadata": metadata,
                "involvedObject": involved,
                "reason": reason,
                "message": message,
                "source": {},
                "firstTimestamp": null,
                "lastTimestamp": null,
                "type": kind_of_event,
                "eventTime": micros(ts),
                "action": if record.reason == Reason::Scheduled { "Binding" } else { "Scheduling" },
                "reportingComponent": component,
                "reportingInstance": "default-scheduler-0",
            });
        }
        let is_kubelets = component == "kubelet";
        let source = if is_kubelets {
            json!({"component": component, "host": host})
        } else {
            json!({"component": component})
        };
        json!({
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": metadata,
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": seconds(ts),
            "lastTimestamp": seconds(ts),
            "count": 1,
            "type": kind_of_event,
            "eventTime": null,
            "reportingComponent": component,
            "reportingInstance": if is_kubelets { host } else { "" },
        })
    }
}

fn controller_of(kind: &str) -> &'static str {
    match kind {
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        "Job" => "job-controller",
        _ => "replicaset-controller",
    }
}
