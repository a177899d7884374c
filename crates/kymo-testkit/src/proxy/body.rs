use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use hyper::body::{Body, Frame, SizeHint};

/// Ends an answer other than well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// Closes the connection (FIN) without the end mark of the body.
    Cut,
    /// Resets the connection (RST), after what was sent before has left.
    Reset,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "the connection was cut before the end of the body",
            Self::Reset => "the connection was reset",
        })
    }
}

impl std::error::Error for Abort {}

/// The body of an answer: a stream of pieces that may end in an [`Abort`].
pub struct ReplyBody {
    stream: BoxStream<'static, Result<Bytes, Abort>>,
    length: Option<u64>,
}

impl ReplyBody {
    /// Wraps a stream; its pieces become the chunks on the wire.
    pub fn streaming(stream: impl Stream<Item = Result<Bytes, Abort>> + Send + 'static) -> Self {
        Self {
            stream: stream.boxed(),
            length: None,
        }
    }

    /// Makes a body of known length.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = Some(bytes.len() as u64);
        Self {
            stream: stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed(),
            length,
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        let next = ready!(self.stream.poll_next_unpin(cx));
        if let (Some(Ok(bytes)), Some(length)) = (&next, self.length.as_mut()) {
            *length = length.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
