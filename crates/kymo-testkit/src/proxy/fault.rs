use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::answer::ErrorAnswer;
use super::request::SeenRequest;
use super::when::When;

/// A resourceVersion to write in place of the real one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RvRewrite {
    /// This text.
    Set(String),
    /// The real one less this, not below 0.
    Minus(u64),
    /// The real one plus this.
    Plus(u64),
}

/// What a fault does.
#[derive(Clone, Debug)]
pub enum Do {
    /// Resets the TCP connection (RST); what was sent before arrives.
    Reset,
    /// Closes the connection without the end mark of the body.
    Cut,
    /// Ends the body well, wherever it is: a server's own timeout.
    End,
    /// Sends nothing more and keeps the connection open: for this long, or for ever.
    Stall(Option<Duration>),
    /// Sends so many bytes a second from there on.
    Slow(u64),
    /// Puts this byte at this offset of the line (modulo its length): 0xFF makes it bad UTF-8.
    Corrupt {
        /// Where in the line, from 0.
        offset: usize,
        /// What is put there.
        byte: u8,
    },
    /// Sends the line twice.
    Duplicate,
    /// Leaves the line out.
    Swallow,
    /// Sends the line after the one that follows it.
    Reorder,
    /// Changes the resourceVersion of a watch event's object, or of a list that is one line: the API server indents
    /// lists only for curl and browsers.
    RewriteRv(RvRewrite),
    /// Sends an ERROR line with this code, then ends the body well.
    InjectErrorEvent(u16),
    /// Sends these bytes in between.
    Inject(Bytes),
    /// Answers in place of the upstream, which is not asked.
    Status(ErrorAnswer),
    /// Cuts the body into chunks of so many bytes, from its beginning.
    Rechunk(usize),
    /// Compresses each line into a gzip member of its own and says so in `Content-Encoding`, whatever the
    /// client accepts: add a condition on `accept-encoding` to be as polite as the API server.
    GzipMembers,
    /// Leaves out bookmarks.
    StripBookmarks,
}

impl Do {
    /// Tells whether one use goes on (so that the default budget is unlimited) rather than striking once.
    fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Slow(_) | Self::Rechunk(_) | Self::GzipMembers | Self::StripBookmarks
        )
    }
}

/// One fault of a script: an id to assert on, a condition, a deed and a budget.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) id: String,
    pub(crate) when: When,
    pub(crate) deed: Do,
    budget: u64,
}

impl Fault {
    /// Makes a fault that strikes once; `Slow`, `Rechunk`, `GzipMembers` and `StripBookmarks` strike without limit.
    pub fn new(id: impl Into<String>, when: When, deed: Do) -> Self {
        let budget = if deed.goes_on() { u64::MAX } else { 1 };
        Self {
            id: id.into(),
            when,
            deed,
            budget,
        }
    }

    /// Sets how often it may strike in all.
    #[must_use]
    pub fn budget(mut self, times: u64) -> Self {
        self.budget = times;
        self
    }

    /// Lifts the budget.
    #[must_use]
    pub fn always(self) -> Self {
        self.budget(u64::MAX)
    }
}

/// A fault in force, with its counters; clones share them.
#[derive(Clone, Debug)]
pub struct ArmedFault {
    pub(crate) fault: Arc<Fault>,
    seen: Arc<AtomicU64>,
    fired: Arc<AtomicU64>,
    news: Arc<watch::Sender<()>>,
}

impl ArmedFault {
    /// Puts a fault in force.
    pub fn new(fault: Fault) -> Self {
        Self::telling(fault, Arc::new(watch::Sender::new(())))
    }

    /// Puts a fault in force that tells when it strikes.
    pub(crate) fn telling(fault: Fault, news: Arc<watch::Sender<()>>) -> Self {
        Self {
            fault: Arc::new(fault),
            seen: Arc::default(),
            fired: Arc::default(),
            news,
        }
    }

    /// Returns its id.
    pub fn id(&self) -> &str {
        &self.fault.id
    }

    /// Returns how often it has struck.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Acquire)
    }

    /// Counts a request and tells whether the fault is meant for it and not yet spent.
    pub(crate) fn takes(&self, request: &SeenRequest) -> bool {
        let when = &self.fault.when;
        if !when.fits(request) {
            return false;
        }
        let number = self.seen.fetch_add(1, Ordering::AcqRel) + 1;
        when.takes(number) && self.fired() < self.fault.budget
    }

    /// Strikes, if the budget allows: then the caller must do the deed.
    pub(crate) fn strike(&self) -> bool {
        let budget = self.fault.budget;
        let next = |fired: u64| (fired < budget).then(|| fired + 1);
        let struck = self
            .fired
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .is_ok();
        if struck {
            self.news.send_replace(());
        }
        struck
    }
}
