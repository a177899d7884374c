use std::fs;

use kymo_testkit::scripted::ScriptedServer;
use serde_json::json;

use crate::environment::{TestEnv, snapshot};

async fn server(env: &TestEnv) -> ScriptedServer {
    let server = ScriptedServer::start().await.unwrap();
    server.put(
        "configmaps",
        json!({"metadata": {"name": "a"}, "data": {"k": "v"}}),
    );
    server.write_kubeconfig(&env.path("config")).unwrap();
    server
}

const RECORD: [&str; 5] = ["record", "--kubeconfig", "config", "-o", "t.kymo"];

#[test]
fn no_kubeconfig() {
    snapshot!(TestEnv::new(), ["record", "-o", "t.kymo"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: found no kubeconfig (not at `[HOME]/.kube/config`) and this is not a pod of a cluster
    hint: name one with `--kubeconfig FILE` or in $KUBECONFIG
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_not_there() {
    let env = TestEnv::new();
    let _server = server(&env).await;
    snapshot!(env, ["record", "--kubeconfig", "config", "--context", "prdo", "-o", "t.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the kubeconfig has no context `prdo`
    hint: `--context` takes one of: test
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached() {
    let env = TestEnv::new();
    drop(server(&env).await);
    snapshot!(env, ["record", "--kubeconfig", "config", "-o", "t.kymo"], @r#"
    success: false
    exit_code: 3
    ----- stdout -----

    ----- stderr -----
    error: cannot reach http://127.0.0.1:[PORT]: client error (Connect): tcp connect error: Connection refused (os error 111)
    hint: is the address right, the server up, and a proxy in the way?
    "#);
    assert!(!env.path("t.kymo").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_not_served() {
    let env = TestEnv::new();
    let _server = server(&env).await;
    snapshot!(env, ["record", "--kubeconfig", "config", "--resources", "confgmaps", "-o", "t.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the server serves no resource `confgmaps`
    hint: did you mean `configmaps`?
    "#);
    assert!(!env.path("t.kymo").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_forbidden_is_told_and_is_in_the_coverage() {
    let env = TestEnv::new();
    let server = server(&env).await;
    server.api().set_forbidden("pods", true);
    let output = env
        .live(
            [
                &RECORD[..],
                &["--for", "2s", "--resources", "pods,configmaps"],
            ]
            .concat(),
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("warning: the server forbids 1 feed"),
        "{said}"
    );
    let inspected = env.run(["inspect", "t.kymo", "--format", "json"]);
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let gaps = inspected["gaps"].as_array().unwrap();
    assert!(
        gaps.iter()
            .any(|gap| gap["resource"] == "pods" && gap["state"] == "denied"),
        "{gaps:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_no_trace() {
    let env = TestEnv::new();
    let _server = server(&env).await;
    fs::create_dir(env.path("t.kymo")).unwrap();
    fs::write(env.path("t.kymo/holiday.jpg"), "x").unwrap();
    snapshot!(env, ["record", "--kubeconfig", "config", "--for", "1s", "-o", "t.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: `t.kymo` is not a trace: it has no manifest
    hint: name a directory that does not exist yet
    "#);
    assert_eq!(fs::read(env.path("t.kymo/holiday.jpg")).unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_of_another_cluster() {
    let env = TestEnv::new();
    let server = server(&env).await;
    let first = env
        .live([&RECORD[..], &["--for", "1s"]].concat())
        .output()
        .unwrap();
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    server
        .api()
        .set_cluster_uid("5c1b7a6e-0000-4000-8000-00000000beef");
    snapshot!(env, ["record", "--kubeconfig", "config", "--for", "1s", "-o", "t.kymo"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: trace `t.kymo` records the cluster 5c1b7a6e-0000-4000-8000-000000000001, this is 5c1b7a6e-0000-4000-8000-00000000beef
    hint: record into a new trace
    "#);
    let check = env.run(["check", "t.kymo"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_continued_without_a_gap() {
    let env = TestEnv::new();
    let server = server(&env).await;
    for second in ["b", "c"] {
        let output = env
            .live([&RECORD[..], &["--for", "1s", "--resources", "configmaps"]].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        server.put("configmaps", json!({"metadata": {"name": second}}));
    }
    let output = env
        .live([&RECORD[..], &["--for", "1s", "--resources", "configmaps"]].concat())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("continuing 1 feed of http://127.0.0.1:"),
        "{said}"
    );
    let inspected = env.run(["inspect", "t.kymo", "--format", "json"]);
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["events"], 3, "{inspected:#}");
    assert_eq!(inspected["sessions"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_role_is_printed() {
    let env = TestEnv::new();
    let _server = server(&env).await;
    snapshot!(env, ["rbac", "--kubeconfig", "config", "--resources", "pods,deployments"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata:
      name: kymo-recorder
    rules:
    - apiGroups:
      - ""
      resources:
      - pods
      verbs:
      - list
      - watch
    - apiGroups:
      - apps
      resources:
      - deployments
      verbs:
      - list
      - watch
    - apiGroups:
      - ""
      resourceNames:
      - kube-system
      resources:
      - namespaces
      verbs:
      - list

    ----- stderr -----
    "#);
    snapshot!(env, ["rbac", "--kubeconfig", "config", "-n", "shop", "--resources", "pods"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata:
      name: kymo-recorder
      namespace: shop
    rules:
    - apiGroups:
      - ""
      resources:
      - pods
      verbs:
      - list
      - watch

    ----- stderr -----
    "#);
}
