use std::sync::Arc;
use std::vec;

use super::item::{Item, ReadItems, What};
use crate::Error;
use crate::input::Damage;

/// Tells of archives of which something could not be found.
pub(super) struct Damaged {
    archives: vec::IntoIter<(String, Damage)>,
}

impl Damaged {
    /// Tells of the archives in their order.
    pub(super) fn new(archives: Vec<(String, Damage)>) -> Self {
        Self {
            archives: archives.into_iter(),
        }
    }
}

impl ReadItems for Damaged {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        let next = self.archives.next();
        Ok(next.map(|(name, damage)| Item::damaged(&name, &damage)))
    }
}

impl Item {
    /// Says that an input cannot be read from a place on.
    pub(crate) fn damaged(path: &str, damage: &Damage) -> Self {
        Self {
            recv: None,
            source: Arc::from(path),
            line: damage.line.unwrap_or(0),
            named: None,
            what: What::Damaged(damage.clone()),
        }
    }
}
