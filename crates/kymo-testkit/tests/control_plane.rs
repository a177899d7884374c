//! The rig itself, on a real control plane.

use kymo_testkit::api::{Api, Patch, refusal};
use kymo_testkit::control_plane::{Component, Options, Server, Token, User};
use kymo_testkit::control_plane_or_skip;
use kymo_testkit::oracle::{
    Certainty, History, Interval, ObservedEvent, Op, Oracle, Resource, compare,
};
use kymo_testkit::traffic::{Traffic, objects};
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

    // What a list shows now is the last version in etcd, byte for byte as JSON.
    for pod in pods {
        let row = observed(pod, Op::Modified, Certainty::Listed);
        let report = compare(&history, &[row], &[]).expect("compare");
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.total().bodies, 1);
    }
    assert!(plane.audit().expect("audit").iter().any(|entry| {
        entry.verb == "create"
            && entry
                .request_uri
                .starts_with("/apis/apps/v1/namespaces/traffic/deployments")
    }));
}

fn observed(pod: &Value, op: Op, certainty: Certainty) -> ObservedEvent {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut body = pod.clone();
    body["apiVersion"] = json!("v1");
    body["kind"] = json!("Pod");
    ObservedEvent {
        group: String::new(),
        resource: "pods".into(),
        namespace: text(&pod["metadata"]["namespace"]),
        name: text(&pod["metadata"]["name"]),
        uid: text(&pod["metadata"]["uid"]),
        rv: text(&pod["metadata"]["resourceVersion"]).parse().ok(),
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
            observed(&event["object"], op, Certainty::Seen)
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
