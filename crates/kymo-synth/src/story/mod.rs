//! What happens in the cluster, event by event in the order of time.
//!
//! The simulation writes a few bytes down for each event: when, to which object, and what. The number of
//! an event in that list is its place in the trace and gives its resourceVersion. Objects are written as
//! JSON only afterwards, one after the other, as a segment wants them.

mod begin;
mod cron;
mod deployment;
mod event;
mod follow;
mod job;
mod letters;
mod machine;
mod namespace;
mod object;
mod pod;
mod queue;
mod revision;
mod set;
mod slice;
mod status;
mod thin;
mod update;
mod volume;

pub(crate) use deployment::patched;
pub(crate) use event::{EventRecord, Reason};
pub(crate) use machine::{SILENCE, TOLERATION};
pub(crate) use object::{Plain, Version};
pub use thin::Tally;

pub(crate) use begin::{filled, is_name};
pub(crate) use pod::Pod;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use kymo_model::Timestamp;
use rand_chacha::ChaCha8Rng;

use self::begin::Prepared;
use self::cron::CronState;
use self::deployment::Deployment;
use self::letters::Letters;
use self::queue::{Action, Queue};
use self::set::Set;
use crate::catalog::Catalog;
use crate::clock::SECOND;
use crate::cluster::Cluster;
use crate::node::Node;
use crate::order::Plan;
use crate::pod::Group;
use crate::random::Seed;
use crate::text::Text;
use crate::timeline::{Entry, Timeline};
use crate::{Error, Progress};

/// How long it goes on behind the last thing that was asked for, in nanoseconds.
const REST: i64 = 30 * SECOND;

/// Of what sort an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Pod,
    Node,
    Lease,
    Event,
    Plain,
}

/// An object: its sort, and its number among those of the sort.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectRef {
    pub(crate) sort: Sort,
    pub(crate) index: u32,
}

/// The object is deleted.
pub(crate) const GONE: u32 = u32::MAX;

/// No number.
pub(crate) const NONE: u32 = u32::MAX;

/// Everything that happened, and to what.
pub(crate) struct Story<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) seed: Seed,
    pub(crate) catalog: Catalog,
    pub(crate) timeline: Timeline,
    pub(crate) objects: Vec<ObjectRef>,
    pub(crate) nodes: Vec<Node>,
    /// The number of the object of each node; [`NONE`] for those that were there before.
    pub(crate) node_objects: Vec<u32>,
    pub(crate) groups: Vec<Group>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) plains: Vec<Plain>,
    pub(crate) versions: Vec<Version>,
    pub(crate) bases: Vec<Text>,
    pub(crate) events: Vec<EventRecord>,
    /// When it ended.
    pub(crate) end: i64,
    now: i64,
    queue: Queue,
    cluster: Cluster,
    prepared: Vec<Prepared>,
    node_state: Vec<machine::Machine>,
    /// Nodes that were there before, by their names.
    known_nodes: BTreeMap<String, u32>,
    /// Of each order of nodes the one that reports next.
    reporters: BTreeMap<u32, u32>,
    sets: Vec<Set>,
    deployments: Vec<Deployment>,
    crons: Vec<CronState>,
    /// Pods that wait for a node.
    waiting: VecDeque<u32>,
    retries: bool,
    namespaces: BTreeMap<String, namespace::Namespace>,
    volumes: Vec<volume::Volume>,
    /// Those that a claim can have.
    free_volumes: BTreeSet<u32>,
    claims: Vec<volume::Claim>,
    /// The claims of `StatefulSets`, by namespace and name.
    claimed: BTreeMap<(String, String), u32>,
    daemons: Vec<u32>,
    /// The templates of the groups of `ReplicaSets`.
    templates: BTreeMap<u32, serde_json::Value>,
    letters: Letters,
    rng: ChaCha8Rng,
}

impl<'a> Story<'a> {
    /// Lets everything happen that the plan asks for. What would take much memory lies in files without
    /// names in `folder`.
    pub(crate) fn tell(
        plan: &'a Plan,
        progress: &dyn Progress,
        folder: &Path,
    ) -> Result<Self, Error> {
        let seed = Seed::new(plan.seed, &plan.salt);
        let mut story = Self {
            plan,
            seed,
            catalog: Catalog::default(),
            timeline: Timeline::new(folder, plan.start.0.saturating_add(plan.lead)),
            objects: Vec::new(),
            nodes: Vec::new(),
            node_objects: Vec::new(),
            groups: Vec::new(),
            pods: Vec::new(),
            plains: Vec::new(),
            versions: Vec::new(),
            bases: Vec::new(),
            events: Vec::new(),
            end: plan.start.0,
            now: plan.start.0,
            queue: Queue::default(),
            cluster: Cluster::default(),
            prepared: Vec::new(),
            node_state: Vec::new(),
            known_nodes: BTreeMap::new(),
            reporters: BTreeMap::new(),
            sets: Vec::new(),
            deployments: Vec::new(),
            crons: Vec::new(),
            waiting: VecDeque::new(),
            retries: false,
            namespaces: namespace::known(plan),
            volumes: Vec::new(),
            free_volumes: BTreeSet::new(),
            claims: Vec::new(),
            claimed: BTreeMap::new(),
            daemons: Vec::new(),
            templates: BTreeMap::new(),
            letters: Letters::default(),
            rng: seed.stream("story", 0),
        };
        story.prepare()?;
        let mut horizon = plan.span.map(|span| plan.start.0.saturating_add(span));
        if horizon.is_none() && story.queue.is_at_rest() {
            horizon = Some(story.now.saturating_add(REST));
        }
        while let Some((ts, action)) = story.queue.next() {
            if horizon.is_some_and(|horizon| ts > horizon) {
                break;
            }
            story.now = ts;
            story.act(action)?;
            if horizon.is_none() && story.queue.is_at_rest() {
                horizon = Some(ts.saturating_add(REST));
            }
            if !progress.event() {
                return Err(Error::Stopped);
            }
        }
        story.end = horizon.unwrap_or(story.now);
        story.forget();
        story.thin()?;
        Ok(story)
    }

    /// Forgets what only mattered while things happened.
    fn forget(&mut self) {
        self.queue = Queue::default();
        self.cluster = Cluster::default();
        self.prepared = Vec::new();
        self.node_state = Vec::new();
        self.known_nodes = BTreeMap::new();
        self.sets = Vec::new();
        self.deployments = Vec::new();
        self.crons = Vec::new();
        self.waiting = VecDeque::new();
        self.namespaces = BTreeMap::new();
        self.volumes = Vec::new();
        self.free_volumes = BTreeSet::new();
        self.claims = Vec::new();
        self.claimed = BTreeMap::new();
        self.templates = BTreeMap::new();
        self.letters = Letters::default();
        self.objects.shrink_to_fit();
        self.pods.shrink_to_fit();
    }

    /// When the trace begins.
    pub(crate) fn beginning(&self) -> Timestamp {
        Timestamp(self.plan.start.0.saturating_add(self.plan.lead))
    }

    fn act(&mut self, action: Action) -> Result<(), Error> {
        match action {
            Action::Node(node, step) => self.node_step(node, step),
            Action::Renew(node) => self.renew(node),
            Action::Report(node) => self.report(node),
            Action::ReportOf(order) => self.report_of(order),
            Action::Outage(order) => self.outage(order),
            Action::OutageEnd(order) => self.outage_end(order),
            Action::Begin(order) => self.begin(order),
            Action::Arrive(order) => self.arrive(order),
            Action::End(order) => self.end_order(order),
            Action::ArrivePod(set) => self.arrive_pod(set),
            Action::Reconcile(set) => self.reconcile(set),
            Action::Sync(set) => self.sync(set),
            Action::SyncDeployment(deployment) => self.sync_deployment(deployment),
            Action::Rollout(order, step) => self.rollout(order, step),
            Action::Update(order) => self.update(order),
            Action::Follow(order) => self.follow(order),
            Action::Scale(order, step) => self.scale(order, step),
            Action::Cron(cron) => self.cron_tick(cron),
            Action::Expire(set) => self.expire(set),
            Action::Remove(plain) => self.delete_thing(plain),
            Action::Finalize(plain) => self.finalize_namespace(plain),
            Action::Offer(volume) => self.offer_volume(volume),
            Action::Bind(claim) => self.bind_claim(claim),
            Action::DropClaim(claim) => self.drop_claim(claim),
            Action::Schedule(pod) => self.schedule(pod),
            Action::Slices(order) => self.sync_slices(order),
            Action::Retry => self.retry(),
            Action::Occupy(stay) => {
                self.occupy(stay, true);
                Ok(())
            }
            Action::Vacate(stay) => {
                self.occupy(stay, false);
                Ok(())
            }
            Action::Pod(pod, step) => self.pod_step(pod, step),
        }
    }

    /// Adds an object.
    fn object(&mut self, sort: Sort, index: u32) -> Result<u32, Error> {
        let number = self.objects.len();
        if number >= GONE as usize {
            return Err(Error::TooMany {
                what: "objects",
                limit: GONE as u64,
            });
        }
        self.objects.push(ObjectRef { sort, index });
        Ok(number as u32)
    }

    /// Writes down that something happens now; returns its number.
    fn note(&mut self, object: u32, change: u32) -> Result<u32, Error> {
        let number = self.timeline.len();
        if number >= GONE as usize {
            return Err(Error::TooMany {
                what: "events",
                limit: GONE as u64,
            });
        }
        self.timeline.push(Entry {
            ts: self.now,
            object,
            change,
        })?;
        Ok(number as u32)
    }

    /// Something happens so many nanoseconds from now.
    fn after(&mut self, delay: i64, action: Action) {
        self.queue
            .push(self.now.saturating_add(delay), action, false);
    }

    /// The same, and it does not end before.
    fn surely_after(&mut self, delay: i64, action: Action) {
        self.queue
            .push(self.now.saturating_add(delay), action, true);
    }
}

/// The resourceVersion of the event of a number.
pub(crate) fn version_of(number: u32) -> u64 {
    u64::from(number) + 1001
}
