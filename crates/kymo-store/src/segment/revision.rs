//! Changes of whole objects that are told by the paths that they touch.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use kymo_model::{FeedId, ObjectKey};
use serde_json::Value;

use super::json::{is_under, push_segment};

/// What a revision does at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Depends on what is there, or changes a part of it.
    Uses,
    /// Puts the same value there, whatever was there before.
    Sets,
    /// Takes away what is there, if there is something.
    Removes,
}

/// A path that a revision touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    path: String,
    effect: Effect,
}

impl Touch {
    /// Names the path through members with these names. Items of lists are touched by touching
    /// their list: a path ends before a name that can be the place of an item.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, effect: Effect) -> Self {
        let mut touch = Self {
            path: String::new(),
            effect,
        };
        for name in names {
            if name == "-" || name.bytes().all(|byte| byte.is_ascii_digit()) {
                touch.effect = Effect::Uses;
                break;
            }
            push_segment(&mut touch.path, name);
        }
        touch
    }
}

/// A change of whole objects.
///
/// It must give the same for the same object; and it must do to an object the same, apart from what
/// differs, as to one that differs from it only at paths of which no touched one is a parent or a
/// child.
pub trait Revision: fmt::Debug + Send + Sync {
    /// Names every path that is read or changed.
    fn touches(&self) -> &[Touch];

    /// Changes an object of the event `seq` of the input.
    fn revise(
        &self,
        object: &mut Value,
        seq: u64,
        feed: FeedId,
        key: &ObjectKey,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// Members of an object that columns hold, so that patches do not tell of them.
const TOLD_BY_COLUMNS: [&str; 6] = [
    "/kind",
    "/apiVersion",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/uid",
    "/metadata/resourceVersion",
];
const GENERATION: &str = "/metadata/generation";
const CREATED: &str = "/metadata/creationTimestamp";
const DELETED: &str = "/metadata/deletionTimestamp";

/// Revisions, one behind the other.
#[derive(Clone, Debug)]
pub struct Revisions {
    list: Vec<Arc<dyn Revision>>,
    touches: Vec<Touch>,
    /// Whether generation, creation and deletion time are taken away.
    clears: [bool; 3],
}

/// What becomes of an operation of a patch between two objects that are revised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays.
    Stays,
    /// What it does is undone by the revision.
    Goes,
    /// The patch must be made anew.
    Unknown,
}

impl Revisions {
    /// Adds a revision behind others. `None` if it touches what columns hold, so that it must be
    /// done to each object.
    pub fn with(before: Option<&Self>, revision: Arc<dyn Revision>) -> Option<Self> {
        let mut revisions = before.cloned().unwrap_or(Self {
            list: Vec::new(),
            touches: Vec::new(),
            clears: [false; 3],
        });
        for touch in revision.touches() {
            let meets = |path: &str| is_under(path, &touch.path) || is_under(&touch.path, path);
            if TOLD_BY_COLUMNS.iter().any(|path| meets(path)) {
                return None;
            }
            let told = [GENERATION, CREATED, DELETED];
            for (path, clears) in told.into_iter().zip(&mut revisions.clears) {
                if touch.path == path && touch.effect == Effect::Removes {
                    *clears = true;
                } else if meets(path) {
                    return None;
                }
            }
            if !revisions.touches.contains(touch) {
                revisions.touches.push(touch.clone());
            }
        }
        revisions.list.push(revision);
        Some(revisions)
    }

    /// Tells whether both are the same revisions in the same order.
    pub(super) fn is_same(a: Option<&Arc<Self>>, b: Option<&Arc<Self>>) -> bool {
        match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                Arc::ptr_eq(a, b)
                    || (a.list.len() == b.list.len()
                        && a.list.iter().zip(&b.list).all(|(a, b)| Arc::ptr_eq(a, b)))
            }
            _ => false,
        }
    }

    /// Whether generation, creation and deletion time are taken away.
    pub(super) fn clears(&self) -> [bool; 3] {
        self.clears
    }

    /// Does all of it to an object.
    pub(super) fn revise(
        &self,
        object: &mut Value,
        seq: u64,
        feed: FeedId,
        key: &ObjectKey,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.list
            .iter()
            .try_for_each(|revision| revision.revise(object, seq, feed, key))
    }

    /// Tells whether something at or under a path, or above it, is touched.
    pub(super) fn meets(&self, path: &str) -> bool {
        let meets = |touch: &Touch| is_under(path, &touch.path) || is_under(&touch.path, path);
        self.touches.iter().any(meets)
    }

    /// Tells what becomes of an operation at `path` of a patch between two objects if both are
    /// revised.
    pub(super) fn verdict(&self, path: &str) -> Verdict {
        let mut verdict = Verdict::Stays;
        for touch in &self.touches {
            if is_under(path, &touch.path) {
                if touch.effect == Effect::Uses {
                    return Verdict::Unknown;
                }
                verdict = Verdict::Goes;
            } else if is_under(&touch.path, path) {
                return Verdict::Unknown;
            }
        }
        verdict
    }
}
