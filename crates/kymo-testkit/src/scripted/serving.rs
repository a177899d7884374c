//! From a request to an answer, over a socket or within the process.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use kymo_model::GroupResource;
use serde_json::{Value, json};
use tower_service::Service;

use crate::proxy::loopback::Handler;
use crate::proxy::{Abort, ReplyBody, SeenRequest};

use super::api::ScriptedApi;
use super::discovery::{AGGREGATED, aggregated, legacy};
use super::listing::list;
use super::object::Key;
use super::refusal::{Refusal, json_response, not_served, typed};
use super::route::Route;
use super::watching::watch;
use super::world::World;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl ScriptedApi {
    /// Answers a request as the server does.
    ///
    /// # Errors
    /// When a script breaks the connection before the answer.
    pub async fn answer(&self, request: SeenRequest) -> Result<Response<ReplyBody>, Abort> {
        let reply = self.change(|world| {
            let mut waiting = world.waiting.iter_mut();
            let reply = waiting.find_map(|it| {
                let fits = it.request.fits(&request);
                if fits { it.take() } else { None }
            });
            world.requests.push(request.clone());
            reply
        });
        if let Some(reply) = reply
            && let Some(response) = reply.respond().await?
        {
            return Ok(response);
        }
        Ok(self
            .serve(&request)
            .unwrap_or_else(|refusal| refusal.response()))
    }

    fn serve(&self, request: &SeenRequest) -> Result<Response<ReplyBody>, Refusal> {
        let response = {
            let mut world = self.world();
            let mut response = serve(self, &mut world, request);
            if let (Ok(response), Some(date)) = (&mut response, &world.date) {
                response
                    .headers_mut()
                    .insert(http::header::DATE, date.clone());
            }
            response
        };
        if request.is_watch() {
            // One more watch is open.
            self.change(|_| ());
        }
        response
    }
}

fn serve(
    api: &ScriptedApi,
    world: &mut World,
    request: &SeenRequest,
) -> Result<Response<ReplyBody>, Refusal> {
    if let Some(token) = &world.token
        && request.header("authorization") != Some(&format!("Bearer {token}"))
    {
        return Err(Refusal::new(401, "Unauthorized"));
    }
    let path = request.path.as_str();
    if request.method == Method::POST && path == REVIEWS {
        return Ok(review(world, &request.body));
    }
    if request.method != Method::GET {
        return Err(Refusal::new(405, "the scripted API is changed by its test"));
    }
    match path {
        "/version" => return Ok(json_response(&version(world))),
        "/healthz" | "/livez" | "/readyz" => return Ok(typed("text/plain", "ok")),
        _ => {}
    }
    let accept = request.header("accept").unwrap_or_default();
    if matches!(path, "/api" | "/apis")
        && world.aggregated_discovery
        && accept.contains("as=APIGroupDiscoveryList")
    {
        let text = format!("{}\n", aggregated(world, path == "/api"));
        return Ok(typed(AGGREGATED, text));
    }
    if let Some(document) = legacy(world, path) {
        return Ok(json_response(&document));
    }
    let Some(route) = Route::find(world, path, accept.contains("as=PartialObjectMetadata")) else {
        if Route::is_of_built_in(world, path) {
            let message = "the server could not find the requested resource";
            return Err(Refusal::new(404, message));
        }
        return Ok(not_served());
    };
    let identity = route.form.resource.identity();
    if world.forbidden.contains(&identity) {
        let verb = if request.is_watch() { "watch" } else { "list" };
        return Err(Refusal::new(
            403,
            &format!(
                "{} is forbidden: User \"test\" cannot {verb} resource \"{}\" in API group \"{}\" at the cluster scope",
                identity, identity.resource, identity.group
            ),
        ));
    }
    if request.is_watch() {
        watch(api, world, &route, request)
    } else if route.name.is_some() {
        get(world, &route)
    } else {
        list(api, world, &route, request)
    }
}

fn get(world: &World, route: &Route) -> Result<Response<ReplyBody>, Refusal> {
    let resource = &route.form.resource;
    let key = Key {
        namespace: route.namespace.clone().unwrap_or_default(),
        name: route.name.clone().unwrap_or_default(),
    };
    let collection = world.collections.get(&resource.identity());
    let stored = collection.and_then(|it| it.get(&key)).ok_or_else(|| {
        let message = format!("{} \"{}\" not found", resource.identity(), key.name);
        Refusal::new(404, &message)
    })?;
    Ok(json_response(&route.form.object(&stored)))
}

fn version(world: &World) -> Value {
    let mut parts = world.git_version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next(), parts.next());
    json!({
        "major": major, "minor": minor, "gitVersion": world.git_version, "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "", "goVersion": "", "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// Tells what the caller may do: anything but what the test forbade.
fn review(world: &World, body: &[u8]) -> Response<ReplyBody> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| {
        let value = asked.pointer(&format!("/spec/resourceAttributes/{field}"));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let identity = GroupResource::new(text("group"), text("resource"));
    let allowed = !world.forbidden.contains(&identity);
    let mut response = json_response(&json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "metadata": {}, "spec": asked.get("spec"), "status": {"allowed": allowed},
    }));
    *response.status_mut() = StatusCode::CREATED;
    response
}

async fn read<B>(request: Request<B>) -> Result<SeenRequest, Abort>
where
    B: Body<Data = Bytes> + Send,
{
    let (parts, body) = request.into_parts();
    let mut seen = SeenRequest::of(&parts);
    let body = body.collect().await.map_err(|_| Abort::Cut)?;
    seen.body = body.to_bytes();
    Ok(seen)
}

/// Serves requests within the process, without a socket: under a paused clock nothing is in flight while all tasks
/// wait, so the clock moves only when the client really has nothing left to do.
impl<B> Service<Request<B>> for ScriptedApi
where
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ReplyBody>;
    type Error = Abort;
    type Future = BoxFuture<'static, Result<Self::Response, Abort>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Abort>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move { api.answer(read(request).await?).await })
    }
}

impl Handler for ScriptedApi {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response<ReplyBody>, Abort>> {
        Box::pin(async move { self.answer(read(request).await?).await })
    }
}
