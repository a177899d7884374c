use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use kube::client::Body;

use super::exchange::Arrival;
use crate::inflate::Inflate;
use crate::lines::LineSplitter;

/// The bytes of an answer, decompressed.
#[derive(Debug)]
pub(super) struct Chunks {
    body: Body,
    inflate: Option<Inflate>,
}

impl Chunks {
    /// Takes the body of an answer whose headers say that it is JSON.
    pub(super) fn of(headers: &HeaderMap, body: Body) -> Result<Self, String> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let kind = text(CONTENT_TYPE);
        if !kind.is_empty() && !kind.starts_with("application/json") {
            return Err(format!("the answer is `{kind}` instead of JSON"));
        }
        let inflate = match text(CONTENT_ENCODING).as_str() {
            "" | "identity" => None,
            "gzip" => Some(Inflate::new()),
            other => return Err(format!("the answer is encoded as `{other}`")),
        };
        Ok(Self { body, inflate })
    }

    /// Returns the next bytes; `None` at the end. Can be dropped and called again.
    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            if let Some(inflate) = &mut self.inflate {
                match inflate.next_chunk() {
                    Ok(Some(chunk)) => return Some(Ok(chunk)),
                    Ok(None) => {}
                    Err(error) => return Some(Err(told(&error))),
                }
            }
            let data = match self.body.frame().await? {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Some(Err(told(&error))),
            };
            match &mut self.inflate {
                Some(inflate) => inflate.push(data),
                None => return Some(Ok(data)),
            }
        }
    }
}

/// Reads lines.
#[derive(Debug)]
pub(super) struct LineReader {
    chunks: Chunks,
    lines: LineSplitter,
}

impl LineReader {
    pub(super) fn new(chunks: Chunks, line_bytes: usize) -> Self {
        Self {
            chunks,
            lines: LineSplitter::new(line_bytes),
        }
    }

    /// Returns the next line, or that bytes of one came. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Arrival {
        if let Some(line) = self.lines.next_line() {
            return Arrival::Line(line);
        }
        match self.chunks.next().await {
            None => {
                let partial = self.lines.pending();
                if partial > 0 {
                    tracing::debug!(bytes = partial, "the watch ended inside a line");
                }
                Arrival::Eof
            }
            Some(Err(message)) => Arrival::Failed(message),
            Some(Ok(chunk)) => {
                self.lines.push(chunk);
                self.lines
                    .next_line()
                    .map_or(Arrival::Progress, Arrival::Line)
            }
        }
    }
}

/// Reads a whole document.
#[derive(Debug)]
pub(super) struct DocumentReader {
    chunks: Chunks,
    document: Vec<u8>,
    cap: usize,
}

impl DocumentReader {
    pub(super) fn new(chunks: Chunks, cap: usize) -> Self {
        Self {
            chunks,
            document: Vec::new(),
            cap,
        }
    }

    /// Returns the document, or that bytes of it came. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Arrival {
        match self.chunks.next().await {
            None => Arrival::Document(std::mem::take(&mut self.document)),
            Some(Err(message)) => Arrival::Failed(message),
            Some(Ok(chunk)) if self.document.len() + chunk.len() > self.cap => Arrival::TooLarge,
            Some(Ok(chunk)) => {
                self.document.extend_from_slice(&chunk);
                Arrival::Progress
            }
        }
    }
}

/// Writes an error and its causes in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Wrappers often repeat what they wrap.
        if !text.contains(&message) {
            let _ = write!(text, ": {message}");
        }
        cause = error.source();
    }
    text
}
