//! Watches: history, initial events, bookmarks and their ends.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use kymo_model::GroupResource;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::proxy::{Abort, ReplyBody, SeenRequest, error_line};

use super::api::ScriptedApi;
use super::collection::{Change, Collection, Signal, What};
use super::listing::Snapshot;
use super::object::{Form, event_line};
use super::refusal::{Refusal, streamed};
use super::route::Route;
use super::selector::Selection;
use super::world::World;

/// How many lines go into one piece of the body at most.
const BATCH: usize = 64;

/// Answers a watch.
pub(crate) fn watch(
    api: &ScriptedApi,
    world: &mut World,
    route: &Route,
    request: &SeenRequest,
) -> Result<Response<ReplyBody>, Refusal> {
    let truth = |name: &str| matches!(request.query(name), Some("1" | "true"));
    let initial = truth("sendInitialEvents");
    let bookmarks = truth("allowWatchBookmarks");
    check_initial(world, request, initial)?;
    let text = request.query("resourceVersion").unwrap_or_default();
    let from = if text.is_empty() {
        0
    } else {
        let invalid = |_| Refusal::new(400, &format!("invalid resource version {text:?}"));
        text.parse::<u64>().map_err(invalid)?
    };
    let (now, incarnation) = (world.revision, world.incarnation);
    let timeout = request.query("timeoutSeconds").filter(|_| world.timeouts);
    let deadline = timeout
        .and_then(|seconds| seconds.parse().ok())
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let identity = route.form.resource.identity();
    let Some(collection) = world.collections.get_mut(&identity) else {
        return Err(Refusal::new(404, "not served"));
    };
    if initial && from > now {
        return Err(Refusal::too_large(from, now));
    }
    let snapshot = initial || from == 0;
    if !snapshot && from < collection.window {
        let message = format!("too old resource version: {from} ({})", collection.window);
        return Ok(streamed(
            "application/json",
            ReplyBody::full(error_line(410, &message)),
        ));
    }
    let since = if snapshot { now } else { from };
    let selection = Selection::new(
        route.namespace.as_deref(),
        request.query("labelSelector"),
        request.query("fieldSelector"),
    );
    collection.open_watches += 1;
    let watcher = Watcher {
        place: Place {
            api: api.clone(),
            identity,
            incarnation,
        },
        changed: api.subscribe(),
        initial: snapshot.then(|| Snapshot {
            form: route.form.clone(),
            selection: selection.clone(),
            rv: now,
            after: None,
        }),
        end_mark: initial && bookmarks,
        form: route.form.clone(),
        selection,
        bookmarks,
        since,
        position: collection.steps.partition_point(|step| step.rv <= since),
        opened: collection.steps.len(),
        deadline,
        ending: None,
    };
    let body = stream::unfold(watcher, |mut watcher| async move {
        let piece = watcher.next().await?;
        Some((piece, watcher))
    });
    Ok(streamed("application/json", ReplyBody::streaming(body)))
}

fn check_initial(world: &World, request: &SeenRequest, initial: bool) -> Result<(), Refusal> {
    let rule = request.query("resourceVersionMatch");
    let fault = if initial && !world.streaming_lists {
        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    } else if initial && rule != Some("NotOlderThan") {
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    } else if !initial && rule.is_some_and(|rule| !rule.is_empty()) {
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    } else {
        return Ok(());
    };
    let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {fault}");
    Err(Refusal::new(422, &message))
}

/// Which resource, in which life of the server, is watched; counts as an open watch while it lives.
struct Place {
    api: ScriptedApi,
    identity: GroupResource,
    incarnation: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.api.change(|world| {
            if let Some(collection) = world.collections.get_mut(&self.identity) {
                collection.open_watches = collection.open_watches.saturating_sub(1);
            }
        });
    }
}

struct Watcher {
    place: Place,
    changed: watch::Receiver<()>,
    initial: Option<Snapshot>,
    end_mark: bool,
    form: Form,
    selection: Selection,
    bookmarks: bool,
    since: u64,
    position: usize,
    opened: usize,
    deadline: Option<Instant>,
    ending: Option<Result<(), Abort>>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Bytes, Abort>> {
        loop {
            self.changed.borrow_and_update();
            let lines = self.lines();
            if !lines.is_empty() {
                return Some(Ok(lines.concat().into()));
            }
            match self.ending {
                Some(Ok(())) => return None,
                Some(Err(abort)) => {
                    self.ending = Some(Ok(()));
                    return Some(Err(abort));
                }
                None => {}
            }
            let deadline = self.deadline;
            let timeout = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                () = timeout => self.ending = Some(Ok(())),
            }
        }
    }

    /// Collects what can be sent now; sets `ending` when the watch is over.
    fn lines(&mut self) -> Vec<Bytes> {
        let mut lines = Vec::new();
        if self.ending.is_some() {
            return lines;
        }
        let api = self.place.api.clone();
        let world = api.world();
        let collection = world.collections.get(&self.place.identity);
        let Some(collection) = collection.filter(|_| world.incarnation == self.place.incarnation)
        else {
            self.ending = Some(Ok(()));
            return lines;
        };
        if let Some(mut snapshot) = self.initial.take() {
            let page = snapshot.read(&world, BATCH);
            drop(world);
            for stored in page.iter().flat_map(|page| &page.objects) {
                let line = event_line("ADDED", &self.form.object(stored));
                lines.push(line.into());
            }
            if page.is_some_and(|page| page.next.is_some()) {
                self.initial = Some(snapshot);
                return lines;
            }
            if self.end_mark {
                let mark = self.form.bookmark(snapshot.rv, true);
                lines.push(event_line("BOOKMARK", &mark).into());
            }
            // Without objects and mark there may be changes already: they must not wait for the next one.
            return if lines.is_empty() {
                self.lines()
            } else {
                lines
            };
        }
        self.follow(collection, world.revision, &mut lines);
        lines
    }

    fn follow(&mut self, collection: &Collection, now: u64, lines: &mut Vec<Bytes>) {
        while lines.len() < BATCH && self.ending.is_none() {
            let Some(step) = collection.steps.get(self.position) else {
                return;
            };
            let live = self.position >= self.opened;
            self.position += 1;
            match &step.what {
                What::Change(change) if step.rv > self.since => {
                    lines.extend(self.event(change).map(Bytes::from));
                }
                What::Signal(Signal::Bookmark) if live && self.bookmarks => {
                    let bookmark = self.form.bookmark(step.rv.min(now), false);
                    lines.push(event_line("BOOKMARK", &bookmark).into());
                }
                What::Signal(Signal::Line(line)) if live => lines.push(line.clone()),
                What::Signal(Signal::End) if live => self.ending = Some(Ok(())),
                What::Signal(Signal::Abort(abort)) if live => self.ending = Some(Err(*abort)),
                _ => {}
            }
        }
    }

    /// Writes the event that a change is for this selection, if it is one.
    fn event(&self, change: &Change) -> Option<String> {
        let before = change
            .before
            .as_ref()
            .is_some_and(|it| self.selection.takes(it));
        let after = !change.deleted && self.selection.takes(&change.after);
        let event_type = match (before, after) {
            (false, false) => return None,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        let shown = match &change.before {
            Some(before) if !after => &before.at(change.after.rv),
            _ => &change.after,
        };
        Some(event_line(event_type, &self.form.object(shown)))
    }
}
