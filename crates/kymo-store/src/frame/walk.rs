use std::io;
use std::sync::Arc;

use memchr::memmem;

use super::{HEADER, Header, MAGIC};
use crate::fs::{ReadFile, read_full_at};

/// What a walk over the frames of a file comes to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A frame that proves itself; its payload is in [`Walk::payload`].
    Frame {
        /// Where it begins.
        offset: u64,
        /// Its header.
        header: Header,
    },
    /// Bytes that are no frame, with a frame behind them, or a place where frames are missing.
    Damage {
        /// Where they begin.
        from: u64,
    },
    /// Bytes at the end that are no frame: a torn write, or damage to the last frames.
    Tail {
        /// Where they begin.
        from: u64,
        /// The end of the file.
        to: u64,
    },
}

/// Walks over the frames of a file, finding its way again behind damage.
#[derive(Debug)]
pub(crate) struct Walk {
    file: Arc<dyn ReadFile>,
    end: u64,
    offset: u64,
    seed: u32,
    chain: Option<u32>,
    payload: Vec<u8>,
    queued: Option<(u64, Header)>,
    /// How many payload bytes may still be checked in vain while looking for the next frame: a
    /// file made to look like frames everywhere must not take quadratic time.
    patience: u64,
}

impl Walk {
    const WINDOW: usize = 256 * 1024;

    /// Begins at `offset`; `end` limits how far the file is looked at.
    pub(crate) fn new(
        file: Arc<dyn ReadFile>,
        offset: u64,
        end: Option<u64>,
        seed: u32,
        chain: Option<u32>,
    ) -> io::Result<Self> {
        let length = file.len()?;
        let end = end.map_or(length, |end| end.min(length));
        Ok(Self {
            file,
            end,
            offset: offset.min(end),
            seed,
            chain,
            payload: Vec::new(),
            queued: None,
            patience: end.saturating_mul(4).saturating_add(1 << 20),
        })
    }

    /// Returns the payload of the last frame.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns where the next frame is looked for: behind the last good one.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the checksum of the last frame, where it is known.
    pub(crate) fn chain(&self) -> Option<u32> {
        self.chain
    }

    /// Goes on; `None` at the end of the file.
    pub(crate) fn step(&mut self) -> io::Result<Option<Step>> {
        if let Some((offset, header)) = self.queued.take() {
            return Ok(Some(self.arrive(offset, header)));
        }
        if self.offset >= self.end {
            return Ok(None);
        }
        let from = self.offset;
        if let Some(header) = self.frame_at(from)? {
            if self.chain.is_some_and(|chain| chain != header.before) {
                self.queued = Some((from, header));
                return Ok(Some(Step::Damage { from }));
            }
            return Ok(Some(self.arrive(from, header)));
        }
        if let Some((to, header)) = self.find_frame(from + 1)? {
            self.queued = Some((to, header));
            Ok(Some(Step::Damage { from }))
        } else {
            self.offset = self.end;
            Ok(Some(Step::Tail { from, to: self.end }))
        }
    }

    fn arrive(&mut self, offset: u64, header: Header) -> Step {
        self.offset = offset + HEADER as u64 + u64::from(header.length);
        self.chain = Some(header.crc);
        Step::Frame { offset, header }
    }

    /// Reads a frame and checks it; its payload is then in the buffer.
    fn frame_at(&mut self, offset: u64) -> io::Result<Option<Header>> {
        let mut bytes = [0; HEADER];
        if offset + HEADER as u64 > self.end
            || read_full_at(self.file.as_ref(), &mut bytes, offset)? < HEADER
        {
            return Ok(None);
        }
        let Some(header) = Header::parse(&bytes) else {
            return Ok(None);
        };
        let length = header.length as usize;
        let start = offset + HEADER as u64;
        if start + length as u64 > self.end {
            return Ok(None);
        }
        self.payload.resize(length, 0);
        if read_full_at(self.file.as_ref(), &mut self.payload, start)? < length {
            return Ok(None);
        }
        if header.proves(self.seed, &self.payload) {
            return Ok(Some(header));
        }
        self.patience = self.patience.saturating_sub(header.length.into());
        Ok(None)
    }

    fn find_frame(&mut self, from: u64) -> io::Result<Option<(u64, Header)>> {
        let mut window = vec![0; Self::WINDOW];
        let mut start = from;
        while start < self.end && self.patience > 0 {
            let want = (self.end - start).min(window.len() as u64) as usize;
            let space = window.get_mut(..want).unwrap_or_default();
            let count = read_full_at(self.file.as_ref(), space, start)?;
            let bytes = window.get(..count).unwrap_or_default();
            if count < HEADER {
                return Ok(None);
            }
            for place in memmem::find_iter(bytes, &MAGIC) {
                let offset = start + place as u64;
                if let Some(header) = self.frame_at(offset)? {
                    return Ok(Some((offset, header)));
                }
                if self.patience == 0 {
                    return Ok(None);
                }
            }
            // The magic may lie across two windows.
            start += (count - (MAGIC.len() - 1)) as u64;
        }
        Ok(None)
    }
}
