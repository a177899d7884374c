//! Pods as forms: pods of one template are alike but for names, addresses, ids and times.

use std::collections::HashMap;
use std::sync::Arc;

use kymo_store::segment::{Blank, Filled, Form, MOST_TEXTS, MOST_TIMES, Row, Texts};
use serde_json::Value;

use super::status::{container_id, init_id};
use super::{Group, Host, Identity, PodState, Shape};
use crate::clock::{SECOND, seconds};

/// Forms of more than so many groups and states are not kept.
const MOST_FORMS: usize = 512;

/// Numbers of texts; the ids of the containers and then of the init containers follow.
const NAME: u8 = 0;
const ORDINAL: u8 = 1;
const ACCESS: u8 = 2;
const TARGET: u8 = 3;
const HOST: u8 = 4;
const HOST_ADDRESS: u8 = 5;
const ADDRESS: u8 = 6;
const RESTARTS: u8 = 7;
const LAST_ID: u8 = 8;
const IDS: u8 = 9;

/// Numbers that stand for blanks.
const ANY_ORDINAL: u32 = 4_294_967_201;
const ANY_RESTARTS: u32 = 4_294_967_203;
/// Stands on both sides of the number of a blank.
const MARK: char = '\u{F8FE}';
/// From here on times stand for blanks, a day each: 1902-01-01.
const ANY_TIME: i64 = -2_145_916_800 * SECOND;
const DAY: i64 = 86_400 * SECOND;

fn mark(number: u8) -> String {
    format!("{MARK}{number}{MARK}")
}

fn any_time(number: i64) -> i64 {
    ANY_TIME + (10 + number) * DAY
}

/// Forms of pods, and what they are forms of.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    known: HashMap<Key, Option<Arc<Form>>>,
    topologies: HashMap<String, u32>,
}

/// What pods have in common that have one form.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    group: u32,
    topology: u32,
    state: PodState,
}

/// A pod that is written as forms.
#[derive(Debug)]
pub(crate) struct Filler<'a> {
    pod: Identity<'a>,
    group: &'a Group,
    number: u32,
    topology: u32,
    texts: Arc<Texts>,
    /// How often it had been restarted when the texts were made.
    restarts: u32,
}

impl<'a> Filler<'a> {
    /// Begins with a pod of the group of a number. `None` if it has too many containers.
    pub(crate) fn new(
        pod: Identity<'a>,
        group: &'a Group,
        number: u32,
        forms: &mut Forms,
    ) -> Option<Self> {
        let shape = &group.shape;
        let count = usize::from(IDS) + shape.containers.len() + shape.inits.len();
        (count <= MOST_TEXTS).then(|| Self {
            texts: Arc::new(texts(&pod, shape, 0)),
            topology: pod.host.map_or(0, |host| forms.topology(host)),
            pod,
            group,
            number,
            restarts: 0,
        })
    }

    /// Writes what the pod of a row is in a state; `None` if that is no form.
    pub(crate) fn fill(
        &mut self,
        row: &Row,
        state: &PodState,
        version: u64,
        forms: &mut Forms,
    ) -> Option<Filled> {
        if self.restarts != state.restarts {
            self.restarts = state.restarts;
            self.texts = Arc::new(texts(&self.pod, &self.group.shape, state.restarts));
        }
        let key = Key {
            group: self.number,
            topology: state.bound.map_or(0, |_| self.topology),
            state: state.any(),
        };
        let filled = |form: Arc<Form>| Filled {
            form,
            texts: Arc::clone(&self.texts),
            times: state.times(),
            generation: Some(i64::from(state.generation())),
            created: Some(state.created.div_euclid(SECOND)),
            deleted: state.deleted_at().map(|at| at.div_euclid(SECOND)),
        };
        if let Some(known) = forms.known.get(&key) {
            return known.clone().map(filled);
        }
        if forms.known.len() >= MOST_FORMS {
            forms.known.clear();
        }
        let made = self.form(&key.state).map(|form| filled(Arc::new(form)));
        let made = made.filter(|made| self.is_right(made, row, state, version));
        let form = made.as_ref().map(|made| Arc::clone(&made.form));
        forms.known.insert(key, form);
        made
    }

    /// Makes the form of pods in a state.
    fn form(&self, any: &PodState) -> Option<Form> {
        let uid = mark(u8::MAX);
        let (name, access, target) = (mark(NAME), mark(ACCESS), mark(TARGET));
        let address = mark(ADDRESS);
        let host = self.pod.host.map(|host| Host {
            name: mark(HOST),
            address: mark(HOST_ADDRESS),
            topology: host.topology.clone(),
        });
        let pod = Identity {
            name: &name,
            uid: &uid,
            ordinal: ANY_ORDINAL,
            access: &access,
            target: &target,
            host: host.as_ref(),
            address: &address,
        };
        let mut text = String::new();
        self.group.write(&pod, any, 1, &mut text);
        let mut marks: Vec<(String, Blank)> = Vec::new();
        for number in [NAME, ACCESS, TARGET, HOST, HOST_ADDRESS, ADDRESS] {
            marks.push((mark(number), Blank::Text(number)));
        }
        marks.push((ANY_ORDINAL.to_string(), Blank::Text(ORDINAL)));
        if any.restarts > 0 {
            marks.push((any.restarts.to_string(), Blank::Text(RESTARTS)));
            let last = container_id(&uid, 0, any.restarts - 1);
            marks.push((last, Blank::Text(LAST_ID)));
        }
        let ids = ids(&uid, &self.group.shape, any.restarts);
        marks.extend(
            (IDS..)
                .zip(ids)
                .map(|(number, id)| (id, Blank::Text(number))),
        );
        for (number, time) in (0..).zip(any.all_times()) {
            if let Some(time) = time {
                marks.push((seconds(time), Blank::Time(number)));
            }
        }
        Form::new(&text, &marks)
    }

    /// Tells whether a form says the same as the text.
    fn is_right(&self, made: &Filled, row: &Row, state: &PodState, version: u64) -> bool {
        let mut text = String::new();
        self.group.write(&self.pod, state, version, &mut text);
        let found = made.text(&row.event).ok();
        let found: Option<Value> = found.and_then(|found| serde_json::from_slice(&found).ok());
        found.is_some() && found == serde_json::from_str(&text).ok()
    }
}

impl Forms {
    /// Returns a number for the labels that pods on a node get.
    fn topology(&mut self, host: &Host) -> u32 {
        if let Some(known) = self.topologies.get(&host.topology) {
            return *known;
        }
        let number = self.topologies.len() as u32 + 1;
        self.topologies.insert(host.topology.clone(), number);
        number
    }
}

fn ids<'a>(uid: &'a str, shape: &'a Shape, restarts: u32) -> impl Iterator<Item = String> + 'a {
    let run = move |number| if number == 0 { restarts } else { 0 };
    let containers = 0..shape.containers.len();
    let containers = containers.map(move |number| container_id(uid, number, run(number)));
    containers.chain((0..shape.inits.len()).map(|number| init_id(uid, number)))
}

fn texts(pod: &Identity<'_>, shape: &Shape, restarts: u32) -> Texts {
    let mut texts = Texts::default();
    texts.push(pod.name);
    texts.push(&pod.ordinal.to_string());
    texts.push(pod.access);
    texts.push(pod.target);
    texts.push(pod.host.map_or("", |host| &host.name));
    texts.push(pod.host.map_or("", |host| &host.address));
    texts.push(pod.address);
    texts.push(&restarts.to_string());
    match restarts.checked_sub(1) {
        Some(last) => texts.push(&container_id(pod.uid, 0, last)),
        None => texts.push(""),
    }
    for id in ids(pod.uid, shape, restarts) {
        texts.push(&id);
    }
    texts
}

impl PodState {
    /// Returns all times that an object tells in its body, by their numbers.
    fn all_times(&self) -> [Option<i64>; 9] {
        [
            Some(self.created),
            self.unschedulable,
            self.bound,
            self.accepted,
            self.started,
            Some(self.ready_since),
            self.crashed,
            self.ended.map(|(at, _)| at),
            self.disrupted.map(|(at, _)| at),
        ]
    }

    /// Returns them in seconds.
    fn times(&self) -> [i64; MOST_TIMES] {
        let mut times = [0; MOST_TIMES];
        for (slot, time) in times.iter_mut().zip(self.all_times()) {
            *slot = time.unwrap_or_default().div_euclid(SECOND);
        }
        times
    }

    /// Returns the same state at any times and after any number of restarts.
    fn any(&self) -> Self {
        let time = |found: Option<i64>, number| found.map(|_| any_time(number));
        // What is told depends on which of the two came later.
        let is_crashed = self.crashed >= self.started;
        Self {
            created: any_time(0),
            unschedulable: time(self.unschedulable, 1),
            bound: time(self.bound, 2),
            accepted: time(self.accepted, 3),
            started: time(self.started, 4),
            ready_since: any_time(5),
            crashed: time(self.crashed, if is_crashed { 6 } else { -6 }),
            ended: self.ended.map(|(_, is_well)| (any_time(7), is_well)),
            disrupted: self.disrupted.map(|(_, is_taint)| (any_time(8), is_taint)),
            lost: None,
            deletion: self.deletion.map(|(_, grace)| (any_time(9), grace)),
            restarts: if self.restarts > 0 { ANY_RESTARTS } else { 0 },
            ..self.clone()
        }
    }
}
