//! Brings changes into the order in which they happened.
//!
//! A line is written when its request was answered, and answers of many handlers overtake each
//! other. Inside a window of time the versions of a resource are put in order by their
//! resourceVersion. A change cannot have happened later than a version that came after it was
//! answered, so its time is lowered to that one's.
//!
//! A change without a version has its place by time, except where reason tells more: an object is
//! created before it is bound, bound before it has a node, and nothing happens after its end.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kymo_model::{EventType, Rv, Timestamp};

use super::change::{Change, Deed};
use super::glance::Inside;
use super::resources::ResourceId;

/// How long a change waits for others that came before it.
const HORIZON: Duration = Duration::from_secs(10);
/// How much waits at most.
const MOST_BYTES: usize = 64 << 20;

/// The place of a change: time, resource, version, and what decides between equals.
type Key = (Timestamp, ResourceId, u128, u64);

/// Added to the number of a change that has a version, so that what has to come just before that
/// version can.
const OWN: u64 = 1 << 63;
/// Stands for no version.
const NONE: u128 = u128::MAX;

/// Changes that wait for those that came before them.
#[derive(Debug, Default)]
pub(super) struct Window {
    waiting: BTreeMap<Key, Change>,
    /// The times of all that have a version, by resource and version.
    versions: BTreeMap<(ResourceId, u128, u64), Timestamp>,
    /// The keys of the changes of each object.
    objects: HashMap<(ResourceId, String, String), Vec<Key>>,
    bytes: usize,
    count: u64,
    newest: Option<Timestamp>,
    /// The highest version of each resource that was given out.
    given: HashMap<ResourceId, u128>,
    late: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Window {
    /// Puts a change in.
    pub(super) fn push(&mut self, change: Change) {
        self.newest = self.newest.max(Some(change.at));
        self.bytes += change.weight();
        let number = self.count;
        self.count += 1;
        let key = match change.rv.as_ref().and_then(ordered) {
            Some(version) => (change.at, change.resource, version, OWN | number),
            None => (change.at, change.resource, NONE, number),
        };
        let object = object(&change);
        let others = self.objects.get(&object).cloned().unwrap_or_default();
        self.objects.entry(object).or_default().push(key);
        self.waiting.insert(key, change);
        let key = self.settle(key);
        for other in others {
            self.relate(key, other);
        }
    }

    /// Gives out the next change; all of them when the input `has_ended`.
    pub(super) fn pop(&mut self, has_ended: bool) -> Option<Change> {
        let key = *self.waiting.first_key_value()?.0;
        let is_due = self
            .newest
            .is_some_and(|newest| newest.since(key.0) >= HORIZON);
        if !(has_ended || is_due || self.bytes > MOST_BYTES) {
            return None;
        }
        let mut change = self.waiting.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(change.weight());
        let (at, resource, version, tie) = key;
        if version != NONE {
            self.versions.remove(&(resource, version, tie));
            let given = self.given.entry(resource).or_default();
            self.late += u64::from(*given > version);
            *given = version.max(*given);
        }
        let object = object(&change);
        if let Some(keys) = self.objects.get_mut(&object) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.objects.remove(&object);
            }
        }
        change.at = at;
        Some(change)
    }

    /// Returns how many changes came too late to be put in order.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Lowers the time of a version to that of the next one, and of those before it to its own.
    /// Returns its key.
    fn settle(&mut self, key: Key) -> Key {
        let (at, resource, version, tie) = key;
        if version == NONE {
            return key;
        }
        let newer = self
            .versions
            .range((resource, version, tie)..=(resource, NONE, u64::MAX))
            .next()
            .map_or(at, |(_, newer)| *newer);
        let key = self.move_to(key, at.min(newer));
        self.versions.insert((resource, version, tie), key.0);
        let mut bound = (resource, version, tie);
        while let Some((&older, &at)) = self.versions.range((resource, 0, 0)..bound).next_back()
            && at > key.0
        {
            self.versions.insert(older, key.0);
            self.move_to((at, older.0, older.1, older.2), key.0);
            bound = older;
        }
        key
    }

    /// Moves a change to another time; returns its key.
    fn move_to(&mut self, key: Key, at: Timestamp) -> Key {
        self.rename(key, (at, key.1, key.2, key.3))
    }

    fn rename(&mut self, old: Key, new: Key) -> Key {
        if old == new {
            return new;
        }
        if let Some(change) = self.waiting.remove(&old) {
            let keys = self.objects.get_mut(&object(&change));
            if let Some(key) = keys.and_then(|keys| keys.iter_mut().find(|key| **key == old)) {
                *key = new;
            }
            self.waiting.insert(new, change);
        }
        new
    }

    /// Puts two changes of one object in order of which one has a version.
    fn relate(&mut self, one: Key, other: Key) {
        let (versioned, bare) = match (one.2 == NONE, other.2 == NONE) {
            (false, true) => (one, other),
            (true, false) => (other, one),
            _ => return,
        };
        let (Some(known), Some(change)) = (self.waiting.get(&versioned), self.waiting.get(&bare))
        else {
            return;
        };
        match side(change, known) {
            Some(Side::After) if versioned.0 > bare.0 => {
                self.versions
                    .insert((versioned.1, versioned.2, versioned.3), bare.0);
                let moved = self.move_to(versioned, bare.0);
                self.settle(moved);
            }
            Some(Side::Before) => {
                let (at, resource, version, _) = versioned;
                let tie = bare.3 & !OWN;
                let placed = (at.min(bare.0), resource, version, tie);
                self.rename(bare, placed);
                self.settle(placed);
            }
            _ => {}
        }
    }
}

/// The number of a version, where versions have an order.
fn ordered(rv: &Rv) -> Option<u128> {
    rv.is_ordered().then(|| rv.as_str().parse().ok()).flatten()
}

fn object(change: &Change) -> (ResourceId, String, String) {
    let key = &change.key;
    (change.resource, key.namespace.clone(), key.name.clone())
}

/// On which side of a version of the same object a change without a version belongs; `None` where
/// their times alone tell.
fn side(bare: &Change, known: &Change) -> Option<Side> {
    if let (Some(after), Some(rv)) = (&bare.after, &known.rv)
        && !rv.is_newer_than(after)
    {
        return Some(Side::After);
    }
    let began = |change: &Change| change.received.unwrap_or(change.at);
    let overlap = began(known) < bare.at && began(bare) < known.at;
    if !overlap {
        return None;
    }
    let ends = bare.event_type == Some(EventType::Deleted);
    let is_same = !bare.key.uid.is_empty() && bare.key.uid == known.key.uid;
    match known.event_type {
        // What is deleted while an object of that name is created was there before.
        Some(EventType::Added) if ends && !is_same => Some(Side::Before),
        Some(EventType::Added) => Some(Side::After),
        Some(EventType::Deleted) => Some(Side::Before),
        _ if ends => Some(Side::After),
        _ => match (&bare.deed, &known.deed) {
            (Deed::Bound { .. }, Deed::Whole { body }) if Inside::of(body).has_node() => {
                Some(Side::Before)
            }
            (Deed::Bound { .. }, _) => Some(Side::After),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kymo_model::{ObjectKey, Request};

    use super::*;
    use crate::audit::call::Target;
    use crate::audit::change::Place;
    use crate::audit::resources::Resources;

    /// A change of the pod `name` that was asked at one time and answered at another, in
    /// milliseconds.
    fn change(name: &str, asked: i64, answered: i64, rv: Option<&str>) -> Change {
        let pods = Target {
            resource: "pods".into(),
            ..Target::default()
        };
        let at = |millis: i64| Timestamp(millis * 1_000_000);
        Change {
            at: at(answered),
            received: Some(at(asked)),
            resource: Resources::default().id(&pods),
            key: ObjectKey {
                namespace: "a".into(),
                name: name.into(),
                uid: String::new(),
            },
            rv: rv.map(Rv::from),
            after: None,
            event_type: Some(EventType::Modified),
            deed: Deed::Told { why: "" },
            subresource: Box::default(),
            request: Arc::new(Request::default()),
            place: Place {
                source: Arc::from("log"),
                line: 1,
            },
        }
    }

    fn typed(change: Change, event_type: EventType) -> Change {
        Change {
            event_type: Some(event_type),
            ..change
        }
    }

    fn whole(change: Change, body: &str) -> Change {
        let body = Box::from(body);
        Change {
            deed: Deed::Whole { body },
            ..change
        }
    }

    fn bound(change: Change) -> Change {
        let binding = Box::from("{}");
        Change {
            deed: Deed::Bound { binding },
            ..change
        }
    }

    /// Gives the changes as `rv@milliseconds`, or the type's letter where there is no version.
    fn ordered(changes: Vec<Change>) -> Vec<String> {
        let mut window = Window::default();
        for change in changes {
            window.push(change);
        }
        let mut told = Vec::new();
        while let Some(change) = window.pop(true) {
            let version = match (&change.rv, &change.deed) {
                (Some(rv), _) => rv.to_string(),
                (None, Deed::Bound { .. }) => "bound".to_owned(),
                (None, _) => change.event_type.unwrap().to_string(),
            };
            told.push(format!("{version}@{}", change.at.0 / 1_000_000));
        }
        assert!(window.objects.is_empty() && window.versions.is_empty());
        assert_eq!((window.bytes, window.late()), (0, 0));
        told
    }

    #[test]
    fn versions_are_put_in_order_and_an_older_one_happened_before_a_newer_was_answered() {
        let told = ordered(vec![
            change("p", 0, 10, Some("8")),
            change("q", 0, 20, Some("9")),
            change("p", 0, 30, Some("7")),
            change("r", 0, 40, Some("10")),
            change("r", 0, 50, Some("6")),
        ]);
        assert_eq!(told, ["6@10", "7@10", "8@10", "9@20", "10@40"]);
    }

    #[test]
    fn a_binding_comes_behind_the_create_and_before_the_first_version_with_a_node() {
        let created = typed(change("p", 0, 90, Some("7")), EventType::Added);
        let with_node = r#"{"metadata":{},"spec":{"nodeName":"n"}}"#;
        let running = whole(change("p", 30, 40, Some("9")), with_node);
        let binding = || bound(change("p", 10, 50, None));
        let expected = ["7@40", "bound@40", "9@40"];
        assert_eq!(
            ordered(vec![running.clone(), binding(), created.clone()]),
            expected
        );
        assert_eq!(
            ordered(vec![binding(), running.clone(), created.clone()]),
            expected
        );
        assert_eq!(ordered(vec![created, running, binding()]), expected);
    }

    #[test]
    fn nothing_happens_to_an_object_behind_its_end_and_the_next_of_its_name_comes_later() {
        let gone = |change: Change| typed(change, EventType::Deleted);
        let told = ordered(vec![
            gone(change("p", 10, 20, None)),
            change("p", 5, 30, Some("7")),
        ]);
        assert_eq!(told, ["7@20", "DELETED@20"]);
        let told = ordered(vec![
            typed(change("p", 15, 30, Some("9")), EventType::Added),
            gone(change("p", 10, 40, None)),
        ]);
        assert_eq!(told, ["DELETED@30", "9@30"]);
        // The last finalizer was taken off version 7.
        let mut last = gone(change("p", 40, 50, None));
        last.after = Some("7".into());
        assert_eq!(
            ordered(vec![last, change("p", 0, 60, Some("7"))]),
            ["7@50", "DELETED@50"]
        );
    }

    #[test]
    fn changes_wait_for_the_horizon_and_later_ones_are_counted() {
        let mut window = Window::default();
        window.push(change("p", 0, 0, Some("7")));
        assert!(window.pop(false).is_none());
        window.push(change("p", 0, 10_000, Some("8")));
        assert_eq!(window.pop(false).unwrap().rv, Some("7".into()));
        assert!(window.pop(false).is_none());
        window.push(change("q", 0, 20_000, Some("6")));
        let rest: Vec<_> = std::iter::from_fn(|| window.pop(true)).collect();
        assert_eq!(rest.len(), 2);
        assert_eq!(window.late(), 1);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut window = Window::default();
        let body = "x".repeat(1 << 20);
        for rv in 1..=70 {
            window.push(whole(change("p", 0, 0, Some(&rv.to_string())), &body));
        }
        assert!(window.pop(false).is_some());
    }
}
