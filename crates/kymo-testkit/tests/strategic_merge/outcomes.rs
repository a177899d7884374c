//! What patches give.

use http::Method;
use kymo_patch::{schema, strategic_merge};
use kymo_testkit::control_plane_or_skip;
use serde_json::{Value, json};

use crate::patches::Dice;
use crate::subjects::subjects;

/// What a patch may change, as the server writes it: neither versions nor who changed what, and
/// with the protocol that ports have by default.
fn comparable(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(name);
        }
    }
    default_protocols(&mut object);
    object
}

fn default_protocols(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("containerPort") || fields.contains_key("targetPort") {
                fields.entry("protocol").or_insert(json!("TCP"));
            }
            fields.values_mut().for_each(default_protocols);
        }
        Value::Array(items) => items.iter_mut().for_each(default_protocols),
        _ => {}
    }
}

/// Says where two objects differ.
fn differences(ours: &Value, theirs: &Value, place: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                differences(&ours[key], &theirs[key], &format!("{place}/{key}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (ours, theirs)) in a.iter().zip(b).enumerate() {
                differences(ours, theirs, &format!("{place}/{index}"), found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(format!("{place}: ours {ours}, theirs {theirs}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strategic_merge_patches_give_what_the_server_gives() {
    let plane = control_plane_or_skip!();
    let api = plane.api();
    let mut dice = Dice::new();
    let mut wrong = Vec::new();
    for subject in subjects(api).await {
        let before = api.get(&subject.path).await.expect("get");
        let text = |name: &str| before[name].as_str().expect("text").to_owned();
        let schema = schema(&text("apiVersion"), &text("kind"));
        let (mut same, mut refused, mut invalid) = (0, 0, 0);
        for _ in 0..150 {
            let patch = dice.patch(&subject.changes);
            let mut ours = before.clone();
            let outcome = strategic_merge(&mut ours, &patch, schema);
            let body = serde_json::to_vec(&patch).expect("JSON");
            let content = Some(("application/strategic-merge-patch+json", body));
            let path = format!("{}?dryRun=All", subject.path);
            let answer = api
                .request(Method::PATCH, &path, content)
                .await
                .expect("an answer");
            let theirs: Value = serde_json::from_slice(&answer.body).expect("JSON");
            match (outcome, answer.status) {
                (Ok(()), 200) => {
                    let mut found = Vec::new();
                    differences(&comparable(ours), &comparable(theirs), "", &mut found);
                    if found.is_empty() {
                        same += 1;
                    } else {
                        wrong.push(format!("{}: {patch}: {found:#?}", subject.path));
                    }
                }
                (Err(_), 400..) => refused += 1,
                // It was merged, and the outcome is not allowed.
                (Ok(()), 422) => invalid += 1,
                (outcome, status) => {
                    let path = &subject.path;
                    wrong.push(format!(
                        "{path}: {patch}: {outcome:?}, they {status} {theirs}"
                    ));
                }
            }
        }
        eprintln!(
            "{}: {same} alike, {refused} refused by both, {invalid} not allowed",
            subject.path
        );
        assert!(
            same > 30,
            "{}: too few patches that the server takes",
            subject.path
        );
    }
    let first: Vec<&String> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{} differ: {first:#?}", wrong.len());
}
