//! What stands between feeds and log when a cluster is anonymized while it is recorded.
//!
//! Feeds know the cluster as it is, the log knows pseudonyms: everything passes here on its way
//! into the trace, and what a feed needs to go on is turned back from memory on its way out of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kymo_anonymize::{AnonymizationPolicy, Anonymizer, Failure, Key, Names, Settings};
use kymo_model::{
    Cause, Clock, Coverage, CoverageState, Event, EventType, Feed, FeedId, ObjectKey, ResourceType,
    Rv, Timestamp,
};
use kymo_store::{LogRecord, Resume, SessionInfo};
use serde_json::{Value, json};

/// Memory for pseudonyms that were given, so that no two names share one, in bytes. Older ones are
/// forgotten then.
const MEMORY: usize = 16 << 20;
/// Versions move up by less than this, so that they stay numbers of 64 bits.
const MOST_MOVED: u128 = 1 << 40;

/// How to anonymize while recording.
#[derive(Clone, Debug)]
pub struct Anonymize {
    /// The secret on which pseudonyms depend.
    pub key: Key,
    /// What is kept; free text is dropped whatever it says.
    pub policy: AnonymizationPolicy,
}

/// Turns what is recorded into what is stored.
#[derive(Debug)]
pub(crate) struct Veil {
    anonymizer: Anonymizer,
    /// How far versions move up.
    moved: u64,
    /// The resources of the feeds.
    resources: HashMap<FeedId, ResourceType>,
    /// The objects that are stored and not deleted, by what they are stored as.
    live: HashMap<FeedId, HashMap<ObjectKey, ObjectKey>>,
    /// Those of them whose deletion is not durable yet.
    gone: HashSet<(FeedId, ObjectKey)>,
}

impl Veil {
    pub(crate) fn new(anonymize: &Anonymize) -> Self {
        let settings = Settings {
            memory: MEMORY,
            ..Settings::default()
        };
        let policy = anonymize.policy.clone();
        let keeps = policy.names == Names::Keep;
        let anonymizer = Anonymizer::while_recording(&anonymize.key, policy, settings);
        let drawn = u128::from_le_bytes(anonymizer.digest("versions of a recording"));
        let drawn = (drawn % MOST_MOVED) as u64;
        Self {
            moved: if keeps { 0 } else { drawn },
            anonymizer,
            resources: HashMap::new(),
            live: HashMap::new(),
            gone: HashSet::new(),
        }
    }

    /// Returns the clock of the writer, whose times are stored.
    pub(crate) fn clock(&self, clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(Moved {
            clock: Arc::clone(clock),
            back: self.anonymizer.moved_back(),
        })
    }

    /// Returns what the cluster is stored as.
    pub(crate) fn cluster(&mut self, uid: &str) -> Result<String, Failure> {
        self.anonymizer.unique_id(uid)
    }

    /// Returns what a session says of itself.
    pub(crate) fn session(&mut self, mut session: SessionInfo) -> Result<SessionInfo, Failure> {
        session.started = self.anonymizer.time(session.started);
        session.clock_offset_ns = None;
        if let Some(uid) = &mut session.cluster_uid {
            *uid = self.anonymizer.unique_id(uid)?;
        }
        if let Some(version) = &mut session.server_version {
            *version = self.anonymizer.version(version)?;
        }
        Ok(session)
    }

    /// Returns the step of the lineage that tells of this.
    pub(crate) fn step(&self, tool: &str) -> Value {
        json!({
            "tool": tool,
            "command": "anonymize",
            "policy": self.anonymizer.policy().name,
            "inputs": [],
            "partial": [],
        })
    }

    /// Returns what a feed is stored as.
    pub(crate) fn feed(&mut self, feed: &Feed) -> Result<Feed, Failure> {
        self.anonymizer.feed(feed)
    }

    /// Remembers of which resource a feed is.
    pub(crate) fn attach(&mut self, id: FeedId, feed: &Feed) {
        self.resources.insert(id, feed.resource.clone());
    }

    /// Turns back where a feed goes on. An object that is stored and not known any more is left out:
    /// the feed lists it again.
    pub(crate) fn resume(&self, id: FeedId, mut resume: Resume) -> Resume {
        resume.rv = resume.rv.and_then(|version| self.version_back(&version));
        resume.last_ts = resume.last_ts.map(|time| self.time_back(time));
        let known = self.live.get(&id);
        resume.live.retain_mut(|object| {
            let Some(key) = known.and_then(|known| known.get(&object.key)) else {
                return false;
            };
            object.key = key.clone();
            object.rv = object
                .rv
                .take()
                .and_then(|version| self.version_back(&version));
            true
        });
        resume
    }

    /// Forgets objects whose deletion is durable.
    pub(crate) fn settled(&mut self) {
        for (id, stored) in self.gone.drain() {
            if let Some(known) = self.live.get_mut(&id) {
                known.remove(&stored);
            }
        }
    }

    /// Returns what is stored of a record. What cannot be replaced is not stored: in its place stands
    /// that something is missing.
    pub(crate) fn record(&mut self, record: LogRecord) -> Result<LogRecord, Failure> {
        Ok(match record {
            LogRecord::Event(event) => {
                let gap = self.missing(&event);
                match self.event(event) {
                    Ok(event) => LogRecord::Event(event),
                    Err(failure) => {
                        tracing::warn!("an event is not stored: {failure}");
                        LogRecord::Gap(gap)
                    }
                }
            }
            LogRecord::Mark { feed, rv, ts } => LogRecord::Mark {
                feed,
                rv: self.version(&rv),
                ts: self.anonymizer.time(ts),
            },
            LogRecord::Transition {
                feed,
                epoch,
                ts,
                state,
                cause,
                rv,
                ..
            } => LogRecord::Transition {
                feed,
                epoch,
                ts: self.anonymizer.time(ts),
                state,
                cause,
                rv: rv.map(|version| self.version(&version)),
                // It may quote the server.
                detail: None,
            },
            LogRecord::Gap(mut gap) => {
                gap.from_rv = gap.from_rv.map(|version| self.version(&version));
                gap.to_rv = gap.to_rv.map(|version| self.version(&version));
                gap.from_ts = gap.from_ts.map(|time| self.anonymizer.time(time));
                gap.to_ts = gap.to_ts.map(|time| self.anonymizer.time(time));
                gap.detail = None;
                LogRecord::Gap(gap)
            }
            LogRecord::ClockStep(mut step) => {
                step.at = self.anonymizer.time(step.at);
                LogRecord::ClockStep(step)
            }
            LogRecord::Session(session) => LogRecord::Session(self.session(session)?),
            LogRecord::SessionEnd { ts, cause } => LogRecord::SessionEnd {
                ts: self.anonymizer.time(ts),
                cause,
            },
            LogRecord::Feed { id, feed } => LogRecord::Feed {
                id,
                feed: self.feed(&feed)?,
            },
            lineage @ LogRecord::Lineage(_) => lineage,
        })
    }

    fn missing(&self, event: &Event) -> Coverage {
        let at = Some(self.anonymizer.time(event.ts));
        Coverage {
            feed: Some(event.feed),
            epoch: event.epoch,
            session: 0,
            state: CoverageState::Uncertain,
            cause: Cause::UnreadableLine,
            from_rv: event.rv.as_ref().map(|version| self.version(version)),
            to_rv: None,
            from_seq: None,
            to_seq: None,
            from_ts: at,
            to_ts: at,
            detail: None,
        }
    }

    fn event(&mut self, mut event: Event) -> Result<Event, Failure> {
        let Some(resource) = self.resources.get(&event.feed) else {
            return Err(Failure::NotAnObject);
        };
        let is_readable = event.event_type != EventType::Unreadable;
        event.body = match event.body.take() {
            Some(body) if is_readable => {
                let mut object: Value =
                    serde_json::from_slice(&body).map_err(|_| Failure::NotAnObject)?;
                let version = object["metadata"]["resourceVersion"].as_str();
                let version = version.map(|version| self.version(&Rv::from(version)));
                let version = version.as_ref().map(Rv::as_str);
                self.anonymizer.object(resource, &mut object, version)?;
                let text = serde_json::to_vec(&object).map_err(|_| Failure::NotAnObject)?;
                Some(Arc::from(text))
            }
            Some(_) if self.anonymizer.policy().names == Names::Pseudonyms => Some(Arc::from([])),
            body => body,
        };
        let stored = self.anonymizer.key(resource, &event.key)?;
        event.rv = event.rv.map(|version| self.version(&version));
        event.ts = self.anonymizer.time(event.ts);
        event.not_before = event.not_before.map(|time| self.anonymizer.time(time));
        if let Some(request) = &event.request {
            event.request = Some(Arc::new(self.anonymizer.request(request)?));
        }
        if event.event_type == EventType::Deleted {
            self.gone.insert((event.feed, stored.clone()));
        } else if is_readable {
            if !self.gone.is_empty() {
                // Seen again before its deletion was durable, it is there.
                self.gone.remove(&(event.feed, stored.clone()));
            }
            let known = self.live.entry(event.feed).or_default();
            known.insert(stored.clone(), event.key);
        }
        event.key = stored;
        Ok(event)
    }

    fn version(&self, version: &Rv) -> Rv {
        if self.moved == 0 || version.as_str().is_empty() {
            return version.clone();
        }
        let number = version
            .is_ordered()
            .then(|| version.as_str().parse::<u64>());
        match number {
            Some(Ok(number)) if number < u64::MAX - self.moved => {
                Rv::new((number + self.moved).to_string())
            }
            // It has no order; only equality means something.
            _ => {
                let token = u128::from_le_bytes(self.anonymizer.digest(version.as_str()));
                Rv::new(format!("x{token:032x}"))
            }
        }
    }

    /// Turns a stored version back; `None` for one that has no way back.
    fn version_back(&self, version: &Rv) -> Option<Rv> {
        if self.moved == 0 || version.as_str().is_empty() {
            return Some(version.clone());
        }
        let number: u64 = version.as_str().parse().ok()?;
        Some(Rv::new(number.checked_sub(self.moved)?.to_string()))
    }

    fn time_back(&self, time: Timestamp) -> Timestamp {
        let back = i64::try_from(self.anonymizer.moved_back().as_nanos()).unwrap_or(i64::MAX);
        Timestamp(time.0.saturating_add(back))
    }
}

/// A clock whose wall time is moved back.
#[derive(Debug)]
struct Moved {
    clock: Arc<dyn Clock>,
    back: Duration,
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        let back = i64::try_from(self.back.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(self.clock.now().0.saturating_sub(back))
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}
