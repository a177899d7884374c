//! The control plane that the tests share: etcd and kube-apiserver, started by the first test.

use std::sync::LazyLock;

use kymo_testkit::control_plane::{ControlPlane, Options, Token, start_or_skip};
use kymo_testkit::oracle::Oracle;
use kymo_testkit::proxy::{Fault, FaultProxy, Upstream};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// The bearer token of a user with all rights who is subject to flow control.
pub(crate) const CLERK: &str = "token-of-the-clerk";
/// The bearer token of a user who may only what a test grants.
pub(crate) const GUEST: &str = "token-of-the-guest";

/// Clients and proxies live as long as the runtime that made them, so there is one for all tests.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Its programs are ended by their watchdog when the test process ends.
static SHARED: LazyLock<Mutex<Option<Shared>>> = LazyLock::new(Mutex::default);

/// The shared plane and what etcd has told since its first revision.
pub(crate) struct Shared {
    pub(crate) plane: ControlPlane,
    pub(crate) oracle: Oracle,
}

/// Runs a test on the shared plane, alone; says so aloud when there is none.
pub(crate) fn on_shared_plane(test: &str, body: impl AsyncFnOnce(&mut Shared)) {
    RUNTIME.block_on(async {
        let mut shared = SHARED.lock().await;
        if shared.is_none() {
            *shared = start(test).await;
        }
        if let Some(shared) = shared.as_mut() {
            body(shared).await;
        }
    });
}

async fn start(test: &str) -> Option<Shared> {
    let user = |token: &str, user: &str| Token {
        token: token.to_owned(),
        user: user.to_owned(),
        groups: vec![format!("{user}s")],
    };
    let options = Options {
        tokens: vec![user(CLERK, "clerk"), user(GUEST, "guest")],
        // Their watches are served by etcd, whose history a test can end.
        watch_cache_sizes: vec![("serviceaccounts".to_owned(), 0)],
        ..Options::default()
    };
    let plane = start_or_skip(test, options)
        .await
        .expect("a control plane")?;
    let oracle = Oracle::start(plane.etcd()).await.expect("the oracle");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "clerk" },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "clerk" }],
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    plane
        .api()
        .create(bindings, &binding)
        .await
        .expect("the clerk's rights");
    Some(Shared { plane, oracle })
}

/// Starts a proxy that lets every client in as the administrator.
pub(crate) async fn admin_proxy(
    plane: &ControlPlane,
    faults: impl IntoIterator<Item = Fault>,
) -> FaultProxy {
    let (certificate, key) = plane
        .user_pem("kymo-test-admin", Some("system:masters"))
        .expect("a certificate");
    let client = Some((certificate.as_bytes(), key.as_bytes()));
    let authority = plane.authority_pem();
    let upstream = Upstream::https(&plane.api_server_url(), authority.as_bytes(), client);
    FaultProxy::start(upstream.expect("an upstream"), faults)
        .await
        .expect("a proxy")
}

/// Starts a proxy that passes the credentials of its clients on.
pub(crate) async fn plain_proxy(plane: &ControlPlane) -> FaultProxy {
    let authority = plane.authority_pem();
    let upstream = Upstream::https(&plane.api_server_url(), authority.as_bytes(), None);
    FaultProxy::start(upstream.expect("an upstream"), [])
        .await
        .expect("a proxy")
}

/// Runs what has a plane of its own, beside other tests.
pub(crate) fn alone(body: impl Future<Output = ()>) {
    RUNTIME.block_on(body);
}
