//! One file for each command: what is typed and what happens.

#[cfg(feature = "query")]
pub(crate) mod anonymize;
pub(crate) mod check;
#[cfg(feature = "query")]
pub(crate) mod check_rules;
pub(crate) mod completions;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inspect;
#[cfg(feature = "query")]
pub(crate) mod query;
pub(crate) mod rbac;
pub(crate) mod record;
pub(crate) mod repair;
#[cfg(feature = "query")]
pub(crate) mod synth;
#[cfg(feature = "query")]
pub(crate) mod transform;
