//! A small Kubernetes API in memory, which does what a test tells it, for what a real server will not do on demand.
//!
//! It has revisions, lists with pages and exact versions, watches with a history window and 410, bookmarks,
//! streaming lists, metadata-only answers, discovery and access reviews. A test changes it through [`ScriptedApi`]
//! and can put a [`Reply`] of its own in place of any answer. It is reached over a socket ([`ScriptedServer`]) or, under
//! a paused clock, as a `tower` service within the process.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use kymo_testkit::scripted::ScriptedServer;
//! use serde_json::json;
//!
//! let server = ScriptedServer::start().await?;
//! server.put("configmaps", json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
//! let rv = server.delete("configmaps", "a");
//! server.compact_to(rv);
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! # Ok(())
//! # }
//! ```

mod api;
mod collection;
mod discovery;
mod listing;
mod object;
mod refusal;
mod reply;
mod resource;
mod route;
mod selector;
mod server;
mod serving;
mod watching;
mod world;

#[cfg(test)]
mod tests;

pub use crate::proxy::{Abort, ReplyBody, RequestMatch, SeenRequest};
pub use api::ScriptedApi;
pub use reply::{Gate, Reply, Script};
pub use resource::ScriptedResource;
pub use server::ScriptedServer;
