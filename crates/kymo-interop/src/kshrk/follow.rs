//! Compares what the watch of a path told with what its lists show.
//!
//! k8shark reopens a watch that was closed at the version of a new list, so that changes in
//! between are missing and nothing marks the place. The next list shows some of them: versions
//! that the watch did not send, objects that are gone without a DELETED. A list is often stored
//! a little before the watch's events of the same moment, so that a difference counts only when
//! the watch went past the version of the list without telling.

use std::collections::{HashMap, HashSet};

use kymo_model::{EventType, ObjectKey, Rv, Timestamp};

/// What came out of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Changes between the two times are missing in the watch.
    Hole {
        /// When list and watch last agreed.
        from: Timestamp,
        /// When the difference showed.
        to: Timestamp,
        /// What showed it.
        sign: &'static str,
    },
    /// The object went away without a DELETED, after `after`.
    Gone {
        /// The object.
        key: ObjectKey,
        /// When it was last known to be there.
        after: Timestamp,
    },
}

/// What is known of the objects of a path; those without uids are not followed.
#[derive(Debug, Default)]
pub(super) struct Follow {
    is_watched: bool,
    live: HashMap<String, Live>,
    /// The uid of each live object by namespace and name.
    by_name: HashMap<(String, String), String>,
    /// Objects that the watch told to be deleted since the list before.
    deleted: HashSet<String>,
    /// The last list: its version and its time.
    list: Option<(Option<Rv>, Timestamp)>,
    /// The objects that the present list showed.
    listed: HashSet<String>,
    /// What the last list showed and the watch has not told yet.
    unseen: HashMap<String, Unseen>,
    /// When list and watch last agreed.
    agreed: Option<Timestamp>,
}

#[derive(Debug)]
struct Live {
    key: ObjectKey,
    rv: Option<Rv>,
}

#[derive(Debug, PartialEq, Eq)]
enum Unseen {
    Changed(Option<Rv>),
    Deleted,
}

const OF_LIST: &str = "a list shows changes that the watch did not";
const OF_EVENT: &str = "an object comes up in the watch without ADDED";
const OF_NAME: &str = "an object is made again whose deletion the watch did not show";

impl Follow {
    /// Starts with nothing known; `is_watched` tells whether the path has a watch.
    pub(super) fn new(is_watched: bool) -> Self {
        Self {
            is_watched,
            ..Self::default()
        }
    }

    /// Whether the path has a watch.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Begins a list: what the list before showed and the watch did not tell up to now, it missed.
    pub(super) fn begin_list(&mut self, ts: Timestamp) -> Vec<Finding> {
        self.agreed.get_or_insert(ts);
        self.listed.clear();
        self.missed()
    }

    /// Takes an item of a list; `false` if the watch has told its deletion already.
    pub(super) fn list_item(&mut self, key: &ObjectKey, rv: Option<&Rv>) -> bool {
        if key.uid.is_empty() {
            return true;
        }
        if self.deleted.contains(&key.uid) {
            return false;
        }
        self.listed.insert(key.uid.clone());
        let is_change = match self.live.get(&key.uid) {
            Some(live) if live.rv.as_ref() == rv => return true,
            Some(live) if is_newer(live.rv.as_ref(), rv) => return true,
            Some(_) => true,
            None => self.list.is_some(),
        };
        if is_change && self.is_watched {
            let change = Unseen::Changed(rv.cloned());
            self.unseen.insert(key.uid.clone(), change);
        }
        self.insert(key, rv);
        true
    }

    /// Ends a list. Where there is a watch, it may still tell of the objects that are not in the
    /// list, so that they are not given up yet.
    pub(super) fn end_list(&mut self, rv: Option<Rv>, is_complete: bool, ts: Timestamp) {
        if is_complete {
            let missing: Vec<String> = self
                .live
                .iter()
                .filter(|(uid, _)| !self.listed.contains(*uid))
                .filter(|(_, live)| !is_newer(live.rv.as_ref(), rv.as_ref()))
                .map(|(uid, _)| uid.clone())
                .collect();
            for uid in missing {
                if self.is_watched {
                    self.unseen.insert(uid, Unseen::Deleted);
                } else {
                    self.remove(&uid);
                }
            }
        }
        self.deleted.clear();
        self.list = Some((rv, ts));
        if self.unseen.is_empty() {
            self.agreed = Some(ts);
        }
    }

    /// Takes an event of the watch.
    pub(super) fn event(
        &mut self,
        event_type: EventType,
        key: &ObjectKey,
        rv: Option<&Rv>,
        ts: Timestamp,
    ) -> Vec<Finding> {
        self.is_watched = true;
        if key.uid.is_empty() {
            return Vec::new();
        }
        let agreed = *self.agreed.get_or_insert(ts);
        let is_told = match self.unseen.get(&key.uid) {
            Some(Unseen::Changed(unseen)) => unseen.as_ref() == rv,
            Some(Unseen::Deleted) => event_type == EventType::Deleted,
            None => false,
        };
        if is_told {
            self.unseen.remove(&key.uid);
            if let (true, Some((_, listed))) = (self.unseen.is_empty(), &self.list) {
                self.agreed = Some(*listed);
            }
        }
        let is_past_list = match &self.list {
            Some((list, _)) => is_newer(rv, list.as_ref()),
            None => false,
        };
        let mut findings = if is_past_list {
            self.missed()
        } else {
            Vec::new()
        };
        let is_known = self.live.contains_key(&key.uid) || self.deleted.contains(&key.uid);
        if !is_known && !is_told && event_type != EventType::Added && self.list.is_some() {
            findings.push(self.hole(agreed, ts, OF_EVENT));
        }
        let name = (key.namespace.clone(), key.name.clone());
        if let Some(uid) = self.by_name.get(&name).filter(|uid| **uid != key.uid)
            && event_type != EventType::Deleted
        {
            let uid = uid.clone();
            self.unseen.remove(&uid);
            if let Some(before) = self.remove(&uid) {
                findings.push(self.hole(agreed, ts, OF_NAME));
                findings.push(Finding::Gone {
                    key: before.key,
                    after: agreed,
                });
            }
        }
        if event_type == EventType::Deleted {
            self.remove(&key.uid);
            self.deleted.insert(key.uid.clone());
        } else {
            self.insert(key, rv);
        }
        findings
    }

    /// Gives what the last list showed and the watch never told.
    pub(super) fn missed(&mut self) -> Vec<Finding> {
        if self.unseen.is_empty() {
            return Vec::new();
        }
        let (Some(from), Some((_, to))) = (self.agreed, self.list.clone()) else {
            return Vec::new();
        };
        self.agreed = Some(to);
        let mut findings = vec![Finding::Hole {
            from,
            to,
            sign: OF_LIST,
        }];
        let mut gone: Vec<String> = std::mem::take(&mut self.unseen)
            .into_iter()
            .filter(|(_, unseen)| *unseen == Unseen::Deleted)
            .map(|(uid, _)| uid)
            .collect();
        gone.sort();
        for uid in gone {
            if let Some(before) = self.remove(&uid) {
                findings.push(Finding::Gone {
                    key: before.key,
                    after: from,
                });
            }
        }
        findings
    }

    fn hole(&mut self, from: Timestamp, to: Timestamp, sign: &'static str) -> Finding {
        self.agreed = Some(to);
        Finding::Hole { from, to, sign }
    }

    fn insert(&mut self, key: &ObjectKey, rv: Option<&Rv>) {
        let name = (key.namespace.clone(), key.name.clone());
        self.by_name.insert(name, key.uid.clone());
        let live = Live {
            key: key.clone(),
            rv: rv.cloned(),
        };
        self.live.insert(key.uid.clone(), live);
    }

    fn remove(&mut self, uid: &str) -> Option<Live> {
        let live = self.live.remove(uid)?;
        let name = (live.key.namespace.clone(), live.key.name.clone());
        if self.by_name.get(&name).is_some_and(|known| known == uid) {
            self.by_name.remove(&name);
        }
        Some(live)
    }
}

fn is_newer(this: Option<&Rv>, other: Option<&Rv>) -> bool {
    matches!((this, other), (Some(this), Some(other)) if this.is_newer_than(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, uid: &str) -> ObjectKey {
        ObjectKey {
            namespace: "a".into(),
            name: name.into(),
            uid: uid.into(),
        }
    }

    struct Path(Follow, Vec<String>);

    impl Path {
        fn watched() -> Self {
            Self(Follow::new(true), Vec::new())
        }

        fn note(&mut self, findings: Vec<Finding>) {
            for finding in findings {
                self.1.push(match finding {
                    Finding::Hole { from, to, .. } => format!("hole {}..{}", from.0, to.0),
                    Finding::Gone { key, after } => format!("gone {} after {}", key.uid, after.0),
                });
            }
        }

        fn list(&mut self, ts: i64, rv: &str, items: &[(&str, &str)]) -> Vec<bool> {
            let ts = Timestamp(ts);
            let findings = self.0.begin_list(ts);
            self.note(findings);
            let taken = items
                .iter()
                .map(|(uid, rv)| self.0.list_item(&key(uid, uid), Some(&Rv::new(*rv))))
                .collect();
            self.0.end_list(Some(rv.into()), true, ts);
            taken
        }

        fn event(&mut self, ts: i64, event_type: EventType, uid: &str, rv: &str) {
            let key = key(uid, uid);
            let findings = self
                .0
                .event(event_type, &key, Some(&Rv::new(rv)), Timestamp(ts));
            self.note(findings);
        }
    }

    use EventType::{Added, Deleted, Modified};

    #[test]
    fn lists_and_events_that_agree_show_nothing() {
        let mut path = Path::watched();
        path.event(1, Modified, "u1", "11");
        path.list(2, "12", &[("u1", "11"), ("u2", "5")]);
        path.event(3, Modified, "u2", "13");
        path.event(4, Added, "u3", "14");
        path.event(5, Deleted, "u1", "15");
        path.list(6, "15", &[("u2", "13"), ("u3", "14")]);
        assert!(path.0.missed().is_empty());
        assert!(path.1.is_empty(), "{:?}", path.1);
    }

    #[test]
    fn a_list_stored_a_little_before_or_behind_the_events_of_its_moment_shows_no_hole() {
        let mut path = Path::watched();
        path.list(1, "10", &[("u1", "5"), ("u2", "6")]);
        // The list is ahead of the watch …
        path.list(5, "13", &[("u1", "11"), ("u3", "12")]);
        path.event(6, Modified, "u1", "11");
        path.event(6, Added, "u3", "12");
        path.event(6, Deleted, "u2", "13");
        path.event(7, Modified, "u1", "20");
        path.event(7, Deleted, "u3", "21");
        // … and behind it: u3 was told to be gone, u4 to be there, u1 to be newer.
        path.event(8, Added, "u4", "22");
        let taken = path.list(9, "20", &[("u1", "20"), ("u3", "12")]);
        assert_eq!(taken, [true, false]);
        path.event(10, Modified, "u4", "23");
        assert!(path.0.missed().is_empty());
        assert!(path.1.is_empty(), "{:?}", path.1);
    }

    #[test]
    fn what_the_watch_passed_over_is_a_hole_and_what_is_not_listed_is_gone() {
        let mut path = Path::watched();
        path.list(1, "10", &[("u1", "5"), ("u2", "6")]);
        path.event(2, Modified, "u1", "11");
        path.list(5, "20", &[("u1", "15"), ("u3", "16")]);
        assert!(path.1.is_empty(), "{:?}", path.1);
        path.event(7, Modified, "u1", "21");
        assert_eq!(path.1, ["hole 1..5", "gone u2 after 1"]);
        // Where nothing more comes of the watch, the next list or the end says so.
        path.list(9, "30", &[("u1", "25"), ("u3", "16")]);
        path.list(12, "40", &[("u1", "25"), ("u3", "16")]);
        assert_eq!(path.1[2..], ["hole 5..9"]);
    }

    #[test]
    fn a_modified_object_that_nobody_knows_and_a_name_used_again_are_holes() {
        let mut path = Path::watched();
        path.event(1, Modified, "u0", "4");
        assert!(path.1.is_empty(), "the watch starts inside");
        path.list(2, "10", &[("u0", "4")]);
        path.event(4, Modified, "u1", "11");
        assert_eq!(path.1, ["hole 2..4"]);
        let again = key("u1", "u9");
        let findings = path
            .0
            .event(Added, &again, Some(&Rv::new("15")), Timestamp(6));
        path.note(findings);
        assert_eq!(path.1[1..], ["hole 4..6", "gone u1 after 4"]);
    }

    #[test]
    fn a_path_that_is_only_polled_has_no_holes() {
        let mut path = Path(Follow::new(false), Vec::new());
        path.list(1, "10", &[("u1", "5"), ("u2", "6")]);
        path.list(2, "20", &[("u1", "15")]);
        path.list(3, "30", &[]);
        assert!(path.1.is_empty() && path.0.live.is_empty());
    }
}
