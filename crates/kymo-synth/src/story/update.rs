//! Objects of which kymo knows nothing but that they change.

use std::collections::{BTreeMap, VecDeque};

use kymo_patch::merge_patch;
use serde_json::Value;

use super::Story;
use super::object::Draft;
use super::queue::Action;
use crate::Error;
use crate::arrival::Arrivals;
use crate::clock::{MILLI, micros, seconds};
use crate::order::WorkloadOrder;

/// The objects of an order that change, and their changes that are still to come.
#[derive(Debug, Default)]
pub(super) struct Changing {
    arrivals: Option<Arrivals>,
    begin: i64,
    left: u64,
    /// Those that are there; the first is the next to change.
    objects: VecDeque<u32>,
    states: BTreeMap<u32, State>,
}

/// An object as it is now.
#[derive(Debug)]
struct State {
    body: Value,
    generation: Option<u32>,
    /// The number of the next patch.
    next: usize,
}

impl Changing {
    pub(super) fn add(&mut self, plain: u32) {
        self.objects.push_back(plain);
    }
}

impl Story<'_> {
    /// Plans the changes of the objects of an order.
    pub(super) fn begin_updates(&mut self, number: u32, order: &WorkloadOrder) {
        let now = self.now;
        let (Some(updates), Some(prepared)) =
            (&order.updates, self.prepared.get_mut(number as usize))
        else {
            return;
        };
        let arrivals = Arrivals::new(updates.arrival.clone(), updates.count);
        prepared.changing.arrivals = Some(arrivals);
        prepared.changing.begin = now;
        prepared.changing.left = updates.count;
        self.plan_update(number);
    }

    fn plan_update(&mut self, number: u32) {
        let now = self.now;
        let Some(prepared) = self.prepared.get_mut(number as usize) else {
            return;
        };
        let changing = &mut prepared.changing;
        let Some(left) = changing.left.checked_sub(1) else {
            return;
        };
        changing.left = left;
        let offset = changing
            .arrivals
            .as_mut()
            .and_then(|arrivals| arrivals.next(&mut prepared.rng));
        if let Some(offset) = offset {
            let at = changing.begin.saturating_add(offset.max(MILLI));
            let delay = at.saturating_sub(now).max(0);
            self.after(delay, Action::Update(number));
        }
    }

    /// The next object of an order changes.
    pub(super) fn update(&mut self, number: u32) -> Result<(), Error> {
        self.plan_update(number);
        let plan = self.plan;
        let Some(order) = plan.workloads.get(number as usize) else {
            return Ok(());
        };
        let Some(plain) = self.next_changing(number) else {
            return Ok(());
        };
        let created = self.created_of(plain);
        let name = self.name_of(plain);
        let mut fresh = self.body_of(number);
        fill_times(&mut fresh, created);
        let now = self.now;
        let (Some(prepared), Some(updates)) =
            (self.prepared.get_mut(number as usize), &order.updates)
        else {
            return Ok(());
        };
        let state = prepared
            .changing
            .states
            .entry(plain)
            .or_insert_with(|| State {
                generation: fresh.get("spec").map(|_| 1),
                body: fresh,
                next: 0,
            });
        let count = updates.patches.len().max(1);
        if let Some(patch) = updates.patches.get(state.next % count) {
            let mut patch = patch.clone();
            fill_times(&mut patch, now);
            merge_patch(&mut state.body, &patch);
            if patch.get("spec").is_some() {
                state.generation = state.generation.map(|number| number + 1);
            }
        }
        state.next += 1;
        let (body, generation) = (state.body.clone(), state.generation);
        let draft = Draft {
            api_version: &prepared.api_version.clone(),
            kind: &order.kind,
            namespace: &order.namespace,
            name: &name,
            body,
            generation,
            has_status: false,
        };
        let base = self.rebase(plain, &draft, created);
        self.write_version(plain, base, "")
    }

    /// An object as its changes have left it.
    pub(super) fn changed(&self, plain: u32) -> Option<Value> {
        let mut orders = self.prepared.iter();
        let state = orders.find_map(|prepared| prepared.changing.states.get(&plain))?;
        Some(state.body.clone())
    }

    /// Takes the next object of an order that is still there, and puts it behind the others.
    fn next_changing(&mut self, number: u32) -> Option<u32> {
        let objects = &mut self.prepared.get_mut(number as usize)?.changing.objects;
        while let Some(plain) = objects.pop_front() {
            let found = self.plains.get(plain as usize);
            if found.is_some_and(|plain| !plain.is_gone) {
                objects.push_back(plain);
                return Some(plain);
            }
        }
        None
    }
}

/// Puts a time where `{now}` stands, or `{now:6}` for one with microseconds.
pub(super) fn fill_times(value: &mut Value, now: i64) {
    match value {
        Value::String(text) if text == "{now}" => *text = seconds(now),
        Value::String(text) if text == "{now:6}" => *text = micros(now),
        Value::Array(values) => {
            for value in values {
                fill_times(value, now);
            }
        }
        Value::Object(members) => {
            for value in members.values_mut() {
                fill_times(value, now);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_filled_in_where_they_stand_alone() {
        let mut value = json!({"a": ["{now}", "{now:6}", "at {now}"], "b": 1});
        fill_times(&mut value, 1_767_225_600_123_456_789);
        assert_eq!(
            value,
            json!({
                "a": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z", "at {now}"],
                "b": 1,
            })
        );
    }
}
