use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio::sync::watch;

use crate::proxy::{Abort, ReplyBody, RequestMatch};

/// A door in an answer: everything behind it waits until the test opens it. Clones are the same door.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Gate {
    /// Makes a closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn passed(&self) {
        let mut open = self.0.subscribe();
        // The sender lives in `self`, so waiting ends only by the gate being open.
        drop(open.wait_for(|open| *open).await);
    }
}

#[derive(Clone, Debug)]
enum Part {
    Data(Bytes),
    Delay(Duration),
    Wait(Gate),
    Hang,
    Abort(Abort),
}

/// A scripted answer to one request: status, headers, and a body in parts. It ends well after its last part.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: HeaderMap,
    before: Vec<Part>,
    body: Vec<Part>,
    serve: bool,
}

impl Reply {
    /// Answers with a status, as JSON, and whatever parts are added.
    pub fn status(status: u16) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self {
            status,
            headers: HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)]),
            before: Vec::new(),
            body: Vec::new(),
            serve: false,
        }
    }

    /// Answers as the server would, once the gate is open.
    pub fn serve_after(gate: &Gate) -> Self {
        Self {
            before: vec![Part::Wait(gate.clone())],
            serve: true,
            ..Self::status(200)
        }
    }

    /// Ends the connection without an answer.
    pub fn abort_at_once(abort: Abort) -> Self {
        Self {
            before: vec![Part::Abort(abort)],
            ..Self::status(200)
        }
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self {
            before: vec![Part::Hang],
            ..Self::status(200)
        }
    }

    /// Sets a header; one that is not valid is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Waits before the head of the answer is sent.
    #[must_use]
    pub fn delay_head(mut self, time: Duration) -> Self {
        self.before.push(Part::Delay(time));
        self
    }

    /// Sends bytes as one chunk.
    #[must_use]
    pub fn chunk(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body.push(Part::Data(bytes.into()));
        self
    }

    /// Sends a text and a line end as one chunk.
    #[must_use]
    pub fn line(self, text: impl std::fmt::Display) -> Self {
        self.chunk(format!("{text}\n"))
    }

    /// Waits for some time.
    #[must_use]
    pub fn delay(mut self, time: Duration) -> Self {
        self.body.push(Part::Delay(time));
        self
    }

    /// Waits for a gate.
    #[must_use]
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.body.push(Part::Wait(gate.clone()));
        self
    }

    /// Sends nothing more and never ends.
    #[must_use]
    pub fn hang(mut self) -> Self {
        self.body.push(Part::Hang);
        self
    }

    /// Breaks the connection here.
    #[must_use]
    pub fn abort(mut self, abort: Abort) -> Self {
        self.body.push(Part::Abort(abort));
        self
    }

    /// Goes through the parts before the head; `None` means that the server is to answer by itself.
    pub(crate) async fn respond(self) -> Result<Option<Response<ReplyBody>>, Abort> {
        for part in self.before {
            part.play().await?;
        }
        if self.serve {
            return Ok(None);
        }
        let body = ReplyBody::streaming(stream::unfold(
            Some(self.body.into_iter()),
            |parts| async move {
                let mut parts = parts?;
                loop {
                    match parts.next()?.play().await {
                        Ok(None) => {}
                        Ok(Some(bytes)) => return Some((Ok(bytes), Some(parts))),
                        Err(abort) => return Some((Err(abort), None)),
                    }
                }
            },
        ));
        let mut response = Response::new(body);
        *response.headers_mut() = self.headers;
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(Some(response))
    }
}

impl Part {
    async fn play(self) -> Result<Option<Bytes>, Abort> {
        match self {
            Self::Data(bytes) => return Ok(Some(bytes)),
            Self::Delay(time) => tokio::time::sleep(time).await,
            Self::Wait(gate) => gate.passed().await,
            Self::Hang => std::future::pending().await,
            Self::Abort(abort) => return Err(abort),
        }
        Ok(None)
    }
}

/// A scripted answer in force; tells how often it was given.
#[derive(Clone, Debug)]
pub struct Script(Arc<AtomicU64>);

impl Script {
    /// Returns how often the answer was given.
    pub fn used(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// An answer waiting for its request.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: RequestMatch,
    reply: Reply,
    left: u64,
    used: Script,
}

impl Waiting {
    pub(crate) fn new(request: RequestMatch, times: u64, reply: Reply) -> Self {
        Self {
            request,
            reply,
            left: times,
            used: Script(Arc::default()),
        }
    }

    pub(crate) fn script(&self) -> Script {
        self.used.clone()
    }

    /// Takes the answer, if it may be given once more.
    pub(crate) fn take(&mut self) -> Option<Reply> {
        self.left = self.left.checked_sub(1)?;
        self.used.0.fetch_add(1, Ordering::AcqRel);
        Some(self.reply.clone())
    }
}
