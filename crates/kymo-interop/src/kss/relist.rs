//! What the recorder's informer hides, and what of it the records show all the same.
//!
//! When its watch breaks, the informer lists anew and tells every object that it knew as updated,
//! changed or not. An `Update` with the version that is known already is the sign of it: what
//! happened since the record before is not known but for its end. An object that went away in
//! the meantime is handed to the recorder in a form that it drops. It is the one that the new
//! list does not name, or whose name has another uid.

use std::collections::HashMap;
use std::time::Duration;

use kymo_model::{ObjectKey, Rv, Timestamp};

/// A watch that breaks is silent for longer than this, as client-go waits 800 ms at least before it
/// lists anew; the objects of a list are told faster than this.
const SILENCE: Duration = Duration::from_millis(500);
/// How long after the last sign of a list it is over for certain, even if the recorder stalls.
const OVER: Duration = Duration::from_secs(5);

/// What is known of the objects of one resource.
#[derive(Debug, Default)]
pub(super) struct Relist {
    live: HashMap<(String, String), Live>,
    /// The time of the last record.
    last: Option<Timestamp>,
    /// When the present run of records without a silence began, and the record before it.
    run: Option<(Timestamp, Timestamp)>,
    /// The last sign of a list that is not over.
    sign: Option<Timestamp>,
}

#[derive(Debug)]
struct Live {
    uid: String,
    rv: Option<Rv>,
    told: Option<Timestamp>,
}

/// What a record means besides what it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The stretch in which changes are missing, if the record is the first to show that.
    pub(super) gap: Option<(Timestamp, Timestamp)>,
    /// An object of the same name that must have been deleted before.
    pub(super) gone: Option<(ObjectKey, Option<Timestamp>)>,
    /// Whether the object was known.
    pub(super) is_known: bool,
    /// Whether a list shows it, so that when it came to be so is not known.
    pub(super) is_listed: bool,
}

impl Relist {
    /// Takes a record of an object that is there.
    pub(super) fn told(
        &mut self,
        key: &ObjectKey,
        rv: Option<&Rv>,
        is_update: bool,
        ts: Option<Timestamp>,
    ) -> Meaning {
        self.goes_on(ts);
        let mut meaning = Meaning::default();
        let before = self.live.insert(
            name(key),
            Live {
                uid: key.uid.clone(),
                rv: rv.cloned(),
                told: ts,
            },
        );
        if let Some(before) = before {
            if before.uid == key.uid {
                meaning.is_known = true;
                let is_repeat = is_update && rv.is_some() && before.rv.as_ref() == rv;
                if let Some(ts) = ts.filter(|_| is_repeat) {
                    if self.sign.is_none() {
                        meaning.gap = self.run.map(|(start, before)| (before, start));
                    }
                    self.sign = Some(ts);
                }
            } else {
                let key = ObjectKey {
                    uid: before.uid,
                    ..key.clone()
                };
                meaning.gone = Some((key, before.told));
            }
        }
        meaning.is_listed = match (ts, self.sign) {
            (Some(ts), Some(sign)) => ts.since(sign) <= SILENCE,
            _ => false,
        };
        meaning
    }

    /// Takes a record of an object that is deleted; gives the uid that it had.
    pub(super) fn deleted(&mut self, key: &ObjectKey, ts: Option<Timestamp>) -> Option<String> {
        self.goes_on(ts);
        Some(self.live.remove(&name(key))?.uid)
    }

    /// Gives the objects that a list did not name, once it is over; each with the time of its
    /// last record.
    pub(super) fn missing(&mut self, ts: Timestamp) -> Vec<(ObjectKey, Timestamp)> {
        let (Some(sign), Some((start, _))) = (self.sign, self.run) else {
            return Vec::new();
        };
        if ts.since(sign) <= OVER {
            return Vec::new();
        }
        self.sign = None;
        let mut missing: Vec<(ObjectKey, Timestamp)> = self
            .live
            .iter()
            .filter_map(|((namespace, name), live)| {
                let told = live.told.filter(|told| *told < start)?;
                let key = ObjectKey {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: live.uid.clone(),
                };
                Some((key, told))
            })
            .collect();
        missing.sort_by(|a, b| (&a.0.namespace, &a.0.name).cmp(&(&b.0.namespace, &b.0.name)));
        for (key, _) in &missing {
            self.live.remove(&name(key));
        }
        missing
    }

    fn goes_on(&mut self, ts: Option<Timestamp>) {
        let Some(ts) = ts else {
            return;
        };
        let is_silent = self.last.is_none_or(|last| ts.since(last) > SILENCE);
        if is_silent && self.sign.is_none() {
            self.run = Some((ts, self.last.unwrap_or(ts)));
        }
        self.last = Some(ts);
    }
}

fn name(key: &ObjectKey) -> (String, String) {
    (key.namespace.clone(), key.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000_000)
    }

    fn key(name: &str, uid: &str) -> ObjectKey {
        ObjectKey {
            namespace: "a".into(),
            name: name.into(),
            uid: uid.into(),
        }
    }

    fn told(relist: &mut Relist, ts: i64, name: &str, rv: &str, is_update: bool) -> Meaning {
        let rv = Rv::new(rv);
        relist.told(&key(name, name), Some(&rv), is_update, Some(at(ts)))
    }

    #[test]
    fn an_update_without_a_change_shows_a_list_and_the_list_what_is_gone() {
        let mut relist = Relist::default();
        for name in ["x", "y", "z"] {
            assert_eq!(told(&mut relist, 1, name, "5", false), Meaning::default());
        }
        assert!(told(&mut relist, 10, "x", "8", true).is_known);
        // The list: y changed before anything shows that it is one, x did not, z is gone.
        assert_eq!(told(&mut relist, 30, "y", "9", true).gap, None);
        let meaning = told(&mut relist, 30, "x", "8", true);
        assert_eq!(meaning.gap, Some((at(10), at(30))));
        assert!(meaning.is_listed);
        assert!(told(&mut relist, 30, "w", "12", false).is_listed);
        // What comes a moment later is no part of the list any more, though it may have stalled.
        assert!(!told(&mut relist, 31, "w", "13", true).is_listed);
        assert_eq!(relist.missing(at(32)), []);
        let missing = relist.missing(at(40));
        assert_eq!(missing, [(key("z", "z"), at(1))]);
        assert_eq!(relist.missing(at(50)), []);
        assert!(!told(&mut relist, 60, "x", "20", true).is_listed);
    }

    #[test]
    fn a_name_with_another_uid_was_deleted_before() {
        let mut relist = Relist::default();
        told(&mut relist, 1, "x", "5", false);
        let again = relist.told(&key("x", "u2"), Some(&"9".into()), false, Some(at(5)));
        assert_eq!(again.gone, Some((key("x", "x"), Some(at(1)))));
        assert_eq!(
            relist.deleted(&key("x", ""), Some(at(6))).as_deref(),
            Some("u2")
        );
        assert_eq!(relist.deleted(&key("x", ""), Some(at(6))), None);
    }

    #[test]
    fn records_without_times_show_no_list() {
        let mut relist = Relist::default();
        let rv = Rv::new("5");
        relist.told(&key("x", "x"), Some(&rv), false, None);
        let meaning = relist.told(&key("x", "x"), Some(&rv), true, None);
        assert!(meaning.is_known && !meaning.is_listed && meaning.gap.is_none());
        assert_eq!(relist.missing(at(9)), []);
    }
}
