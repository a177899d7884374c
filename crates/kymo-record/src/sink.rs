//! What a feed delivers into: redaction first, then the way to the ledger.
//!
//! With the feature `failpoints` the point `record.deliver.<resource>` stands before each
//! delivery, such as `record.deliver.pods`.

use std::sync::Arc;

use kymo_anonymize::{Policy, redact};
use kymo_model::{Cause, Coverage, CoverageState, Event, EventType, Feed, FeedId};
use kymo_watch::{Alarm, Delivery, FeedStatus, Sink, SinkClosed};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;

use crate::inlet::{Attached, Inlet};
use crate::tally::Tally;

/// Resources whose objects say what the server serves.
const TYPES: [(&str, &str); 2] = [
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
];

/// What the sinks of all feeds share.
#[derive(Debug)]
pub(crate) struct Drain {
    pub(crate) inlet: Inlet,
    pub(crate) policy: Policy,
    pub(crate) tally: Arc<Tally>,
    /// Told when the credentials were not accepted.
    pub(crate) unauthorized: Notify,
    /// Told when what the server serves may have changed.
    pub(crate) types_changed: Notify,
}

/// Where one run of one feed delivers.
#[derive(Debug)]
pub(crate) struct FeedSink {
    drain: Arc<Drain>,
    feed: Feed,
    id: FeedId,
    run: u64,
    events: Counter,
    tells_types: bool,
}

impl FeedSink {
    pub(crate) fn new(drain: Arc<Drain>, feed: Feed, attached: &Attached) -> Self {
        let resource = &feed.resource;
        Self {
            events: drain.tally.events_of(&feed),
            tells_types: TYPES.contains(&(&resource.group, &resource.resource)),
            drain,
            id: attached.id,
            run: attached.run,
            feed,
        }
    }

    async fn hand_over(&self, delivery: Delivery) -> Result<(), SinkClosed> {
        self.drain.inlet.deliver(self.run, delivery).await
    }

    /// Takes out of the event what must not be stored. What cannot be redacted is kept as an
    /// unreadable line, without bytes where they may hold a Secret.
    fn redacted(&self, event: &mut Event) -> Option<Coverage> {
        let body = event.body.as_deref()?;
        let resource = &self.feed.resource;
        if event.event_type == EventType::Unreadable {
            let kept = self.drain.policy.unreadable(resource, body);
            if kept.len() < body.len() {
                event.body = Some(Arc::from(kept));
            }
            return None;
        }
        let reason = match std::str::from_utf8(body) {
            Ok(text) => match redact(&self.drain.policy, resource, text) {
                Ok(std::borrow::Cow::Borrowed(_)) => return None,
                Ok(std::borrow::Cow::Owned(text)) => {
                    event.body = Some(Arc::from(text.into_bytes()));
                    return None;
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let kept = Arc::from(self.drain.policy.unreadable(resource, body));
        event.event_type = EventType::Unreadable;
        event.body = Some(kept);
        Some(Coverage {
            feed: Some(self.id),
            epoch: event.epoch,
            session: 0,
            state: CoverageState::Uncertain,
            cause: Cause::UnreadableLine,
            from_rv: event.rv.take(),
            to_rv: None,
            from_seq: None,
            to_seq: None,
            from_ts: Some(event.ts),
            to_ts: Some(event.ts),
            detail: Some(reason),
        })
    }
}

impl Sink for FeedSink {
    async fn deliver(&self, mut delivery: Delivery) -> Result<(), SinkClosed> {
        #[cfg(feature = "failpoints")]
        fail::fail_point!(&format!("record.deliver.{}", self.feed.resource.resource));
        let mut gap = None;
        match &mut delivery {
            Delivery::Event(event) => {
                gap = self.redacted(event);
                self.events.inc();
                if self.tells_types {
                    self.drain.types_changed.notify_one();
                }
            }
            // The reason why a line cannot be read may quote it.
            Delivery::Gap(gap) if self.feed.resource.is_secret() => {
                gap.detail = gap.detail.take().map(|_| "not told: a Secret".to_owned());
            }
            _ => {}
        }
        if let Some(gap) = gap {
            self.hand_over(Delivery::Gap(gap)).await?;
        }
        self.hand_over(delivery).await
    }

    fn alarm(&self, _feed: FeedId, alarm: &Alarm) {
        self.drain.tally.alarm(&self.feed, alarm);
        if matches!(alarm, Alarm::Unauthorized { .. }) {
            self.drain.unauthorized.notify_one();
        }
    }

    fn status(&self, _feed: FeedId, status: &FeedStatus) {
        self.drain.tally.feed(self.id, status);
    }
}
