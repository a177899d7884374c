use std::future::pending;
use std::time::Duration;

use kymo_model::{FeedId, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use super::FeedContext;
use super::exchange::{Arrival, Ask, Exchange, Form};
use crate::machine::{AuditInput, FeedMachine, Input, Output};
use crate::page::ListPage;
use crate::{FeedConfig, FeedOptions, FeedStatus, Phase, Request, Sink, SinkClosed};

/// A server that does not know `limit` may send this many times the usual bytes of a page.
const UNLIMITED_PAGES: usize = 8;

/// A machine, its two exchanges and where it delivers to.
pub(super) struct Run<'a, S> {
    context: FeedContext,
    id: FeedId,
    options: FeedOptions,
    machine: FeedMachine,
    sink: &'a S,
    main: Exchange,
    /// Held while a list runs.
    permit: Option<OwnedSemaphorePermit>,
    audit: Exchange,
    /// When the audit request counts as unanswered.
    audit_deadline: Option<Instant>,
    /// When the last audit must be done.
    stop_deadline: Option<Instant>,
    told: Option<FeedStatus>,
    stopped: bool,
}

/// What woke the loop.
enum Wake {
    Main(Arrival),
    Audit(Arrival),
    AuditDeadline,
    Deadline,
    Recheck,
    Cancel,
    StopDeadline,
}

impl<'a, S: Sink> Run<'a, S> {
    pub(super) fn new(context: FeedContext, config: FeedConfig, sink: &'a S) -> Self {
        Self {
            context,
            id: config.id,
            options: config.options.clone(),
            machine: FeedMachine::new(config),
            sink,
            main: Exchange::Idle,
            permit: None,
            audit: Exchange::Idle,
            audit_deadline: None,
            stop_deadline: None,
            told: None,
            stopped: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), SinkClosed> {
        self.context.recheck.mark_unchanged();
        self.handle(Input::Start).await?;
        while !self.stopped {
            match self.wake().await {
                Wake::Main(arrival) => self.on_arrival(arrival).await?,
                Wake::Audit(arrival) => self.on_audit_arrival(arrival).await?,
                Wake::AuditDeadline => {
                    self.audit_deadline = None;
                    let failed = AuditInput::Failed("the server does not answer".to_owned());
                    self.handle(Input::Audit(failed)).await?;
                }
                Wake::Deadline => self.handle(Input::Tick).await?,
                Wake::Recheck => self.handle(Input::Recheck).await?,
                Wake::Cancel => {
                    self.stop_deadline = Some(Instant::now() + self.options.audit_on_stop);
                    self.handle(Input::Stop).await?;
                }
                Wake::StopDeadline => self.handle(Input::Stop).await?,
            }
        }
        Ok(())
    }

    /// Waits for the next thing to happen. What has come is looked at before deadlines, so that
    /// the time in which the sink was full is not taken for silence of the server.
    async fn wake(&mut self) -> Wake {
        let deadline = if self.main.is_queued() {
            None
        } else {
            self.machine.deadline()
        };
        let now = self.now();
        let stopping = self.stop_deadline.is_some();
        tokio::select! {
            biased;
            () = self.context.cancel.cancelled(), if !stopping => Wake::Cancel,
            () = until(self.stop_deadline) => Wake::StopDeadline,
            arrival = self.main.next() => Wake::Main(arrival),
            arrival = self.audit.next() => Wake::Audit(arrival),
            () = until(self.audit_deadline) => Wake::AuditDeadline,
            Ok(()) = self.context.recheck.changed() => Wake::Recheck,
            () = after(deadline.map(|deadline| deadline.since(now))) => Wake::Deadline,
        }
    }

    fn now(&self) -> Timestamp {
        (self.context.now)()
    }

    async fn on_arrival(&mut self, arrival: Arrival) -> Result<(), SinkClosed> {
        match arrival {
            Arrival::Admitted(permit) => {
                self.permit = Some(permit);
                self.handle(Input::Progress).await?;
            }
            Arrival::Opened => self.handle(Input::Opened).await?,
            Arrival::Progress => self.handle(Input::Progress).await?,
            Arrival::Line(line) => self.handle(Input::Line(&line)).await?,
            Arrival::Eof => self.handle(Input::Eof).await?,
            Arrival::Document(document) => self.on_page(&document).await?,
            Arrival::TooLarge => self.handle(Input::PageTooLarge).await?,
            Arrival::Refused(status) => self.handle(Input::Refused(status)).await?,
            Arrival::Failed(message) => self.handle(Input::Failed(message)).await?,
        }
        Ok(())
    }

    /// Gives a page to the machine item by item, so that beside the page only what the sink has
    /// taken is in memory. The rest of a page that the machine does not want is dropped.
    async fn on_page(&mut self, document: &[u8]) -> Result<(), SinkClosed> {
        let page = match ListPage::parse(document) {
            Ok(page) => page,
            Err(error) => return self.handle(Input::Failed(error.to_string())).await,
        };
        self.handle(Input::Page(&page.head)).await?;
        for item in page.items() {
            if self.is_elsewhere() {
                return Ok(());
            }
            self.handle(Input::Item(item)).await?;
        }
        if !self.is_elsewhere() {
            self.handle(Input::PageEnd).await?;
        }
        Ok(())
    }

    /// Tells whether the machine has gone on to another request, or waits.
    fn is_elsewhere(&self) -> bool {
        !matches!(self.main, Exchange::Idle) || self.machine.phase() == Phase::Waiting
    }

    async fn on_audit_arrival(&mut self, arrival: Arrival) -> Result<(), SinkClosed> {
        self.audit_deadline = None;
        let input = match arrival {
            Arrival::Document(document) => return self.on_audit_page(&document).await,
            Arrival::Refused(status) => AuditInput::from(status),
            Arrival::Failed(message) => AuditInput::Failed(message),
            Arrival::TooLarge => AuditInput::Failed("the page is too large".to_owned()),
            Arrival::Admitted(_)
            | Arrival::Opened
            | Arrival::Progress
            | Arrival::Line(_)
            | Arrival::Eof => {
                self.audit_deadline = Some(Instant::now() + self.options.answer_timeout);
                return Ok(());
            }
        };
        self.handle(Input::Audit(input)).await
    }

    async fn on_audit_page(&mut self, document: &[u8]) -> Result<(), SinkClosed> {
        let page = match ListPage::parse(document) {
            Ok(page) => page,
            Err(error) => {
                let failed = AuditInput::Failed(error.to_string());
                return self.handle(Input::Audit(failed)).await;
            }
        };
        self.handle(Input::Audit(AuditInput::Page(&page.head)))
            .await?;
        for item in page.items() {
            self.handle(Input::Audit(AuditInput::Item(item))).await?;
        }
        self.handle(Input::Audit(AuditInput::PageEnd)).await
    }

    /// Tells the machine what happened and does what it wants.
    async fn handle(&mut self, input: Input<'_>) -> Result<(), SinkClosed> {
        self.machine.handle((self.context.now)(), input);
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Deliver(delivery) => self.sink.deliver(delivery).await?,
                Output::Request(request) => self.send(&request),
                Output::HangUp => self.main = Exchange::Idle,
                Output::Audit(request) => {
                    let ask = self.ask(&request);
                    self.audit = Exchange::send(ask);
                    self.audit_deadline = Some(Instant::now() + self.options.answer_timeout);
                }
                Output::HangUpAudit => {
                    self.audit = Exchange::Idle;
                    self.audit_deadline = None;
                }
                Output::Alarm(alarm) => {
                    let feed = self.machine.feed();
                    tracing::debug!(
                        resource = %feed.resource.group_resource(),
                        scope = %feed.scope,
                        "{alarm}"
                    );
                    self.sink.alarm(self.id, &alarm);
                }
                Output::Stopped => self.stopped = true,
            }
        }
        if self.machine.phase() != Phase::Listing {
            self.permit = None;
        }
        self.tell_status();
        Ok(())
    }

    fn send(&mut self, request: &Request) {
        let ask = self.ask(request);
        let lists = match request {
            Request::StreamedList { .. } | Request::Page { .. } if self.permit.is_none() => {
                Some(self.context.lists.clone())
            }
            _ => None,
        };
        self.main = match lists {
            Some(lists) => Exchange::queue(ask, lists),
            None => Exchange::send(ask),
        };
    }

    fn ask(&self, request: &Request) -> Ask {
        let page_bytes = match request {
            Request::Page { limit: 1, .. } => {
                self.options.page_bytes.saturating_mul(UNLIMITED_PAGES)
            }
            _ => self.options.page_bytes,
        };
        Ask {
            client: self.context.clients.borrow().clone(),
            path: request.path_and_query(self.machine.feed()),
            accept: request.accept(self.options.metadata_only),
            form: if request.is_stream() {
                Form::Lines(self.options.line_bytes)
            } else {
                Form::Document(page_bytes)
            },
        }
    }

    fn tell_status(&mut self) {
        let status = self.machine.status();
        let news = self.told.as_ref().is_none_or(|told| {
            told.phase != status.phase
                || told.coverage != status.coverage
                || told.counters.bookmarks != status.counters.bookmarks
        });
        if news {
            self.sink.status(self.id, &status);
            self.told = Some(status);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => pending().await,
    }
}
