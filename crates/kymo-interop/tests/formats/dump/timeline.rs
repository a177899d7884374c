//! Several dumps of one cluster.

use kymo_model::Certainty::{Coalesced, Inferred, Listed};
use kymo_model::EventType::{Added, Deleted, Modified};
use kymo_model::{Cause, CoverageState};
use serde_json::json;

use super::*;

fn told(event_type: EventType, certainty: Certainty, name: &str) -> (EventType, Certainty, String) {
    (event_type, certainty, name.to_owned())
}

#[test]
fn two_dumps_tell_what_came_changed_and_went() {
    let folder = tempfile::tempdir().unwrap();
    let first = list(&[
        pod("a", "stays", 1),
        pod("a", "changes", 2),
        pod("b", "goes", 3),
    ]);
    let second = list(&[
        pod("a", "stays", 1),
        pod("a", "changes", 8),
        pod("b", "comes", 9),
    ]);
    // The later one is named first.
    let later = write(folder.path(), "a.yaml", yaml(&second), 60);
    let earlier = write(folder.path(), "b.json", first.to_string(), 20);
    let dumped = import(&[later, earlier]);
    assert_eq!(
        dumped.told("pods"),
        [
            told(Added, Listed, "changes"),
            told(Added, Listed, "stays"),
            told(Added, Listed, "goes"),
            told(Modified, Coalesced, "changes"),
            told(Added, Listed, "comes"),
            told(Deleted, Inferred, "goes"),
        ],
    );
    let stretches: Vec<_> = dumped
        .events()
        .iter()
        .map(|(_, event)| (event.ts, event.not_before))
        .collect();
    assert_eq!(
        stretches[2..],
        [
            (at(20), None),
            (at(60), Some(at(20))),
            (at(60), None),
            (at(60), Some(at(20))),
        ]
    );
    let between = dumped
        .trace
        .coverage()
        .into_iter()
        .find(|row| row.state == CoverageState::Uncertain && row.cause == Cause::Source);
    let between = between.unwrap();
    assert_eq!(
        (between.from_ts, between.to_ts),
        (Some(at(20)), Some(at(60)))
    );
    assert_eq!(dumped.report.resources["pods"].duplicates, 1);
}

#[test]
fn deletes_are_inferred_only_where_the_later_list_shows_everything() {
    let folder = tempfile::tempdir().unwrap();
    let all = list(&[pod("a", "x", 1), pod("a", "y", 2), pod("b", "z", 3)]);
    let first = write(folder.path(), "first.json", all.to_string(), 1);
    let mut partial = list(&[pod("a", "x", 1)]);
    partial["metadata"]["continue"] = json!("more");
    let cut = format!("{:#}", list(&[pod("a", "x", 1), pod("b", "z", 3)]));
    let cut = cut[..cut.rfind("\"spec\"").unwrap()].to_owned();
    for (what, text, gone) in [
        (
            "one namespace",
            list(&[pod("a", "x", 1)]).to_string(),
            &["y"][..],
        ),
        (
            "all namespaces",
            list(&[pod("a", "x", 1), pod("c", "w", 4)]).to_string(),
            &["y", "z"],
        ),
        ("one object", pod("a", "x", 1).to_string(), &[]),
        (
            "two objects",
            format!("{}\n{}", pod("a", "x", 1), pod("c", "w", 4)),
            &[],
        ),
        ("nothing", list(&[]).to_string(), &[]),
        ("a part", partial.to_string(), &[]),
        ("a list that is cut", cut, &[]),
        (
            "a list with a fault",
            yaml(&list(&[pod("a", "x", 1), pod("c", "w", 4)])) + "x: [\n",
            &[],
        ),
    ] {
        let second = write(folder.path(), "second.json", text, 9);
        let dumped = import(&[first.clone(), second]);
        let deleted = dumped.told("pods").into_iter();
        let deleted: Vec<String> = deleted
            .filter(|(event_type, _, _)| *event_type == Deleted)
            .map(|(_, _, name)| name)
            .collect();
        assert_eq!(deleted, gone, "{what}");
    }
}

#[test]
fn folders_tell_the_namespaces_of_empty_lists() {
    let folder = tempfile::tempdir().unwrap();
    let empty = json!({"apiVersion": "v1", "items": [], "kind": "PodList", "metadata": {"resourceVersion": "50"}});
    for (dump, second, pods) in [
        (
            "1",
            10,
            json!({"apiVersion": "v1", "kind": "PodList", "items": [pod("a", "x", 1), pod("a", "y", 2)]}),
        ),
        ("2", 30, empty),
    ] {
        let name = format!("inspect.{dump}/namespaces/a/core/pods.yaml");
        write(folder.path(), &name, yaml(&pods), second);
        let other = format!("inspect.{dump}/namespaces/b/pods/z/z.yaml");
        write(
            folder.path(),
            &other,
            yaml(&pod("b", &format!("z-{dump}"), 3)),
            second,
        );
    }
    let dumped = import(&[folder.path().to_owned()]);
    assert_eq!(
        dumped.told("pods")[3..],
        [
            told(Added, Listed, "z-2"),
            told(Deleted, Inferred, "x"),
            told(Deleted, Inferred, "y")
        ],
    );
}

#[test]
fn an_object_of_the_same_name_takes_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), "1.json", pod("a", "x", 1).to_string(), 1);
    let mut again = pod("a", "x", 5);
    again["metadata"]["uid"] = json!("another");
    let second = write(folder.path(), "2.json", again.to_string(), 2);
    let dumped = import(&[first, second]);
    assert_eq!(
        dumped.told("pods"),
        [
            told(Added, Listed, "x"),
            told(Deleted, Inferred, "x"),
            told(Added, Listed, "x")
        ],
    );
}

#[test]
fn manifests_change_when_their_text_does() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = |image: &str| {
        let mut pod = pod("a", "x", 1);
        let metadata = pod["metadata"].as_object_mut().unwrap();
        metadata.remove("uid");
        metadata.remove("resourceVersion");
        pod["spec"]["containers"][0]["image"] = json!(image);
        yaml(&pod)
    };
    let paths: Vec<PathBuf> = [(1, "shop:1.0"), (2, "shop:1.0"), (3, "shop:2.0")]
        .iter()
        .map(|(second, image)| {
            write(
                folder.path(),
                &format!("{second}.yaml"),
                manifest(image),
                *second,
            )
        })
        .collect();
    let dumped = import(&paths);
    assert_eq!(
        dumped.told("pods"),
        [told(Added, Listed, "x"), told(Modified, Coalesced, "x")]
    );
    let events = dumped.events();
    assert_eq!(
        (events[1].1.ts, events[1].1.not_before),
        (at(3), Some(at(2)))
    );
}

#[test]
fn versions_of_an_api_are_one_resource() {
    let folder = tempfile::tempdir().unwrap();
    let scaler = |version: &str, rv: &str| {
        json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "a", "uid": "h", "resourceVersion": rv}})
    };
    let first = write(folder.path(), "1.json", scaler("v1", "1").to_string(), 1);
    let second = write(folder.path(), "2.json", scaler("v2", "2").to_string(), 2);
    let dumped = import(&[first, second]);
    let resource = "horizontalpodautoscalers.autoscaling";
    assert_eq!(
        dumped.told(resource),
        [told(Added, Listed, "web"), told(Modified, Coalesced, "web")]
    );
    assert_eq!(dumped.trace.feeds().len(), 1);
}

#[test]
fn the_time_that_is_given_wins_and_older_files_than_objects_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "1.json", pod("a", "x", 1).to_string(), 5);
    let mut options = ImportOptions::new(
        Some(Format::Dump),
        vec![path],
        folder.path().join("given.kymo"),
    );
    options.missing_times = kymo_interop::MissingTimes::Counted {
        start: at(1000),
        interval: Duration::from_secs(1),
    };
    let report = run(&options).unwrap();
    assert_eq!(report.time_span, Some((at(1000), at(1000))));
    let mut young = pod("a", "x", 1);
    young["metadata"]["creationTimestamp"] = json!("2026-11-21T00:00:09Z");
    let dumped = import(&[write(folder.path(), "2.json", young.to_string(), 5)]);
    assert_eq!(dumped.report.time_span, Some((at(9), at(9))));
    assert_eq!(dumped.lost("newest creationTimestamp"), 1);
}

#[test]
fn dumps_of_two_clusters_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["one", "two"]
        .iter()
        .map(|uid| {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": uid, "resourceVersion": "1"}});
            write(folder.path(), &format!("{uid}.json"), namespace.to_string(), 1)
        })
        .collect();
    let error = refused(&paths);
    assert!(
        matches!(error, Error::DifferentClusters { .. }) && error.is_bad_request(),
        "{error}"
    );
    let dumped = import(&paths[..1]);
    assert_eq!(dumped.trace.identity().cluster_uid.as_deref(), Some("one"));
}
