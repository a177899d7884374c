//! Discovery and the names of resources.

use kymo_model::GroupResource;
use kymo_watch::discovery::is_denied;
use kymo_watch::{Catalogue, discover};
use rstest::rstest;

use crate::server::{Reply, serve};

/// Group, versions with resources: name, kind, singular, short names, verbs.
const CORE: &str = r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{},"versions":[{"version":"v1","freshness":"Current","resources":[
 {"resource":"bindings","responseKind":{"kind":"Binding"},"scope":"Namespaced","singularResource":"binding","verbs":["create"]},
 {"resource":"events","responseKind":{"kind":"Event"},"scope":"Namespaced","singularResource":"event","shortNames":["ev"],"verbs":["list","watch"]},
 {"resource":"nodes","responseKind":{"kind":"Node"},"scope":"Cluster","singularResource":"node","shortNames":["no"],"verbs":["list","watch"]},
 {"resource":"pods","responseKind":{"kind":"Pod"},"scope":"Namespaced","singularResource":"pod","shortNames":["po"],"verbs":["get","list","watch"],"subresources":[{"subresource":"status"}]},
 {"resource":"secrets","responseKind":{"kind":"Secret"},"scope":"Namespaced","singularResource":"secret","verbs":["list","watch"]}
]}]}]}"#;

const GROUPS: &str = r#"{"kind":"APIGroupDiscoveryList","items":[
 {"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":"Stale","resources":[]}]},
 {"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[
   {"resource":"deployments","responseKind":{"group":"apps","kind":"Deployment"},"scope":"Namespaced","singularResource":"deployment","shortNames":["deploy"],"verbs":["list","watch"]}]}]},
 {"metadata":{"name":"extensions"},"versions":[{"version":"v1beta1","resources":[
   {"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","verbs":["list","watch"]}]}]},
 {"metadata":{"name":"events.k8s.io"},"versions":[{"version":"v1","resources":[
   {"resource":"events","responseKind":{"kind":"Event"},"scope":"Namespaced","singularResource":"event","verbs":["list","watch"]}]}]},
 {"metadata":{"name":"certificates.k8s.io"},"versions":[{"version":"v1","resources":[
   {"resource":"certificatesigningrequests","responseKind":{"kind":"CertificateSigningRequest"},"scope":"Cluster","shortNames":["csr"],"verbs":["list","watch"]}]}]},
 {"metadata":{"name":"example.com"},"versions":[
   {"version":"v2","resources":[{"resource":"backups","responseKind":{"kind":"Backup"},"scope":"Namespaced","singularResource":"backup","verbs":["list","watch"]}]},
   {"version":"v1","resources":[{"resource":"backups","responseKind":{"kind":"Backup"},"scope":"Namespaced","singularResource":"backup","verbs":["list","watch"]},
                                {"resource":"relics","responseKind":{"kind":"Relic"},"scope":"Namespaced","singularResource":"relic","verbs":["list","watch"]}]}]}
]}"#;

async fn aggregated() -> Catalogue {
    let (client, record) = serve(|path, _| {
        Some(Reply::json(match path {
            "/api" => CORE,
            "/apis" => GROUPS,
            other => panic!("{other}"),
        }))
    });
    let catalogue = discover(&client).await.unwrap();
    assert_eq!(record.asked().len(), 2);
    catalogue
}

fn names(catalogue: &Catalogue) -> Vec<String> {
    catalogue
        .recordable()
        .iter()
        .map(|resource| format!("{} {}", resource.group_resource(), resource.version))
        .collect()
}

#[tokio::test]
async fn what_is_recorded_by_default_is_each_object_once_and_no_credentials() {
    let catalogue = aggregated().await;
    assert_eq!(
        names(&catalogue),
        [
            "events v1",
            "nodes v1",
            "pods v1",
            "deployments.apps v1",
            "backups.example.com v2",
            "relics.example.com v1",
        ]
    );
    let nodes = catalogue.find(&GroupResource::new("", "nodes")).unwrap();
    assert!(!nodes.resource.namespaced);
    assert_eq!(nodes.resource.kind, "Node");
    for (group, resource) in [
        ("", "secrets"),
        ("certificates.k8s.io", "certificatesigningrequests"),
    ] {
        let served = catalogue
            .find(&GroupResource::new(group, resource))
            .unwrap();
        assert!(is_denied(&served.resource), "{resource}");
    }
}

#[tokio::test]
async fn an_aggregated_api_that_is_down_is_told_and_not_fatal() {
    let catalogue = aggregated().await;
    let failures: Vec<&str> = catalogue
        .failures
        .iter()
        .map(|failure| failure.group_version.as_str())
        .collect();
    assert_eq!(failures, ["metrics.k8s.io/v1beta1"]);
}

#[tokio::test]
async fn a_server_without_aggregated_discovery_is_asked_group_by_group() {
    let (client, record) = serve(|path, _| {
        Some(match path {
            "/api" => Reply::json(r#"{"kind":"APIVersions","versions":["v1"]}"#),
            "/apis" => Reply::json(
                r#"{"kind":"APIGroupList","groups":[
                {"name":"metrics.k8s.io","versions":[{"version":"v1beta1"}]},
                {"name":"example.com","versions":[{"version":"v1"},{"version":"v2"}],"preferredVersion":{"version":"v2"}}]}"#,
            ),
            "/api/v1" => Reply::json(
                r#"{"kind":"APIResourceList","resources":[
                {"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["list","watch"],"shortNames":["po"]},
                {"name":"pods/status","singularName":"","namespaced":true,"kind":"Pod","verbs":["get"]}]}"#,
            ),
            "/apis/metrics.k8s.io/v1beta1" => Reply::status(503, "service unavailable"),
            "/apis/example.com/v1" | "/apis/example.com/v2" => Reply::json(
                r#"{"kind":"APIResourceList","resources":[
                {"name":"backups","singularName":"backup","namespaced":true,"kind":"Backup","verbs":["list","watch"]}]}"#,
            ),
            other => panic!("{other}"),
        })
    });
    let catalogue = discover(&client).await.unwrap();
    assert_eq!(names(&catalogue), ["pods v1", "backups.example.com v2"]);
    assert_eq!(record.asked().len(), 6);
    let [failure] = &catalogue.failures[..] else {
        panic!("{:?}", catalogue.failures);
    };
    assert_eq!(failure.group_version, "metrics.k8s.io/v1beta1");
    assert!(failure.message.contains("503"), "{}", failure.message);
}

#[tokio::test]
async fn a_server_that_refuses_or_talks_nonsense_is_an_error_with_the_path() {
    let (client, _) = serve(|_, _| Some(Reply::status(401, "Unauthorized")));
    let error = discover(&client).await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(
        error.to_string(),
        "GET /api was answered with 401: Unauthorized"
    );

    let (client, _) = serve(|_, _| Some(Reply::json("[1]")));
    let error = discover(&client).await.unwrap_err().to_string();
    assert!(
        error.starts_with("GET /api was answered with something else"),
        "{error}"
    );

    let (client, _) = serve(|_, _| {
        Some(Reply {
            end: crate::server::End::Reset,
            ..Reply::json("{")
        })
    });
    let error = discover(&client).await.unwrap_err();
    assert!(error.is_unreachable());
    assert!(
        error.to_string().contains("connection reset by peer"),
        "{error}"
    );
}

#[rstest]
#[case("pods", "pods")]
#[case("pod", "pods")]
#[case("po", "pods")]
#[case("Pod", "pods")]
#[case(" PODS ", "pods")]
#[case("deploy", "deployments.apps")]
#[case("Deployment", "deployments.apps")]
#[case("deployments.apps", "deployments.apps")]
#[case("deployments.v1.apps", "deployments.apps")]
#[case("deployment.extensions", "deployments.extensions")]
#[case("pods.v1", "pods")]
#[case("events", "events")]
#[case("events.events.k8s.io", "events.events.k8s.io")]
#[case("backups.v2.example.com", "backups.example.com")]
#[case("csr", "certificatesigningrequests.certificates.k8s.io")]
#[tokio::test]
async fn a_resource_is_found_by_every_name_that_kubectl_takes(
    #[case] word: &str,
    #[case] expected: &str,
) {
    let catalogue = aggregated().await;
    let served = catalogue.resolve(word).unwrap();
    assert_eq!(served.resource.group_resource().to_string(), expected);
}

#[rstest]
#[case("pdos", Some("pods"))]
#[case("deploymnets", Some("deployments.apps"))]
#[case("deployments.app", Some("deployments.apps"))]
#[case("backups.v9.example.com", Some("backups.example.com"))]
#[case("zzz", None)]
#[case("", None)]
#[tokio::test]
async fn an_unknown_name_suggests_one_close_to_it(
    #[case] word: &str,
    #[case] suggestion: Option<&str>,
) {
    let error = aggregated().await.resolve(word).unwrap_err();
    assert_eq!(error.suggestion.as_deref(), suggestion);
    assert_eq!(
        error.to_string(),
        format!("the server serves no resource `{word}`")
    );
}
