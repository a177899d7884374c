//! Namespaces: made where they are needed, and deleted with what is in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::object::Draft;
use super::queue::Action;
use super::{NONE, Story};
use crate::Error;
use crate::clock::{MILLI, SECOND, seconds};
use crate::defaults::{as_object, object};
use crate::order::Plan;
use crate::pod::Step;

/// From one look at what is left in a namespace to the next.
const LOOK: i64 = SECOND;

/// How many looks the end of a trace waits for.
const LOOKS: u32 = 120;

/// A namespace that is there.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Its object; [`NONE`] for one that was there before.
    plain: u32,
    body: Value,
    is_leaving: bool,
    looks: u32,
}

/// What the controller says of a namespace in which nothing is left: types of conditions, reasons and
/// messages.
const CONDITIONS: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (
        "NamespaceContentRemaining",
        "ContentRemoved",
        "All content successfully removed",
    ),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
];

/// The namespaces that are there before anything is made.
pub(super) fn known(plan: &Plan) -> BTreeMap<String, Namespace> {
    let names = plan.known.namespaces.iter().cloned();
    let there = |name| {
        let own = Namespace {
            plain: NONE,
            body: Value::Null,
            is_leaving: false,
            looks: 0,
        };
        (name, own)
    };
    names.map(there).collect()
}

impl Story<'_> {
    /// Makes a namespace that is not there yet, as the plan says what it is like.
    pub(super) fn ensure_namespace(&mut self, name: &str) -> Result<(), Error> {
        if self.namespaces.contains_key(name) {
            return Ok(());
        }
        let asked = self.plan.workloads.iter();
        let mut asked = asked.zip(&self.prepared).filter(|(order, _)| {
            let is_it = order.kind == "Namespace" && order.name == name;
            is_it && order.replicas.unwrap_or(1) == 1
        });
        let body = asked.next().map(|(_, prepared)| prepared.object.clone());
        let mut body = body.unwrap_or_else(|| json!({}));
        super::update::fill_times(&mut body, self.now);
        let members = as_object(&mut body);
        object(object(members, "metadata"), "labels")
            .entry("kubernetes.io/metadata.name")
            .or_insert_with(|| json!(name));
        object(members, "spec")
            .entry("finalizers")
            .or_insert_with(|| json!(["kubernetes"]));
        object(members, "status").insert("phase".to_owned(), json!("Active"));
        let plain = self.create(&namespace(name, &body), "")?;
        let own = Namespace {
            plain,
            body,
            is_leaving: false,
            looks: 0,
        };
        self.namespaces.insert(name.to_owned(), own);
        Ok(())
    }

    /// The object of a namespace that was made.
    pub(super) fn object_of_namespace(&self, name: &str) -> Option<u32> {
        let own = self.namespaces.get(name)?;
        (own.plain != NONE).then_some(own.plain)
    }

    /// Returns the name of the namespace that an object is, if it is one that is there.
    fn namespace_named(&self, plain: u32) -> Option<String> {
        let found = self.plains.get(plain as usize)?;
        let own = self.namespaces.get(&*found.name)?;
        (own.plain == plain).then(|| found.name.to_string())
    }

    /// Deletes an object that nothing owns: a namespace with what is in it.
    pub(super) fn delete_thing(&mut self, plain: u32) -> Result<(), Error> {
        let Some(name) = self.namespace_named(plain) else {
            return self.remove(plain);
        };
        let Some(own) = self.namespaces.get(&name).filter(|own| !own.is_leaving) else {
            return Ok(());
        };
        let mut body = own.body.clone();
        if let Some(changed) = self.changed(plain) {
            body = changed;
        }
        let at = seconds(self.now);
        let members = as_object(&mut body);
        object(members, "metadata").insert("deletionTimestamp".to_owned(), json!(at));
        object(members, "status").insert("phase".to_owned(), json!("Terminating"));
        self.write_namespace(&name, body)?;
        if let Some(own) = self.namespaces.get_mut(&name) {
            own.is_leaving = true;
        }
        self.empty_namespace(&name)?;
        self.surely_after(LOOK, Action::Finalize(plain));
        Ok(())
    }

    fn write_namespace(&mut self, name: &str, body: Value) -> Result<(), Error> {
        let Some(own) = self.namespaces.get_mut(name) else {
            return Ok(());
        };
        let plain = own.plain;
        let draft = namespace(name, &body);
        own.body = body;
        let created = self.created_of(plain);
        let base = self.rebase(plain, &draft, created);
        self.write_version(plain, base, "")
    }

    /// Deletes what is in a namespace, but for that of which is said when it goes.
    fn empty_namespace(&mut self, name: &str) -> Result<(), Error> {
        let plan = self.plan;
        for (number, order) in plan.workloads.iter().enumerate() {
            if order.until.is_some() {
                continue;
            }
            let is_here = order.namespace == name && order.namespaces.is_empty();
            if is_here && self.is_namespaced(number) {
                self.end_order(number as u32)?;
                continue;
            }
            let Some(prepared) = self.prepared.get_mut(number) else {
                continue;
            };
            let plains = &self.plains;
            let is_in = |plain: &mut u32| {
                let found = plains.get(*plain as usize);
                found.is_some_and(|plain| &*plain.namespace == name)
            };
            let own: Vec<u32> = prepared.plains.extract_if(.., is_in).collect();
            for plain in own {
                self.remove(plain)?;
            }
        }
        self.delete_claims_in(name)
    }

    /// A namespace that is deleted goes when nothing is left in it but Events.
    pub(super) fn finalize_namespace(&mut self, plain: u32) -> Result<(), Error> {
        let name = self.namespace_named(plain).unwrap_or_default();
        let Some(own) = self.namespaces.get_mut(&name) else {
            return Ok(());
        };
        own.looks += 1;
        let (looks, mut body) = (own.looks, own.body.clone());
        if !self.is_empty(&name) {
            let again = Action::Finalize(plain);
            if looks < LOOKS {
                self.surely_after(LOOK, again);
            } else {
                self.after(LOOK, again);
            }
            return Ok(());
        }
        let at = seconds(self.now);
        let conditions = CONDITIONS.iter().map(|(kind, reason, message)| {
            json!({
                "type": kind,
                "status": "False",
                "lastTransitionTime": at,
                "reason": reason,
                "message": message,
            })
        });
        let conditions = Value::Array(conditions.collect());
        object(as_object(&mut body), "status").insert("conditions".to_owned(), conditions);
        self.write_namespace(&name, body)?;
        self.namespaces.remove(&name);
        self.surely_after(20 * MILLI, Action::Remove(plain));
        Ok(())
    }

    /// Tells whether nothing is left in a namespace but Events.
    fn is_empty(&self, name: &str) -> bool {
        let has_plain = self.plains.iter().any(|plain| {
            let is_here = !plain.is_gone && &*plain.namespace == name;
            is_here && self.catalog.kind(plain.feed) != "Event"
        });
        let has_pod = self.pods.iter().any(|pod| {
            let group = self.groups.get(pod.group as usize);
            pod.stage != Step::Gone && group.is_some_and(|group| group.namespace == name)
        });
        !has_plain && !has_pod
    }
}

/// A version of a namespace.
fn namespace<'a>(name: &'a str, body: &Value) -> Draft<'a> {
    Draft {
        api_version: "v1",
        kind: "Namespace",
        namespace: "",
        name,
        body: body.clone(),
        generation: None,
        has_status: false,
    }
}
