//! The examples of the reference, `docs/transform.md`, run over a recorded trace.

use std::fs;

use kymo_anonymize::AnonymizationPolicy;
use kymo_transform::Transform;
use kymo_transform::language::{FORMS, Script};
use rstest::rstest;

use crate::anonymize::key;
use crate::workbench::{rollout, root, runtime, violations};

/// Files that examples name.
const FILES: [(&str, &str); 2] = [
    (
        "node.yaml",
        "kind: Node\napiVersion: v1\nmetadata: {name: any}\n\
         status: {allocatable: {cpu: '8', memory: 32Gi, pods: '110'}}\n",
    ),
    (
        "web.yaml",
        "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\n\
         spec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
         spec: {containers: [{name: app, image: 'app:1'}]}\n",
    ),
];

/// Numbers that would take a test long, and what stands for them here.
const SMALLER: [(&str, &str); 3] = [
    ("10000", "40"),
    ("NODES 1000 ", "NODES 12 "),
    ("24 TIMES", "3 TIMES"),
];

/// Returns the examples in the section about a statement.
fn examples(word: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/transform.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n### {word}\n")).unwrap();
    let section = section.split("\n##").next().unwrap();
    let blocks = section.split("```sql\n").skip(1);
    let texts = blocks.map(|block| block.split("```").next().unwrap());
    texts
        .map(|text| {
            SMALLER
                .iter()
                .fold(text.to_owned(), |text, (large, small)| {
                    text.replace(large, small)
                })
        })
        .collect()
}

#[rstest]
fn its_examples_do_something_and_leave_a_legal_trace(
    #[values(
        "DELETE",
        "KEEP",
        "SLICE",
        "PATCH",
        "UPDATE",
        "SCALE",
        "STRETCH",
        "SHIFT",
        "REPEAT",
        "MERGE",
        "SYNTHESIZE",
        "ANONYMIZE",
        "INSERT"
    )]
    word: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let fixtures = root().join("fixtures").canonicalize().unwrap();
    std::os::unix::fs::symlink(fixtures, folder.path().join("fixtures")).unwrap();
    let mut examples = examples(word);
    assert!(!examples.is_empty());
    if word == "SYNTHESIZE" {
        // Each needs what the one before it makes.
        examples = vec![examples.join(";")];
    }
    for example in examples {
        let output = folder.path().join("out.parquet");
        let transform = Transform::new(&rollout(), Script::parse(&example).unwrap())
            .relative_to(folder.path())
            .anonymize_with(key(), AnonymizationPolicy::share());
        let report = runtime()
            .block_on(transform.run(&output))
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        for named in &report.named {
            assert_ne!(*named, Some(0), "{example}");
        }
        assert_eq!(violations(&output), [""; 0], "{example}");
        fs::remove_file(output).unwrap();
    }
}

#[test]
fn the_examples_of_every_statement_are_run() {
    let source = include_str!("reference.rs");
    for form in FORMS {
        assert!(
            source.contains(&format!("\"{}\"", form.word)),
            "{}",
            form.word
        );
    }
}
