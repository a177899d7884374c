//! What must not reach the disk, and what must not leave the company.
//!
//! [`redact()`] runs between the socket and the log. It drops the payload of Secrets and the
//! annotation in which `kubectl apply` repeats the whole object, and leaves every other byte as
//! the server sent it.
//!
//! ```
//! use kymo_anonymize::{Policy, redact};
//! use kymo_model::ResourceType;
//!
//! let secrets = ResourceType {
//!     group: String::new(),
//!     version: "v1".into(),
//!     resource: "secrets".into(),
//!     kind: "Secret".into(),
//!     namespaced: true,
//! };
//! let text = r#"{"kind":"Secret","metadata":{"name":"db"},"data":{"password":"aHVudGVyMg=="}}"#;
//! let kept = redact(&Policy::default(), &secrets, text)?;
//! assert_eq!(kept, r#"{"kind":"Secret","metadata":{"name":"db"}}"#);
//! # Ok::<(), kymo_anonymize::Error>(())
//! ```
//!
//! [`Anonymizer`] replaces everything that identifies by pseudonyms that depend on a [`Key`]. The
//! table ([`field_rules`]) says what becomes of each field of the API; what the table does not
//! have is replaced by its form, and a word stays only if it is in a closed vocabulary. So a field
//! that is missing in the table costs meaning, never a secret.

mod address;
mod anonymizer;
mod failure;
mod form;
mod key;
mod learn;
mod ledger;
mod members;
mod names;
mod object;
mod policy;
mod redact;
mod schema;
mod shift;
mod table;
mod tokens;
mod treatment;
mod vault;
mod vocabulary;

pub use anonymizer::{Anonymizer, Settings};
pub use failure::Failure;
pub use key::{KEY_BYTES, Key, KeyError};
pub use ledger::Touched;
pub use policy::{
    AnonymizationPolicy, Images, Labels, ManagedFields, Names, PolicyError, Quantities, Text,
    Times, Versions,
};
pub use redact::{Error, LAST_APPLIED, Policy, SECRET_FIELDS, redact};
pub use schema::policy_schema;
pub use table::{FieldRule, field_rules};
pub use treatment::Treatment;
pub use vault::{VaultError, open, seal};
