//! The stages of a request belong together: what was answered, what was told twice, and what
//! was never answered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use kymo_model::Timestamp;

use super::call::Stage;

/// How many stages are remembered to find those that are told twice.
const REMEMBERED: usize = 1 << 18;
/// How many requests may wait for their answer.
const WAITING: usize = 1 << 16;
/// How long a request may wait: the API server ends those that change something after a minute.
const PATIENCE: Duration = Duration::from_mins(10);

/// Remembers the stages that were told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Told {
    /// Remembers a stage; `false` if it was told before. Requests without an id are all different.
    pub(super) fn is_new(&mut self, id: &str, stage: Stage) -> bool {
        if id.is_empty() {
            return true;
        }
        let hash = hash(id, stage);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Tells whether a stage was told.
    pub(super) fn has(&self, id: &str, stage: Stage) -> bool {
        !id.is_empty() && self.known.contains(&hash(id, stage))
    }
}

fn hash(id: &str, stage: Stage) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, stage).hash(&mut hasher);
    hasher.finish()
}

/// Requests that came and were not answered yet.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    open: HashMap<String, (Timestamp, T)>,
    order: VecDeque<(Timestamp, String)>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Waiting<T> {
    /// Notes a request that came.
    pub(super) fn came(&mut self, id: &str, at: Timestamp, what: T) {
        self.order.push_back((at, id.to_owned()));
        self.open.insert(id.to_owned(), (at, what));
    }

    /// Notes that a request was answered.
    pub(super) fn answered(&mut self, id: &str) {
        self.open.remove(id);
    }

    /// Gives up a request that has waited too long at `now`, or any when the log `has_ended`.
    pub(super) fn give_up(&mut self, now: Timestamp, has_ended: bool) -> Option<(Timestamp, T)> {
        loop {
            let (at, id) = self.order.front()?;
            if self.open.get(id).is_some_and(|(came, _)| came == at) {
                let is_late = now.since(*at) > PATIENCE || self.open.len() > WAITING;
                if !(has_ended || is_late) {
                    return None;
                }
                let (_, id) = self.order.pop_front()?;
                return self.open.remove(&id);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_told_twice_is_found_while_it_is_remembered() {
        let mut told = Told::default();
        assert!(told.is_new("a", Stage::Received));
        assert!(told.is_new("a", Stage::Complete));
        assert!(!told.is_new("a", Stage::Complete));
        assert!(told.has("a", Stage::Complete) && !told.has("b", Stage::Complete));
        assert!(told.is_new("", Stage::Complete) && told.is_new("", Stage::Complete));
        for other in 0..REMEMBERED {
            told.is_new(&other.to_string(), Stage::Complete);
        }
        assert!(told.is_new("a", Stage::Complete));
    }

    #[test]
    fn requests_without_an_answer_are_given_up_in_their_order() {
        let second = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        let mut waiting = Waiting::default();
        waiting.came("a", second(0), 'a');
        waiting.came("b", second(1), 'b');
        waiting.came("c", second(2), 'c');
        waiting.answered("b");
        assert_eq!(waiting.give_up(second(500), false), None);
        assert_eq!(waiting.give_up(second(601), false), Some((second(0), 'a')));
        assert_eq!(waiting.give_up(second(601), false), None);
        assert_eq!(waiting.give_up(second(601), true), Some((second(2), 'c')));
        assert_eq!(waiting.give_up(second(601), true), None);
    }
}
