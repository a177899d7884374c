//! A trace as its query shows it, and the objects that there are at a time.

use std::collections::BTreeMap;

use kymo_model::Timestamp;
use serde_json::Value;

use crate::environment::TestEnv;

/// All events of a trace, in their order.
pub(crate) struct Recording(Vec<Event>);

struct Event {
    /// The object, by the place at which it came.
    id: usize,
    what: String,
    ts: i128,
    object: Option<Object>,
}

/// The objects that there are at a time.
pub(crate) struct Cluster {
    pub(crate) objects: Vec<Object>,
}

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: usize,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

fn nanos(text: &str) -> Option<i128> {
    let time: Timestamp = text.parse().ok()?;
    Some(i128::from(time.0))
}

impl Recording {
    pub(crate) fn read(env: &TestEnv, trace: &str) -> Self {
        let sql = "SELECT seq, type, CAST(ts AS BIGINT) AS at, resource, namespace, name, uid, object FROM events ORDER BY seq";
        let answer = env.run(["query", trace, sql, "--format", "ndjson"]);
        assert!(answer.status.success(), "{answer:?}");
        let mut ids = BTreeMap::new();
        let text = String::from_utf8(answer.stdout).unwrap();
        let events = text.lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
            let who = (
                text("resource"),
                text("namespace"),
                text("name"),
                text("uid"),
            );
            let next = ids.len();
            let id = *ids.entry(who).or_insert(next);
            let body = match &row["object"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                body => body.clone(),
            };
            let object = body.is_object().then(|| Object {
                id,
                kind: body["kind"].as_str().unwrap_or_default().to_owned(),
                body,
            });
            Event {
                id,
                what: text("type"),
                ts: row["at"].as_i64().unwrap().into(),
                object,
            }
        });
        Self(events.collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns for each event which object it is of, what happened, how long after the first event,
    /// and how far from it all times in the object are.
    pub(crate) fn spacing(&self) -> Vec<(usize, &str, i128, Vec<i128>)> {
        let start = self.0[0].ts;
        let each = self.0.iter().map(|event| {
            let mut times = Vec::new();
            if let Some(object) = &event.object {
                times_of(&object.body, "", &mut times);
            }
            for time in &mut times {
                *time -= start;
            }
            times.sort_unstable();
            (event.id, event.what.as_str(), event.ts - start, times)
        });
        each.collect()
    }

    /// Returns the objects that there are after so many events.
    pub(crate) fn at(&self, end: usize) -> Cluster {
        let mut objects = BTreeMap::new();
        for event in &self.0[..end] {
            match &event.object {
                Some(object) if event.what != "DELETED" => {
                    objects.insert(event.id, object.clone());
                }
                _ => {
                    objects.remove(&event.id);
                }
            }
        }
        Cluster {
            objects: objects.into_values().collect(),
        }
    }
}

/// Collects what stands in fields for times; annotations and data are somebody's own.
fn times_of(value: &Value, field: &str, times: &mut Vec<i128>) {
    match value {
        Value::Object(members) => {
            let own = ["annotations", "managedFields", "data"];
            for (field, value) in members {
                if !own.contains(&field.as_str()) {
                    times_of(value, field, times);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| times_of(item, field, times)),
        Value::String(text) => {
            let is_time = ["Time", "Timestamp", "At", "timeAdded", "time"]
                .iter()
                .any(|end| field.ends_with(end));
            times.extend(Some(text).filter(|_| is_time).and_then(|text| nanos(text)));
        }
        _ => {}
    }
}

impl Object {
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    pub(crate) fn labels(&self) -> &Value {
        self.at("/metadata/labels")
    }
}

impl Cluster {
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects
            .iter()
            .filter(move |object| object.kind == kind)
    }

    /// Finds an object by its name.
    pub(crate) fn named(&self, kind: &str, namespace: &str, name: &str) -> Option<usize> {
        self.of_kind(kind)
            .find(|object| object.name() == name && object.namespace() == namespace)
            .map(|object| object.id)
    }

    pub(crate) fn with_uid(&self, uid: &str) -> Option<usize> {
        let mut all = self.objects.iter();
        all.find(|object| !uid.is_empty() && object.text("/metadata/uid") == uid)
            .map(|object| object.id)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Object> {
        self.of_kind("Node").find(|node| node.name() == name)
    }
}

/// Returns the items of a list; none if it is none.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns the texts of a list.
pub(crate) fn texts(value: &Value) -> impl Iterator<Item = &str> {
    items(value).iter().filter_map(Value::as_str)
}
