//! What must not reach the disk, taken out of objects in memory.
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

mod members;
mod redact;

pub use redact::{Error, LAST_APPLIED, Policy, SECRET_FIELDS, redact};
