//! What Kubernetes' own library makes of strategic merge patches, from
//! `crates/kymo-testkit/control-plane/merge-cases`.

use kymo_patch::{schema, strategic_merge};
use serde_json::Value;

/// Removes what a Go type writes although nobody set it, at either side.
fn without_zeros(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), without_zeros(value)))
                .filter(|(_, value)| !is_zero(value))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(without_zeros).collect(),
        _ => value.clone(),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[test]
fn strategic_merges_give_what_the_library_of_kubernetes_gives() {
    let text = match std::env::var("KYMO_MERGE_CASES") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => include_str!("cases.ndjson").to_owned(),
    };
    let (mut merged, mut refused, mut wrong) = (0, 0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| case[name].as_str().unwrap();
        let schema = schema(text("apiVersion"), text("kind"));
        let mut object = case["object"].clone();
        let outcome = strategic_merge(&mut object, &case["patch"], schema);
        match (outcome, case.get("result")) {
            (Ok(()), Some(result)) if without_zeros(&object) == without_zeros(result) => {
                merged += 1;
            }
            (Err(_), None) => refused += 1,
            (outcome, result) => wrong.push(format!(
                "{}: {outcome:?}\n  object {}\n  patch  {}\n  ours   {}\n  theirs {}",
                number + 1,
                case["object"],
                case["patch"],
                without_zeros(&object),
                result.map_or_else(
                    || "refused".to_owned(),
                    |result| without_zeros(result).to_string()
                ),
            )),
        }
    }
    let first: Vec<&String> = wrong.iter().take(5).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ: {first:#?}",
        wrong.len(),
        text.lines().count()
    );
    assert!(
        merged >= 200 && refused >= 20,
        "{merged} merged, {refused} refused"
    );
}
