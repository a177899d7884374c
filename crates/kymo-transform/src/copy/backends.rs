//! What lists pods that are copied with their node, or leave with it.

use serde_json::Value;

use super::renaming::{ObjectName, Renaming};
use crate::Error;
use crate::draft::Draft;
use crate::scale::backends::{Form, IN_ENDPOINTS, each_list, in_order, mark_as_cut, withdraw};

impl Renaming {
    /// Tells whether the pod behind an address is one of the single objects.
    fn lists(&self, address: &Value, home: &str) -> bool {
        let text = |field: &str| address.get("targetRef")?.get(field)?.as_str();
        let Some(name) = text("name").filter(|_| text("kind") == Some("Pod")) else {
            return false;
        };
        self.objects.contains_key(&ObjectName {
            resource: "pods".to_owned(),
            namespace: text("namespace").unwrap_or(home).to_owned(),
            name: name.to_owned(),
        })
    }

    /// Tells whether one of the single objects is in what lists pods. The row stays as it is.
    fn is_listed(&self, form: Form, draft: &mut Draft) -> Result<bool, Error> {
        if self.objects.is_empty() {
            return Ok(false);
        }
        let home = draft.event.key.namespace.clone();
        let text = draft.text()?.cloned();
        let object = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let mut is_listed = false;
        if let Some(mut object) = object {
            each_list(form, &mut object, |_, _, addresses| {
                is_listed |= addresses.iter().any(|address| self.lists(address, &home));
            });
        }
        Ok(is_listed)
    }
}

/// Takes the addresses of pods out that leave.
pub(super) fn without(form: Form, leaving: &Renaming, draft: &mut Draft) -> Result<(), Error> {
    if leaving.is_listed(form, draft)? {
        let home = draft.event.key.namespace.clone();
        if let Some(object) = draft.object()? {
            withdraw(form, object, |address| leaving.lists(address, &home));
        }
    }
    Ok(())
}

/// Returns the part of a slice that a copy of its own has: the pods that are copied. `None` if it has
/// no such part.
pub(super) fn part(renaming: &Renaming, draft: &Draft) -> Result<Option<Draft>, Error> {
    let home = draft.event.key.namespace.clone();
    let is_copied = renaming.objects.contains_key(&ObjectName {
        resource: "endpointslices".to_owned(),
        namespace: home.clone(),
        name: draft.event.key.name.clone(),
    });
    if !is_copied {
        return Ok(None);
    }
    let mut part = draft.clone();
    if let Some(object) = part.object()? {
        withdraw(Form::Slice, object, |address| {
            !renaming.lists(address, &home)
        });
    }
    Ok(Some(part))
}

/// Adds the addresses of copies to Endpoints, of which there is one for each Service.
pub(super) fn add(renamings: &[Renaming], draft: &mut Draft) -> Result<(), Error> {
    let Some(first) = renamings.first() else {
        return Ok(());
    };
    if !first.is_listed(Form::Endpoints, draft)? {
        return Ok(());
    }
    let home = draft.event.key.namespace.clone();
    let Some(object) = draft.object()? else {
        return Ok(());
    };
    let mut count = 0;
    each_list(Form::Endpoints, object, |_, _, addresses| {
        count += addresses.len();
    });
    let mut room = IN_ENDPOINTS.saturating_sub(count);
    let mut is_cut = false;
    each_list(Form::Endpoints, object, |_, _, addresses| {
        let recorded = addresses.clone();
        for renaming in renamings {
            for address in &recorded {
                if !renaming.lists(address, &home) {
                    continue;
                }
                if room == 0 {
                    is_cut = true;
                    return;
                }
                room -= 1;
                let mut copy = address.clone();
                renaming.walk("", &mut copy, &home);
                addresses.push(copy);
            }
        }
    });
    if let Some(Value::Array(subsets)) = object.get_mut("subsets") {
        in_order(subsets);
    }
    if is_cut && let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        mark_as_cut(metadata);
    }
    Ok(())
}
