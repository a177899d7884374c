//! Reads the records that `kshrk capture --out -` writes, one a line.

use std::io;

use super::api_path::ApiPath;
use super::capture::{Capture, OpenList, Place};
use crate::Error;
use crate::import::{Context, Item, LossReport, ReadItems};
use crate::input::Text;

/// A stream of records.
pub(super) struct StreamReader {
    name: String,
    text: Text<'static>,
    capture: Capture,
    open: Option<OpenList>,
    has_ended: bool,
}

impl StreamReader {
    /// Reads `text`; `name` is for messages.
    pub(super) fn new(name: &str, text: Text<'static>, context: &Context) -> Self {
        Self {
            name: name.to_owned(),
            text,
            capture: Capture::new(name, context.policy, context.limits.value_bytes),
            open: None,
            has_ended: false,
        }
    }

    /// Reads a record; `false` at the end of the stream.
    fn record(&mut self) -> io::Result<bool> {
        let number = self.text.line();
        match self.text.peek()? {
            None => return Ok(false),
            Some(b'\n' | b'\r' | b' ') => {
                self.text.skip_line()?;
                return Ok(true);
            }
            Some(_) => {}
        }
        let mut place = Place { ts: None, number };
        let envelope = match self.capture.open_record(&mut self.text)? {
            Ok(envelope) => envelope,
            Err(reason) => {
                self.capture.unreadable("", place, reason);
                self.text.skip_line()?;
                return Ok(true);
            }
        };
        let text = envelope.api_path.as_str();
        match ApiPath::parse(text) {
            ApiPath::Other(what) => self.capture.leave_out(what, 1),
            ApiPath::Served { group, version } => {
                if envelope.code == 200 {
                    self.capture.learn(&mut self.text, &group, &version)?;
                }
                self.capture.leave_out_discovery(1);
            }
            ApiPath::Resource(path) => {
                place.ts = envelope.captured_at;
                if !self.capture.is_followed(text) && !self.capture.follow(text, &path, false) {
                    self.capture.leave_out_twice_shown(1);
                } else if place.ts.is_none() {
                    self.capture
                        .unreadable(text, place, "a record without `captured_at`");
                } else {
                    self.open = self.capture.response(&mut self.text, &envelope, place)?;
                }
            }
        }
        if self.open.is_none() {
            self.text.skip_line()?;
        }
        Ok(true)
    }

    fn step(&mut self, mut list: OpenList) -> io::Result<()> {
        if self.capture.step(&mut self.text, &mut list)? {
            self.open = Some(list);
            return Ok(());
        }
        self.text.skip_line()
    }
}

impl ReadItems for StreamReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.capture.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.has_ended {
                return Ok(None);
            }
            let read = match self.open.take() {
                Some(list) => self.step(list).map(|()| true),
                None => self.record(),
            };
            let has_more = read.map_err(|source| Error::Read {
                path: self.name.clone(),
                source,
            })?;
            if has_more {
                continue;
            }
            self.capture.end();
            self.has_ended = true;
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        self.capture.report(report);
    }
}
