//! `ANONYMIZE` in a script: what it is done with, checked before anything is done.

use std::path::Path;
use std::sync::Arc;

use kymo_anonymize::{AnonymizationPolicy, Key};

use super::{Anonymization, Before};
use crate::language::{Action, Place, Statement};
use crate::lineage::Origin;
use crate::{Error, Transform};

/// What a script says of anonymizing.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    key: Key,
    policy: AnonymizationPolicy,
}

impl Order {
    /// Returns the anonymization that a script ends with, if it does. No statement may stand behind
    /// it: what that says, or adds, would not be replaced.
    pub(crate) fn of_script(transform: &Transform) -> Result<Option<Self>, Error> {
        let mut found = None;
        for statement in &transform.script.statements {
            if found.is_some() {
                let hint = "let `ANONYMIZE` be the last one";
                return Err(refused(
                    "nothing that stands behind `ANONYMIZE` would be anonymized",
                    statement.place,
                    Some(hint),
                ));
            }
            let order = Self::of(transform, statement)?;
            if !statement.explain {
                found = order;
            }
        }
        Ok(found)
    }

    /// Returns what a statement is done with; `None` for another one.
    pub(crate) fn of(transform: &Transform, statement: &Statement) -> Result<Option<Self>, Error> {
        let Action::Anonymize {
            policy,
            policy_place,
        } = &statement.action
        else {
            return Ok(None);
        };
        let Some((key, default)) = &transform.key else {
            let hint = "give one to `kymo transform` with `--key-file FILE`";
            let message = "there is no key for the pseudonyms";
            return Err(refused(message, statement.place, Some(hint)));
        };
        let policy = match policy {
            Some(name) => read(&transform.base, name)
                .map_err(|error| refused(error.to_string(), *policy_place, None))?,
            None => default.clone(),
        };
        let key = key.clone();
        Ok(Some(Self { key, policy }))
    }

    /// Makes the anonymization of a trace, to which something was done before.
    pub(crate) fn anonymization(
        &self,
        transform: &Transform,
        input: &Path,
        before: Before,
    ) -> Anonymization {
        Anonymization::new(input, self.key.clone(), self.policy.clone())
            .memory(transform.limits.memory_bytes)
            .watched_by(Arc::clone(&transform.progress))
            .after(before)
    }

    /// Returns the name of the policy.
    pub(crate) fn policy(&self) -> &str {
        &self.policy.name
    }
}

impl Before {
    /// Says what a script did.
    pub(crate) fn script(origin: &Origin) -> String {
        format!(" {origin:?}")
    }
}

/// Reads a policy that kymo has, or the file of one, from where the script is.
fn read(base: &Path, name: &str) -> Result<AnonymizationPolicy, kymo_anonymize::PolicyError> {
    let is_file = Path::new(name).extension().is_some() || name.contains('/');
    if is_file {
        AnonymizationPolicy::read(&base.join(name).to_string_lossy())
    } else {
        AnonymizationPolicy::profile(name)
    }
}

fn refused(message: impl Into<String>, place: Place, hint: Option<&str>) -> Error {
    Error::Statement {
        message: message.into(),
        place,
        hint: hint.map(str::to_owned),
    }
}
