//! `EndpointSlices`: the addresses of the pods behind a Service.

use serde_json::{Map, Value, json};

use super::object::Draft;
use super::queue::Action;
use super::{NONE, Story};
use crate::Error;
use crate::clock::{MILLI, seconds};
use crate::order::WorkloadOrder;
use crate::pod::Step;
use crate::random::suffix;

/// How long the controller gathers changes.
const BATCH: i64 = 100 * MILLI;

/// The most endpoints of a slice.
const MOST: usize = 100;

/// The `EndpointSlices` of an order.
#[derive(Debug, Default)]
pub(super) struct Slices {
    services: Vec<Service>,
    /// Pods that run and are not gone.
    members: Vec<u32>,
    is_syncing: bool,
}

/// A Service that selects the pods of its order.
#[derive(Clone, Debug)]
struct Service {
    plain: u32,
    name: String,
    labels: Map<String, Value>,
    ports: Value,
    slices: Vec<Slice>,
}

/// One slice: its object, and the pods in it with whether they are ready and on their way out.
#[derive(Clone, Debug)]
struct Slice {
    plain: u32,
    generation: u32,
    endpoints: Vec<(u32, bool, bool)>,
}

impl Story<'_> {
    /// A Service was made for the pods of an order: it gets its first slice.
    pub(super) fn add_service(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        plain: u32,
        body: &Value,
    ) -> Result<(), Error> {
        let selector = body.pointer("/spec/selector").and_then(Value::as_object);
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
            return Ok(());
        };
        let pods = self.body_of(number);
        let labels = match order.kind.as_str() {
            "Pod" => pods.pointer("/metadata/labels"),
            _ => pods.pointer("/spec/template/metadata/labels"),
        };
        let has = |(label, value): (&String, &Value)| {
            labels.and_then(|labels| labels.get(label)) == Some(value)
        };
        if !order.with.slices || !selector.iter().all(has) {
            return Ok(());
        }
        let labels = body.pointer("/metadata/labels").and_then(Value::as_object);
        let service = Service {
            plain,
            name: self.name_of(plain),
            labels: labels.cloned().unwrap_or_default(),
            ports: ports(body),
            slices: Vec::new(),
        };
        let place = match self.prepared.get_mut(number as usize) {
            Some(prepared) => {
                prepared.slices.services.push(service);
                prepared.slices.services.len() - 1
            }
            None => return Ok(()),
        };
        self.add_slice(number, order, place, &[])
    }

    /// A pod of an order runs.
    pub(super) fn add_endpoint(&mut self, pod: u32, order: u32) {
        if let Some(prepared) = self.prepared.get_mut(order as usize)
            && !prepared.slices.services.is_empty()
        {
            prepared.slices.members.push(pod);
        }
        self.slices_hear(order);
    }

    /// Something changed about the pods of an order.
    pub(super) fn slices_hear(&mut self, order: u32) {
        if let Some(prepared) = self.prepared.get_mut(order as usize)
            && !prepared.slices.services.is_empty()
            && !std::mem::replace(&mut prepared.slices.is_syncing, true)
        {
            self.after(BATCH, Action::Slices(order));
        }
    }

    /// The controller writes the slices that have changed.
    pub(super) fn sync_slices(&mut self, number: u32) -> Result<(), Error> {
        let plan = self.plan;
        let (Some(order), Some(prepared)) = (
            plan.workloads.get(number as usize),
            self.prepared.get_mut(number as usize),
        ) else {
            return Ok(());
        };
        let slices = &mut prepared.slices;
        slices.is_syncing = false;
        let pods = &self.pods;
        slices.members.retain(|pod| {
            let pod = pods.get(*pod as usize);
            pod.is_some_and(|pod| pod.stage != Step::Gone && !pod.is_over())
        });
        let mut states: Vec<(u32, bool, bool)> = slices
            .members
            .iter()
            .filter_map(|number| {
                let pod = pods.get(*number as usize)?;
                Some((*number, pod.is_ready, pod.is_leaving))
            })
            .collect();
        states.sort_unstable();
        let services = slices.services.clone();
        for (place, service) in services.iter().enumerate() {
            if self.is_plain_gone(service.plain) {
                continue;
            }
            let mut fresh = states.clone();
            for (index, slice) in service.slices.iter().enumerate() {
                let mut endpoints = Vec::with_capacity(slice.endpoints.len());
                for (pod, ..) in &slice.endpoints {
                    if let Ok(found) = fresh.binary_search_by_key(pod, |state| state.0) {
                        endpoints.push(fresh.remove(found));
                    }
                }
                if index + 1 == service.slices.len() {
                    // The last one takes those that are new, as long as it has room.
                    let room = MOST.saturating_sub(endpoints.len()).min(fresh.len());
                    endpoints.extend(fresh.drain(..room));
                }
                if endpoints != slice.endpoints {
                    self.write_slice(number, order, (place, index), endpoints)?;
                }
            }
            for more in fresh.chunks(MOST) {
                self.add_slice(number, order, place, more)?;
            }
        }
        Ok(())
    }

    fn add_slice(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        place: usize,
        endpoints: &[(u32, bool, bool)],
    ) -> Result<(), Error> {
        let Some(service) = self.service(number, place).cloned() else {
            return Ok(());
        };
        let letters = suffix(&mut self.seed.stream("slice", self.objects.len() as u64));
        let name = format!("{}-{}", service.name, String::from_utf8_lossy(&letters));
        let body = self.slice_body(&service, order, endpoints);
        let draft = Draft {
            api_version: "discovery.k8s.io/v1",
            kind: "EndpointSlice",
            namespace: &order.namespace,
            name: &name,
            body,
            generation: Some(1),
            has_status: false,
        };
        let plain = self.create(&draft, "")?;
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.plains.push(plain);
        }
        if let Some(service) = self.service(number, place) {
            service.slices.push(Slice {
                plain,
                generation: 1,
                endpoints: endpoints.to_vec(),
            });
        }
        Ok(())
    }

    fn write_slice(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        (place, index): (usize, usize),
        endpoints: Vec<(u32, bool, bool)>,
    ) -> Result<(), Error> {
        let Some(service) = self.service(number, place).cloned() else {
            return Ok(());
        };
        let body = self.slice_body(&service, order, &endpoints);
        let slices = self
            .service(number, place)
            .map(|service| &mut service.slices);
        let Some(slice) = slices.and_then(|slices| slices.get_mut(index)) else {
            return Ok(());
        };
        slice.endpoints = endpoints;
        slice.generation += 1;
        let (plain, generation) = (slice.plain, slice.generation);
        let (name, created) = (self.name_of(plain), self.created_of(plain));
        let draft = Draft {
            api_version: "discovery.k8s.io/v1",
            kind: "EndpointSlice",
            namespace: &order.namespace,
            name: &name,
            body,
            generation: Some(generation),
            has_status: false,
        };
        let base = self.rebase(plain, &draft, created);
        self.write_version(plain, base, "")
    }

    fn service(&mut self, number: u32, place: usize) -> Option<&mut Service> {
        let prepared = self.prepared.get_mut(number as usize)?;
        prepared.slices.services.get_mut(place)
    }

    fn slice_body(
        &self,
        service: &Service,
        order: &WorkloadOrder,
        endpoints: &[(u32, bool, bool)],
    ) -> Value {
        let mut labels = service.labels.clone();
        for (label, value) in [
            (
                "endpointslice.kubernetes.io/managed-by",
                "endpointslice-controller.k8s.io",
            ),
            ("kubernetes.io/service-name", &service.name),
        ] {
            labels.insert(label.to_owned(), json!(value));
        }
        let listed: Vec<Value> = endpoints
            .iter()
            .filter_map(|state| self.endpoint(order, *state))
            .collect();
        let (listed, ports) = match listed.as_slice() {
            [] => (Value::Null, Value::Null),
            _ => (Value::Array(listed), service.ports.clone()),
        };
        json!({
            "metadata": {
                "generateName": format!("{}-", service.name),
                "labels": labels,
                "annotations": {
                    "endpoints.kubernetes.io/last-change-trigger-time": seconds(self.now),
                },
                "ownerReferences": [{
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": service.name,
                    "uid": self.uid_of(service.plain),
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "addressType": "IPv4",
            "endpoints": listed,
            "ports": ports,
        })
    }

    fn endpoint(
        &self,
        order: &WorkloadOrder,
        (number, is_ready, is_leaving): (u32, bool, bool),
    ) -> Option<Value> {
        let pod = self.pods.get(number as usize)?;
        let node = self.nodes.get(pod.node as usize)?;
        let uses_host = self
            .groups
            .get(pod.group as usize)
            .is_some_and(|group| group.shape.host_network);
        let address = if uses_host {
            node.host.address.clone()
        } else {
            format!("{}.{}", node.range, pod.address)
        };
        // A pod that ends still serves, but gets nothing new.
        let mut endpoint = json!({
            "addresses": [address],
            "conditions": {
                "ready": is_ready && !is_leaving,
                "serving": is_ready || is_leaving,
                "terminating": is_leaving,
            },
            "targetRef": {
                "kind": "Pod",
                "namespace": order.namespace,
                "name": self.pod_name(pod),
                "uid": self.seed.uid(u64::from(pod.object)).to_string(),
            },
            "nodeName": node.host.name,
        });
        if let Some(zone) = node.host.zone() {
            endpoint["zone"] = json!(zone);
        }
        Some(endpoint)
    }

    pub(super) fn is_plain_gone(&self, plain: u32) -> bool {
        plain == NONE
            || self
                .plains
                .get(plain as usize)
                .is_none_or(|plain| plain.is_gone)
    }
}

/// The ports of the pods behind a Service.
fn ports(service: &Value) -> Value {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten().map(|port| {
        let number = port
            .get("targetPort")
            .filter(|target| target.is_number())
            .or_else(|| port.get("port"));
        json!({
            "name": port.get("name").and_then(Value::as_str).unwrap_or_default(),
            "protocol": port.get("protocol").and_then(Value::as_str).unwrap_or("TCP"),
            "port": number,
        })
    });
    ports.collect()
}
