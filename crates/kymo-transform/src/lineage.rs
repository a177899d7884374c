//! How the output came to be, as a step of its lineage.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use kymo_model::{FeedId, GroupResource};
use kymo_store::Trace;
use kymo_store::segment::SegmentMeta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Error;

/// The name of this program and its version.
pub(crate) const TOOL: &str = concat!("kymo ", env!("CARGO_PKG_VERSION"));

/// What made the output.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) script: Arc<str>,
    pub(crate) seed: u64,
    pub(crate) input: InputName,
    /// Traces that came to the input, in order.
    pub(crate) merged: Vec<Merged>,
}

/// A trace that came to the input.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    name: InputName,
    lineage: Vec<Value>,
    /// Resources of which not all objects are known afterwards.
    pub(crate) partial: BTreeSet<GroupResource>,
}

impl Merged {
    pub(crate) fn of(trace: &Trace) -> Result<Self, Error> {
        Ok(Self {
            name: InputName::of(trace)?,
            lineage: trace.lineage().to_vec(),
            partial: crate::copy::partial(trace.lineage()),
        })
    }
}

/// Which trace something was made of.
#[derive(Clone, Debug)]
pub(crate) struct InputName {
    trace: Uuid,
    digest: String,
}

impl InputName {
    pub(crate) fn of(trace: &Trace) -> Result<Self, Error> {
        Ok(Self {
            trace: trace.identity().trace_id,
            digest: hex(&trace.digest()?),
        })
    }
}

/// Puts the step into the metadata of the output, and gives it a name of its own. The same input,
/// script and seed give the same.
pub(crate) fn put(meta: &mut SegmentMeta, origin: &Origin, partial: &BTreeSet<GroupResource>) {
    let InputName { trace, digest } = &origin.input;
    let mut name = blake3::Hasher::new();
    name.update(digest.as_bytes());
    name.update(&origin.seed.to_le_bytes());
    name.update(origin.script.as_bytes());
    for merged in &origin.merged {
        name.update(merged.name.digest.as_bytes());
    }
    meta.trace_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.finalize().as_bytes());
    let partial: Vec<Value> = partial
        .iter()
        .map(|resource| json!({"api_group": resource.group, "resource": resource.resource}))
        .collect();
    let mut inputs = vec![json!({"trace": trace, "digest": digest})];
    inputs.extend(origin.merged.iter().map(|merged| {
        json!({
            "trace": merged.name.trace,
            "digest": merged.name.digest,
            "lineage": merged.lineage,
        })
    }));
    meta.lineage.push(json!({
        "tool": TOOL,
        "command": "transform",
        "script": &*origin.script,
        "seed": origin.seed,
        "inputs": inputs,
        "partial": partial,
    }));
}

/// Puts the first step into the metadata of a trace that was made from nothing, and gives it a name.
/// The same script and seed give the same.
pub(crate) fn put_made(meta: &mut SegmentMeta, script: &str, seed: u64) {
    let mut name = blake3::Hasher::new();
    name.update(b"synth");
    name.update(&seed.to_le_bytes());
    name.update(script.as_bytes());
    meta.trace_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.finalize().as_bytes());
    // Traces that share a session are parts of one recording; those of two scripts are not.
    let id = meta.trace_id.simple().to_string();
    for session in &mut meta.sessions {
        session.command = format!("synth {}", id.get(..8).unwrap_or_default());
    }
    meta.lineage.push(json!({
        "tool": TOOL,
        "command": "synth",
        "script": script,
        "seed": seed,
    }));
}

/// Returns the resources of feeds.
pub(crate) fn resources<'a>(
    trace: &Trace,
    feeds: impl IntoIterator<Item = &'a FeedId>,
) -> BTreeSet<GroupResource> {
    feeds
        .into_iter()
        .filter_map(|feed| trace.feeds().get(feed))
        .map(|feed| feed.resource.group_resource())
        .collect()
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
