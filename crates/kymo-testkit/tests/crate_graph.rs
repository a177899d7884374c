//! The crates of the workspace depend on each other in one direction only.

#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// From the bottom up: a crate may use those of the rows before its own.
const LAYERS: &[&[&str]] = &[
    &["kymo-allocator", "kymo-model", "kymo-patch"],
    &["kymo-anonymize", "kymo-store", "kymo-watch"],
    &["kymo-interop", "kymo-leaktest", "kymo-record", "kymo-synth"],
    // Its tests import what other tools recorded.
    &["kymo-query"],
    &["kymo-transform"],
    &["kymo-cli"],
];

/// For tests alone: no crate may need it to build.
const DEV_ONLY: &str = "kymo-testkit";

struct Edge {
    from: String,
    to: String,
    dev: bool,
}

fn edges() -> (BTreeSet<String>, Vec<Edge>) {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = packages
        .iter()
        .map(|package| text(&package["name"]))
        .collect();
    let mut edges = Vec::new();
    for package in packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = text(&dependency["name"]);
            if names.contains(&to) {
                let dev = dependency["kind"] == "dev";
                edges.push(Edge {
                    from: text(&package["name"]),
                    to,
                    dev,
                });
            }
        }
    }
    (names, edges)
}

/// Finds a cycle, as the names along it.
fn cycle(graph: &BTreeMap<&str, Vec<&str>>) -> Option<Vec<String>> {
    fn visit<'a>(
        at: &'a str,
        graph: &BTreeMap<&'a str, Vec<&'a str>>,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|name| *name == at) {
            return Some(path[start..].iter().map(ToString::to_string).collect());
        }
        if !done.contains(at) {
            path.push(at);
            for next in graph.get(at).into_iter().flatten() {
                if let Some(found) = visit(next, graph, path, done) {
                    return Some(found);
                }
            }
            path.pop();
            done.insert(at);
        }
        None
    }
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|name| visit(name, graph, &mut Vec::new(), &mut done))
}

#[test]
fn no_crate_depends_on_itself_by_any_way_dev_dependencies_included() {
    let (_, edges) = edges();
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in &edges {
        // A crate may name itself as a dev-dependency to switch on its own features in its tests.
        if edge.from != edge.to {
            graph.entry(&edge.from).or_default().push(&edge.to);
        }
    }
    assert!(!graph.is_empty());
    assert_eq!(cycle(&graph), None);
}

#[test]
fn dependencies_point_down_the_layers() {
    let (names, edges) = edges();
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    for name in &names {
        assert!(
            layer(name).is_some() || name == DEV_ONLY,
            "{name} is in no layer"
        );
    }
    for Edge { from, to, dev } in &edges {
        if from == to {
            assert!(dev, "{from} depends on itself");
        } else if to == DEV_ONLY {
            assert!(dev, "{from} needs {DEV_ONLY} to build");
        } else if from != DEV_ONLY {
            assert!(
                layer(from) > layer(to),
                "{from} depends on {to}, which is not below it"
            );
        }
    }
}

#[test]
fn a_cycle_would_be_found() {
    let graph = BTreeMap::from([("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"])]);
    assert_eq!(cycle(&graph), Some(vec!["b".to_owned(), "c".to_owned()]));
}
