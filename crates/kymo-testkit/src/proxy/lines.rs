//! The faults that change whole lines.

use bytes::{Bytes, BytesMut};

use super::fault::{ArmedFault, Do};
use super::line::{event_type, rewrite_rv};
use super::reach::Reach;
use super::stage::{Op, data};

/// Collects bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    open: BytesMut,
}

impl LineBuffer {
    pub(crate) fn lines(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                lines.push(self.open.split().freeze());
            }
        }
        lines
    }

    pub(crate) fn rest(&mut self) -> Bytes {
        self.open.split().freeze()
    }
}

/// Changes whole lines.
#[derive(Debug)]
pub(crate) struct LineStage {
    pub(crate) fault: ArmedFault,
    pub(crate) reach: Reach,
    pub(crate) buffer: LineBuffer,
    pub(crate) held: Option<Bytes>,
}

impl LineStage {
    pub(crate) fn line(&mut self, line: Bytes, out: &mut Vec<Op>) {
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
