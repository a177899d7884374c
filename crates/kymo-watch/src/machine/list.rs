use std::cmp::Ordering;

use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, LineError, ObjectHead, ObjectText, Rv,
    Timestamp,
};

use super::{Activity, FeedMachine};
use crate::live::{Identity, NameIndex};
use crate::page::PageHead;
use crate::{Delivery, FeedOptions, Request};

/// After this many restarts a list whose pages differ in version is taken as it comes, without
/// deducing deletes from it.
const RESTARTS_UNTIL_TOLERANT: u32 = 3;

/// The largest page asked for when the list is slower than the history is long.
const LIMIT_MAX: u32 = 5_000;

/// A list in the making. Until it is whole nothing is deduced from what it does not show.
#[derive(Debug)]
pub(super) struct Relist {
    running: bool,
    continue_token: Option<String>,
    limit: u32,
    /// The version to list at; `None`: the newest.
    pub(super) at: Option<Rv>,
    /// The version of its first page.
    rv: Option<Rv>,
    item_kind: String,
    api_version: String,
    names: NameIndex,
    /// The earliest time of the changes it shows.
    not_before: Option<Timestamp>,
    /// It repairs what an audit found.
    pub(super) repairs: bool,
    /// Something of it could not be read.
    pub(super) incomplete: bool,
    restarts: u32,
    pub(super) pages_only: bool,
    pub(super) stream_failures: u32,
    pub(super) stream_unsupported: bool,
}

impl Relist {
    pub(super) fn new(options: &FeedOptions) -> Self {
        Self {
            running: false,
            continue_token: None,
            limit: options.page_limit.max(1),
            at: None,
            rv: None,
            item_kind: String::new(),
            api_version: String::new(),
            names: NameIndex::default(),
            not_before: None,
            repairs: false,
            incomplete: false,
            restarts: 0,
            pages_only: false,
            stream_failures: 0,
            stream_unsupported: !options.streaming_lists,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    fn can_stream(&self) -> bool {
        !self.stream_unsupported
            && !self.pages_only
            && self.at.is_none()
            // A stream starts over when it is cut; pages go on.
            && self.stream_failures < 2
    }
}

impl FeedMachine {
    /// Begins a list, or begins it again.
    pub(super) fn begin_list(&mut self, now: Timestamp) {
        self.drop_audit();
        self.live.begin_pass();
        self.counters.lists += 1;
        let relist = &mut self.relist;
        relist.running = true;
        relist.continue_token = None;
        relist.rv = None;
        relist.incomplete = false;
        relist.names = self.live.name_index();
        relist.not_before = if relist.repairs {
            self.verified.as_ref().map(|(_, ts)| *ts)
        } else {
            self.position_ts
        };
        if relist.can_stream() {
            self.activity = Activity::ConnectingList { since: now };
            let seconds = self.watch_seconds();
            self.request(Request::StreamedList { seconds });
        } else {
            self.ask_for_page(now);
        }
    }

    /// Begins the list again after its version or its token expired.
    pub(super) fn restart_list(&mut self, now: Timestamp, message: &str) {
        self.relist.restarts += 1;
        // It was too slow: fewer, larger pages.
        self.relist.limit = self.relist.limit.saturating_mul(2).min(LIMIT_MAX);
        if self.relist.restarts == 1 {
            self.begin_list(now);
        } else {
            self.relist.running = false;
            self.retry(now, None, message.to_owned());
        }
    }

    pub(super) fn ask_for_page(&mut self, now: Timestamp) {
        self.activity = Activity::Listing { last_byte: now };
        let relist = &self.relist;
        self.request(Request::Page {
            continue_token: relist.continue_token.clone(),
            limit: relist.limit,
            at: relist.at.clone(),
        });
    }

    /// The server cannot list at the version asked for: list at the newest and own up to the gap.
    pub(super) fn list_at_newest(&mut self, now: Timestamp) {
        self.relist.at = None;
        self.cover_repair_gap(now);
        self.begin_list(now);
    }

    fn cover_repair_gap(&mut self, now: Timestamp) {
        self.counters.gaps += 1;
        self.cover(
            self.position_ts.unwrap_or(now),
            CoverageState::Unobserved,
            Cause::Discrepancy,
            Some("the repair could not list at the version of the feed".to_owned()),
        );
    }

    pub(super) fn on_page_too_large(&mut self, now: Timestamp) {
        if !matches!(self.activity, Activity::Listing { .. }) {
            return;
        }
        if self.relist.limit == 1 {
            self.retry(now, None, "a page is larger than can be held".to_owned());
            return;
        }
        self.relist.limit = (self.relist.limit / 4).max(1);
        self.ask_for_page(now);
    }

    pub(super) fn on_page(&mut self, now: Timestamp, head: &PageHead) {
        match &mut self.activity {
            Activity::Probing { found, .. } => {
                *found = Some(head.rv.clone());
                return;
            }
            Activity::Listing { last_byte } => *last_byte = now,
            _ => return,
        }
        match &self.relist.rv {
            None => {
                if self.has_passed(&head.rv) {
                    self.begin_epoch(now, &head.rv);
                } else if self.relist.at.as_ref().is_some_and(|at| *at != head.rv) {
                    self.relist.at = None;
                    self.cover_repair_gap(now);
                }
                self.relist.rv = Some(head.rv.clone());
            }
            Some(first) if *first != head.rv => {
                if self.relist.restarts < RESTARTS_UNTIL_TOLERANT {
                    self.restart_list(now, "the pages of the list differ in version");
                    return;
                }
                self.relist.incomplete = true;
            }
            Some(_) => {}
        }
        self.relist.continue_token.clone_from(&head.continue_token);
        self.relist.item_kind.clone_from(&head.item_kind);
        self.relist.api_version.clone_from(&head.api_version);
    }

    /// Tells whether the feed has passed a version already, so that history went back.
    fn has_passed(&self, rv: &Rv) -> bool {
        self.position
            .as_ref()
            .is_some_and(|position| rv.compare(position) == Some(Ordering::Less))
    }

    pub(super) fn on_item(&mut self, now: Timestamp, text: &str) {
        if !matches!(self.activity, Activity::Listing { .. }) {
            return;
        }
        let result = ObjectHead::parse(text)
            .map_err(LineError::from)
            .and_then(|head| {
                self.on_listed(now, EventType::Added, &ObjectText { head, text }, false)
            });
        if let Err(error) = result {
            self.keep_unreadable(now, text.as_bytes(), error.to_string());
        }
    }

    pub(super) fn on_page_end(&mut self, now: Timestamp) {
        match &mut self.activity {
            Activity::Probing { found, .. } => {
                let found = found.take();
                match found {
                    Some(found) if self.has_passed(&found) => {
                        self.begin_epoch(now, &found);
                        self.reset(now);
                    }
                    _ => self.open_watch(now),
                }
            }
            Activity::Listing { .. } if self.relist.continue_token.is_some() => {
                self.ask_for_page(now);
            }
            Activity::Listing { .. } => {
                if let Some(rv) = self.relist.rv.take() {
                    self.finish_list(now, rv);
                    self.open_watch(now);
                }
            }
            _ => {}
        }
    }

    /// Takes an object that a list shows; in a streamed list also one that changed meanwhile.
    pub(super) fn on_listed(
        &mut self,
        now: Timestamp,
        event_type: EventType,
        object: &ObjectText<'_>,
        streamed: bool,
    ) -> Result<(), LineError> {
        let Some(rv) = &object.head.rv else {
            return Err(LineError::NoVersion {
                event_type: event_type.to_string(),
            });
        };
        let key = object.head.key();
        let identity = Identity::of(&key);
        let deleted = event_type == EventType::Deleted;
        if !deleted && self.live.is_at(&identity, rv) {
            self.live.meet(&identity);
            return Ok(());
        }
        let body = if streamed {
            self.body(object, "", "")?
        } else {
            self.body(object, &self.relist.item_kind, &self.relist.api_version)?
        };
        let known = self.live.contains(&identity);
        let (event_type, certainty) = if deleted {
            (EventType::Deleted, Certainty::Listed)
        } else if known {
            (EventType::Modified, Certainty::Coalesced)
        } else {
            (EventType::Added, Certainty::Listed)
        };
        if !known
            && !deleted
            && let Some(namesake) = self.live.namesake(&self.relist.names, &key)
        {
            // Names are unique, so the one that had it before is gone.
            self.infer_delete(now, &namesake, self.relist.not_before);
        }
        if deleted {
            self.live.remove(&identity);
        } else {
            self.live.insert(identity.clone(), &key, rv);
            self.live.meet(&identity);
        }
        self.deliver(Delivery::Event(Event {
            feed: self.id,
            ts: now,
            not_before: self.relist.not_before,
            event_type,
            certainty,
            epoch: self.epoch,
            key,
            rv: Some(rv.clone()),
            body: Some(body),
            request: None,
        }));
        Ok(())
    }

    /// Takes a bookmark of a streamed list that may end its initial events.
    pub(super) fn on_list_bookmark(&mut self, now: Timestamp, rv: Rv, ends_initial_events: bool) {
        if !ends_initial_events {
            if let Activity::StreamingList(stream) = &mut self.activity {
                stream.plain_bookmarks += 1;
                if stream.plain_bookmarks > 1 {
                    // The server does not know streamed lists and sends an ordinary watch.
                    self.relist.stream_unsupported = true;
                    self.begin_list(now);
                }
            }
            return;
        }
        if self.has_passed(&rv) {
            // Only now is the version of the list known. Its objects are listed again, in the new
            // epoch.
            self.begin_epoch(now, &rv);
            self.relist.pages_only = true;
            self.begin_list(now);
            return;
        }
        self.finish_list(now, rv);
        let activity = std::mem::replace(&mut self.activity, Activity::Starting);
        self.activity = match activity {
            Activity::StreamingList(mut stream) => {
                stream.accepted = true;
                stream.progressed = true;
                stream.last_bookmark = Some(now);
                self.watches += 1;
                self.resets_in_a_row = 0;
                Activity::Watching(stream)
            }
            other => other,
        };
    }

    /// The list is whole and consistent at `rv`: what it did not show is gone.
    fn finish_list(&mut self, now: Timestamp, rv: Rv) {
        if !self.relist.incomplete {
            for (_, identity) in self.live.unmet() {
                self.infer_delete(now, &identity, self.relist.not_before);
            }
        }
        self.close_unreadable_gap(now, Some(&rv));
        self.position = Some(rv.clone());
        self.position_ts = Some(now);
        self.cover_observed(now);
        self.verified = Some((rv.clone(), now));
        self.deliver(Delivery::Mark {
            feed: self.id,
            rv,
            ts: now,
        });
        let stream_unsupported = self.relist.stream_unsupported;
        self.relist = Relist {
            stream_unsupported,
            ..Relist::new(&self.options)
        };
    }

    /// Delivers that a live object is gone, without its last words.
    pub(super) fn infer_delete(
        &mut self,
        now: Timestamp,
        identity: &Identity,
        not_before: Option<Timestamp>,
    ) {
        let Some(key) = self.live.key(identity) else {
            return;
        };
        self.live.remove(identity);
        self.deliver(Delivery::Event(Event {
            feed: self.id,
            ts: now,
            not_before,
            event_type: EventType::Deleted,
            certainty: Certainty::Inferred,
            epoch: self.epoch,
            key,
            rv: None,
            body: None,
            request: None,
        }));
    }
}
