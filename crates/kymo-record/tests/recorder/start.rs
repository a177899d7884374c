//! What speaks against beginning, and what is said then.

use kymo_model::SystemClock;
use kymo_record::rbac;
use kymo_record::{Cluster, Config, Connection, Error, Fault, Selection};
use kymo_testkit::proxy::kubeconfig;
use kymo_testkit::scripted::{Reply, RequestMatch};

use crate::rig::{Rig, TRACE};

async fn refused(rig: &Rig, config: Config) -> Error {
    let error = rig.connect(config).await.unwrap_err();
    assert!(error.hint().is_some(), "no hint for {error:?}");
    error
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let rig = Rig::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    std::fs::write(
        rig.kubeconfig(),
        kubeconfig(&format!("http://{closed}"), None),
    )
    .unwrap();
    let error = refused(&rig, rig.config(&["pods"])).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot reach http://{closed}: ")),
        "{error}"
    );
    assert_eq!(error.fault(), Fault::Environment);
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_told_from_one_that_is_down() {
    let rig = Rig::new().await;
    let url = rig.server.url().replace("http://", "https://");
    std::fs::write(rig.kubeconfig(), kubeconfig(&url, None)).unwrap();
    let error = refused(&rig, rig.config(&["pods"])).await;
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn credentials_that_are_not_accepted_are_told_from_missing_rights() {
    let rig = Rig::new().await;
    rig.server.require_token(Some("right"));
    let error = refused(&rig, rig.config(&["pods"])).await;
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");

    let rig = Rig::new().await;
    let forbidden = rig.server.script(
        RequestMatch::any().path("/version"),
        Reply::status(403).line(r#"{"kind":"Status","code":403,"message":"no"}"#),
    );
    let error = refused(&rig, rig.config(&["pods"])).await;
    assert_eq!(forbidden.used(), 1);
    assert_eq!(
        error.to_string(),
        format!("{} forbids GET /version: no", rig.server.url())
    );
}

#[tokio::test]
async fn something_else_than_an_api_server_is_called_so() {
    let rig = Rig::new().await;
    rig.server.script(
        RequestMatch::any().path("/version"),
        Reply::status(200).line("<html>login</html>"),
    );
    let error = rig.connect(rig.config(&["pods"])).await.unwrap_err();
    assert!(matches!(error, Error::NotAnApiServer { .. }), "{error:?}");
}

#[tokio::test]
async fn an_unknown_resource_is_refused_with_a_suggestion_and_no_trace_is_made() {
    let rig = Rig::new().await;
    let error = refused(&rig, rig.config(&["podz"])).await;
    assert_eq!(error.to_string(), "the server serves no resource `podz`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `pods`?"));
    assert_eq!(error.fault(), Fault::Usage);
    assert_eq!(rig.fs.operations(), 0);
}

#[tokio::test]
async fn an_output_that_is_no_trace_is_left_alone() {
    let rig = Rig::new().await;
    rig.fs.write(std::path::Path::new(TRACE), b"my thesis");
    let error = refused(&rig, rig.config(&["pods"])).await;
    assert!(
        matches!(error, Error::Store(kymo_store::Error::NotATrace { .. })),
        "{error:?}"
    );
    assert_eq!(
        rig.fs.read(std::path::Path::new(TRACE)).unwrap(),
        b"my thesis"
    );
}

#[tokio::test]
async fn a_selector_that_the_server_does_not_take_is_refused() {
    let rig = Rig::new().await;
    let script = rig.server.script(
        RequestMatch::lists("pods").query("labelSelector", "a b"),
        Reply::status(400).line(r#"{"kind":"Status","code":400,"message":"unable to parse"}"#),
    );
    let mut config = rig.config(&["pods"]);
    config.selection.label_selector = Some("a b".into());
    let error = refused(&rig, config).await;
    assert_eq!(script.used(), 1);
    assert_eq!(
        error.to_string(),
        "the label selector `a b` is not valid: unable to parse"
    );
    assert_eq!(error.fault(), Fault::Usage);
}

#[tokio::test]
async fn metrics_for_everyone_are_refused() {
    let rig = Rig::new().await;
    let mut config = rig.config(&["pods"]);
    config.metrics = Some("0.0.0.0:0".parse().unwrap());
    assert!(matches!(
        refused(&rig, config).await,
        Error::NotLoopback { .. }
    ));
    let mut config = rig.config(&["pods"]);
    config.memory_budget = 1 << 20;
    let error = rig.connect(config).await.unwrap_err();
    assert!(matches!(error, Error::BudgetTooSmall { .. }), "{error}");
}

#[tokio::test]
async fn the_check_of_rights_finds_what_is_missing() {
    let rig = Rig::new().await;
    rig.server.set_forbidden("pods", true);
    let connection = Connection {
        kubeconfig: Some(rig.kubeconfig()),
        context: None,
    };
    let cluster = Cluster::connect(&connection, &SystemClock::new())
        .await
        .unwrap();
    let selection = Selection {
        resources: vec!["pods".into(), "nodes".into()],
        ..Selection::default()
    };
    let resources = cluster.resources(&selection).await.unwrap();
    let check = rbac::check(&cluster, &resources, &selection).await.unwrap();
    let missing: Vec<String> = check.missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        missing,
        [
            "list pods in the whole cluster",
            "watch pods in the whole cluster"
        ]
    );
    let excess: Vec<String> = check.excess.iter().map(ToString::to_string).collect();
    assert!(
        excess.contains(&"list secrets in the whole cluster".to_owned()),
        "{excess:?}"
    );
}
