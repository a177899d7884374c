//! The form of a policy file, for editors.

use serde_json::{Value, json};

use crate::policy::{
    AnonymizationPolicy, Images, Labels, ManagedFields, Names, Quantities, Text, Times, Versions,
};
use crate::treatment::Treatment;

/// Returns the JSON Schema of policy files.
pub fn policy_schema() -> Value {
    let choice = |words: &[&str], what: &str| json!({"description": what, "enum": words});
    let treatments: Vec<Value> = Treatment::ALL
        .iter()
        .map(|treatment| json!({"const": treatment.as_str(), "description": treatment.meaning()}))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `kymo anonymize` keeps of a trace",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "extends": choice(AnonymizationPolicy::PROFILES, "The policy that is changed; `share` without it."),
            "names": choice(Names::WORDS, "What becomes of everything that identifies."),
            "images": choice(Images::WORDS, "What becomes of image references."),
            "labels": choice(Labels::WORDS, "What becomes of the values of labels."),
            "text": choice(Text::WORDS, "What becomes of free text."),
            "times": choice(Times::WORDS, "What becomes of times."),
            "quantities": choice(Quantities::WORDS, "What becomes of quantities."),
            "versions": choice(Versions::WORDS, "What becomes of versions of objects."),
            "managed-fields": choice(ManagedFields::WORDS, "What becomes of managed fields."),
            "rules": {
                "description": "Fields that are treated otherwise than docs/anonymize.md says.",
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["path", "treatment"],
                    "properties": {
                        "path": {
                            "description": "`Kind.spec.field`, a whole path, or `field.field`, the end of one.",
                            "type": "string",
                        },
                        "treatment": {"oneOf": treatments},
                    },
                },
            },
        },
    })
}
