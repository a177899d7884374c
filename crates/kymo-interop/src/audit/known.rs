//! What is known of the objects that live: the last body, not redacted, and whether they were
//! asked to go.

use kymo_model::{GroupResource, ObjectKey, ResourceType};

use crate::Error;
use crate::import::Context;
use crate::import::bodies::{Bodies, BodyKey};

/// In front of the body of an object that was asked to go.
const GOING: char = '-';
/// In front of every other body.
const STAYING: char = '+';

/// An object as it was last.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) text: String,
    pub(super) is_going: bool,
}

/// The objects that live.
#[derive(Debug)]
pub(super) struct Known {
    bodies: Bodies,
}

impl Known {
    /// Starts without objects.
    pub(super) fn new(context: &Context) -> Self {
        Self {
            bodies: Bodies::new(context),
        }
    }

    /// Returns an object as it was last.
    pub(super) fn get(
        &self,
        resource: &ResourceType,
        key: &ObjectKey,
    ) -> Result<Option<Last>, Error> {
        let Some(mut text) = self.bodies.get(&name(resource, key))? else {
            return Ok(None);
        };
        let is_going = text.starts_with(GOING);
        text.remove(0);
        Ok(Some(Last { text, is_going }))
    }

    /// Keeps an object as it is now.
    pub(super) fn put(
        &mut self,
        resource: &ResourceType,
        key: &ObjectKey,
        text: &str,
        is_going: bool,
    ) -> Result<(), Error> {
        let mut body = String::with_capacity(text.len() + 1);
        body.push(if is_going { GOING } else { STAYING });
        body.push_str(text);
        self.bodies.put(name(resource, key), body)
    }

    /// Notes that an object was asked to go.
    pub(super) fn set_going(
        &mut self,
        resource: &ResourceType,
        key: &ObjectKey,
    ) -> Result<(), Error> {
        match self.get(resource, key)? {
            Some(last) => self.put(resource, key, &last.text, true),
            None => Ok(()),
        }
    }

    /// Forgets an object.
    pub(super) fn forget(&mut self, resource: &ResourceType, key: &ObjectKey) -> Result<(), Error> {
        self.bodies.remove(&name(resource, key))
    }
}

fn name(resource: &ResourceType, key: &ObjectKey) -> BodyKey {
    let resource = GroupResource::new(resource.group.as_str(), resource.resource.as_str());
    BodyKey::new(&resource, &key.namespace, &key.name)
}
