//! The rig itself, on a real control plane.

#![expect(clippy::expect_used, reason = "helpers of a test may fail it")]

use kymo_testkit::api::{Api, Patch, refusal};
use kymo_testkit::control_plane::{Component, Options, Server, Token, User};
use kymo_testkit::control_plane_or_skip;
use kymo_testkit::oracle::{
    Certainty, History, Interval, ObservedEvent, Op, Oracle, Resource, compare,
};
use kymo_testkit::traffic::{Traffic, create_assortment, objects};
use serde_json::{Value, json};

fn ops(history: &History, resource: &str) -> [usize; 3] {
    let resource = Resource::new("", resource);
    [Op::Added, Op::Modified, Op::Deleted].map(|op| {
        history
            .of(&resource)
            .filter(|revision| revision.op == op)
            .count()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_a_deployment_run_on_fake_nodes_and_etcd_tells_each_of_their_versions() {
    let plane = control_plane_or_skip!(Options::with_pods());
    eprintln!("ready after {:?}", plane.ready_after());
    let api = plane.api();
    let oracle = Oracle::start(plane.etcd()).await.expect("oracle");

    let traffic = Traffic {
        nodes: 3,
        deployments: 1,
        replicas: 5,
        delete_deployments: false,
        config_maps: 5,
        config_map_writes: 40,
        definitions: 1,
        custom_objects: 3,
        ..Traffic::default()
    };
    let began = tokio::time::Instant::now();
    let written = traffic.run(api).await.expect("traffic");
    eprintln!("traffic took {:?}: {written:?}", began.elapsed());

    create_assortment(api, "traffic").await.expect("assortment");
    let pods = api
        .get("/api/v1/namespaces/traffic/pods")
        .await
        .expect("pods");
    let pods = pods["items"].as_array().expect("items");
    assert_eq!(pods.len(), 5);
    for pod in pods {
        assert_eq!(pod["status"]["phase"], "Running", "{pod}");
        assert!(
            pod["spec"]["nodeName"]
                .as_str()
                .is_some_and(|node| node.starts_with("node-"))
        );
    }

    let history = oracle.history().await.expect("history");
    let [added, modified, deleted] = ops(&history, "pods");
    assert_eq!((added, deleted), (5, 0));
    assert!(
        modified >= 15,
        "bound, creating, running: {modified} changes of 5 pods"
    );
    assert_eq!(ops(&history, "nodes")[0], 3);
    let widgets = Resource::new("traffic.example.org", "widgets1x0");
    let widgets: Vec<Op> = history.of(&widgets).map(|revision| revision.op).collect();
    assert_eq!(widgets, [[Op::Added; 3], [Op::Deleted; 3]].concat());
    let config_maps = Resource::new("", "configmaps");
    let churn = history
        .of(&config_maps)
        .filter(|r| r.id.namespace == "traffic")
        .count();
    assert_eq!(
        churn, 41,
        "40 writes, and the root certificate that each namespace gets"
    );

    // What lists show now, of every resource there is, are versions in etcd with the same bodies.
    let rows = listed(api).await;
    let secret = rows
        .iter()
        .find(|row| row.resource == "secrets")
        .expect("a secret");
    assert_eq!(
        secret.body.as_ref().expect("body")["data"]["password"],
        "Y2FuYXJ5"
    );
    let history = oracle.history().await.expect("history");
    let report = compare(&history, &rows, &[]).expect("compare");
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total().outside, rows.len() as u64);
    assert!(report.tallies.len() >= 35, "{:?}", report.tallies.keys());
    for (resource, tally) in &report.tallies {
        assert!(tally.bodies > 0 || tally.metadata_only > 0, "{resource}");
    }
    let in_another_version: Vec<String> = report
        .tallies
        .iter()
        .filter(|(_, tally)| tally.metadata_only > 0)
        .map(|(resource, _)| resource.to_string())
        .collect();
    eprintln!("{report}compared by metadata only: {in_another_version:?}");
    assert!(plane.audit().expect("audit").iter().any(|entry| {
        entry.verb == "create"
            && entry
                .request_uri
                .starts_with("/apis/apps/v1/namespaces/traffic/deployments")
    }));
}

/// Lists all objects of all resources in the preferred version of each group.
async fn listed(api: &Api) -> Vec<ObservedEvent> {
    let mut versions = vec![("/api/v1".to_owned(), String::new())];
    let groups = api.get("/apis").await.expect("groups");
    for group in groups["groups"].as_array().expect("groups") {
        let name = group["name"].as_str().expect("name");
        let version = group["preferredVersion"]["groupVersion"]
            .as_str()
            .expect("version");
        // The same objects as core Events.
        if name != "events.k8s.io" {
            versions.push((format!("/apis/{version}"), name.to_owned()));
        }
    }
    let mut rows = Vec::new();
    for (path, group) in versions {
        let resources = api.get(&path).await.expect("resources");
        for resource in resources["resources"].as_array().expect("resources") {
            let name = resource["name"].as_str().expect("name");
            let verbs = resource["verbs"].as_array().expect("verbs");
            if !verbs.contains(&json!("watch")) {
                continue;
            }
            let list = api.get(&format!("{path}/{name}")).await.expect("list");
            for item in list["items"].as_array().expect("items") {
                let mut body = item.clone();
                body["apiVersion"] = list["apiVersion"].clone();
                body["kind"] = resource["kind"].clone();
                rows.push(observed(
                    &group,
                    name,
                    body,
                    Op::Modified,
                    Certainty::Listed,
                ));
            }
        }
    }
    rows
}

fn observed(
    group: &str,
    resource: &str,
    body: Value,
    op: Op,
    certainty: Certainty,
) -> ObservedEvent {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ObservedEvent {
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: text(&body["metadata"]["namespace"]),
        name: text(&body["metadata"]["name"]),
        uid: text(&body["metadata"]["uid"]),
        rv: text(&body["metadata"]["resourceVersion"]).parse().ok(),
        op,
        certainty,
        body: Some(body),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_agrees_with_the_oracle_and_one_event_left_out_is_found() {
    let plane = control_plane_or_skip!();
    let oracle = Oracle::start(plane.etcd()).await.expect("oracle");
    let api = plane.api();
    let list = api
        .get("/api/v1/namespaces/default/pods")
        .await
        .expect("list");
    let from = list["metadata"]["resourceVersion"]
        .as_str()
        .expect("version")
        .to_owned();

    let pods = "/api/v1/namespaces/default/pods";
    for name in ["a", "b"] {
        api.create(pods, &objects::pod("default", name))
            .await
            .expect("create");
        let label = json!({ "metadata": { "labels": { "seen": "yes" } } });
        api.patch(&format!("{pods}/{name}"), Patch::Merge, &label)
            .await
            .expect("patch");
        let status = json!({ "status": { "phase": "Running" } });
        api.patch(&format!("{pods}/{name}/status"), Patch::Merge, &status)
            .await
            .expect("status");
        api.delete_now(&format!("{pods}/{name}"))
            .await
            .expect("delete");
    }
    let lines = api
        .get_text(&format!(
            "{pods}?watch=true&resourceVersion={from}&timeoutSeconds=2"
        ))
        .await
        .expect("watch");
    let mut rows: Vec<ObservedEvent> = lines
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("a watch line");
            let op = match event["type"].as_str() {
                Some("ADDED") => Op::Added,
                Some("MODIFIED") => Op::Modified,
                Some("DELETED") => Op::Deleted,
                other => panic!("{other:?}"),
            };
            observed("", "pods", event["object"].clone(), op, Certainty::Seen)
        })
        .collect();
    let ops: Vec<Op> = rows.iter().map(|row| row.op).collect();
    // Made, labelled, status, marked for deletion, deleted.
    let life = [
        Op::Added,
        Op::Modified,
        Op::Modified,
        Op::Modified,
        Op::Deleted,
    ];
    assert_eq!(ops, [life, life].concat());

    let history = oracle.history().await.expect("history");
    let coverage = [Interval {
        group: String::new(),
        resource: "pods".into(),
        namespace: None,
        from_rv: from.parse().expect("number"),
        to_rv: history.to(),
        observed: true,
    }];
    let report = compare(&history, &rows, &coverage).expect("compare");
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.total().matched, report.total().bodies), (10, 10));

    rows.remove(5);
    let report = compare(&history, &rows, &coverage).expect("compare");
    assert_eq!(report.faults.len(), 1, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_restores_tokens_and_compaction_do_what_their_names_say() {
    let token = Token {
        token: "a-secret".into(),
        user: "reader".into(),
        groups: vec!["readers".into(), "others".into()],
    };
    let options = Options {
        tokens: vec![token],
        ..Options::default()
    };
    let mut plane = control_plane_or_skip!(options);
    let maps = "/api/v1/namespaces/default/configmaps";

    // A token is a user without rights until RBAC gives some.
    let reader = plane
        .write_kubeconfig("reader", &Server::Api, &User::Token("a-secret".into()))
        .expect("kubeconfig");
    let reader = Api::from_kubeconfig(&reader).await.expect("client");
    assert_eq!(
        refusal(&reader.get(maps).await.expect_err("no rights")),
        Some(403)
    );
    let wrong = plane
        .write_kubeconfig("wrong", &Server::Api, &User::Token("other".into()))
        .expect("kubeconfig");
    let wrong = Api::from_kubeconfig(&wrong).await.expect("client");
    assert_eq!(
        refusal(&wrong.get(maps).await.expect_err("no user")),
        Some(401)
    );

    // A crash of the API server loses nothing that it had answered.
    plane
        .api()
        .create(maps, &objects::config_map("default", "a", "1"))
        .await
        .expect("create");
    let before = plane.process_id(Component::ApiServer);
    plane.restart(Component::ApiServer).await.expect("restart");
    assert_ne!(plane.process_id(Component::ApiServer), before);
    plane
        .api()
        .get(&format!("{maps}/a"))
        .await
        .expect("still there");

    // A restore takes later objects away and versions back.
    let checkpoint = plane.checkpoint().await.expect("checkpoint");
    for name in ["b", "c", "d"] {
        plane
            .api()
            .create(maps, &objects::config_map("default", name, "1"))
            .await
            .expect("create");
    }
    let later = plane.etcd().revision().await.expect("revision");
    plane.restore(&checkpoint).await.expect("restore");
    let gone = plane
        .api()
        .get(&format!("{maps}/b"))
        .await
        .expect_err("gone");
    assert_eq!(refusal(&gone), Some(404));
    assert!(checkpoint.revision() < later);

    // A compacted version can be listed no more.
    let revision = plane.etcd().revision().await.expect("revision");
    plane
        .api()
        .create(maps, &objects::config_map("default", "e", "1"))
        .await
        .expect("create");
    let exact = format!("{maps}?resourceVersion={revision}&resourceVersionMatch=Exact");
    plane.api().get(&exact).await.expect("still there");
    plane.etcd().compact(revision + 1).await.expect("compact");
    // The API server asks etcd for a version that its memory has not; after a restart it has none.
    plane.restart(Component::ApiServer).await.expect("restart");
    assert_eq!(
        refusal(&plane.api().get(&exact).await.expect_err("compacted")),
        Some(410)
    );
    plane.stop().await.expect("stop");
}
