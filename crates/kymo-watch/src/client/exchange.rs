use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use kymo_model::WatchStatus;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reader::{Chunks, DocumentReader, LineReader, told};
use super::refusal::refusal;
use crate::Error;
use crate::lines::Line;

const AGENT: &str = concat!("kymo/", env!("CARGO_PKG_VERSION"));

/// How much of an error body is read.
const ERROR_BODY: usize = 64 << 10;

/// How large an answer of discovery may be.
const ANSWER_BODY: usize = 64 << 20;

/// What comes of an exchange.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It may be sent now.
    Admitted(OwnedSemaphorePermit),
    /// A stream was answered with 200.
    Opened,
    /// Bytes came.
    Progress,
    Line(Line),
    Eof,
    Document(Vec<u8>),
    /// The document is larger than the cap.
    TooLarge,
    Refused(WatchStatus),
    Failed(String),
}

type Answer = Pin<Box<dyn Future<Output = Result<Chunks, Arrival>> + Send>>;

/// One request and its answer, read bit by bit.
#[derive(Default)]
pub(super) enum Exchange {
    /// Nothing runs.
    #[default]
    Idle,
    /// Waits until a list may run.
    Queued {
        admission: Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>,
        then: Ask,
    },
    /// Waits for the head of the answer.
    Sent {
        answer: Answer,
        form: Form,
    },
    Lines(LineReader),
    Document(DocumentReader),
}

/// How the answer is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// As lines of at most so many bytes.
    Lines(usize),
    /// Whole, at most so many bytes.
    Document(usize),
}

/// What is asked, and of whom.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) client: Client,
    pub(super) path: String,
    pub(super) accept: &'static str,
    pub(super) form: Form,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Queued { .. } => "Queued",
            Self::Sent { .. } => "Sent",
            Self::Lines(_) => "Lines",
            Self::Document(_) => "Document",
        })
    }
}

impl Exchange {
    pub(super) fn send(ask: Ask) -> Self {
        let form = ask.form;
        Self::Sent {
            answer: Box::pin(answer(ask)),
            form,
        }
    }

    /// Sends when `lists` admits one more.
    pub(super) fn queue(ask: Ask, lists: Arc<Semaphore>) -> Self {
        Self::Queued {
            admission: Box::pin(async move { lists.acquire_owned().await.ok() }),
            then: ask,
        }
    }

    pub(super) fn is_queued(&self) -> bool {
        matches!(self, Self::Queued { .. })
    }

    /// Returns what comes next. Can be dropped and called again; nothing is lost.
    pub(super) async fn next(&mut self) -> Arrival {
        let arrival = match self {
            Self::Idle => pending().await,
            Self::Queued { admission, then } => {
                let permit = admission.await;
                *self = Self::send(then.clone());
                return match permit {
                    Some(permit) => Arrival::Admitted(permit),
                    // A closed semaphore admits everything.
                    None => Arrival::Progress,
                };
            }
            Self::Sent { answer, form } => match answer.await {
                Ok(chunks) => match *form {
                    Form::Lines(cap) => {
                        *self = Self::Lines(LineReader::new(chunks, cap));
                        return Arrival::Opened;
                    }
                    Form::Document(cap) => {
                        *self = Self::Document(DocumentReader::new(chunks, cap));
                        return Arrival::Progress;
                    }
                },
                Err(arrival) => arrival,
            },
            Self::Lines(lines) => lines.next().await,
            Self::Document(document) => document.next().await,
        };
        if !matches!(arrival, Arrival::Progress | Arrival::Line(_)) {
            *self = Self::Idle;
        }
        arrival
    }
}

async fn answer(ask: Ask) -> Result<Chunks, Arrival> {
    let request = http::Request::get(&ask.path)
        .header(ACCEPT, ask.accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(USER_AGENT, AGENT)
        .body(Body::empty())
        .map_err(|error| Arrival::Failed(told(&error)))?;
    let response = ask
        .client
        .send(request)
        .await
        .map_err(|error| Arrival::Failed(told(&error)))?;
    let (head, body) = response.into_parts();
    if head.status == StatusCode::OK {
        return Chunks::of(&head.headers, body).map_err(Arrival::Failed);
    }
    // An error body that cannot be read does not hide the status.
    let body = Limited::new(body, ERROR_BODY).collect().await;
    let bytes = body
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    Err(Arrival::Refused(refusal(&head, &bytes)))
}

/// Fetches a small document.
pub(crate) async fn get(
    client: &Client,
    path: &str,
    accept: &'static str,
) -> Result<Vec<u8>, Error> {
    let mut exchange = Exchange::send(Ask {
        client: client.clone(),
        path: path.to_owned(),
        accept,
        form: Form::Document(ANSWER_BODY),
    });
    loop {
        let message = match exchange.next().await {
            Arrival::Document(document) => return Ok(document),
            Arrival::Refused(status) => {
                return Err(Error::Refused {
                    path: path.to_owned(),
                    status,
                });
            }
            Arrival::TooLarge => {
                return Err(Error::TooLarge {
                    path: path.to_owned(),
                    limit: ANSWER_BODY,
                });
            }
            Arrival::Failed(message) => message,
            Arrival::Admitted(_)
            | Arrival::Opened
            | Arrival::Progress
            | Arrival::Line(_)
            | Arrival::Eof => continue,
        };
        return Err(Error::Transport {
            path: path.to_owned(),
            message,
        });
    }
}
