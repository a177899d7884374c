//! The list/watch state machine: no I/O, no clock.
//!
//! [`FeedMachine::handle`] takes what happened and when; [`FeedMachine::next_output`] says what to
//! do; [`FeedMachine::deadline`] says when to call again if nothing happens.
//!
//! 1. It resumes: a watch from the last version kept. It lists only if there is none or the server
//!    no longer has the history (410).
//! 2. Lists are consistent: streamed through a watch where the server can, else in pages with the
//!    version unset. Deletes are deduced from a whole list only.
//! 3. The version moves only with what was delivered; whatever ends a stream, the next one begins
//!    there. An unreadable line is asked for again, then kept as bytes inside a gap.
//! 4. Versions grow inside an epoch. When they do not, a new epoch begins with a gap and a list.
//! 5. A server that refuses, throttles or does not know the resource makes a coverage state.
//! 6. From time to time the live objects are compared with a list of metadata at one version.

mod audit;
mod coverage;
mod failure;
mod io;
mod list;
mod recent;
mod unreadable;
mod watch;

use std::collections::VecDeque;
use std::time::Duration;

use kymo_model::{Cause, CoverageState, Feed, FeedId, Rv, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::audit::Audit;
pub use self::io::{AuditInput, Input, Output};
use self::list::Relist;
use self::recent::Recent;
use self::unreadable::Unreadable;
use crate::backoff::Backoff;
use crate::live::{Identity, LiveTable};
use crate::{Counters, Delivery, FeedConfig, FeedOptions, FeedStatus, Phase, Request};

/// A stream that was opened on a version without history ends at once with 410; one that is
/// silent for this long was accepted.
const ACCEPTED_AFTER: Duration = Duration::from_secs(2);

/// The list/watch state machine of one feed.
///
/// ```
/// use kymo_model::{Feed, FeedId, ResourceType, Scope, Timestamp};
/// use kymo_watch::machine::{FeedMachine, Input, Output};
/// use kymo_watch::{FeedConfig, FeedOptions, Request, ResumeFrom};
///
/// let mut machine = FeedMachine::new(FeedConfig {
///     id: FeedId(1),
///     feed: Feed {
///         resource: ResourceType {
///             group: String::new(),
///             version: "v1".into(),
///             resource: "pods".into(),
///             kind: "Pod".into(),
///             namespaced: true,
///         },
///         scope: Scope::default(),
///     },
///     options: FeedOptions::default(),
///     resume: ResumeFrom { rv: Some("42".into()), ..ResumeFrom::default() },
///     seed: 1,
/// });
/// machine.handle(Timestamp(0), Input::Start);
/// let Some(Output::Request(Request::Watch { rv, .. })) = machine.next_output() else { panic!() };
/// assert_eq!(rv, "42".into());
/// ```
#[derive(Debug)]
pub struct FeedMachine {
    id: FeedId,
    feed: Feed,
    options: FeedOptions,
    random: StdRng,
    outputs: VecDeque<Output>,
    activity: Activity,

    epoch: u32,
    /// Everything up to this version was delivered.
    position: Option<Rv>,
    /// When that was known.
    position_ts: Option<Timestamp>,
    live: LiveTable,
    recent: Recent,

    coverage: Option<(CoverageState, Cause)>,
    last_transition: Option<Timestamp>,
    last_contact: Option<Timestamp>,
    /// Since when no request has succeeded.
    lost_since: Option<Timestamp>,
    after_crash: bool,

    backoff: Backoff,
    relist: Relist,
    unreadable: Option<Unreadable>,
    audit: Option<Audit>,
    next_audit: Option<Timestamp>,
    /// The last audit without a difference, or the last list.
    verified: Option<(Rv, Timestamp)>,
    bookmark_interval: Option<Duration>,
    /// 410, rewinds and refused versions without a readable line in between.
    resets_in_a_row: u32,
    refusals_in_a_row: u32,
    /// Whether the server could not be reached: what answers next may have an older history.
    unreachable: bool,
    too_new_in_a_row: u32,
    watches: u64,
    counters: Counters,
}

#[derive(Debug)]
enum Activity {
    Starting,
    /// A watch was asked for.
    Connecting {
        since: Timestamp,
    },
    Watching(Stream),
    /// A streamed list was asked for.
    ConnectingList {
        since: Timestamp,
    },
    /// The initial events of a streamed list are coming.
    StreamingList(Stream),
    /// A page was asked for.
    Listing {
        last_byte: Timestamp,
    },
    /// The newest version was asked for, because the watch was silent.
    Probing {
        since: Timestamp,
        found: Option<Rv>,
    },
    Waiting {
        until: Timestamp,
        next: Next,
    },
    /// The last audit runs.
    Stopping,
    Stopped,
}

/// A running stream of lines.
#[derive(Debug)]
struct Stream {
    opened: Timestamp,
    last_byte: Timestamp,
    last_bookmark: Option<Timestamp>,
    /// A line came.
    spoke: bool,
    /// The position moved.
    progressed: bool,
    /// The server accepted the version.
    accepted: bool,
    plain_bookmarks: u32,
}

impl Stream {
    fn new(now: Timestamp) -> Self {
        Self {
            opened: now,
            last_byte: now,
            last_bookmark: None,
            spoke: false,
            progressed: false,
            accepted: false,
            plain_bookmarks: 0,
        }
    }
}

/// What comes after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A watch from the position, or a list where there is none.
    Resume,
    /// A list from its beginning.
    List,
    /// The page that failed.
    Page,
}

impl FeedMachine {
    /// Makes the machine of a feed; nothing happens before [`Input::Start`].
    pub fn new(config: FeedConfig) -> Self {
        let FeedConfig {
            id,
            feed,
            options,
            resume,
            seed,
        } = config;
        let mut live = LiveTable::default();
        for object in &resume.live {
            live.insert(Identity::of(&object.key), &object.key, &object.rv);
        }
        Self {
            backoff: Backoff::new(
                options.backoff_min,
                options.backoff_max,
                options.backoff_reset,
            ),
            relist: Relist::new(&options),
            id,
            feed,
            options,
            random: StdRng::seed_from_u64(seed),
            outputs: VecDeque::new(),
            activity: Activity::Starting,
            epoch: resume.epoch,
            position: resume.rv,
            position_ts: resume.last_ts,
            live,
            recent: Recent::default(),
            coverage: None,
            last_transition: resume.last_ts,
            last_contact: None,
            lost_since: None,
            after_crash: resume.after_crash,
            unreadable: None,
            audit: None,
            next_audit: None,
            verified: None,
            bookmark_interval: None,
            resets_in_a_row: 0,
            refusals_in_a_row: 0,
            unreachable: false,
            too_new_in_a_row: 0,
            watches: 0,
            counters: Counters::default(),
        }
    }

    /// Takes what happened at `now`. Take all outputs before the next input.
    ///
    /// An input that does not fit what the machine is doing is ignored.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        if !matches!(
            input,
            Input::Start | Input::Tick | Input::Recheck | Input::Stop | Input::Failed(_)
        ) {
            self.last_contact = Some(now);
        }
        match input {
            Input::Start => self.start(now),
            Input::Opened => self.on_opened(now),
            Input::Progress => self.on_progress(now),
            Input::Line(line) => self.on_line(now, line),
            Input::Eof => self.on_stream_end(now, None),
            Input::Page(head) => self.on_page(now, head),
            Input::Item(text) => self.on_item(now, text),
            Input::PageEnd => self.on_page_end(now),
            Input::PageTooLarge => self.on_page_too_large(now),
            Input::Refused(status) => self.on_status(now, &status),
            Input::Failed(message) => self.on_failed(now, message),
            Input::Tick => self.on_tick(now),
            Input::Recheck => self.on_recheck(now),
            Input::Audit(input) => self.on_audit(now, &input),
            Input::Stop => self.on_stop(now),
        }
    }

    /// Returns the next thing to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Tick`] is due if nothing else happens.
    pub fn deadline(&self) -> Option<Timestamp> {
        let answer = self.options.answer_timeout;
        match &self.activity {
            Activity::Starting | Activity::Stopping | Activity::Stopped => None,
            Activity::Connecting { since }
            | Activity::ConnectingList { since }
            | Activity::Probing { since, .. } => Some(since.saturating_add(answer)),
            Activity::StreamingList(stream) => Some(stream.last_byte.saturating_add(answer)),
            Activity::Listing { last_byte } => Some(last_byte.saturating_add(answer)),
            Activity::Watching(stream) => {
                let silent = stream.last_byte.saturating_add(self.silence());
                if stream.accepted {
                    Some(silent)
                } else {
                    Some(silent.min(stream.opened.saturating_add(ACCEPTED_AFTER)))
                }
            }
            Activity::Waiting { until, .. } => Some(*until),
        }
    }

    /// Returns how the feed is.
    pub fn status(&self) -> FeedStatus {
        FeedStatus {
            phase: self.phase(),
            coverage: self.coverage.map(|(state, _)| state),
            position: self.position.clone(),
            last_contact: self.last_contact,
            epoch: self.epoch,
            live_objects: self.live.len(),
            counters: self.counters,
        }
    }

    /// Returns what the machine is doing.
    pub fn phase(&self) -> Phase {
        match &self.activity {
            Activity::Starting => Phase::Starting,
            Activity::Connecting { .. } | Activity::Probing { .. } => Phase::Connecting,
            Activity::Watching(_) => Phase::Watching,
            Activity::ConnectingList { .. }
            | Activity::StreamingList(_)
            | Activity::Listing { .. } => Phase::Listing,
            Activity::Waiting { .. } => Phase::Waiting,
            Activity::Stopping | Activity::Stopped => Phase::Stopped,
        }
    }

    /// Returns what the machine watches.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    fn start(&mut self, now: Timestamp) {
        if !matches!(self.activity, Activity::Starting) {
            return;
        }
        if let Some(every) = self.options.audit_every {
            // Feeds that start together do not audit together.
            let first = every.mul_f64(self.random.random_range(0.5..1.0));
            self.next_audit = Some(now.saturating_add(first));
        }
        self.go_on(now, Next::Resume);
    }

    fn go_on(&mut self, now: Timestamp, next: Next) {
        match next {
            Next::Page if self.relist.is_running() => self.ask_for_page(now),
            Next::Resume if self.position.is_some() && self.unreachable => self.probe(now),
            Next::Resume if self.position.is_some() => self.open_watch(now),
            Next::Resume | Next::List | Next::Page => self.begin_list(now),
        }
    }

    fn wait(&mut self, now: Timestamp, duration: Duration, next: Next) {
        self.activity = Activity::Waiting {
            until: now.saturating_add(duration),
            next,
        };
        self.outputs.push_back(Output::HangUp);
    }

    fn request(&mut self, request: Request) {
        self.counters.requests += 1;
        self.outputs.push_back(Output::Request(request));
    }

    fn deliver(&mut self, delivery: Delivery) {
        if matches!(delivery, Delivery::Event(_)) {
            self.counters.events += 1;
        }
        self.outputs.push_back(Output::Deliver(delivery));
    }

    fn watch_seconds(&mut self) -> u32 {
        let range = self.options.watch_seconds.clone();
        if range.is_empty() {
            return range.start.max(1);
        }
        self.random.random_range(range)
    }

    fn on_recheck(&mut self, now: Timestamp) {
        if let Activity::Waiting { next, .. } = self.activity
            && matches!(
                self.coverage,
                Some((CoverageState::Denied | CoverageState::Absent, _))
            )
        {
            self.go_on(now, next);
        }
    }

    fn on_stop(&mut self, now: Timestamp) {
        if matches!(self.activity, Activity::Stopped) {
            return;
        }
        let accepted = matches!(&self.activity, Activity::Watching(stream) if stream.accepted);
        if accepted {
            self.drop_audit();
            if !self.options.audit_on_stop.is_zero() && self.begin_audit(now, true) {
                self.activity = Activity::Stopping;
                self.outputs.push_back(Output::HangUp);
                return;
            }
        }
        self.finish_stop(now);
    }

    fn finish_stop(&mut self, now: Timestamp) {
        let connected = matches!(self.activity, Activity::Watching(_) | Activity::Stopping);
        let ended = if connected {
            now
        } else {
            self.lost_since.or(self.last_contact).unwrap_or(now)
        };
        self.activity = Activity::Stopped;
        self.drop_audit();
        self.close_unreadable_gap(now, None);
        if self.coverage.is_some() {
            self.cover(ended, CoverageState::Unobserved, Cause::Stop, None);
        }
        self.outputs.push_back(Output::HangUp);
        self.outputs.push_back(Output::Stopped);
    }
}
