//! An HTTP/1.1 server on a free loopback port that can end a connection in every way a network can.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::body::{Abort, ReplyBody};

/// Answers the requests of a [`Loopback`]. An `Err` ends the connection without an answer.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response<ReplyBody>, Abort>>;
}

/// A running server; dropping it closes the port and every connection.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    hang_up: watch::Sender<()>,
    acceptor: JoinHandle<()>,
}

impl Loopback {
    /// Starts serving on a free port of 127.0.0.1.
    pub(crate) async fn start(handler: Arc<impl Handler>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (hang_up, hung_up) = watch::channel(());
        let acceptor = tokio::spawn(accept(listener, handler, hung_up));
        Ok(Self {
            address,
            hang_up,
            acceptor,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections that are open now; new ones are accepted.
    pub(crate) fn hang_up(&self) {
        self.hang_up.send_replace(());
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept<H: Handler>(listener: TcpListener, handler: Arc<H>, hung_up: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let mut hung_up = hung_up.clone();
                hung_up.mark_unchanged();
                let handler = Arc::clone(&handler);
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, handler) => {}
                        _ = hung_up.changed() => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<H: Handler>(stream: TcpStream, handler: Arc<H>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let line = Arc::new(Line::default());
    let socket = Socket {
        stream,
        line: Arc::clone(&line),
    };
    let service = service_fn(move |request| {
        let line = Arc::clone(&line);
        let answer = Arc::clone(&handler).handle(request);
        async move {
            match answer.await {
                Ok(response) => Ok(response.map(|body| Monitored {
                    body,
                    line,
                    ending: None,
                })),
                Err(abort) => {
                    line.reset.store(abort == Abort::Reset, Ordering::Release);
                    Err(abort)
                }
            }
        }
    });
    let served = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service);
    // A connection that ends in an error is what the script asked for, or the client has left.
    drop(served.await);
}

/// What a body and the socket under it know of each other.
#[derive(Default)]
struct Line {
    reset: AtomicBool,
    flushes: AtomicU64,
    flushed: AtomicWaker,
}

/// A body that, before it breaks off, waits until everything before it has left the process.
struct Monitored {
    body: ReplyBody,
    line: Arc<Line>,
    ending: Option<(Abort, u64)>,
}

impl Body for Monitored {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        if self.ending.is_none() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Err(abort)) => {
                    let seen = self.line.flushes.load(Ordering::Acquire);
                    self.ending = Some((abort, seen));
                }
                other => return Poll::Ready(other),
            }
        }
        let Some((abort, seen)) = self.ending else {
            return Poll::Ready(None);
        };
        self.line.flushed.register(cx.waker());
        if self.line.flushes.load(Ordering::Acquire) == seen {
            return Poll::Pending;
        }
        if abort == Abort::Reset {
            self.line.reset.store(true, Ordering::Release);
        }
        Poll::Ready(Some(Err(abort)))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A TCP stream that counts its flushes and, when told to, is closed by a reset.
struct Socket {
    stream: TcpStream,
    line: Arc<Line>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.line.flushes.fetch_add(1, Ordering::AcqRel);
        self.line.flushed.wake();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::Acquire) {
            // The peer may be gone already; then there is nothing to reset.
            drop(self.stream.set_zero_linger());
        }
    }
}
