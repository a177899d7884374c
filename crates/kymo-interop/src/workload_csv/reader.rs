//! Reads tables and tells their rows in the order of time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectHead, ObjectKey, Timestamp};
use kymo_store::Recalled;

use super::loading::{Bad, Change, Place, Rows, Told};
use super::mapping::{GpuResources, Times, Zero};
use super::objects::{self, NAMESPACE, Stage};
use super::rows::PodRow;
use crate::Error;
use crate::import::{
    Context, Item, Loss, LossReport, MissingTimes, Named, Object, ReadItems, What, redacted,
};
use crate::input::Entry;
use crate::naming::Naming;
use crate::sorting::Sorted;

/// Reads the items of all tables of an import.
pub(super) struct TableReader {
    policy: Policy,
    start: Timestamp,
    files: Vec<Arc<str>>,
    nodes: Option<Arc<Named>>,
    pods: Option<Arc<Named>>,
    bad: Recalled,
    damage: Vec<Error>,
    changes: Sorted<Change>,
    /// Which row the live pod of a name is of.
    live: HashMap<String, Place>,
    /// Whether nodes were told whose list has not ended.
    is_listing: bool,
    out: VecDeque<Item>,
    report: LossReport,
    told: u64,
    times: Option<Times>,
    gpus: GpuResources,
    /// When nodes are listed where the zero is none of the table's.
    listed: Timestamp,
}

impl TableReader {
    /// Reads all tables and puts their rows in order.
    pub(super) fn open(entries: Vec<Entry>, context: &Context) -> Result<Self, Error> {
        let mut rows = Rows::new(context)?;
        let mut files: Vec<Arc<str>> = Vec::with_capacity(entries.len());
        for (file, entry) in entries.into_iter().enumerate() {
            rows.read(file, &entry, context)?;
            files.push(entry.name.as_str().into());
        }
        let rows = rows.order()?;
        let (times, gpus) = rows.meaning.map_or_else(Default::default, |meaning| {
            (Some(meaning.times), meaning.gpus)
        });
        let first = files.first();
        let path = first.map_or_else(String::new, |file| (**file).to_owned());
        let no_time = || Error::NoTime { path: path.clone() };
        let given = match &context.missing_times {
            MissingTimes::Counted { start, .. } => Some(*start),
            _ => None,
        };
        let start = match &times {
            Some(Times::Counted { zero, .. }) => match zero {
                Zero::Start => given.ok_or_else(no_time)?,
                Zero::Epoch => Timestamp(0),
                Zero::At(at) => *at,
            },
            Some(Times::Calendar(_)) | None => Timestamp(0),
        };
        let is_dated = matches!(
            times,
            Some(
                Times::Calendar(_)
                    | Times::Counted {
                        zero: Zero::Epoch,
                        ..
                    }
            )
        );
        let listed = match rows.first_created {
            _ if !is_dated => start,
            Some(first) => Timestamp(first),
            // Nodes alone have no time.
            None => given.ok_or_else(no_time)?,
        };
        let is_told = match &times {
            Some(Times::Counted { zero, .. }) => match zero {
                Zero::Start => None,
                Zero::Epoch => Some("its times are counted from 1970".to_owned()),
                Zero::At(at) => Some(format!("the mapping counts its times from {at}")),
            },
            Some(Times::Calendar(_)) => Some("its times are dates".to_owned()),
            None => None,
        };
        let is_needed = is_dated && rows.first_created.is_none();
        if let (Some(reason), Some(_), false) = (is_told, given, is_needed) {
            return Err(Error::StartIsTold { path, reason });
        }
        let mut naming = Naming::new("");
        let mut named = |kind: &str, namespace: &str| {
            naming.of(&ObjectHead {
                api_version: "v1".to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                ..ObjectHead::default()
            })
        };
        Ok(Self {
            policy: context.policy,
            start,
            files,
            nodes: named("Node", ""),
            pods: named("Pod", NAMESPACE),
            bad: rows.bad,
            damage: rows.damage,
            changes: rows.changes,
            live: HashMap::new(),
            is_listing: false,
            out: VecDeque::new(),
            report: rows.report,
            told: 0,
            times,
            gpus,
            listed,
        })
    }

    fn tell(&mut self, change: Change) {
        let Change { at, place, what } = change;
        let recv = match at {
            i64::MIN => self.listed,
            at => Timestamp(self.start.0.saturating_add(at)),
        };
        if place.is_pod {
            self.end_listing(recv);
        }
        match what {
            Told::Listed(row) => {
                self.is_listing = true;
                let key = ObjectKey {
                    name: row.name.clone(),
                    ..ObjectKey::default()
                };
                let body = objects::node(&row, &self.gpus).to_string();
                let how = (EventType::Added, Certainty::Listed);
                self.object(recv, place, how, key, &body);
            }
            Told::Created(row) => {
                if self.live.contains_key(&row.name) {
                    let reason = "a pod of this name is there already".to_owned();
                    self.item(Some(recv), place, None, What::Unreadable { reason });
                    return;
                }
                self.live.insert(row.name.clone(), place);
                self.pod(recv, place, EventType::Added, &row);
            }
            Told::Scheduled(row) if self.live.get(&row.name) == Some(&place) => {
                let why = "a pod runs from when it was scheduled: \
                           when its containers started is not told";
                self.report.lose(Loss::Lifecycles, why, 1);
                self.pod(recv, place, EventType::Modified, &row);
            }
            Told::Deleted(row) if self.live.get(&row.name) == Some(&place) => {
                self.live.remove(&row.name);
                self.pod(recv, place, EventType::Deleted, &row);
            }
            // The row was refused when it was created.
            Told::Scheduled(_) | Told::Deleted(_) => {}
        }
    }

    fn pod(&mut self, recv: Timestamp, place: Place, event_type: EventType, row: &PodRow) {
        let at = |nanos: i64| Timestamp(self.start.0.saturating_add(nanos));
        let stage = Stage {
            created: at(row.created),
            scheduled: row
                .scheduled
                .map(at)
                .filter(|_| event_type != EventType::Added),
            is_deleted: event_type == EventType::Deleted,
        };
        let key = ObjectKey {
            namespace: NAMESPACE.to_owned(),
            name: row.name.clone(),
            uid: String::new(),
        };
        if event_type == EventType::Added {
            let why = "the node, the image and the owner of a pod are not told";
            self.report.lose(Loss::Fields, why, 1);
        }
        let body = objects::pod(row, &stage, &self.gpus).to_string();
        self.object(recv, place, (event_type, Certainty::Seen), key, &body);
    }

    fn object(
        &mut self,
        recv: Timestamp,
        place: Place,
        (event_type, certainty): (EventType, Certainty),
        key: ObjectKey,
        body: &str,
    ) {
        let named = if place.is_pod {
            &self.pods
        } else {
            &self.nodes
        };
        let Some(named) = named.clone() else { return };
        let what = match redacted(self.policy, &named.resource, body) {
            Ok((body, is_redacted)) => What::Object(Object {
                event_type,
                certainty,
                not_before: None,
                key,
                rv: None,
                body: Some(body),
                is_redacted,
                request: None,
            }),
            Err(reason) => What::Unreadable { reason },
        };
        self.told += 1;
        self.item(Some(recv), place, Some(named), what);
    }

    /// Tells that all nodes have come.
    fn end_listing(&mut self, recv: Timestamp) {
        if !std::mem::take(&mut self.is_listing) {
            return;
        }
        let place = Place {
            is_pod: false,
            file: 0,
            line: 0,
        };
        let what = What::ListEnd {
            rv: None,
            namespace: None,
            is_complete: false,
        };
        let named = self.nodes.clone();
        self.item(Some(recv), place, named, what);
    }

    fn item(
        &mut self,
        recv: Option<Timestamp>,
        place: Place,
        named: Option<Arc<Named>>,
        what: What,
    ) {
        let source = self.files.get(place.file).cloned();
        self.out.push_back(Item {
            recv,
            source: source.unwrap_or_else(|| "".into()),
            line: place.line,
            named,
            what,
        });
    }
}

impl ReadItems for TableReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.out.pop_front() {
                return Ok(Some(item));
            }
            if let Some(bad) = self.bad.next::<Bad>()? {
                let place = Place {
                    is_pod: true,
                    file: bad.file,
                    line: bad.line,
                };
                let what = What::Unreadable { reason: bad.reason };
                self.item(Some(self.start), place, None, what);
                continue;
            }
            if let Some(damage) = self.damage.pop() {
                return Err(damage);
            }
            match self.changes.next()? {
                Some(change) => self.tell(change),
                None if self.is_listing => self.end_listing(self.listed),
                None => return Ok(None),
            }
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        let start = self.start;
        let why = match &self.times {
            Some(Times::Counted { unit, zero }) => {
                let unit = unit.name();
                match zero {
                    Zero::Start => {
                        format!("times are {unit} from a zero that is not told; {start} was given")
                    }
                    Zero::Epoch => format!("times are {unit} since 1970 by the table's clock"),
                    Zero::At(at) => format!("times are {unit} from {at}, as the mapping says"),
                }
            }
            Some(Times::Calendar(calendar)) if calendar.offset != "Z" => {
                let offset = &calendar.offset;
                format!("times are of a calendar, of {offset} as the mapping says")
            }
            _ => "times are of a calendar without a time zone, taken for UTC".to_owned(),
        };
        report.lose(Loss::ReceiveTimes, &why, self.told);
        let why = "the source has no resourceVersions";
        report.lose(Loss::ResourceVersions, why, self.told);
        for loss in &self.report.losses {
            report.lose(loss.what, &loss.why, loss.count);
        }
        for (what, count) in &self.report.notes {
            report.note(what, *count);
        }
    }
}
