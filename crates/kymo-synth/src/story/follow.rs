use super::queue::Action;
use super::{NONE, Story};
use crate::arrival::{Arrival, Arrivals};
use crate::clock::MILLI;
use crate::order::WorkloadOrder;
use crate::{Error, order::Plan};

/// How far a controller looks ahead for the pods that come: those it asks for at once.
const AHEAD: i64 = 500 * MILLI;

/// How many pods come in a second when nothing is said.
const RATE: f64 = 200.0;

/// Tells whether the pods of an order come and go as it says, and its controller follows.
pub(super) fn is_following(plan: &Plan, order: u32) -> bool {
    let order = plan.workloads.get(order as usize);
    order.is_some_and(|order| order.pods.is_some())
}

impl Story<'_> {
    /// Plans when the pods come that the controller of an order follows.
    pub(super) fn begin_following(&mut self, number: u32, order: &WorkloadOrder) {
        let now = self.now;
        let (Some(count), Some(prepared)) = (order.pods, self.prepared.get_mut(number as usize))
        else {
            return;
        };
        let arrival = order.arrival.clone();
        let arrival = arrival.unwrap_or(Arrival::Uniform { rate: RATE });
        let mut arrivals = Arrivals::new(arrival, count);
        for _ in 0..count {
            let Some(offset) = arrivals.next(&mut prepared.rng) else {
                break;
            };
            prepared.followed.push_back(now.saturating_add(offset));
        }
        self.plan_follower(number);
    }

    fn plan_follower(&mut self, number: u32) {
        let next = self
            .prepared
            .get(number as usize)
            .and_then(|prepared| prepared.followed.front().copied());
        if let Some(next) = next {
            // The workload itself comes first.
            let delay = next.saturating_sub(self.now).max(MILLI);
            self.surely_after(delay, Action::Follow(number));
        }
    }

    /// How many pods of an order come very soon.
    pub(super) fn coming(&self, order: u32) -> u32 {
        let horizon = self.now.saturating_add(AHEAD);
        let followed = self.prepared.get(order as usize);
        followed.map_or(0, |prepared| {
            let times = prepared.followed.iter();
            times.take_while(|at| **at <= horizon).count() as u32
        })
    }

    /// Another pod comes, of the present template.
    pub(super) fn follow(&mut self, number: u32) -> Result<(), Error> {
        let Some(prepared) = self.prepared.get_mut(number as usize) else {
            return Ok(());
        };
        if prepared.followed.pop_front().is_none() {
            return Ok(());
        }
        let deployment = prepared.deployments.last().copied().unwrap_or(NONE);
        let set = match self.deployments.get(deployment as usize) {
            Some(own) => own.present(),
            None => prepared.sets.last().copied(),
        };
        if let Some(set) = set {
            let coming = self.coming(number);
            let (active, wanted) = self
                .sets
                .get(set as usize)
                .map_or((0, 0), |set| (set.active.len() as u32, set.wanted));
            let needed = active.saturating_add(1).saturating_add(coming);
            if deployment != NONE && wanted < needed {
                self.resize(deployment, set, needed)?;
            }
            self.make_pod(set, NONE)?;
        }
        self.plan_follower(number);
        Ok(())
    }

    /// The controller of a Deployment asks for the pods that are there and that come.
    pub(super) fn follow_roll(
        &mut self,
        deployment: u32,
        order: u32,
        sets: &[u32],
    ) -> Result<(), Error> {
        let coming = self.coming(order);
        for (place, set) in sets.iter().enumerate() {
            let Some(active) = self.sets.get(*set as usize).map(|set| set.active.len()) else {
                continue;
            };
            let is_present = place + 1 == sets.len();
            let more = if is_present { coming } else { 0 };
            self.resize(deployment, *set, more.saturating_add(active as u32))?;
        }
        Ok(())
    }
}
