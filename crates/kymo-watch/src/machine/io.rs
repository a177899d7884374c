use kymo_model::WatchStatus;

use crate::lines::Line;
use crate::page::PageHead;
use crate::{Alarm, Delivery, Request};

/// What happened, as told to a [`FeedMachine`](super::FeedMachine).
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Begin. The first input.
    Start,
    /// A watch or streamed list was answered with 200.
    Opened,
    /// Bytes came that are no whole line or page yet.
    Progress,
    /// A line of the running watch or streamed list.
    Line(&'a Line),
    /// The running watch or streamed list ended. A partial line is not told.
    Eof,
    /// A page of the running list came whole; its items and [`Input::PageEnd`] follow.
    Page(&'a PageHead),
    /// An item of that page.
    Item(&'a str),
    /// The end of that page.
    PageEnd,
    /// The page is larger than [`FeedOptions::page_bytes`](crate::FeedOptions::page_bytes).
    PageTooLarge,
    /// The request was answered with a status other than 200.
    Refused(WatchStatus),
    /// The request or its answer failed, or the answer was not what the API promises.
    Failed(String),
    /// The deadline has passed.
    Tick,
    /// Discovery found something new: try a forbidden or absent resource again.
    Recheck,
    /// Of the audit that runs beside the watch.
    Audit(AuditInput<'a>),
    /// Stop, with a last audit if there is time. A second one stops at once.
    Stop,
}

/// What happened to the audit request.
#[derive(Clone, Debug)]
pub enum AuditInput<'a> {
    /// A page came whole; its items and [`AuditInput::PageEnd`] follow.
    Page(&'a PageHead),
    /// An item of that page.
    Item(&'a str),
    /// The end of that page.
    PageEnd,
    /// It was refused, failed, or was not what the API promises.
    Failed(String),
}

/// A refusal of the audit is a failure: the audit is left out this time.
impl From<WatchStatus> for AuditInput<'_> {
    fn from(status: WatchStatus) -> Self {
        Self::Failed(format!("{}: {}", status.code, status.message))
    }
}

/// What a [`FeedMachine`](super::FeedMachine) wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Hang up the running request, if any, and send this one.
    Request(Request),
    /// Hang up the running request; the next comes after the deadline.
    HangUp,
    /// Send this request beside the running one, in place of a running audit request.
    Audit(Request),
    /// Hang up the audit request.
    HangUpAudit,
    /// Keep this.
    Deliver(Delivery),
    /// Tell this to an operator.
    Alarm(Alarm),
    /// The machine has stopped; there will be no more outputs.
    Stopped,
}
