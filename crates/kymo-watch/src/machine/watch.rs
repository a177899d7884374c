use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use kymo_model::{
    Certainty, Event, EventType, HeadError, LineError, ObjectText, Rv, Timestamp, WatchLine,
    WatchStatus,
};

use super::{ACCEPTED_AFTER, Activity, FeedMachine, Output, Stream};
use crate::lines::Line;
use crate::live::Identity;
use crate::object::{complete, metadata_only};
use crate::{Alarm, Delivery, Request};

/// A stream that ended sooner than this and brought nothing counts as a failure.
const TOO_SHORT: Duration = Duration::from_secs(5);

/// A watch is given up after this many bookmark intervals of silence.
const SILENT_INTERVALS: f64 = 2.5;
const SILENCE_MIN: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_mins(5);

impl FeedMachine {
    pub(super) fn open_watch(&mut self, now: Timestamp) {
        let Some(rv) = self.position.clone() else {
            self.begin_list(now);
            return;
        };
        self.activity = Activity::Connecting { since: now };
        if self.watches > 0 {
            self.counters.reconnects += 1;
        }
        self.watches += 1;
        let seconds = self.watch_seconds();
        self.request(Request::Watch { rv, seconds });
    }

    pub(super) fn on_opened(&mut self, now: Timestamp) {
        match self.activity {
            Activity::Connecting { .. } => {
                self.activity = Activity::Watching(Stream::new(now));
            }
            Activity::ConnectingList { .. } => {
                self.activity = Activity::StreamingList(Stream::new(now));
            }
            _ => {}
        }
    }

    pub(super) fn on_progress(&mut self, now: Timestamp) {
        match &mut self.activity {
            Activity::Watching(stream) | Activity::StreamingList(stream) => stream.last_byte = now,
            Activity::Listing { last_byte } => *last_byte = now,
            // It was in a queue until now.
            Activity::ConnectingList { since } => *since = now,
            _ => {}
        }
    }

    /// Returns for how long the watch may be silent.
    pub(super) fn silence(&self) -> Duration {
        self.bookmark_interval
            .map_or(self.options.silence, |interval| {
                interval
                    .mul_f64(SILENT_INTERVALS)
                    .clamp(SILENCE_MIN, SILENCE_MAX)
            })
    }

    pub(super) fn on_line(&mut self, now: Timestamp, line: &Line) {
        let (Activity::Watching(stream) | Activity::StreamingList(stream)) = &mut self.activity
        else {
            return;
        };
        stream.last_byte = now;
        stream.spoke = true;
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong { head, length } => {
                let reason = format!(
                    "{length} bytes are more than {}; the first {} are kept",
                    self.options.line_bytes,
                    head.len()
                );
                self.on_unreadable(now, head, reason);
                return;
            }
        };
        let listing = matches!(self.activity, Activity::StreamingList(_));
        match WatchLine::parse(bytes) {
            Ok(WatchLine::Event { event_type, object }) => {
                let result = if listing {
                    self.on_listed(now, event_type, &object, true)
                } else {
                    self.on_event(now, event_type, &object)
                };
                if let Err(error) = result {
                    self.on_unreadable(now, bytes, error.to_string());
                }
            }
            Ok(WatchLine::Bookmark {
                rv,
                ends_initial_events,
            }) => {
                self.counters.bookmarks += 1;
                if listing {
                    self.on_list_bookmark(now, rv, ends_initial_events);
                } else {
                    self.on_bookmark(now, rv);
                }
            }
            Ok(WatchLine::Error(status)) => self.on_status(now, &status),
            // Some servers send the status bare, as they would with another HTTP code.
            Err(error) => match WatchStatus::parse(bytes) {
                Some(status) => self.on_status(now, &status),
                None => self.on_unreadable(now, bytes, error.to_string()),
            },
        }
    }

    fn on_event(
        &mut self,
        now: Timestamp,
        event_type: EventType,
        object: &ObjectText<'_>,
    ) -> Result<(), LineError> {
        let Some(rv) = &object.head.rv else {
            return Err(LineError::NoVersion {
                event_type: event_type.to_string(),
            });
        };
        let key = object.head.key();
        let identity = Identity::of(&key);
        let order = self
            .position
            .as_ref()
            .and_then(|position| rv.compare(position));
        if order != Some(Ordering::Greater) {
            let repeated = self.recent.holds(&identity, event_type, rv)
                || (event_type != EventType::Deleted && self.live.is_at(&identity, rv));
            if repeated {
                self.counters.duplicates += 1;
                return Ok(());
            }
            if order.is_some() {
                self.rewind(now, rv);
                return Ok(());
            }
        }
        let body = self.body(object, "", "")?;
        self.on_accepted(now);
        self.advance(now, rv);
        self.note_change(&identity);
        if event_type == EventType::Deleted {
            self.live.remove(&identity);
        } else {
            self.live.insert(identity.clone(), &key, rv);
        }
        self.recent.remember(&identity, event_type, rv);
        self.deliver(Delivery::Event(Event {
            feed: self.id,
            ts: now,
            not_before: None,
            event_type,
            certainty: Certainty::Seen,
            epoch: self.epoch,
            key,
            rv: Some(rv.clone()),
            body: Some(body),
            request: None,
        }));
        Ok(())
    }

    fn on_bookmark(&mut self, now: Timestamp, rv: Rv) {
        let order = self
            .position
            .as_ref()
            .and_then(|position| rv.compare(position));
        if order == Some(Ordering::Less) {
            self.rewind(now, &rv);
            return;
        }
        if let Activity::Watching(stream) = &mut self.activity
            && let Some(last) = stream.last_bookmark.replace(now)
        {
            // The longest of late, so that a bookmark out of turn does not make it hasty.
            let before = self.bookmark_interval.unwrap_or_default().mul_f64(0.75);
            self.bookmark_interval = Some(now.since(last).max(before));
        }
        self.on_accepted(now);
        self.advance(now, &rv);
        self.deliver(Delivery::Mark {
            feed: self.id,
            rv,
            ts: now,
        });
        if self.next_audit.is_some_and(|due| due <= now) && self.audit.is_none() {
            self.begin_audit(now, false);
        }
    }

    /// Moves the position, closing the gap of unreadable lines before it.
    fn advance(&mut self, now: Timestamp, rv: &Rv) {
        if self.position.as_ref() != Some(rv) {
            self.close_unreadable_gap(now, Some(rv));
            self.position = Some(rv.clone());
            if let Activity::Watching(stream) = &mut self.activity {
                stream.progressed = true;
            }
        }
        self.position_ts = Some(now);
    }

    /// The server accepted the version from which the watch was asked.
    fn on_accepted(&mut self, now: Timestamp) {
        if let Activity::Watching(stream) = &mut self.activity
            && !stream.accepted
        {
            stream.accepted = true;
            self.resets_in_a_row = 0;
            self.cover_observed(now);
        }
    }

    fn rewind(&mut self, now: Timestamp, found: &Rv) {
        self.begin_epoch(now, found);
        self.reset(now);
    }

    /// Returns what is kept of an object.
    pub(super) fn body(
        &self,
        object: &ObjectText<'_>,
        kind: &str,
        api_version: &str,
    ) -> Result<Arc<[u8]>, HeadError> {
        if self.options.metadata_only {
            return Ok(metadata_only(object, &self.feed.resource)?
                .into_bytes()
                .into());
        }
        Ok(complete(object, kind, api_version).as_bytes().into())
    }

    pub(super) fn on_stream_end(&mut self, now: Timestamp, error: Option<String>) {
        match &self.activity {
            Activity::Watching(stream) => {
                let lived = now.since(stream.opened);
                self.backoff.healthy_for(lived);
                if stream.progressed || lived >= TOO_SHORT {
                    self.lost_since = Some(now);
                    self.open_watch(now);
                } else {
                    let message =
                        error.unwrap_or_else(|| "the watch ended as soon as it began".to_owned());
                    self.retry(now, None, message);
                }
            }
            Activity::StreamingList(_) => {
                self.relist.stream_failures += 1;
                let message =
                    error.unwrap_or_else(|| "the streamed list ended half-way".to_owned());
                self.retry(now, None, message);
            }
            _ => {}
        }
    }

    pub(super) fn on_tick(&mut self, now: Timestamp) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match &self.activity {
            Activity::Watching(stream) => {
                let silence = now.since(stream.last_byte);
                if silence >= self.silence() {
                    let spoke = stream.spoke;
                    self.on_silent(now, silence, spoke);
                } else if now.since(stream.opened) >= ACCEPTED_AFTER {
                    self.on_accepted(now);
                }
            }
            Activity::Waiting { next, .. } => {
                let next = *next;
                self.go_on(now, next);
            }
            Activity::StreamingList(_) => {
                self.relist.stream_failures += 1;
                self.retry(now, None, "the streamed list fell silent".to_owned());
            }
            Activity::Connecting { .. }
            | Activity::ConnectingList { .. }
            | Activity::Probing { .. }
            | Activity::Listing { .. } => {
                self.unreachable = true;
                self.retry(now, None, "the server does not answer".to_owned());
            }
            Activity::Starting | Activity::Stopping | Activity::Stopped => {}
        }
    }

    /// A watch fell silent: the connection may be dead, or the server holds older versions than
    /// the one asked for and waits for them to come (a restored backup). The latter shows in the
    /// version of a list.
    fn on_silent(&mut self, now: Timestamp, silence: Duration, spoke: bool) {
        self.bookmark_interval = None;
        self.lost_since = self.last_contact.or(Some(now));
        self.alarm(Alarm::Silent { silence });
        self.outputs.push_back(Output::HangUp);
        if spoke {
            self.open_watch(now);
        } else {
            self.probe(now);
        }
    }

    /// Asks for the server's version before the watch is resumed. A watch from a version that the
    /// server does not have yet would be silent, and once the server has passed it, resume with
    /// versions of another history.
    pub(super) fn probe(&mut self, now: Timestamp) {
        self.unreachable = false;
        self.activity = Activity::Probing {
            since: now,
            found: None,
        };
        self.request(Request::Probe);
    }
}
