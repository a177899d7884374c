//! The steps of a [`super::Transformer`]: each does the deed of one fault to a stream of bytes.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::answer::error_line;
use super::body::Abort;
use super::fault::{ArmedFault, Do};
use super::lines::{LineBuffer, LineStage};
use super::reach::Reach;

/// What the sender of a body has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Send these bytes as one piece.
    Data(Bytes),
    /// Wait: for this long, or for ever.
    Stall(Option<Duration>),
    /// Send so many bytes a second from now on.
    Pace(u64),
    /// End the body well; nothing follows.
    End,
    /// Break the connection; nothing follows.
    Abort(Abort),
}

/// One step.
#[derive(Debug)]
pub(crate) enum Stage {
    Point(PointStage),
    Lines(LineStage),
    Rechunk(ArmedFault, usize),
    Gzip(ArmedFault, LineBuffer),
}

impl Stage {
    /// Makes the step of a fault that changes the body; the others need none.
    pub(crate) fn of(fault: &ArmedFault) -> Option<Self> {
        let reach = Reach::new(fault.fault.when.trigger);
        let armed = fault.clone();
        Some(match &fault.fault.deed {
            Do::Status(_) => return None,
            Do::Reset
            | Do::Cut
            | Do::End
            | Do::Stall(_)
            | Do::Slow(_)
            | Do::InjectErrorEvent(_)
            | Do::Inject(_) => Self::Point(PointStage {
                fault: armed,
                reach,
                spent: false,
            }),
            Do::Corrupt { .. }
            | Do::Duplicate
            | Do::Swallow
            | Do::Reorder
            | Do::RewriteRv(_)
            | Do::StripBookmarks => Self::Lines(LineStage {
                fault: armed,
                reach,
                buffer: LineBuffer::default(),
                held: None,
            }),
            Do::Rechunk(size) => Self::Rechunk(armed, (*size).max(1)),
            Do::GzipMembers => Self::Gzip(armed, LineBuffer::default()),
        })
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Point(stage) if !stage.spent => stage.reach.deadline(),
            Self::Lines(stage) => stage.reach.deadline(),
            _ => None,
        }
    }

    /// Notes the time; a fault that was waiting for it, or for nothing at all, may strike.
    pub(crate) fn advance(&mut self, now: Duration, out: &mut Vec<Op>) {
        match self {
            Self::Point(stage) => {
                stage.reach.note_time(now);
                stage.push(&Bytes::new(), out);
            }
            Self::Lines(stage) => stage.reach.note_time(now),
            Self::Rechunk(..) | Self::Gzip(..) => {}
        }
    }

    pub(crate) fn push(&mut self, bytes: &Bytes, out: &mut Vec<Op>) {
        match self {
            Self::Point(stage) => stage.push(bytes, out),
            Self::Lines(stage) => {
                for line in stage.buffer.lines(bytes) {
                    stage.line(line, out);
                }
            }
            Self::Rechunk(fault, size) => {
                if bytes.len() <= *size || !fault.strike() {
                    return data(bytes.clone(), out);
                }
                let pieces = bytes.chunks(*size).map(|piece| bytes.slice_ref(piece));
                out.extend(pieces.map(Op::Data));
            }
            Self::Gzip(_, buffer) => {
                for line in buffer.lines(bytes) {
                    data(gzip(&line), out);
                }
            }
        }
    }

    /// Gives back what was kept for a line that never ended.
    pub(crate) fn finish(&mut self, out: &mut Vec<Op>) {
        match self {
            Self::Lines(stage) => {
                data(stage.buffer.rest(), out);
                data(stage.held.take().unwrap_or_default(), out);
            }
            Self::Gzip(_, buffer) => {
                let rest = buffer.rest();
                if !rest.is_empty() {
                    data(gzip(&rest), out);
                }
            }
            Self::Point(_) | Self::Rechunk(..) => {}
        }
    }
}

pub(crate) fn data(bytes: Bytes, out: &mut Vec<Op>) {
    if !bytes.is_empty() {
        out.push(Op::Data(bytes));
    }
}

fn gzip(line: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail; if it did, the bytes would go out as they are and a test would see it.
    let packed = encoder.write_all(line).and_then(|()| encoder.finish());
    packed.map_or_else(|_| Bytes::copy_from_slice(line), Bytes::from)
}

/// Strikes at one point of the stream.
#[derive(Debug)]
pub(crate) struct PointStage {
    fault: ArmedFault,
    reach: Reach,
    spent: bool,
}

impl PointStage {
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<Op>) {
        let due = if self.spent {
            None
        } else {
            self.reach.pass(bytes)
        };
        let Some(due) = due else {
            return data(bytes.clone(), out);
        };
        self.spent = true;
        if !self.fault.strike() {
            return data(bytes.clone(), out);
        }
        data(bytes.slice(..due), out);
        match &self.fault.fault.deed {
            Do::Reset => return out.push(Op::Abort(Abort::Reset)),
            Do::Cut => return out.push(Op::Abort(Abort::Cut)),
            Do::End => return out.push(Op::End),
            Do::InjectErrorEvent(code) => {
                let line = error_line(*code, "too old resource version: 1 (2)");
                data(line.into(), out);
                return out.push(Op::End);
            }
            Do::Stall(time) => out.push(Op::Stall(*time)),
            Do::Slow(rate) => out.push(Op::Pace(*rate)),
            Do::Inject(bytes) => data(bytes.clone(), out),
            _ => {}
        }
        data(bytes.slice(due..), out);
    }
}
