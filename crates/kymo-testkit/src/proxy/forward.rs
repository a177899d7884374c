//! One request through the proxy.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::body::{Abort, ReplyBody};
use super::fault::{ArmedFault, Do};
use super::stage::Op;
use super::transform::{Transformer, changes_body};
use super::upstream::{Connection, Upstream, pass};
use super::when::Trigger;

/// Into how many pieces a slow body is cut for each second that it takes.
const PIECES_A_SECOND: u64 = 20;

/// Answers a request: by a fault, or by the upstream with the faults worked into its answer.
pub(crate) async fn forward(
    upstream: Upstream,
    mut request: Request<Incoming>,
    faults: Vec<ArmedFault>,
) -> Result<Response<ReplyBody>, Abort> {
    for fault in &faults {
        if let Some(answer) = before_answer(fault).await? {
            return Ok(answer);
        }
    }
    let faults: Vec<_> = faults
        .into_iter()
        .filter(|it| changes_body(it) && it.fault.when.trigger != Trigger::Request)
        .collect();
    request.headers_mut().remove(CONNECTION);
    if !faults.is_empty() {
        let plain = HeaderValue::from_static("identity");
        request
            .headers_mut()
            .insert(http::header::ACCEPT_ENCODING, plain);
    }
    // An upstream that is not there looks to the client like a server that has just gone.
    let sent = upstream.send(request).await;
    let (response, connection) = sent.map_err(|_| Abort::Reset)?;
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    if faults.is_empty() || !parts.status.is_success() {
        return Ok(Response::from_parts(parts, pass(body, connection)));
    }
    parts.headers.remove(CONTENT_LENGTH);
    if faults
        .iter()
        .any(|it| matches!(it.fault.deed, Do::GzipMembers))
    {
        let gzip = HeaderValue::from_static("gzip");
        parts.headers.insert(CONTENT_ENCODING, gzip);
    }
    let body = changed(body, connection, Transformer::new(&faults));
    Ok(Response::from_parts(parts, body))
}

/// Does what a fault does before the upstream is asked.
async fn before_answer(fault: &ArmedFault) -> Result<Option<Response<ReplyBody>>, Abort> {
    let now = fault.fault.when.trigger == Trigger::Request;
    match &fault.fault.deed {
        Do::Status(answer) if fault.strike() => return Ok(Some(answer.response())),
        Do::Reset if now && fault.strike() => return Err(Abort::Reset),
        Do::Cut if now && fault.strike() => return Err(Abort::Cut),
        Do::Stall(time) if now && fault.strike() => stall(*time).await,
        _ => {}
    }
    Ok(None)
}

async fn stall(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

fn changed(body: Incoming, connection: Connection, transformer: Transformer) -> ReplyBody {
    let (sender, receiver) = mpsc::channel(1);
    let task = Connection::around(tokio::spawn(async move {
        let _held: Connection = connection;
        Pump {
            sender,
            rate: None,
            ended: false,
        }
        .run(body, transformer)
        .await;
    }));
    ReplyBody::streaming(stream::unfold(
        (receiver, task),
        |(mut receiver, task)| async move {
            let piece = receiver.recv().await?;
            Some((piece, (receiver, task)))
        },
    ))
}

/// Moves a body from the upstream to the client.
struct Pump {
    sender: mpsc::Sender<Result<Bytes, Abort>>,
    rate: Option<u64>,
    ended: bool,
}

impl Pump {
    async fn run(mut self, body: Incoming, mut transformer: Transformer) {
        let begun = Instant::now();
        let mut body = body.into_data_stream();
        self.act(transformer.start()).await;
        while !self.ended {
            let deadline = transformer.deadline();
            let timer = async {
                match deadline {
                    Some(time) => sleep_until(begun + time).await,
                    None => std::future::pending().await,
                }
            };
            let ops = tokio::select! {
                piece = body.next() => match piece {
                    Some(Ok(bytes)) => transformer.push(bytes),
                    Some(Err(_)) => vec![Op::Abort(Abort::Cut)],
                    None => transformer.finish(),
                },
                () = timer => transformer.advance(begun.elapsed()),
            };
            self.act(ops).await;
        }
    }

    async fn act(&mut self, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::Data(bytes) => self.send(bytes).await,
                Op::Stall(time) => stall(time).await,
                Op::Pace(rate) => self.rate = Some(rate.max(1)),
                Op::End => self.ended = true,
                Op::Abort(abort) => {
                    self.ended = true;
                    // The client may have left; then nobody is cut off.
                    drop(self.sender.send(Err(abort)).await);
                }
            }
            if self.ended {
                return;
            }
        }
    }

    async fn send(&mut self, bytes: Bytes) {
        let Some(rate) = self.rate else {
            self.ended = self.sender.send(Ok(bytes)).await.is_err();
            return;
        };
        let step = usize::try_from(rate.div_ceil(PIECES_A_SECOND)).unwrap_or(usize::MAX);
        for piece in bytes.chunks(step) {
            sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64)).await;
            let sent = self.sender.send(Ok(bytes.slice_ref(piece))).await;
            if sent.is_err() {
                self.ended = true;
                return;
            }
        }
    }
}
