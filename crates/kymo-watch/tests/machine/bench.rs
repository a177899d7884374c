//! A machine under test: what goes in is short to write, what comes out is one text per output.

use std::fmt::Write as _;
use std::time::Duration;

use kymo_model::{Event, Feed, FeedId, ObjectKey, ResourceType, Scope, Timestamp, WatchStatus};
use kymo_watch::lines::Line;
use kymo_watch::machine::{AuditInput, FeedMachine, Input, Output};
use kymo_watch::page::{ListPage, PageHead};
use kymo_watch::{
    Alarm, Delivery, FeedConfig, FeedOptions, FeedStatus, LiveObject, Request, ResumeFrom,
};

/// Every bench begins at this time; times in texts are seconds after it.
const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

pub(crate) struct Bench {
    machine: FeedMachine,
    now: Timestamp,
    log: Vec<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) requests: Vec<Request>,
}

pub(crate) fn config() -> FeedConfig {
    FeedConfig {
        id: FeedId(7),
        feed: Feed {
            resource: ResourceType {
                group: String::new(),
                version: "v1".into(),
                resource: "pods".into(),
                kind: "Pod".into(),
                namespaced: true,
            },
            scope: Scope::default(),
        },
        options: FeedOptions {
            streaming_lists: false,
            audit_every: None,
            audit_on_stop: Duration::ZERO,
            ..FeedOptions::default()
        },
        resume: ResumeFrom::default(),
        seed: 1,
    }
}

/// An object `name` with a uid of its own, as the server writes it.
pub(crate) fn object(name: &str, uid: &str, rv: u64) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"{uid}","resourceVersion":"{rv}"}},"spec":{{"n":1.0e2}}}}"#
    )
}

pub(crate) fn event_line(event_type: &str, name: &str, uid: &str, rv: u64) -> String {
    format!(
        r#"{{"type":"{event_type}","object":{}}}"#,
        object(name, uid, rv)
    )
}

pub(crate) fn bookmark_line(rv: u64, ends_initial_events: bool) -> String {
    let annotations = if ends_initial_events {
        r#","annotations":{"k8s.io/initial-events-end":"true"}"#
    } else {
        ""
    };
    format!(
        r#"{{"type":"BOOKMARK","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"resourceVersion":"{rv}"{annotations}}}}}}}"#
    )
}

pub(crate) fn status(code: u16, message: &str) -> WatchStatus {
    WatchStatus {
        code,
        message: message.into(),
        ..WatchStatus::default()
    }
}

pub(crate) fn page_text(rv: u64, token: &str, items: &[(&str, &str, u64)]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|(name, uid, rv)| object(name, uid, *rv))
        .collect();
    format!(
        r#"{{"kind":"PodList","apiVersion":"v1","items":[{}],"metadata":{{"resourceVersion":"{rv}","continue":"{token}"}}}}"#,
        items.join(",")
    )
}

impl Bench {
    /// A feed that starts with nothing and lists in pages, without audits.
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    /// A feed that has `objects` (name, uid, version) and everything up to `rv`.
    pub(crate) fn resumed(rv: u64, objects: &[(&str, &str, u64)]) -> Self {
        Self::with(resuming(config(), rv, objects))
    }

    pub(crate) fn with(config: FeedConfig) -> Self {
        let mut bench = Self {
            machine: FeedMachine::new(config),
            now: START,
            log: Vec::new(),
            events: Vec::new(),
            alarms: Vec::new(),
            requests: Vec::new(),
        };
        bench.input(Input::Start);
        bench
    }

    /// A feed that watches from 10 with objects a (uid u1) and b (uid u2); its log is empty.
    pub(crate) fn watching() -> Self {
        Self::watching_with(config())
    }

    pub(crate) fn watching_with(config: FeedConfig) -> Self {
        let mut bench = Self::with(config);
        bench.page(10, "", &[("a", "u1", 3), ("b", "u2", 4)]);
        bench.input(Input::Opened);
        bench.event("MODIFIED", "b", "u2", 11);
        bench.take();
        bench.events.clear();
        bench.alarms.clear();
        bench
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.next_output() {
            self.note(output);
        }
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, line: &[u8]) {
        self.input(Input::Line(&Line::Whole(line.to_vec().into())));
    }

    pub(crate) fn event(&mut self, event_type: &str, name: &str, uid: &str, rv: u64) {
        self.line(&event_line(event_type, name, uid, rv));
    }

    pub(crate) fn bookmark(&mut self, rv: u64) {
        self.line(&bookmark_line(rv, false));
    }

    pub(crate) fn error(&mut self, code: u16, message: &str) {
        self.line(&format!(
            r#"{{"type":"ERROR","object":{{"kind":"Status","code":{code},"message":"{message}"}}}}"#
        ));
    }

    pub(crate) fn refuse(&mut self, code: u16, message: &str) {
        self.input(Input::Refused(status(code, message)));
    }

    pub(crate) fn page(&mut self, rv: u64, token: &str, items: &[(&str, &str, u64)]) {
        self.page_of(&page_text(rv, token, items));
    }

    /// Gives a page as the adapter does: nothing more of it once the machine wants another thing.
    pub(crate) fn page_of(&mut self, text: &str) {
        let page = ListPage::parse(text.as_bytes()).unwrap();
        let requests = self.requests.len();
        self.input(Input::Page(&page.head));
        for item in page.items() {
            if self.requests.len() > requests {
                return;
            }
            self.input(Input::Item(item));
        }
        if self.requests.len() == requests {
            self.input(Input::PageEnd);
        }
    }

    pub(crate) fn audit_page(&mut self, rv: u64, token: &str, items: &[(&str, &str, u64)]) {
        let head = PageHead {
            rv: rv.to_string().as_str().into(),
            continue_token: (!token.is_empty()).then(|| token.to_owned()),
            api_version: String::new(),
            item_kind: String::new(),
        };
        self.input(Input::Audit(AuditInput::Page(&head)));
        for (name, uid, rv) in items {
            self.input(Input::Audit(AuditInput::Item(&object(name, uid, *rv))));
        }
        self.input(Input::Audit(AuditInput::PageEnd));
    }

    /// Lets time pass without a deadline being kept.
    pub(crate) fn pass(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(duration);
    }

    /// Lets time pass until the deadline, and keeps it. Returns how long that was.
    pub(crate) fn tick(&mut self) -> Duration {
        let deadline = self.machine.deadline().expect("no deadline");
        let waited = deadline.since(self.now);
        self.now = self.now.max(deadline);
        self.input(Input::Tick);
        waited
    }

    pub(crate) fn status(&self) -> FeedStatus {
        self.machine.status()
    }

    /// Returns what came out since the last call.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn note(&mut self, output: Output) {
        let text = match output {
            Output::Request(request) | Output::Audit(request) => {
                let text = request_text(&request);
                self.requests.push(request);
                text
            }
            Output::HangUp => "hang up".to_owned(),
            Output::HangUpAudit => "hang up audit".to_owned(),
            Output::Stopped => "stopped".to_owned(),
            Output::Alarm(alarm) => {
                self.alarms.push(alarm);
                return;
            }
            Output::Deliver(delivery) => {
                assert_eq!(delivery.feed(), Some(FeedId(7)));
                let text = delivery_text(&delivery);
                if let Delivery::Event(event) = delivery {
                    self.events.push(event);
                }
                text
            }
        };
        self.log.push(text);
    }
}

pub(crate) fn resuming(
    mut config: FeedConfig,
    rv: u64,
    objects: &[(&str, &str, u64)],
) -> FeedConfig {
    config.resume = ResumeFrom {
        rv: Some(rv.to_string().as_str().into()),
        epoch: 0,
        last_ts: Some(Timestamp(START.0 - 60_000_000_000)),
        live: objects
            .iter()
            .map(|(name, uid, rv)| LiveObject {
                key: ObjectKey {
                    namespace: "shop".into(),
                    name: (*name).into(),
                    uid: (*uid).into(),
                },
                rv: rv.to_string().as_str().into(),
            })
            .collect(),
        after_crash: false,
    };
    config
}

fn request_text(request: &Request) -> String {
    match request {
        Request::Watch { rv, .. } => format!("watch {rv}"),
        Request::StreamedList { .. } => "stream list".to_owned(),
        Request::Page {
            continue_token,
            limit,
            at,
        } => {
            let mut text = format!("page {limit}");
            if let Some(token) = continue_token {
                let _ = write!(text, " token {token}");
            }
            if let Some(at) = at {
                let _ = write!(text, " at {at}");
            }
            text
        }
        Request::Probe => "probe".to_owned(),
        Request::Audit {
            at, continue_token, ..
        } => match continue_token {
            Some(token) => format!("audit {at} token {token}"),
            None => format!("audit {at}"),
        },
    }
}

fn seconds(ts: Timestamp) -> i64 {
    (ts.0 - START.0) / 1_000_000_000
}

fn rv_text(rv: Option<&kymo_model::Rv>) -> &str {
    rv.map_or("-", kymo_model::Rv::as_str)
}

fn delivery_text(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Event(event) => {
            let mut text = format!(
                "{} {}/{}@{} {}",
                event.event_type,
                event.key.name,
                event.key.uid,
                rv_text(event.rv.as_ref()),
                event.certainty
            );
            if let Some(not_before) = event.not_before {
                let _ = write!(text, " {}..{}s", seconds(not_before), seconds(event.ts));
            }
            if event.epoch > 0 {
                let _ = write!(text, " epoch {}", event.epoch);
            }
            text
        }
        Delivery::Mark { rv, .. } => format!("mark {rv}"),
        Delivery::Transition(transition) => format!(
            "{} {} {} {}s",
            transition.state,
            transition.cause,
            rv_text(transition.rv.as_ref()),
            seconds(transition.ts)
        ),
        Delivery::Gap(gap) => format!(
            "gap {} {} {}..{}",
            gap.state,
            gap.cause,
            rv_text(gap.from_rv.as_ref()),
            rv_text(gap.to_rv.as_ref())
        ),
    }
}
