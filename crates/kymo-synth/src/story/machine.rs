use super::queue::Action;
use super::{NONE, Sort, Story};
use crate::Error;
use crate::clock::{MILLI, SECOND};
use crate::node::{Node, NodeStep};
use crate::order::OutageKind;
use crate::pod::Step;

/// What goes on with a node.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Its number in the cluster.
    number: u32,
    order: u32,
    startup: Option<i64>,
    lease: u32,
    pub(super) is_there: bool,
    pub(super) is_lost: bool,
    is_cordoned: bool,
    /// Whether it has once been ready.
    is_open: bool,
    /// Addresses that its pods got.
    addresses: u32,
}

impl Machine {
    /// Tells whether pods can be put on it, or could if it were not cordoned.
    pub(super) fn is_up(&self) -> bool {
        self.is_there && self.is_open
    }
}

/// From one report to the next when nothing changes.
const REPORT: i64 = 300 * SECOND;
/// How long a node may be silent.
pub(crate) const SILENCE: i64 = 50 * SECOND;
/// How long a pod tolerates a node that does not answer.
pub(crate) const TOLERATION: i64 = 300 * SECOND;
/// How long it takes to become ready when nothing is said.
const STARTUP: i64 = SECOND;

impl Story<'_> {
    pub(super) fn add_machine(
        &mut self,
        body: &serde_json::Value,
        node: Node,
    ) -> Result<u32, Error> {
        let number = self.cluster.add(body).map_err(|message| Error::Order {
            message,
            order: None,
        })?;
        self.nodes.push(node);
        self.node_objects.push(NONE);
        self.node_state.push(Machine {
            number,
            order: NONE,
            startup: None,
            lease: NONE,
            is_there: false,
            is_lost: false,
            is_cordoned: false,
            is_open: false,
            addresses: 0,
        });
        Ok((self.nodes.len() - 1) as u32)
    }

    /// Plans when the pods that were there before take their room and give it back.
    pub(super) fn plan_stays(&mut self) {
        let plan = self.plan;
        for (number, stay) in plan.known.stays.iter().enumerate() {
            let offset = |ts: i64| ts.saturating_sub(plan.start.0).max(0);
            self.after(offset(stay.from), Action::Occupy(number as u32));
            if let Some(until) = stay.until {
                self.after(offset(until), Action::Vacate(number as u32));
            }
        }
    }

    /// A pod that was there before takes its room, or gives it back.
    pub(super) fn occupy(&mut self, stay: u32, comes: bool) {
        let plan = self.plan;
        let Some(stay) = plan.known.stays.get(stay as usize) else {
            return;
        };
        let found = self.known_nodes.get(&stay.node);
        let machine = found.and_then(|node| self.node_state.get(*node as usize));
        let Some(number) = machine.map(|machine| machine.number) else {
            return;
        };
        let needs = self.cluster.needs_of(&stay.requests);
        if comes {
            self.cluster.occupy(number, &needs);
        } else {
            self.cluster.release(number, &needs);
            self.wake_waiting();
        }
    }

    /// Opens a node that was there before.
    pub(super) fn open_known(&mut self, node: u32) {
        if let Some(machine) = self.node_state.get_mut(node as usize) {
            machine.is_there = true;
            machine.is_open = true;
            self.cluster.set_open(machine.number, true);
        }
    }

    pub(super) fn set_order_of_node(&mut self, node: u32, order: u32, startup: Option<i64>) {
        if let Some(machine) = self.node_state.get_mut(node as usize) {
            machine.order = order;
            machine.startup = startup;
        }
    }

    fn machine(&mut self, node: u32) -> Option<&mut Machine> {
        self.node_state.get_mut(node as usize)
    }

    pub(super) fn is_lost(&self, node: u32) -> bool {
        self.node_state
            .get(node as usize)
            .is_some_and(|machine| machine.is_lost)
    }

    /// Returns the last number of the address of the next pod on a node.
    pub(super) fn next_address(&mut self, node: u32) -> u8 {
        let Some(machine) = self.machine(node) else {
            return 2;
        };
        machine.addresses += 1;
        (machine.addresses % 252 + 2) as u8
    }

    pub(super) fn node_step(&mut self, node: u32, step: NodeStep) -> Result<(), Error> {
        let Some(machine) = self.machine(node).cloned() else {
            return Ok(());
        };
        if step == NodeStep::Created {
            let object = self.object(Sort::Node, node)?;
            if let Some(place) = self.node_objects.get_mut(node as usize) {
                *place = object;
            }
            if let Some(machine) = self.machine(node) {
                machine.is_there = true;
            }
            let is_up = machine.startup.is_some_and(|startup| startup <= 0);
            let step = if is_up { NodeStep::Present } else { step };
            self.note(object, step as u32)?;
            let startup = machine.startup.unwrap_or(STARTUP);
            if startup <= 0 {
                self.set_up(node, machine.number);
                return self.begin_reports(node, &machine);
            }
            let soon = (startup / 2).min(100 * MILLI);
            self.surely_after(soon, Action::Node(node, NodeStep::Addressed));
            self.surely_after(startup, Action::Node(node, NodeStep::Ready));
            return self.begin_reports(node, &machine);
        }
        // What was announced may have been called off.
        if !machine.is_there || (step == NodeStep::Lost && !machine.is_lost) {
            return Ok(());
        }
        // A node that was there before the trace was added to has a timeline of its own.
        let object = self
            .node_objects
            .get(node as usize)
            .copied()
            .unwrap_or(NONE);
        if object != NONE {
            self.note(object, step as u32)?;
        }
        match step {
            NodeStep::Ready => self.surely_after(20 * MILLI, Action::Node(node, NodeStep::Opened)),
            NodeStep::Opened => self.set_up(node, machine.number),
            NodeStep::Lost => {
                self.set_lost(node, true);
                self.lose_pods(node)?;
                self.after(100 * MILLI, Action::Node(node, NodeStep::Tainted));
            }
            NodeStep::Found => {
                self.set_lost(node, false);
                self.find_pods(node)?;
            }
            NodeStep::Cordoned | NodeStep::Uncordoned => {
                let is_cordoned = step == NodeStep::Cordoned;
                if let Some(machine) = self.machine(node) {
                    machine.is_cordoned = is_cordoned;
                }
                self.cluster
                    .set_open(machine.number, !is_cordoned && !machine.is_lost);
                self.wake_waiting();
            }
            NodeStep::Gone => {
                if let Some(machine) = self.machine(node) {
                    machine.is_there = false;
                }
                self.cluster.set_open(machine.number, false);
                if machine.lease != NONE {
                    self.note(machine.lease, super::GONE)?;
                }
                self.orphan_pods(node);
            }
            NodeStep::Tainted => {
                let pods = self.pods_on(node);
                for pod in pods {
                    self.after(TOLERATION, Action::Pod(pod, Step::Tainted));
                }
            }
            NodeStep::Created | NodeStep::Addressed | NodeStep::Reported | NodeStep::Present => {}
        }
        Ok(())
    }

    /// Pods can be put on a node.
    fn set_up(&mut self, node: u32, number: u32) {
        if let Some(machine) = self.machine(node) {
            machine.is_open = true;
        }
        self.cluster.set_open(number, true);
        self.wake_waiting();
        self.wake_daemons();
    }

    /// The next node of an order that is up reports its status.
    pub(super) fn report_of(&mut self, order: u32) -> Result<(), Error> {
        let count = self.node_state.len();
        let from = self.reporters.get(&order).copied().unwrap_or(0) as usize;
        let is_able =
            |machine: &Machine| machine.order == order && machine.is_up() && !machine.is_lost;
        let next = (from..count).chain(0..from).find(|node| {
            let machine = self.node_state.get(*node);
            machine.is_some_and(is_able)
        });
        let Some(node) = next else {
            return Ok(());
        };
        self.reporters.insert(order, node as u32 + 1);
        self.node_step(node as u32, NodeStep::Reported)
    }

    fn set_lost(&mut self, node: u32, is_lost: bool) {
        let Some(machine) = self.machine(node) else {
            return;
        };
        machine.is_lost = is_lost;
        let (number, is_open) = (machine.number, !is_lost && !machine.is_cordoned);
        self.cluster.set_open(number, is_open);
        self.wake_waiting();
    }

    fn begin_reports(&mut self, node: u32, machine: &Machine) -> Result<(), Error> {
        let plan = self.plan;
        let Some(order) = plan.nodes.get(machine.order as usize) else {
            return Ok(());
        };
        if order.leases.is_some() {
            let lease = self.object(Sort::Lease, node)?;
            if let Some(machine) = self.machine(node) {
                machine.lease = lease;
            }
            self.ensure_namespace("kube-node-lease")?;
            self.after(40 * MILLI, Action::Renew(node));
        }
        if order.heartbeats {
            self.after(REPORT, Action::Report(node));
        }
        Ok(())
    }

    pub(super) fn renew(&mut self, node: u32) -> Result<(), Error> {
        let Some(machine) = self.machine(node).cloned() else {
            return Ok(());
        };
        if machine.is_there && machine.lease != NONE {
            if !machine.is_lost {
                self.note(machine.lease, 0)?;
            }
            let order = self.plan.nodes.get(machine.order as usize);
            if let Some(every) = order.and_then(|order| order.leases) {
                self.after(every.max(MILLI), Action::Renew(node));
            }
        }
        Ok(())
    }

    pub(super) fn report(&mut self, node: u32) -> Result<(), Error> {
        let Some(machine) = self.machine(node).cloned() else {
            return Ok(());
        };
        if machine.is_there {
            if !machine.is_lost {
                self.node_step(node, NodeStep::Reported)?;
            }
            self.after(REPORT, Action::Report(node));
        }
        Ok(())
    }

    /// Returns the pods on a node that are not gone.
    pub(super) fn pods_on(&self, node: u32) -> Vec<u32> {
        let on_it = self.pods.iter().enumerate();
        on_it
            .filter(|(_, pod)| pod.node == node && pod.stage != Step::Gone)
            .map(|(number, _)| number as u32)
            .collect()
    }

    fn nodes_of(&self, pattern: &str) -> Vec<u32> {
        let named = self.nodes.iter().zip(&self.node_state).enumerate();
        named
            .filter(|(_, (node, machine))| machine.is_there && matches(pattern, &node.host.name))
            .map(|(number, _)| number as u32)
            .collect()
    }

    pub(super) fn outage(&mut self, number: u32) -> Result<(), Error> {
        let plan = self.plan;
        let Some(order) = plan.outages.get(number as usize) else {
            return Ok(());
        };
        let nodes = self.nodes_of(&order.nodes);
        if nodes.is_empty() {
            return Err(Error::Order {
                message: format!("no node is called `{}` then", order.nodes),
                order: None,
            });
        }
        for (index, node) in nodes.into_iter().enumerate() {
            let gap = 5 * MILLI * index as i64;
            match order.kind {
                OutageKind::Failure => {
                    if let Some(machine) = self.machine(node) {
                        machine.is_lost = true;
                    }
                    self.surely_after(SILENCE + gap, Action::Node(node, NodeStep::Lost));
                }
                OutageKind::Drain | OutageKind::Removal => {
                    self.surely_after(gap, Action::Node(node, NodeStep::Cordoned));
                    for (place, pod) in self.pods_on(node).into_iter().enumerate() {
                        if !self.is_daemon(pod) {
                            let at = gap + 200 * MILLI + 50 * MILLI * place as i64;
                            self.surely_after(at, Action::Pod(pod, Step::Evicted));
                        }
                    }
                    if order.kind == OutageKind::Removal {
                        let at = gap + 60 * SECOND;
                        self.surely_after(at, Action::Node(node, NodeStep::Gone));
                    }
                }
            }
        }
        if let Some(lasts) = order.lasts
            && order.kind != OutageKind::Removal
        {
            self.surely_after(lasts, Action::OutageEnd(number));
        }
        Ok(())
    }

    pub(super) fn outage_end(&mut self, number: u32) -> Result<(), Error> {
        let plan = self.plan;
        let Some(order) = plan.outages.get(number as usize) else {
            return Ok(());
        };
        for node in self.nodes_of(&order.nodes) {
            match order.kind {
                OutageKind::Failure if order.lasts.is_some_and(|lasts| lasts > SILENCE) => {
                    self.node_step(node, NodeStep::Found)?;
                }
                OutageKind::Failure => self.set_lost(node, false),
                OutageKind::Drain => self.node_step(node, NodeStep::Uncordoned)?,
                OutageKind::Removal => {}
            }
        }
        Ok(())
    }
}

/// Tells whether a name is what a pattern with `*` says.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut is_whole = true;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        is_whole = false;
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(place) => rest = rest.get(place + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    !is_whole || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("node-*", "node-7"));
        assert!(matches("*", "x"));
        assert!(matches("a*c*e", "abcde"));
        assert!(matches("node-7", "node-7"));
        assert!(!matches("node-7", "node-77"));
        assert!(!matches("node-*", "other-1"));
        assert!(!matches("a*c*f", "abcde"));
    }
}
