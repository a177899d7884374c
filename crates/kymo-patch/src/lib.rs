//! Applies patches to Kubernetes objects as the API server does.
//!
//! | media type | function |
//! |---|---|
//! | `application/json-patch+json` | [`json_patch()`], RFC 6902 |
//! | `application/merge-patch+json` | [`merge_patch`], RFC 7386 |
//! | `application/strategic-merge-patch+json` | [`strategic_merge`] |
//!
//! A strategic merge needs to know which lists are merged, and by which key. [`schema`] finds that
//! for the kinds that Kubernetes serves itself; custom resources have no strategic merge.
//!
//! The result is what the server computes before it fills in defaults and converts between
//! versions.
//!
//! ```
//! use serde_json::json;
//!
//! let mut pod = json!({ "spec": { "containers": [
//!     { "name": "web", "image": "web:1" }, { "name": "log", "image": "log:1" },
//! ] } });
//! let patch = json!({ "spec": { "containers": [{ "name": "web", "image": "web:2" }] } });
//! kymo_patch::strategic_merge(&mut pod, &patch, kymo_patch::schema("v1", "Pod"))?;
//! assert_eq!(pod["spec"]["containers"][0]["image"], "web:2");
//! assert_eq!(pod["spec"]["containers"][1]["name"], "log");
//! # Ok::<(), kymo_patch::Error>(())
//! ```

mod depth;
mod error;
mod json;
mod merge;
mod strategic;
mod table;

pub use depth::MAX_DEPTH;
pub use error::Error;
pub use json::{MAX_COPIED_BYTES, MAX_OPERATIONS, json_patch};
pub use merge::merge_patch;
pub use strategic::strategic_merge;
pub use table::{Field, Schema, Shape, custom_resource, schema};
