//! Changes of a part of an object by a request of its own: its node, its number of replicas.

use std::borrow::Cow;

use kymo_model::{EventType, Rv};
use serde::Deserialize;

use super::Verdict;
use super::case::Case;
use crate::audit::call::Target;
use crate::audit::change::Deed;
use crate::audit::event::Text;
use crate::audit::glance::Glance;
use crate::audit::resources::Resources;

impl Case<'_, '_> {
    /// A pod was bound to a node; the answer is a Status.
    pub(super) fn binding(&self, resources: &mut Resources) -> Verdict {
        let request = self.call.request.as_deref();
        let Some(mut key) = self.key().or_else(|| self.key_in(request?)) else {
            return self.unknown("the log does not tell the name of the object");
        };
        if key.uid.is_empty()
            && let Some(Ok(glance)) = request.map(Glance::of)
        {
            glance.metadata.uid().clone_into(&mut key.uid);
        }
        let pods = Target {
            resource: Cow::Borrowed("pods"),
            ..self.target.clone()
        };
        let deed = request.map_or_else(
            || self.bare(),
            |binding| Deed::Bound {
                binding: Box::from(binding),
            },
        );
        let mut change = self.change(key, Some(EventType::Modified), deed);
        change.resource = resources.id(&pods);
        Self::one(change)
    }

    /// The answer to a change of the scale has the replicas and the version of the object.
    pub(super) fn scale(&self) -> Verdict {
        let answer = self.call.response.as_deref();
        let answer = answer.filter(|text| Glance::of(text).is_ok_and(|g| g.kind == "Scale"));
        let replicas = answer
            .and_then(replicas)
            .or_else(|| replicas(self.call.request.as_deref()?));
        let glance = answer.and_then(|text| Glance::of(text).ok());
        let Some(key) = glance
            .as_ref()
            .map(|glance| self.key_of(glance))
            .or_else(|| self.key())
        else {
            return self.unknown("the log does not tell the name of the object");
        };
        let deed = replicas.map_or_else(|| self.bare(), |replicas| Deed::Scaled { replicas });
        let mut change = self.change(key, Some(EventType::Modified), deed);
        change.rv = glance.and_then(|glance| glance.metadata.rv().map(Rv::new));
        Self::one(change)
    }
}

#[derive(Debug, Deserialize)]
struct Scale {
    spec: Replicas,
}

#[derive(Debug, Deserialize)]
struct Replicas {
    replicas: i64,
}

#[derive(Debug, Deserialize)]
struct Step<'a> {
    #[serde(borrow)]
    op: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
    value: Option<serde_json::Value>,
}

/// Reads the replicas out of a Scale, or a patch of one.
fn replicas(text: &str) -> Option<i64> {
    if text.starts_with('[') {
        let steps: Vec<Step<'_>> = serde_json::from_str(text).ok()?;
        return steps
            .iter()
            .rev()
            .find(|step| matches!(step.op.0.as_ref(), "replace" | "add"))
            .filter(|step| step.path.0 == "/spec/replicas")
            .and_then(|step| step.value.as_ref()?.as_i64());
    }
    // Go leaves out a zero.
    let scale: Scale = match serde_json::from_str(text) {
        Ok(scale) => scale,
        Err(_) if Glance::of(text).is_ok_and(|glance| glance.kind == "Scale") => return Some(0),
        Err(_) => return None,
    };
    Some(scale.spec.replicas)
}
