use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::object::Draft;
use super::queue::Action;
use super::{NONE, Story};
use crate::arrival::Arrivals;
use crate::clock::MILLI;
use crate::defaults::{self, as_object, object};
use crate::node::{Node, NodeStep};
use crate::order::{Crash, NamePattern, Placement, WorkloadOrder};
use crate::pod::Shape;
use crate::{Arrival, Error};

/// What is made of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Pod,
    Other,
}

impl Sort {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "Deployment" => Self::Deployment,
            "ReplicaSet" => Self::ReplicaSet,
            "StatefulSet" => Self::StatefulSet,
            "DaemonSet" => Self::DaemonSet,
            "Job" => Self::Job,
            "CronJob" => Self::CronJob,
            "Pod" => Self::Pod,
            _ => Self::Other,
        }
    }

    /// Tells whether the order's number of replicas is that of its pods.
    fn counts_pods(self) -> bool {
        matches!(
            self,
            Self::Deployment | Self::ReplicaSet | Self::StatefulSet
        )
    }
}

/// An order that was found to be sound, and what was made of it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) sort: Sort,
    /// The object, with defaults.
    pub(super) object: Value,
    pub(super) api_version: String,
    /// The pods; of a `CronJob` those of its Jobs.
    pub(super) shape: Option<Arc<Shape>>,
    pub(super) replicas: u32,
    pattern: NamePattern,
    /// How many objects come, and how many came.
    count: u64,
    pub(super) made: u64,
    arrivals: Option<Arrivals>,
    pub(super) rng: ChaCha8Rng,
    /// How many pods came.
    pub(super) pods_made: u64,
    /// How many pods came whose lives end by deletion.
    pub(super) ends: u64,
    /// How often a pod of it was ready.
    pub(super) spells: u64,
    /// The objects that change, and their times.
    pub(super) changing: super::update::Changing,
    /// The `EndpointSlices` of its Services.
    pub(super) slices: super::slice::Slices,
    /// When the pods come that a controller follows.
    pub(super) followed: std::collections::VecDeque<i64>,
    /// What was made: plain objects, sets, Deployments and bare pods.
    pub(super) plains: Vec<u32>,
    pub(super) sets: Vec<u32>,
    pub(super) deployments: Vec<u32>,
    pub(super) pods: Vec<u32>,
    pub(super) is_over: bool,
}

/// A millisecond lies between two objects that are made one after the other.
const STEP: f64 = 1000.0;

impl Story<'_> {
    /// Checks everything that was asked for and plans when it begins.
    pub(super) fn prepare(&mut self) -> Result<(), Error> {
        self.prepare_nodes()?;
        for number in 0..self.plan.outages.len() {
            let at = self.plan.outages.get(number).map_or(0, |order| order.at);
            self.surely_after(at, Action::Outage(number as u32));
        }
        let plan = self.plan;
        let mut names = BTreeSet::new();
        for (number, order) in plan.workloads.iter().enumerate() {
            let own = match &*order.namespaces {
                [] => std::slice::from_ref(&order.namespace),
                several => several,
            };
            let own: BTreeSet<&String> = own.iter().collect();
            for namespace in own {
                if !names.insert((&order.kind, namespace, &order.name)) {
                    let name = &order.name;
                    let message = format!("{} `{namespace}/{name}` is made twice", order.kind);
                    return Err(Error::order(number, message));
                }
            }
            let prepared = self.prepare_workload(number, order)?;
            let is_placed = prepared.shape.is_some() && order.placement != Placement::None;
            if is_placed && self.nodes.is_empty() {
                return Err(Error::order(
                    number,
                    "there are no nodes for the pods; make some, or say `PLACEMENT none`",
                ));
            }
            self.prepared.push(prepared);
            self.surely_after(order.at, Action::Begin(number as u32));
            if let Some(until) = order.until {
                self.surely_after(until, Action::End(number as u32));
            }
        }
        Ok(())
    }

    fn prepare_nodes(&mut self) -> Result<(), Error> {
        let plan = self.plan;
        let mut names = BTreeSet::new();
        for node in &plan.known.nodes {
            let known = Node::known(node, self.nodes.len() as u64);
            let name = known.host.name.clone();
            names.insert(name.clone());
            let machine = self.add_machine(node, known)?;
            self.open_known(machine);
            self.known_nodes.insert(name, machine);
        }
        self.plan_stays();
        for (number, order) in plan.nodes.iter().enumerate() {
            let refused = |message: String| Error::order(number, message);
            let pattern = NamePattern::new(&order.pattern, order.count).map_err(refused)?;
            let mut rng = self.seed.stream("nodes", number as u64);
            let arrival = order.arrival.clone();
            let mut arrivals = arrival.map(|arrival| Arrivals::new(arrival, order.count));
            let mut begin = i64::MAX;
            for index in 0..order.count {
                let offset = match &mut arrivals {
                    Some(arrivals) => match arrivals.next(&mut rng) {
                        Some(offset) => offset,
                        None => break,
                    },
                    None => 0,
                };
                let name = pattern.name(index);
                if !is_name(&name) {
                    return Err(refused(format!("`{name}` cannot be the name of a node")));
                }
                if !names.insert(name.clone()) {
                    return Err(refused(format!("there are two nodes `{name}`")));
                }
                let uid = self.seed.named_uid(&format!("node/{name}")).to_string();
                let node = Node::new(order, &pattern, index, self.nodes.len() as u64, &uid);
                let body = node.body();
                let node = self.add_machine(&body, node).map_err(|error| match error {
                    Error::Order { message, .. } => refused(message),
                    other => other,
                })?;
                let startup = order
                    .startup
                    .as_ref()
                    .map(|startup| startup.nth(index, &mut rng));
                let at = order.at.saturating_add(offset);
                self.set_order_of_node(node, number as u32, startup);
                self.surely_after(at, Action::Node(node, NodeStep::Created));
                begin = begin.min(at);
                if let Some(until) = order.until {
                    self.surely_after(until.max(at), Action::Node(node, NodeStep::Gone));
                }
            }
            if let Some(updates) = &order.updates {
                let mut arrivals = Arrivals::new(updates.arrival.clone(), updates.count);
                for _ in 0..updates.count {
                    let Some(offset) = arrivals.next(&mut rng) else {
                        break;
                    };
                    let at = begin.saturating_add(offset);
                    self.after(at, Action::ReportOf(number as u32));
                }
            }
        }
        Ok(())
    }

    fn prepare_workload(
        &mut self,
        number: usize,
        order: &WorkloadOrder,
    ) -> Result<Prepared, Error> {
        let sort = Sort::of(&order.kind);
        let mut own = order
            .manifests
            .iter()
            .filter(|each| each.kind() == order.kind);
        let Some(manifest) = own.next() else {
            let message = format!("the manifest has no object of kind {}", order.kind);
            return Err(Error::order(number, message));
        };
        if own.next().is_some() {
            return Err(
                manifest.refuse(format!("there are several objects of kind {}", order.kind))
            );
        }
        if !is_name(&order.namespace) || order.namespace.contains('.') {
            let message = format!("`{}` cannot be the name of a namespace", order.namespace);
            return Err(Error::order(number, message));
        }
        let refused = |message: String| Error::order(number, message);
        let asked = order.replicas.unwrap_or(1);
        let count = if sort.counts_pods() || matches!(sort, Sort::DaemonSet | Sort::CronJob) {
            1
        } else {
            asked
        };
        let pattern = NamePattern::new(&order.name, count).map_err(refused)?;
        if !is_name(&pattern.name(0)) {
            return Err(refused(format!("`{}` cannot be a name", pattern.name(0))));
        }
        let mut body = manifest.object.clone();
        let members = as_object(&mut body);
        members.shift_remove("kind");
        members.shift_remove("apiVersion");
        if sort != Sort::Other {
            members.shift_remove("status");
        }
        let pods = match sort {
            Sort::Pod => Some("/spec"),
            Sort::CronJob => Some("/spec/jobTemplate/spec/template/spec"),
            Sort::Other => None,
            _ => Some("/spec/template/spec"),
        };
        if let Some(pointer) = pods
            && body.pointer(pointer).is_none_or(|spec| !spec.is_object())
        {
            return Err(manifest.refuse(format!("`{}` is missing", pointer.replace('/', "."))));
        }
        fill(sort, &mut body);
        if sort.counts_pods() || sort == Sort::DaemonSet {
            check_selector(&body).map_err(|reason| manifest.refuse(reason))?;
        }
        if order.pods.is_some() && !matches!(sort, Sort::Deployment | Sort::ReplicaSet) {
            let message = format!("`PODS` is not for a {}: its controller counts", order.kind);
            return Err(refused(message));
        }
        if order.updates.is_some() && sort != Sort::Other {
            let message = format!(
                "`UPDATES` is not for a {}: its controller writes",
                order.kind
            );
            return Err(refused(message));
        }
        if !order.namespaces.is_empty() && sort != Sort::Other {
            let message = format!("`NAMESPACES` is not for a {}: it has one", order.kind);
            return Err(refused(message));
        }
        let replicas = match order.replicas {
            Some(replicas) if sort.counts_pods() => u32::try_from(replicas)
                .ok()
                .filter(|replicas| *replicas < NONE)
                .ok_or_else(|| refused(format!("{replicas} pods are too many")))?,
            _ => body
                .pointer("/spec/replicas")
                .and_then(Value::as_u64)
                .unwrap_or(1)
                .min(u64::from(NONE - 1)) as u32,
        };
        if sort.counts_pods() {
            object(as_object(&mut body), "spec").insert("replicas".to_owned(), json!(replicas));
        }
        let shape = match pods {
            Some(pointer) => {
                let shape = self.shape(sort, &body, pointer, order.crash);
                Some(Arc::new(shape.map_err(|reason| manifest.refuse(reason))?))
            }
            None => None,
        };
        if sort == Sort::CronJob {
            let schedule = body.pointer("/spec/schedule").and_then(Value::as_str);
            super::cron::Schedule::parse(schedule.unwrap_or_default())
                .map_err(|reason| manifest.refuse(reason))?;
            if self.plan.span.is_none() && order.until.is_none() {
                return Err(refused(
                    "a CronJob goes on for ever: say how long with `UNTIL` or `SYNTHESIZE TIME`"
                        .to_owned(),
                ));
            }
        }
        Ok(Prepared {
            sort,
            object: body,
            api_version: manifest.api_version().to_owned(),
            shape,
            replicas,
            pattern,
            count,
            made: 0,
            arrivals: None,
            rng: self.seed.stream("order", number as u64),
            pods_made: 0,
            ends: 0,
            spells: 0,
            changing: super::update::Changing::default(),
            slices: super::slice::Slices::default(),
            followed: std::collections::VecDeque::new(),
            plains: Vec::new(),
            sets: Vec::new(),
            deployments: Vec::new(),
            pods: Vec::new(),
            is_over: false,
        })
    }

    /// The shape of the pods of a workload.
    fn shape(
        &mut self,
        sort: Sort,
        body: &Value,
        pointer: &str,
        crash: Crash,
    ) -> Result<Shape, String> {
        let mut spec = body.pointer(pointer).cloned().unwrap_or_else(|| json!({}));
        let spec = as_object(&mut spec);
        if sort == Sort::StatefulSet {
            dress_stateful(spec, body);
        }
        if sort == Sort::DaemonSet {
            dress_daemon(spec);
        }
        let cluster = &mut self.cluster;
        let mut shape = Shape::new(spec, |pod| cluster.needs(pod))?;
        shape.crash = crash;
        Ok(shape)
    }

    /// The pods that come from now on are of the present template of a workload.
    pub(super) fn reshape(&mut self, number: u32, sort: Sort, body: &Value) -> Result<(), Error> {
        let crash = self.plan.workloads.get(number as usize);
        let crash = crash.map_or_else(Crash::default, |order| order.crash);
        let shape = self
            .shape(sort, body, "/spec/template/spec", crash)
            .map_err(|reason| Error::order(number as usize, reason))?;
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.shape = Some(Arc::new(shape));
        }
        Ok(())
    }

    /// What comes with the manifest is made, and the first of what was asked for.
    pub(super) fn begin(&mut self, number: u32) -> Result<(), Error> {
        let plan = self.plan;
        let Some(order) = plan.workloads.get(number as usize) else {
            return Ok(());
        };
        for manifest in &order.manifests {
            if manifest.kind() == order.kind {
                continue;
            }
            self.create_other(number, order, manifest)?;
        }
        for (step, (at, _)) in order.scale.iter().enumerate() {
            self.surely_after(at - order.at, Action::Scale(number, step as u32));
        }
        for (step, (at, _)) in order.rollouts.iter().enumerate() {
            self.surely_after(at - order.at, Action::Rollout(number, step as u32));
        }
        self.begin_updates(number, order);
        self.begin_following(number, order);
        let is_one = self
            .prepared
            .get(number as usize)
            .is_some_and(|prepared| prepared.count == 1);
        if !is_one || order.arrival.is_some() {
            let gap = Arrival::Uniform { rate: STEP };
            let counts_pods = self
                .prepared
                .get(number as usize)
                .is_some_and(|prepared| prepared.sort.counts_pods());
            let arrival = order.arrival.clone().filter(|_| !counts_pods);
            if let Some(prepared) = self.prepared.get_mut(number as usize) {
                let count = prepared.count;
                prepared.arrivals = Some(Arrivals::new(arrival.unwrap_or(gap), count));
            }
        }
        self.next_arrival(number);
        Ok(())
    }

    /// Plans when the next object of an order comes.
    fn next_arrival(&mut self, number: u32) {
        let begin = self.begin_of(number);
        let Some(prepared) = self.prepared.get_mut(number as usize) else {
            return;
        };
        if prepared.made >= prepared.count || prepared.is_over {
            return;
        }
        let offset = match &mut prepared.arrivals {
            Some(arrivals) => arrivals.next(&mut prepared.rng),
            None => Some(0),
        };
        if let Some(offset) = offset {
            let delay = begin.saturating_add(offset).saturating_sub(self.now).max(0);
            self.surely_after(delay, Action::Arrive(number));
        }
    }

    fn begin_of(&self, number: u32) -> i64 {
        let order = self.plan.workloads.get(number as usize);
        let at = order.map_or(0, |order| order.at);
        self.plan.start.0.saturating_add(at)
    }

    /// Another object of an order comes.
    pub(super) fn arrive(&mut self, number: u32) -> Result<(), Error> {
        let plan = self.plan;
        let (Some(order), Some(prepared)) = (
            plan.workloads.get(number as usize),
            self.prepared.get_mut(number as usize),
        ) else {
            return Ok(());
        };
        if prepared.is_over {
            return Ok(());
        }
        let name = prepared.pattern.name(prepared.made);
        prepared.made += 1;
        let sort = prepared.sort;
        match sort {
            Sort::Deployment => self.create_deployment(number, order, &name)?,
            Sort::ReplicaSet | Sort::StatefulSet | Sort::DaemonSet => {
                self.create_workload(number, order, &name)?;
            }
            Sort::Job => {
                let body = self.body_of(number);
                self.create_job(number, order, &name, body, None)?;
            }
            Sort::CronJob => self.create_cron(number, order, &name)?,
            Sort::Pod => self.create_bare(number, order, &name)?,
            Sort::Other => self.create_thing(number, order, &name)?,
        }
        self.next_arrival(number);
        Ok(())
    }

    pub(super) fn body_of(&self, number: u32) -> Value {
        self.prepared
            .get(number as usize)
            .map(|prepared| prepared.object.clone())
            .unwrap_or_default()
    }

    /// An object of a kind that kymo knows nothing of: it is there until it is deleted.
    fn create_thing(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
    ) -> Result<(), Error> {
        let plain = match order.kind.as_str() {
            // It is there already if something was put into it.
            "Namespace" => {
                self.ensure_namespace(name)?;
                self.object_of_namespace(name)
            }
            "PersistentVolume" if order.updates.is_none() => {
                let mut body = self.body_of(number);
                if Self::is_offered(&body) {
                    super::update::fill_times(&mut body, self.now);
                    Some(self.create_volume(name, body)?)
                } else {
                    Some(self.create_plain(number, order, name)?)
                }
            }
            _ => Some(self.create_plain(number, order, name)?),
        };
        let Some(plain) = plain else {
            return Ok(());
        };
        let lifetime = order.lifetime.clone();
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            if order.updates.is_some() {
                prepared.changing.add(plain);
            }
            let nth = prepared.made - 1;
            let life = lifetime.map(|lifetime| lifetime.nth(nth, &mut prepared.rng));
            match life.filter(|life| *life < i64::MAX) {
                Some(life) => self.after(life.max(MILLI), Action::Remove(plain)),
                None => prepared.plains.push(plain),
            }
        }
        Ok(())
    }

    fn create_plain(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
    ) -> Result<u32, Error> {
        let mut body = self.body_of(number);
        super::update::fill_times(&mut body, self.now);
        let namespace = self.namespace_of(number, order);
        if order.kind == "Event" {
            self.find_subject(namespace, &mut body);
        }
        let api_version = self
            .prepared
            .get(number as usize)
            .map(|prepared| prepared.api_version.clone())
            .unwrap_or_default();
        let draft = Draft {
            api_version: &api_version,
            kind: &order.kind,
            namespace,
            name,
            generation: body.get("spec").map(|_| 1),
            body,
            has_status: false,
        };
        self.create(&draft, "")
    }

    /// Tells whether the objects of an order lie in a namespace.
    pub(super) fn is_namespaced(&mut self, number: usize) -> bool {
        let order = self.plan.workloads.get(number);
        let (Some(order), Some(prepared)) = (order, self.prepared.get(number)) else {
            return false;
        };
        let feed = self.catalog.feed(&prepared.api_version, &order.kind);
        self.catalog.is_namespaced(feed)
    }

    /// The namespace of the object of an order that was made last.
    fn namespace_of<'o>(&self, number: u32, order: &'o WorkloadOrder) -> &'o str {
        let made = self.prepared.get(number as usize);
        let nth = made.map_or(0, |prepared| prepared.made.saturating_sub(1));
        let place = nth.checked_rem(order.namespaces.len() as u64);
        let named = place.and_then(|place| order.namespaces.get(place as usize));
        named.map_or(order.namespace.as_str(), String::as_str)
    }

    fn create_other(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        manifest: &crate::Manifest,
    ) -> Result<(), Error> {
        let Some(name) = manifest.name().map(str::to_owned) else {
            return Err(manifest.refuse("`metadata.name` is missing"));
        };
        if !is_name(&name) {
            return Err(manifest.refuse(format!("`{name}` cannot be a name")));
        }
        if manifest.kind() == "Namespace" {
            return self.ensure_namespace(&name);
        }
        let mut body = manifest.object.clone();
        let members = as_object(&mut body);
        members.shift_remove("kind");
        members.shift_remove("apiVersion");
        let is_service = manifest.kind() == "Service" && manifest.api_version() == "v1";
        let mut generation = members.get("spec").map(|_| 1);
        if is_service {
            let serial = self.plains.len();
            let address = format!("10.96.{}.{}", (serial / 250) % 250, serial % 250 + 1);
            defaults::service(object(members, "spec"), &address);
            members.insert("status".to_owned(), json!({"loadBalancer": {}}));
            generation = None;
        }
        let service = is_service.then(|| body.clone());
        let draft = Draft {
            api_version: manifest.api_version(),
            kind: manifest.kind(),
            namespace: &order.namespace,
            name: &name,
            body,
            generation,
            has_status: false,
        };
        let plain = self.create(&draft, "")?;
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.plains.push(plain);
        }
        if let Some(service) = service {
            self.add_service(number, order, plain, &service)?;
        }
        Ok(())
    }

    /// What an order asked for is deleted, as with background propagation.
    pub(super) fn end_order(&mut self, number: u32) -> Result<(), Error> {
        let Some(prepared) = self.prepared.get_mut(number as usize) else {
            return Ok(());
        };
        prepared.is_over = true;
        let plains = std::mem::take(&mut prepared.plains);
        let sets = std::mem::take(&mut prepared.sets);
        let deployments = std::mem::take(&mut prepared.deployments);
        let pods = std::mem::take(&mut prepared.pods);
        for deployment in deployments {
            self.delete_deployment(deployment)?;
        }
        for set in sets {
            self.delete_set(set)?;
        }
        for pod in pods {
            self.delete_pod(pod, 0);
        }
        for plain in plains {
            self.delete_thing(plain)?;
        }
        Ok(())
    }
}

/// Returns an object of a kind with what the API server fills in.
pub(crate) fn filled(kind: &str, object: &Value) -> Value {
    let mut body = object.clone();
    fill(Sort::of(kind), &mut body);
    body
}

fn fill(sort: Sort, body: &mut Value) {
    let spec = object(as_object(body), "spec");
    match sort {
        Sort::Deployment => defaults::deployment(spec),
        Sort::ReplicaSet => {
            if !spec.get("replicas").is_some_and(Value::is_number) {
                spec.insert("replicas".to_owned(), json!(1));
            }
            defaults::template(object(object(spec, "template"), "spec"));
        }
        Sort::StatefulSet => defaults::stateful_set(spec),
        Sort::DaemonSet => defaults::daemon_set(spec),
        Sort::CronJob => defaults::cron_job(spec),
        Sort::Pod => defaults::template(spec),
        Sort::Job => {
            let of_pods = object(object(spec, "template"), "spec");
            if !of_pods.get("restartPolicy").is_some_and(Value::is_string) {
                of_pods.insert("restartPolicy".to_owned(), json!("Never"));
            }
            defaults::template(of_pods);
        }
        Sort::Other => {
            let is_empty = spec.is_empty();
            if is_empty {
                as_object(body).shift_remove("spec");
            }
        }
    }
}

/// The selector of a workload must be there and match its own pods.
fn check_selector(body: &Value) -> Result<(), String> {
    let labels = body.pointer("/spec/template/metadata/labels");
    let wanted = body
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object)
        .filter(|wanted| !wanted.is_empty());
    let Some(wanted) = wanted else {
        return Err("`.spec.selector.matchLabels` is missing".to_owned());
    };
    for (label, value) in wanted {
        if labels.and_then(|labels| labels.get(label)) != Some(value) {
            return Err(format!(
                "the selector wants the label `{label}` to be {value}; the template's is not"
            ));
        }
    }
    Ok(())
}

/// What the controller of `StatefulSets` adds to a pod.
fn dress_stateful(spec: &mut Map<String, Value>, body: &Value) {
    use crate::text::Place;

    let mut volumes = Vec::new();
    let claims = body
        .pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array);
    for claim in claims.into_iter().flatten() {
        let name = claim.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default();
        volumes.push(json!({
            "name": name,
            "persistentVolumeClaim": {"claimName": format!("{name}-{}", Place::Name.mark())},
        }));
    }
    if let Some(Value::Array(own)) = spec.shift_remove("volumes") {
        volumes.extend(own);
    }
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), Value::Array(volumes));
    }
    spec.insert("hostname".to_owned(), json!(Place::Name.mark()));
    if let Some(service) = body.pointer("/spec/serviceName") {
        spec.insert("subdomain".to_owned(), service.clone());
    }
}

/// What the controller of `DaemonSets` adds to a pod.
fn dress_daemon(spec: &mut Map<String, Value>) {
    use crate::text::Place;

    let affinity = object(object(spec, "affinity"), "nodeAffinity");
    affinity.insert(
        "requiredDuringSchedulingIgnoredDuringExecution".to_owned(),
        json!({"nodeSelectorTerms": [{"matchFields": [{
            "key": "metadata.name",
            "operator": "In",
            "values": [Place::Target.mark()],
        }]}]}),
    );
    let mut tolerations = match spec.shift_remove("tolerations") {
        Some(Value::Array(own)) => own,
        _ => Vec::new(),
    };
    for (name, effect) in [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ] {
        tolerations.push(json!({
            "key": format!("node.kubernetes.io/{name}"),
            "operator": "Exists",
            "effect": effect,
        }));
    }
    spec.insert("tolerations".to_owned(), Value::Array(tolerations));
}

/// A subdomain of DNS, as the API server has it.
pub(crate) fn is_name(name: &str) -> bool {
    let is_inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let is_outer = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(is_inner)
        && bytes.first().is_some_and(is_outer)
        && bytes.last().is_some_and(is_outer)
}
