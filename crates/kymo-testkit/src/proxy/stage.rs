//! The steps of a [`super::Transformer`]: each does the deed of one fault to a stream of bytes.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::answer::error_line;
use super::fault::{ArmedFault, Do, Trigger};
use super::line::{event_type, rewrite_rv};
use super::loopback::Abort;

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

/// Finds the moment at which a fault is due.
#[derive(Debug)]
struct Reach {
    events_left: u64,
    bytes_left: u64,
    at_time: Option<Duration>,
    due: bool,
}

impl Reach {
    fn new(trigger: Trigger) -> Self {
        let (events_left, bytes_left, at_time) = match trigger {
            Trigger::Request => (0, 0, None),
            Trigger::After { events, bytes } => (events, bytes, None),
            Trigger::Elapsed(time) => (0, 0, Some(time)),
        };
        Self {
            events_left,
            bytes_left,
            at_time,
            due: false,
        }
    }

    fn note_time(&mut self, now: Duration) {
        self.due |= self.at_time.is_some_and(|time| now >= time);
    }

    fn deadline(&self) -> Option<Duration> {
        self.at_time.filter(|_| !self.due)
    }

    /// Goes over bytes that pass; returns how many of them pass before the fault is due, if it gets due.
    fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.due {
            return Some(0);
        }
        if self.at_time.is_some() {
            return None;
        }
        let mut rest = bytes;
        while self.events_left > 0 {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            rest = rest.get(end + 1..)?;
            self.events_left -= 1;
        }
        let Some(more) = usize::try_from(self.bytes_left)
            .ok()
            .filter(|it| *it <= rest.len())
        else {
            self.bytes_left -= rest.len() as u64;
            return None;
        };
        self.due = true;
        Some(bytes.len() - rest.len() + more)
    }
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

fn data(bytes: Bytes, out: &mut Vec<Op>) {
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

/// Collects bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    open: BytesMut,
}

impl LineBuffer {
    fn lines(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                lines.push(self.open.split().freeze());
            }
        }
        lines
    }

    fn rest(&mut self) -> Bytes {
        self.open.split().freeze()
    }
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

/// Changes whole lines.
#[derive(Debug)]
pub(crate) struct LineStage {
    fault: ArmedFault,
    reach: Reach,
    buffer: LineBuffer,
    held: Option<Bytes>,
}

impl LineStage {
    fn line(&mut self, line: Bytes, out: &mut Vec<Op>) {
        let due = self.reach.due || self.reach.pass(&[]).is_some();
        if !due {
            self.reach.pass(&line);
        }
        if !due || self.held.is_some() || !self.fault.fault.when.line.fits(&line) {
            data(line, out);
            data(self.held.take().unwrap_or_default(), out);
            return;
        }
        let strike = || self.fault.strike();
        match &self.fault.fault.deed {
            Do::Corrupt { offset, byte } if line.len() > 1 && strike() => {
                let mut changed = BytesMut::from(line.as_ref());
                let at = offset % (line.len() - 1);
                if let Some(place) = changed.get_mut(at) {
                    *place = *byte;
                }
                data(changed.freeze(), out);
            }
            Do::Duplicate if strike() => {
                data(line.clone(), out);
                data(line, out);
            }
            Do::Swallow if strike() => {}
            Do::Reorder if strike() => self.held = Some(line),
            Do::StripBookmarks if event_type(&line).as_deref() == Some("BOOKMARK") && strike() => {}
            Do::RewriteRv(rewrite) => match rewrite_rv(&line, rewrite) {
                Some(changed) if strike() => data(changed.into(), out),
                _ => data(line, out),
            },
            _ => data(line, out),
        }
    }
}
