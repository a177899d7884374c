use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::proxy::{Abort, RequestMatch, SeenRequest, error_line};

use super::collection::Signal;
use super::reply::{Reply, Script, Waiting};
use super::resource::ScriptedResource;
use super::world::World;

/// The handle on a scripted API: what a test says and asks. Clones are the same API.
///
/// Resources are named as kubectl names them (`pods`, `deployments.apps`); naming one that is not served is a
/// mistake in the test and panics. Nothing in here sleeps, except where a test asks for it.
#[derive(Clone)]
pub struct ScriptedApi {
    world: Arc<Mutex<World>>,
    changed: Arc<watch::Sender<()>>,
}

impl std::fmt::Debug for ScriptedApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = self.world().revision;
        f.debug_struct("ScriptedApi")
            .field("revision", &revision)
            .finish_non_exhaustive()
    }
}

impl Default for ScriptedApi {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedApi {
    /// Makes an API that serves `configmaps`, `namespaces` (with `kube-system`), `nodes`, `pods`, `secrets`,
    /// `deployments.apps`, `customresourcedefinitions.apiextensions.k8s.io` and
    /// `apiservices.apiregistration.k8s.io`.
    pub fn new() -> Self {
        Self::serving(ScriptedResource::usual())
    }

    /// Makes an API that serves these resources, and `namespaces` with `kube-system`.
    pub fn serving(mut resources: Vec<ScriptedResource>) -> Self {
        if !resources.iter().any(|it| it.plural == "namespaces") {
            let namespaces = ScriptedResource::new("", "v1", "namespaces", "Namespace");
            resources.push(namespaces.cluster_scoped());
        }
        let mut world = World::new(resources);
        let uid = "5c1b7a6e-0000-4000-8000-000000000001";
        world.put(
            "namespaces",
            json!({"metadata": {"name": "kube-system", "uid": uid}}),
        );
        Self {
            world: Arc::new(Mutex::new(world)),
            changed: Arc::new(watch::Sender::new(())),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes the world and tells everyone who waits.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let result = act(&mut self.world());
        self.changed.send_replace(());
        result
    }

    /// Sets the uid of the `kube-system` namespace: the identity of the cluster.
    pub fn set_cluster_uid(&self, uid: &str) {
        let object = json!({"metadata": {"name": "kube-system", "uid": uid}});
        self.put("namespaces", object);
    }

    /// Serves one more resource; one of the same name is replaced and its watches end.
    pub fn add_resource(&self, resource: ScriptedResource) {
        self.change(|world| {
            world.collections.remove(&resource.identity());
            world.add(resource);
        });
    }

    /// Serves a resource no more: its watches end, and its paths answer 404, in plain text unless other built-in
    /// resources of its group and version are served.
    pub fn remove_resource(&self, resource: &str) {
        self.change(|world| {
            let identity = world.collection(resource).resource.identity();
            world.collections.remove(&identity);
        });
    }

    /// Serves a resource in these versions; the first is preferred.
    pub fn set_versions(&self, resource: &str, versions: &[&str]) {
        self.change(|world| {
            let versions = versions.iter().map(|&version| version.to_owned());
            world.collection(resource).resource.versions = versions.collect();
        });
    }

    /// Creates or replaces an object and returns its resourceVersion. uid, resourceVersion, creation time and
    /// namespace (`default`) are filled in where they are absent.
    pub fn put(&self, resource: &str, object: Value) -> u64 {
        self.change(|world| world.put(resource, object))
    }

    /// Deletes an object, `namespace/name` or `name` (in `default`), and returns the revision of the delete.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn delete(&self, resource: &str, key: &str) -> u64 {
        self.change(|world| world.delete(resource, key))
    }

    /// Lets `count` objects exist in namespace `generated` (or none, when cluster-scoped): `generated-0000000` and so
    /// on. `fields` makes the nth object, metadata aside, each time it is asked for; nothing of it is held.
    pub fn generate(
        &self,
        resource: &str,
        count: u64,
        fields: impl Fn(u64) -> Value + Send + Sync + 'static,
    ) {
        self.change(|world| world.generate(resource, count, Arc::new(fields)));
    }

    /// Makes `changes` changes, in turn, to `objects` objects in namespace `churn` (`churn-0` and so on), and returns the
    /// last revision. `fields` makes the object of the nth change each time it is asked for.
    pub fn churn(
        &self,
        resource: &str,
        objects: u64,
        changes: u64,
        fields: impl Fn(u64) -> Value + Send + Sync + 'static,
    ) -> u64 {
        let maker: super::object::Maker = Arc::new(fields);
        self.change(|world| world.churn(resource, objects, changes, &maker))
    }

    /// Returns the present revision.
    pub fn revision(&self) -> u64 {
        self.world().revision
    }

    /// Moves the revision on, as writes to resources that are not served do.
    pub fn skip_revisions(&self, count: u64) -> u64 {
        self.change(|world| {
            world.revision += count;
            world.revision
        })
    }

    /// Compacts the store: watches, exact lists and continue tokens from before `rv` are 410. Open watches go on.
    pub fn compact_to(&self, rv: u64) {
        self.change(|world| {
            world.compacted = world.compacted.max(rv);
            world.forget_watch_history(rv);
        });
    }

    /// Forgets the watch history before `rv`: watches from before are 410, while exact lists still work.
    pub fn forget_watch_history(&self, rv: u64) {
        self.change(|world| world.forget_watch_history(rv));
    }

    /// Restarts the API server: watches end, and the watch history is empty.
    pub fn restart(&self) {
        self.change(|world| {
            world.incarnation += 1;
            let rv = world.revision;
            world.forget_watch_history(rv);
        });
    }

    /// Restores the store of an earlier revision: what came after never was, watches end, and later changes use the
    /// same numbers again.
    pub fn rewind(&self, rv: u64) {
        self.change(|world| world.rewind(rv));
    }

    /// Sends a bookmark with the present revision to the open watches that allow bookmarks.
    pub fn bookmark(&self, resource: &str) {
        self.change(|world| world.signal(resource, Signal::Bookmark));
    }

    /// Sends bytes, as they are, to the open watches.
    pub fn send_raw(&self, resource: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.change(|world| world.signal(resource, Signal::Line(bytes)));
    }

    /// Sends an ERROR line with this code to the open watches and ends them.
    pub fn fail_watches(&self, resource: &str, code: u16) {
        let line = error_line(code, "the watch has failed");
        self.change(|world| {
            world.signal(resource, Signal::Line(line.into()));
            world.signal(resource, Signal::End);
        });
    }

    /// Ends the open watches well, as a timeout does.
    pub fn end_watches(&self, resource: &str) {
        self.change(|world| world.signal(resource, Signal::End));
    }

    /// Breaks the connections of the open watches.
    pub fn abort_watches(&self, resource: &str, abort: Abort) {
        self.change(|world| world.signal(resource, Signal::Abort(abort)));
    }

    /// Forbids or permits a resource: later lists and watches are 403, and access reviews tell so.
    pub fn set_forbidden(&self, resource: &str, forbidden: bool) {
        self.change(|world| {
            let identity = world.collection(resource).resource.identity();
            if forbidden {
                world.forbidden.insert(identity);
            } else {
                world.forbidden.remove(&identity);
            }
        });
    }

    /// Demands a bearer token: other requests are 401. `None` lets everyone in.
    pub fn require_token(&self, token: Option<&str>) {
        self.change(|world| world.token = token.map(str::to_owned));
    }

    /// Answers lists with resourceVersion=0 from a cache that stands at `rv`.
    pub fn serve_stale(&self, rv: Option<u64>) {
        self.change(|world| world.stale = rv);
    }

    /// Turns streaming lists on (as at the start) or off: then `sendInitialEvents` is 422.
    pub fn set_streaming_lists(&self, on: bool) {
        self.change(|world| world.streaming_lists = on);
    }

    /// Turns aggregated discovery on (as at the start) or off: then the older documents are served.
    pub fn set_aggregated_discovery(&self, on: bool) {
        self.change(|world| world.aggregated_discovery = on);
    }

    /// Sets the `gitVersion` that `/version` tells.
    pub fn set_version(&self, git_version: &str) {
        self.change(|world| git_version.clone_into(&mut world.git_version));
    }

    /// Lets watches end well after their `timeoutSeconds`, or go on for ever (as at the start).
    pub fn set_timeouts(&self, on: bool) {
        self.change(|world| world.timeouts = on);
    }

    /// Sets the `Date` header of later answers, such as `Thu, 01 Jan 2026 00:00:00 GMT`: a server whose clock is off.
    pub fn set_date(&self, date: &'static str) {
        self.change(|world| world.date = Some(HeaderValue::from_static(date)));
    }

    /// Answers the next request that fits with a reply of one's own.
    pub fn script(&self, request: RequestMatch, reply: Reply) -> Script {
        self.script_times(request, 1, reply)
    }

    /// Answers the next requests that fit, so many of them, with a reply of one's own.
    pub fn script_times(&self, request: RequestMatch, times: u64, reply: Reply) -> Script {
        let waiting = Waiting::new(request, times, reply);
        let script = waiting.script();
        self.change(|world| world.waiting.push(waiting));
        script
    }

    /// Returns all requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.world().requests.clone()
    }

    /// Returns the requests so far that fit.
    pub fn requests_of(&self, request: &RequestMatch) -> Vec<SeenRequest> {
        let mut requests = self.requests();
        requests.retain(|seen| request.fits(seen));
        requests
    }

    /// Returns how many watches of a resource are open.
    pub fn open_watches(&self, resource: &str) -> usize {
        self.world().collection(resource).open_watches
    }

    /// Waits until so many requests that fit have come. It has no limit of its own.
    pub async fn until_requested(&self, request: &RequestMatch, times: usize) {
        self.until(|world| {
            let fit = world.requests.iter().filter(|seen| request.fits(seen));
            fit.count() >= times
        })
        .await;
    }

    /// Waits until exactly so many watches of a resource are open. It has no limit of its own.
    pub async fn until_watched(&self, resource: &str, watches: usize) {
        self.until(|world| world.collection(resource).open_watches == watches)
            .await;
    }

    async fn until(&self, mut holds: impl FnMut(&mut World) -> bool) {
        let mut changed = self.subscribe();
        while !holds(&mut self.world()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
