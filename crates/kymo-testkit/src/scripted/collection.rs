//! The objects of one resource through all revisions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::proxy::Abort;

use super::object::{Key, Maker, Stored};
use super::resource::ScriptedResource;
use super::selector::Selection;

/// Width of the number in the name of a generated object, so that order of names is order of numbers.
const DIGITS: usize = 7;

/// Objects that exist from the start and are made each time they are asked for.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) namespace: String,
    pub(crate) count: u64,
    pub(crate) first_rv: u64,
    pub(crate) first_uid: u64,
    pub(crate) maker: Maker,
}

impl Base {
    fn key(&self, number: u64) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: format!("generated-{number:0DIGITS$}"),
        }
    }

    fn stored(&self, number: u64) -> Stored {
        let (rv, uid) = (self.first_rv + number, self.first_uid + number);
        Stored::made(Arc::new(self.key(number)), rv, uid, &self.maker, number)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Stored> {
        let number = key.name.strip_prefix("generated-")?;
        let number = number.parse::<u64>().ok().filter(|it| *it < self.count)?;
        (self.key(number) == *key).then(|| self.stored(number))
    }

    /// Returns the number of the first object behind a key.
    fn first_after(&self, key: &Key) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.key(middle) <= *key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// What happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The version before; `None` when it was created.
    pub(crate) before: Option<Stored>,
    /// The version after; the last one, with the revision of the delete, when it was deleted.
    pub(crate) after: Stored,
    pub(crate) deleted: bool,
}

/// What is done to the watches that are open.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Bookmark,
    Line(Bytes),
    End,
    Abort(Abort),
}

/// One step in the history of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) rv: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Change(Change),
    Signal(Signal),
}

/// The newest version by key; `None` hides a generated object.
type Overlay = BTreeMap<Key, Option<Stored>>;

/// One resource.
pub(crate) struct Collection {
    pub(crate) resource: ScriptedResource,
    pub(crate) base: Option<Base>,
    live: Overlay,
    pub(crate) steps: Vec<Step>,
    /// A watch from an older revision than this is answered with 410.
    pub(crate) window: u64,
    pub(crate) open_watches: usize,
}

/// Part of a list.
pub(crate) struct Page {
    pub(crate) objects: Vec<Stored>,
    /// Where to go on, when there is more.
    pub(crate) next: Option<Key>,
    pub(crate) remaining: u64,
}

impl Collection {
    pub(crate) fn new(resource: ScriptedResource) -> Self {
        Self {
            resource,
            base: None,
            live: Overlay::new(),
            steps: Vec::new(),
            window: 0,
            open_watches: 0,
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Stored> {
        match self.live.get(key) {
            Some(stored) => stored.clone(),
            None => self.base.as_ref().and_then(|base| base.get(key)),
        }
    }

    pub(crate) fn put(&mut self, after: Stored) {
        let key = Key::clone(&after.key);
        let before = self.get(&key);
        self.live.insert(key, Some(after.clone()));
        self.change(Change {
            before,
            after,
            deleted: false,
        });
    }

    /// Deletes an object at a revision; `false` when there is none.
    pub(crate) fn delete(&mut self, key: &Key, rv: u64) -> bool {
        let Some(before) = self.get(key) else {
            return false;
        };
        self.live.insert(key.clone(), None);
        self.change(Change {
            after: before.at(rv),
            before: Some(before),
            deleted: true,
        });
        true
    }

    fn change(&mut self, change: Change) {
        self.steps.push(Step {
            rv: change.after.rv,
            what: What::Change(change),
        });
    }

    pub(crate) fn signal(&mut self, rv: u64, signal: Signal) {
        let what = What::Signal(signal);
        self.steps.push(Step { rv, what });
    }

    /// Goes back to an earlier revision and forgets what came after.
    pub(crate) fn rewind(&mut self, rv: u64) {
        self.live = self.overlay_at(rv);
        self.steps.retain(|step| step.rv <= rv);
        self.window = rv;
    }

    /// Takes back every change after a revision.
    fn overlay_at(&self, rv: u64) -> Overlay {
        let mut overlay = self.live.clone();
        for step in self.steps.iter().rev().take_while(|step| step.rv > rv) {
            if let What::Change(change) = &step.what {
                overlay.insert(Key::clone(&change.after.key), change.before.clone());
            }
        }
        overlay
    }

    /// Reads part of the list as it was at a revision; `now` is the present one.
    pub(crate) fn page(
        &self,
        rv: u64,
        now: u64,
        selection: &Selection,
        after: Option<&Key>,
        limit: usize,
    ) -> Page {
        let past = (rv < now).then(|| self.overlay_at(rv));
        let overlay = past.as_ref().unwrap_or(&self.live);
        let range = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let mut held = overlay.range::<Key, _>(range).peekable();
        let base = self.base.as_ref();
        let mut number = base.map_or(0, |base| after.map_or(0, |key| base.first_after(key)));
        let mut objects = Vec::new();
        let mut last: Option<Key> = None;
        loop {
            let made = base.filter(|base| number < base.count);
            let made_key = made.map(|base| base.key(number));
            let take_held = match (held.peek(), &made_key) {
                (None, None) => break,
                (Some((key, _)), Some(made_key)) => *key <= made_key,
                (Some(_), None) => true,
                (None, Some(_)) => false,
            };
            let stored = if take_held {
                let Some((key, stored)) = held.next() else {
                    break;
                };
                number += u64::from(made_key.as_ref() == Some(key));
                stored.clone()
            } else {
                let stored = made.map(|base| base.stored(number));
                number += 1;
                stored
            };
            let Some(stored) = stored.filter(|it| selection.takes(it)) else {
                continue;
            };
            if objects.len() == limit {
                let left = base.map_or(0, |base| base.count - number);
                let remaining = 1 + left + held.filter(|(_, it)| it.is_some()).count() as u64;
                return Page {
                    objects,
                    next: last,
                    remaining,
                };
            }
            last = Some(Key::clone(&stored.key));
            objects.push(stored);
        }
        Page {
            objects,
            next: None,
            remaining: 0,
        }
    }
}
