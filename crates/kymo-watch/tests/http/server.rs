//! An API server in memory: a script answers requests, and every request is remembered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) end: End,
}

/// How the body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Reset,
    /// Never.
    Stall,
}

impl Reply {
    pub(crate) fn json(text: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json")],
            chunks: vec![text.into()],
            end: End::Clean,
        }
    }

    pub(crate) fn stream(lines: &[String], end: End) -> Self {
        let mut text = lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        Self {
            end,
            ..Self::json(text)
        }
    }

    pub(crate) fn status(status: u16, body: &'static str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            ..Self::json(body)
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Since the server began.
    pub(crate) after: Duration,
}

/// What the server was asked, and how many chunks were read from it.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) chunks_read: Arc<Mutex<usize>>,
}

impl Record {
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns the requests without the parts that are drawn at random.
    pub(crate) fn paths(&self) -> Vec<String> {
        let cut = |asked: Asked| {
            let path = asked.path.replace("allowWatchBookmarks=true&", "");
            path.split("&timeoutSeconds").next().unwrap().to_owned()
        };
        self.asked().into_iter().map(cut).collect()
    }

    pub(crate) fn chunks_read(&self) -> usize {
        *self.chunks_read.lock().unwrap()
    }
}

type Chunk = Result<Frame<Bytes>, std::io::Error>;

/// Makes a client whose requests `answer` answers; it is told the path with the query and how
/// many requests came before. No answer: the request hangs.
pub(crate) fn serve(
    answer: impl FnMut(&str, usize) -> Option<Reply> + Send + 'static,
) -> (Client, Record) {
    let record = Record::default();
    let answer = Arc::new(Mutex::new(answer));
    let began = Instant::now();
    let service = tower::service_fn({
        let record = record.clone();
        move |request: Request<Body>| {
            let path = request.uri().to_string();
            let number = {
                let mut asked = record.asked.lock().unwrap();
                asked.push(Asked {
                    path: path.clone(),
                    headers: request.headers().clone(),
                    after: began.elapsed(),
                });
                asked.len() - 1
            };
            let reply = (answer.lock().unwrap())(&path, number);
            let record = record.clone();
            async move {
                match reply {
                    Some(reply) => Ok::<_, Infallible>(respond(reply, record)),
                    None => std::future::pending().await,
                }
            }
        }
    });
    (Client::new(service, "default"), record)
}

fn respond(reply: Reply, record: Record) -> Response<UnsyncBoxBody<Bytes, std::io::Error>> {
    let chunks = stream::iter(reply.chunks).map(move |chunk| -> Chunk {
        *record.chunks_read.lock().unwrap() += 1;
        Ok(Frame::data(chunk))
    });
    let end: stream::BoxStream<'static, Chunk> = match reply.end {
        End::Clean => stream::empty().boxed(),
        End::Stall => stream::pending().boxed(),
        End::Reset => stream::iter([Err(std::io::Error::new(
            std::io::ErrorKind::ConnectionReset,
            "connection reset by peer",
        ))])
        .boxed(),
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response
        .body(StreamBody::new(chunks.chain(end)).boxed_unsync())
        .unwrap()
}
