use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::node::NodeStep;
use crate::pod::Step;

/// Something that is about to happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// A step of a node.
    Node(u32, NodeStep),
    /// A node renews its Lease.
    Renew(u32),
    /// A node reports its status.
    Report(u32),
    /// One of the nodes of an order does.
    ReportOf(u32),
    /// What an order does to nodes.
    Outage(u32),
    /// It is over.
    OutageEnd(u32),
    /// The first of what an order asks for comes.
    Begin(u32),
    /// Another object of an order comes.
    Arrive(u32),
    /// What an order asked for is deleted.
    End(u32),
    /// Another pod of a set comes.
    ArrivePod(u32),
    /// A controller makes or deletes pods.
    Reconcile(u32),
    /// A controller writes its status.
    Sync(u32),
    /// The controller of Deployments does.
    SyncDeployment(u32),
    /// An order's workload is rolled out anew.
    Rollout(u32, u32),
    /// One of an order's objects changes.
    Update(u32),
    /// Another pod comes that a controller follows.
    Follow(u32),
    /// It gets another number of replicas.
    Scale(u32, u32),
    /// A `CronJob` is due.
    Cron(u32),
    /// A Job that has ended is deleted.
    Expire(u32),
    /// An object is deleted.
    Remove(u32),
    /// A namespace that is deleted goes, if nothing is left in it.
    Finalize(u32),
    /// A volume can be had.
    Offer(u32),
    /// A claim is bound.
    Bind(u32),
    /// A claim that is deleted is gone.
    DropClaim(u32),
    /// The `EndpointSlices` of an order are written.
    Slices(u32),
    /// The scheduler looks at a pod.
    Schedule(u32),
    /// And at those that wait.
    Retry,
    /// A pod takes its room that was there before.
    Occupy(u32),
    /// And gives it back.
    Vacate(u32),
    /// A step of a pod.
    Pod(u32, Step),
}

#[derive(Clone, Copy, Debug)]
struct Item {
    ts: i64,
    number: u64,
    action: Action,
    is_essential: bool,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.ts, self.number).cmp(&(other.ts, other.number))
    }
}

/// What is about to happen, in the order of time; at one time in the order in which it was decided.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: BinaryHeap<Reverse<Item>>,
    next: u64,
    essential: u64,
}

impl Queue {
    pub(super) fn push(&mut self, ts: i64, action: Action, is_essential: bool) {
        self.items.push(Reverse(Item {
            ts,
            number: self.next,
            action,
            is_essential,
        }));
        self.next += 1;
        self.essential += u64::from(is_essential);
    }

    pub(super) fn next(&mut self) -> Option<(i64, Action)> {
        let Reverse(item) = self.items.pop()?;
        self.essential -= u64::from(item.is_essential);
        Some((item.ts, item.action))
    }

    /// Tells whether nothing is left that was asked for.
    pub(super) fn is_at_rest(&self) -> bool {
        self.essential == 0
    }
}
