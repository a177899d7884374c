//! Lists: pages, continue tokens and resourceVersion rules.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Map, Value, json};

use crate::proxy::{ReplyBody, SeenRequest};

use super::api::ScriptedApi;
use super::collection::Page;
use super::object::{Form, Key};
use super::refusal::{Refusal, streamed};
use super::route::Route;
use super::selector::Selection;
use super::world::World;

/// How many objects are rendered at a time.
const BATCH: usize = 256;

/// A list, or the initial events of a streaming list, at one revision.
pub(crate) struct Snapshot {
    pub(crate) form: Form,
    pub(crate) selection: Selection,
    pub(crate) rv: u64,
    pub(crate) after: Option<Key>,
}

impl Snapshot {
    /// Reads on; `None` when the resource is served no more.
    pub(crate) fn read(&mut self, world: &World, limit: usize) -> Option<Page> {
        let collection = world.collections.get(&self.form.resource.identity())?;
        let after = self.after.as_ref();
        let page = collection.page(self.rv, world.revision, &self.selection, after, limit);
        self.after.clone_from(&page.next);
        Some(page)
    }
}

fn token(rv: Option<u64>, start: &Key) -> String {
    let token =
        json!({"v": "meta.k8s.io/v1", "rv": rv, "ns": start.namespace, "start": start.name});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(text: &str) -> Option<(Option<u64>, Key)> {
    let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let text = |field: &str| token.get(field).and_then(Value::as_str).map(str::to_owned);
    let key = Key {
        namespace: text("ns")?,
        name: text("start")?,
    };
    Some((token.get("rv")?.as_u64(), key))
}

fn plan(world: &World, route: &Route, request: &SeenRequest) -> Result<(Snapshot, usize), Refusal> {
    let number = |name: &str| {
        let text = request.query(name).filter(|text| !text.is_empty());
        text.map(str::parse::<u64>)
            .transpose()
            .map_err(|_| Refusal::new(400, &format!("invalid {name}")))
    };
    let asked = number("resourceVersion")?;
    let exact = match request.query("resourceVersionMatch") {
        None | Some("") => false,
        Some(_) if asked.is_none() => {
            let message = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return Err(Refusal::new(422, message));
        }
        Some("Exact") => true,
        Some("NotOlderThan") => false,
        Some(_) => return Err(Refusal::new(422, "resourceVersionMatch: Unsupported value")),
    };
    let mut limit = number("limit")?.unwrap_or(0);
    let now = world.revision;
    let (mut rv, mut after) = (now, None);
    let too_old = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";
    if let Some(text) = request.query("continue").filter(|text| !text.is_empty()) {
        let Some((from, key)) = read_token(text) else {
            return Err(Refusal::new(400, "continue key is not valid"));
        };
        if from.is_some_and(|from| from < world.compacted || from > now) {
            return Err(Refusal::expired(too_old, Some(token(None, &key))));
        }
        (rv, after) = (from.unwrap_or(now), Some(key));
    } else if asked == Some(0) {
        if exact {
            let message = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            return Err(Refusal::new(422, message));
        }
        rv = world.stale.unwrap_or(now);
        limit = 0;
    } else if let Some(asked) = asked {
        if asked > now {
            return Err(Refusal::too_large(asked, now));
        }
        if exact && asked < world.compacted {
            return Err(Refusal::expired(
                "The resourceVersion for the provided list is too old.",
                None,
            ));
        }
        if exact {
            rv = asked;
        }
    }
    let snapshot = Snapshot {
        form: route.form.clone(),
        selection: Selection::new(
            route.namespace.as_deref(),
            request.query("labelSelector"),
            request.query("fieldSelector"),
        ),
        rv,
        after,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok((snapshot, if limit == 0 { usize::MAX } else { limit }))
}

/// Answers a list. Objects are rendered while the client reads.
pub(crate) fn list(
    api: &ScriptedApi,
    world: &World,
    route: &Route,
    request: &SeenRequest,
) -> Result<Response<ReplyBody>, Refusal> {
    let (mut snapshot, limit) = plan(world, route, request)?;
    let form = route.form.clone();
    let (rv, selects) = (snapshot.rv, !snapshot.selection.is_all());
    if limit == usize::MAX {
        let metadata = metadata(rv, None, 0, selects);
        let (head, tail) = frame(&form, &metadata);
        let reader = Reader {
            api: api.clone(),
            snapshot,
            head: Some(head),
            tail: Some(tail),
            separator: "",
        };
        let body = stream::unfold(reader, |mut reader| async move {
            let piece = reader.next()?;
            Some((Ok(piece), reader))
        });
        return Ok(streamed("application/json", ReplyBody::streaming(body)));
    }
    let page = snapshot
        .read(world, limit)
        .ok_or_else(|| Refusal::new(404, "not served"))?;
    let metadata = metadata(rv, page.next.as_ref(), page.remaining, selects);
    let (head, tail) = frame(&form, &metadata);
    let body = stream::unfold(
        (Some(head), page.objects.into_iter(), Some(tail), "", form),
        |(mut head, mut objects, mut tail, mut separator, form)| async move {
            let mut text = head.take().unwrap_or_default();
            for stored in objects.by_ref().take(BATCH) {
                text.push_str(separator);
                text.push_str(&form.item(&stored).to_string());
                separator = ",";
            }
            if objects.len() == 0 {
                text.push_str(&tail.take()?);
            }
            Some((
                Ok(Bytes::from(text)),
                (head, objects, tail, separator, form),
            ))
        },
    );
    Ok(streamed("application/json", ReplyBody::streaming(body)))
}

/// Renders a list without limit, batch by batch.
struct Reader {
    api: ScriptedApi,
    snapshot: Snapshot,
    head: Option<String>,
    tail: Option<String>,
    separator: &'static str,
}

impl Reader {
    fn next(&mut self) -> Option<Bytes> {
        self.tail.as_ref()?;
        let page = self.snapshot.read(&self.api.world(), BATCH);
        let mut text = self.head.take().unwrap_or_default();
        for stored in page.iter().flat_map(|page| &page.objects) {
            text.push_str(self.separator);
            text.push_str(&self.snapshot.form.item(stored).to_string());
            self.separator = ",";
        }
        if page.is_none_or(|page| page.next.is_none()) {
            text.push_str(&self.tail.take().unwrap_or_default());
        }
        Some(text.into())
    }
}

fn metadata(rv: u64, next: Option<&Key>, remaining: u64, selects: bool) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), rv.to_string().into());
    if let Some(next) = next {
        metadata.insert("continue".into(), token(Some(rv), next).into());
        if !selects {
            metadata.insert("remainingItemCount".into(), remaining.into());
        }
    }
    Value::Object(metadata)
}

/// Writes what stands before and behind the items: custom resources have their `metadata` at the end.
fn frame(form: &Form, metadata: &Value) -> (String, String) {
    let kind = json!(format!("{}List", form.kind()));
    let version = json!(form.api_version());
    if form.resource.custom && !form.metadata_only {
        (
            format!("{{\"apiVersion\":{version},\"items\":["),
            format!("],\"kind\":{kind},\"metadata\":{metadata}}}\n"),
        )
    } else {
        (
            format!(
                "{{\"kind\":{kind},\"apiVersion\":{version},\"metadata\":{metadata},\"items\":["
            ),
            "]}\n".to_owned(),
        )
    }
}
