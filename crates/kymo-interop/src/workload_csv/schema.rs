//! The JSON Schema of mapping files.

use serde_json::{Value, json};

use super::mapping_file::PhaseWord;
use super::units::{CpuUnit, GpuUnit, MemoryUnit, TimeUnit};

/// Describes the files that say what the columns of tables mean, as a JSON Schema.
pub fn workload_mapping_schema() -> Value {
    let text = |what: &str| json!({"description": what, "type": "string"});
    let states: serde_json::Map<String, Value> = PhaseWord::ALL
        .into_iter()
        .map(|phase| {
            let words = json!({"type": "array", "items": {"type": "string"}});
            (phase.as_str().to_owned(), words)
        })
        .collect();
    let node_name = source("The name of a node.", &[]);
    let cpu = source("CPU time, without a column 0.", CpuUnit::WORDS);
    let memory = source("Memory, without a column 0.", MemoryUnit::WORDS);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the columns of tables mean for `kymo import workload-csv --mapping`",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "times"],
        "anyOf": [{"required": ["nodes"]}, {"required": ["pods"]}],
        "properties": {
            "name": text("The data set."),
            "times": {
                "description": "The times of all tables.",
                "oneOf": [
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["unit", "zero"],
                        "properties": {
                            "unit": {"enum": TimeUnit::WORDS},
                            "zero": text("`start` (what `--start` gives), `epoch` (1970) or a time of RFC 3339."),
                        },
                    },
                    {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["calendar"],
                        "properties": {
                            "calendar": text("How dates are written, of %Y, %m, %d, %H, %M, %S, %.f and %%."),
                            "offset": text("What they are ahead of UTC, such as `+08:00`; `Z` without it."),
                        },
                    },
                ],
            },
            "missing": {
                "description": "Fields that stand for nothing, besides empty ones.",
                "type": "array",
                "items": {"type": "string"},
            },
            "gpu-resources": {
                "description": "The extended resources that GPUs are.",
                "type": "object",
                "additionalProperties": false,
                "required": ["count"],
                "properties": {
                    "count": text("Whole devices."),
                    "milli": text("Thousandths of all devices together, where pods share them."),
                },
            },
            "states": {
                "description": "The states that stand for each phase; a phase stands for itself.",
                "type": "object",
                "additionalProperties": false,
                "properties": states,
            },
            "nodes": {
                "description": "A table whose rows are nodes.",
                "type": "object",
                "additionalProperties": false,
                "required": ["name"],
                "properties": {
                    "name": node_name,
                    "cpu": cpu,
                    "memory": memory,
                    "gpus": source("GPUs, without a column 0.", GpuUnit::WORDS),
                    "gpu-model": source("The model of its GPUs.", &[]),
                },
            },
            "pods": {
                "description": "A table whose rows are pods.",
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "created"],
                "properties": {
                    "name": source("The name of a pod.", &[]),
                    "cpu": cpu,
                    "memory": memory,
                    "gpus": source("GPUs that it wants, without a column 0.", GpuUnit::WORDS),
                    "gpu-share": source("How much it wants of each of them, without a column all.", GpuUnit::WORDS),
                    "gpu-model": source("The models that it can use, with `|` between them.", &[]),
                    "qos": source("Its class of service.", &[]),
                    "state": source("Its state when it was last seen.", &[]),
                    "created": source("When it was created.", &[]),
                    "scheduled": source("When it was bound to a node.", &[]),
                    "deleted": source("When it was deleted.", &[]),
                },
            },
        },
    })
}

/// Describes a column or a constant, in one of the units if there are any.
fn source(what: &str, units: &[&str]) -> Value {
    let form = |properties: Value, first: &str| {
        let mut properties = properties;
        let mut required = vec![first];
        if !units.is_empty() {
            properties["unit"] = json!({"enum": units});
            required.push("unit");
        }
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": required,
            "properties": properties,
        })
    };
    let column = json!({
        "column": {"type": "string"},
        "optional": {"description": "Whether a file may lack it.", "type": "boolean"},
    });
    let value = json!({"value": {"type": ["string", "number"]}});
    json!({
        "description": what,
        "oneOf": [form(column, "column"), form(value, "value")],
    })
}
