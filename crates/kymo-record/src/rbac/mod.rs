//! The least role that recording needs, and whether we have it.
//!
//! Recording lists and watches; it never gets, creates or changes anything. RBAC has no "all but
//! Secrets", so the role names every resource.

mod check;
mod role;

pub use check::{Check, Permission, check};
pub use role::{Roles, role};
