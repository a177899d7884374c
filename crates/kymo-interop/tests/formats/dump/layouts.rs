//! What the makers of dumps write where.

use std::fs;
use std::path::Path;

use kymo_model::Certainty::Listed;
use kymo_model::EventType::Added;
use serde_json::{Value, json};

use super::*;

fn names(dumped: &Dumped) -> Vec<String> {
    let names = dumped.events().into_iter();
    names
        .map(|(resource, event)| format!("{resource} {}/{}", event.key.namespace, event.key.name))
        .collect()
}

#[test]
fn an_object_a_list_and_many_documents_give_the_same_in_json_and_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let pods = [pod("shop", "web-0", 7), pod("shop", "web-1", 8)];
    let mut typed = list(&pods);
    typed["kind"] = json!("PodList");
    for item in typed["items"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("kind");
        item.as_object_mut().unwrap().remove("apiVersion");
    }
    let files = [
        ("list.json", list(&pods).to_string()),
        ("pretty.json", format!("{:#}\n", list(&pods))),
        ("typed.json", typed.to_string()),
        ("array.json", json!(pods).to_string()),
        ("lines.json", format!("{}\n{}\n", pods[0], pods[1])),
        ("list.yaml", yaml(&list(&pods))),
        ("typed.yaml", yaml(&typed)),
        ("array.yaml", yaml(&json!(pods))),
        (
            "documents.yaml",
            format!("---\n{}---\n{}", yaml(&pods[0]), yaml(&pods[1])),
        ),
        (
            "documents.yml",
            format!("{}...\n--- {}\n", yaml(&pods[0]), pods[1]),
        ),
        ("bom.yaml", format!("\u{feff}{}", yaml(&list(&pods)))),
        ("crlf.yaml", yaml(&list(&pods)).replace('\n', "\r\n")),
    ];
    for (name, text) in files {
        let path = write(folder.path(), name, text, 10);
        let dumped = import(&[path]);
        let told = |name: &str| (Added, Listed, name.to_owned());
        assert_eq!(
            dumped.told("pods"),
            [told("web-0"), told("web-1")],
            "{name}"
        );
        let bodies: Vec<Value> = dumped.last_state().into_values().collect();
        assert_eq!(bodies, pods, "{name}");
        let events = dumped.events();
        assert!(events.iter().all(|(_, event)| event.ts == at(10)), "{name}");
        assert_eq!(events[0].1.rv, Some("7".into()), "{name}");
        assert_eq!(dumped.report.unreadable, 0, "{name}");
    }
}

#[test]
fn a_mixed_list_gives_each_kind_its_resource() {
    let folder = tempfile::tempdir().unwrap();
    let items = [
        pod("shop", "web-0", 7),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "uid": "s", "resourceVersion": "3"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d", "resourceVersion": "4"}}),
        json!({"apiVersion": "e.com/v1", "kind": "Mesh", "metadata": {"name": "m", "namespace": "shop", "uid": "m", "resourceVersion": "5"}}),
    ];
    let dumped = import(&[write(
        folder.path(),
        "all.json",
        list(&items).to_string(),
        1,
    )]);
    assert_eq!(
        names(&dumped),
        [
            "pods shop/web-0",
            "services shop/web",
            "deployments.apps shop/web",
            "meshes.e.com shop/m"
        ]
    );
    let guessed: Vec<&String> = dumped.report.guessed_plurals.iter().collect();
    assert_eq!(guessed, ["meshes.e.com"]);
}

/// Lists as client-go writes them: the items lack kind and apiVersion.
fn typed_list(api_version: &str, kind: &str, items: &[Value]) -> String {
    let items: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut item = item.clone();
            let members = item.as_object_mut().unwrap();
            members.remove("kind");
            members.remove("apiVersion");
            item
        })
        .collect();
    format!(
        "{:#}\n",
        json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": "90"}, "items": items})
    )
}

fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "n", "resourceVersion": "2"}})
}

#[test]
fn a_dump_of_cluster_info_reads_as_stream_and_as_folder() {
    let folder = tempfile::tempdir().unwrap();
    let lists = [
        ("nodes.json", typed_list("v1", "NodeList", &[node()])),
        ("shop/events.json", typed_list("v1", "EventList", &[])),
        (
            "shop/pods.json",
            typed_list("v1", "PodList", &[pod("shop", "web-0", 7)]),
        ),
        (
            "kube-system/pods.json",
            typed_list("v1", "PodList", &[pod("kube-system", "dns", 8)]),
        ),
    ];
    let root = folder.path().join("dump");
    let mut stream = String::new();
    for (index, (name, text)) in lists.iter().enumerate() {
        write(&root, name, text, index as u64);
        stream.push_str(text);
    }
    write(
        &root,
        "shop/web-0/logs.txt",
        "==== START\n{\"level\":\"info\"}\n",
        9,
    );
    stream.push_str("==== START logs for container app of pod shop/web-0 ====\n{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"no\"}}\n==== END logs for container app of pod shop/web-0 ====\n");
    let stream = write(folder.path(), "stream.json", stream, 3);
    for path in [root, stream] {
        let dumped = import(&[path]);
        assert_eq!(
            names(&dumped),
            ["nodes /node-1", "pods kube-system/dns", "pods shop/web-0"]
        );
        assert!(dumped.events().iter().all(|(_, event)| event.ts == at(3)));
        let state = dumped.last_state();
        let web = &state[&("pods".to_owned(), "shop".to_owned(), "web-0".to_owned())];
        assert_eq!(*web, pod("shop", "web-0", 7));
    }
}

fn must_gather(root: &Path) {
    let image = "quay-io-x-sha256-0";
    let file = |name: &str, value: &Value| {
        write(
            root,
            &format!("{image}/{name}"),
            format!("---\n{}", yaml(value)),
            5,
        );
    };
    file("cluster-scoped-resources/core/nodes/node-1.yaml", &node());
    let mut pods = list(&[pod("shop", "web-0", 7), pod("shop", "web-1", 9)]);
    pods["kind"] = json!("PodList");
    pods["metadata"]["resourceVersion"] = json!("90");
    file("namespaces/shop/core/pods.yaml", &pods);
    file(
        "namespaces/shop/pods/web-0/web-0.yaml",
        &pod("shop", "web-0", 7),
    );
    file(
        "namespaces/shop/pods/web-1/web-1.yaml",
        &pod("shop", "web-1", 8),
    );
    let route = |name: &str| json!({"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "6"}});
    file(
        "namespaces/shop/route.openshift.io/routes.yaml",
        &list(&[route("web")]),
    );
    let sprocket = |scope: &str| {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "sprocketes.e.com", "uid": "c", "resourceVersion": "1"},
        "spec": {"group": "e.com", "scope": scope, "names": {"kind": "Sprocket", "plural": "sprocketes"}}})
    };
    file(
        "cluster-scoped-resources/apiextensions.k8s.io/customresourcedefinitions/sprocketes.e.com.yaml",
        &sprocket("Cluster"),
    );
    file(
        "cluster-scoped-resources/e.com/sprocketes/a.yaml",
        &json!({"apiVersion": "e.com/v1", "kind": "Sprocket", "metadata": {"name": "a", "uid": "a", "resourceVersion": "4"}}),
    );
    write(
        root,
        &format!("{image}/namespaces/shop/pods/web-0/app/app/logs/current.log"),
        "{",
        5,
    );
    write(root, &format!("{image}/event-filter.html"), "<html>", 5);
    write(
        root,
        &format!("{image}/etcd_info/member_list.json"),
        "{\"members\":[]}",
        5,
    );
    write(
        root,
        "timestamp",
        "2026-11-21 02:00:00.5 +0200 CEST m=+1.6\n2026-11-21 00:00:07 +0000 UTC m=+9.1\n",
        99,
    );
    write(
        root,
        &format!("{image}/version"),
        "openshift/must-gather\n4.0\n",
        5,
    );
}

#[test]
fn a_must_gather_is_one_dump_and_stores_each_object_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("gathered");
    must_gather(&root.join("must-gather.local.1"));
    let archive = folder.path().join("must-gather.tar.gz");
    let gz = flate2::write::GzEncoder::new(
        fs::File::create(&archive).unwrap(),
        flate2::Compression::fast(),
    );
    let mut tar = tar::Builder::new(gz);
    tar.append_dir_all(".", &root).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    for path in [root, archive] {
        let dumped = import(&[path]);
        assert_eq!(
            names(&dumped),
            [
                "nodes /node-1",
                "pods shop/web-0",
                "pods shop/web-1",
                "customresourcedefinitions.apiextensions.k8s.io /sprocketes.e.com",
                "sprocketes.e.com /a",
                "routes.route.openshift.io shop/web",
            ]
        );
        let events = dumped.events();
        assert!(events.iter().all(|(_, event)| event.ts == at(7)));
        assert_eq!(
            events[2].1.rv,
            Some("9".into()),
            "the newer of two versions"
        );
        let report = &dumped.report;
        assert_eq!(dumped.lost("in several versions"), 1);
        assert_eq!(dumped.lost("`timestamp` was taken"), 1);
        assert_eq!(
            report.notes["objects that were in several files of a dump, stored once"],
            1
        );
        assert!(
            report.guessed_plurals.is_empty(),
            "{:?}",
            report.guessed_plurals
        );
        for (reason, count) in [
            ("a log", 1),
            ("a web page", 1),
            ("not .json, .yaml or .yml", 1),
            (
                "no object of a cluster: a mapping without kind and metadata",
                1,
            ),
        ] {
            assert_eq!(report.skipped[reason], count, "{reason}");
        }
        let sprockets = dumped.trace.feeds().values();
        let sprockets = sprockets
            .map(|feed| &feed.resource)
            .find(|it| it.kind == "Sprocket");
        assert!(!sprockets.unwrap().namespaced);
    }
}

#[test]
fn a_support_bundle_tells_kinds_by_its_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("bundle/cluster-resources");
    let file = |name: &str, text: String| write(&root, name, text, 4);
    file(
        "pods/shop.json",
        typed_list("v1", "PodList", &[pod("shop", "web-0", 7)]),
    );
    file("pods/empty.json", typed_list("v1", "PodList", &[]));
    // Old bundles leave kind and apiVersion out.
    let bare =
        |name: &str| json!({"metadata": {"name": name, "uid": name, "resourceVersion": "3"}});
    file(
        "pvs.json",
        json!({"metadata": {"resourceVersion": "9"}, "items": [bare("disk")]}).to_string(),
    );
    file(
        "custom-resource-definitions.json",
        json!({"metadata": {}, "items": [{"metadata": {"name": "data.e.com", "uid": "c", "resourceVersion": "1"},
            "spec": {"group": "e.com", "scope": "Namespaced", "names": {"kind": "Datum", "plural": "data"}}}]}).to_string(),
    );
    file("custom-resources/data.e.com/shop.yaml", yaml(&json!([
        {"apiVersion": "e.com/v1", "kind": "Datum", "metadata": {"name": "a", "namespace": "shop", "uid": "a", "resourceVersion": "5"}, "spec": {"host": "HIDDEN"}},
    ])).replace("HIDDEN", "***HIDDEN***"));
    file("resources.json", json!([{"kind": "APIResourceList", "groupVersion": "e.com/v1", "resources": [{"name": "meshs", "kind": "Mesh", "namespaced": true}]}]).to_string());
    file(
        "meshes/shop.json",
        json!({"kind": "MeshList", "apiVersion": "e.com/v1", "items": [bare("m")]}).to_string(),
    );
    file("pods-errors.json", "{\"shop\":\"forbidden\"}".to_owned());
    file(
        "auth-cani-list/shop.json",
        json!({"status": {}}).to_string(),
    );
    let dumped = import(&[folder.path().join("bundle")]);
    assert_eq!(
        names(&dumped),
        [
            "persistentvolumes /disk",
            "pods shop/web-0",
            "customresourcedefinitions.apiextensions.k8s.io /data.e.com",
            "data.e.com shop/a",
            "meshs.e.com /m",
        ]
    );
    assert!(dumped.report.guessed_plurals.is_empty());
    assert_eq!(dumped.lost("told by the name of the file only"), 2);
    let state = dumped.last_state();
    let disk = &state[&(
        "persistentvolumes".to_owned(),
        String::new(),
        "disk".to_owned(),
    )];
    assert_eq!(
        (&disk["kind"], &disk["apiVersion"]),
        (&json!("PersistentVolume"), &json!("v1"))
    );
    let datum = &state[&("data.e.com".to_owned(), "shop".to_owned(), "a".to_owned())];
    assert_eq!(datum["spec"]["host"], "***HIDDEN***");
}

#[test]
fn definitions_in_another_file_name_the_objects_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "data.e.com", "uid": "c", "resourceVersion": "1"},
        "spec": {"group": "e.com", "scope": "Namespaced", "names": {"kind": "Datum", "plural": "data"}}});
    let datum = json!({"apiVersion": "e.com/v1", "kind": "Datum", "metadata": {"name": "a", "namespace": "shop"}});
    write(folder.path(), "crds.yaml", yaml(&list(&[definition])), 8);
    write(folder.path(), "data.yaml", yaml(&list(&[datum])), 2);
    let dumped = import(&[folder.path().to_owned()]);
    assert_eq!(names(&dumped)[0], "data.e.com shop/a");
    assert!(dumped.report.guessed_plurals.is_empty());
}

#[test]
fn manifests_without_uid_and_version_are_taken_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut web = pod("shop", "web-0", 7);
    let metadata = web["metadata"].as_object_mut().unwrap();
    metadata.remove("uid");
    metadata.remove("resourceVersion");
    let dumped = import(&[write(folder.path(), "web.yaml", yaml(&web), 6)]);
    let events = dumped.events();
    assert_eq!((events[0].1.key.uid.as_str(), &events[0].1.rv), ("", &None));
    assert_eq!(dumped.last_state().into_values().collect::<Vec<_>>(), [web]);
    assert_eq!(dumped.lost("does not tell the uid"), 1);
    assert_eq!(dumped.lost("no resourceVersion"), 1);
}

#[test]
fn secrets_lose_their_payload_also_where_the_list_tells_the_kind() {
    let folder = tempfile::tempdir().unwrap();
    let secret = json!({"metadata": {"name": "s", "namespace": "shop", "uid": "s", "resourceVersion": "1",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "LABSECRET"}},
        "data": {"password": "TEFCU0VDUkVU"}, "stringData": {"x": "LABSECRET"}});
    let text = typed_list("v1", "SecretList", &[secret]);
    let late = json!({"apiVersion": "v1", "items": serde_json::from_str::<Value>(&text).unwrap()["items"], "kind": "SecretList"});
    for (name, text) in [("a.json", text), ("b.yaml", yaml(&late))] {
        let dumped = import(&[write(folder.path(), name, text, 1)]);
        let state = format!("{:?}", dumped.last_state());
        assert!(
            !state.contains("LABSECRET") && !state.contains("TEFCU0VDUkVU"),
            "{state}"
        );
        assert_eq!(dumped.report.redacted_objects, 1);
        assert_eq!(dumped.told("secrets").len(), 1);
    }
}
