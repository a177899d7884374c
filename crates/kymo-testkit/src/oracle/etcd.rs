//! etcd's JSON gateway.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A client of an etcd on loopback, plain HTTP.
#[derive(Debug, Clone)]
pub struct Etcd {
    port: u16,
}

/// A key at one revision.
#[derive(Debug, Clone, Deserialize)]
pub struct KeyValue {
    /// The key, such as `/registry/pods/default/web`.
    #[serde(deserialize_with = "text")]
    pub key: String,
    /// The revision that wrote this value (or that deleted the key).
    #[serde(default, deserialize_with = "number")]
    pub mod_revision: u64,
    /// How many times the key was written since it was made; 1 for its first value, 0 when it was
    /// deleted.
    #[serde(default, deserialize_with = "number")]
    pub version: u64,
    /// The value as stored.
    #[serde(default, deserialize_with = "bytes")]
    pub value: Bytes,
}

/// A change of one key.
#[derive(Debug, Clone, Deserialize)]
pub struct Change {
    /// `true` when the key was deleted.
    #[serde(default, rename = "type", deserialize_with = "is_delete")]
    pub deleted: bool,
    /// The key after the change.
    pub kv: KeyValue,
    /// The key before the change, if there was one.
    #[serde(default)]
    pub prev_kv: Option<KeyValue>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default, deserialize_with = "number")]
    revision: u64,
}

#[derive(Deserialize)]
struct RangeAnswer {
    header: Header,
    #[serde(default)]
    kvs: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct WatchLine {
    result: Option<WatchAnswer>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WatchAnswer {
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    cancel_reason: String,
    #[serde(default, deserialize_with = "number")]
    compact_revision: u64,
    #[serde(default)]
    events: Vec<Change>,
}

impl Etcd {
    /// Names an etcd by its client port.
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    /// Tells the newest revision.
    pub async fn revision(&self) -> Result<u64> {
        let answer = self
            .ask(
                "/v3/kv/range",
                &json!({ "key": STANDARD.encode("/registry/"), "limit": "1" }),
            )
            .await?;
        Ok(serde_json::from_slice::<RangeAnswer>(&answer)?
            .header
            .revision)
    }

    /// Gives all keys that start with `prefix`, now or at a `revision`.
    pub async fn range(&self, prefix: &str, revision: Option<u64>) -> Result<Vec<KeyValue>> {
        let mut request =
            json!({ "key": STANDARD.encode(prefix), "range_end": STANDARD.encode(end_of(prefix)) });
        if let Some(revision) = revision {
            request["revision"] = Value::from(revision.to_string());
        }
        let answer = self.ask("/v3/kv/range", &request).await?;
        Ok(serde_json::from_slice::<RangeAnswer>(&answer)?.kvs)
    }

    /// Forgets the history before `revision`, in memory and on disk.
    ///
    /// The API server still serves watches from its own memory; see
    /// [`Options::watch_cache`](crate::control_plane::Options::watch_cache).
    pub async fn compact(&self, revision: u64) -> Result<()> {
        let request = json!({ "revision": revision.to_string(), "physical": true });
        self.ask("/v3/kv/compaction", &request).await.map(drop)
    }

    async fn ask(&self, path: &str, request: &Value) -> Result<Bytes> {
        let body = self.post(path, request).await?;
        Ok(body
            .collect()
            .await
            .with_context(|| format!("etcd {path}"))?
            .to_bytes())
    }

    async fn post(&self, path: &str, request: &Value) -> Result<Incoming> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot reach etcd at port {}", self.port))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender or the body; its error reaches the reader of the body.
        drop(tokio::spawn(connection));
        let request = Request::post(path)
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(request)?)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body();
        if !status.is_success() {
            let text = body.collect().await?.to_bytes();
            bail!("etcd {path}: {status}: {}", String::from_utf8_lossy(&text));
        }
        Ok(body)
    }

    /// Watches all keys, whatever they are called, from a revision on.
    pub(super) async fn watch(&self, from: u64) -> Result<Watch> {
        let everything = STANDARD.encode("\0");
        let create = json!({ "create_request": {
            "key": everything,
            "range_end": everything,
            "start_revision": from.to_string(),
            "prev_kv": true,
        }});
        let body = self.post("/v3/watch", &create).await?;
        Ok(Watch {
            body,
            buffer: BytesMut::new(),
        })
    }
}

/// An open watch.
pub(super) struct Watch {
    body: Incoming,
    buffer: BytesMut,
}

impl Watch {
    /// Waits for the next changes, in order of revision; all changes of a revision come together.
    pub(super) async fn next(&mut self) -> Result<Vec<Change>> {
        loop {
            let line = self.line().await?;
            let line: WatchLine = serde_json::from_slice(&line)
                .context("etcd sent a watch answer that cannot be read")?;
            ensure!(
                line.error.is_none(),
                "etcd ended the watch: {:?}",
                line.error
            );
            let answer = line.result.context("etcd sent an empty watch answer")?;
            ensure!(
                !answer.canceled,
                "etcd canceled the watch: {} (compacted at {})",
                answer.cancel_reason,
                answer.compact_revision
            );
            if !answer.events.is_empty() {
                return Ok(answer.events);
            }
        }
    }

    async fn line(&mut self) -> Result<Bytes> {
        let mut searched = 0;
        loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', rest) {
                return Ok(self.buffer.split_to(searched + at + 1).freeze());
            }
            searched = self.buffer.len();
            let frame = self.body.frame().await.context("etcd closed the watch")??;
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }
}

/// Gives the first key behind all that start with `prefix`.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0]
}

/// The gateway writes 64-bit numbers as strings.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD
        .decode(text)
        .map(Bytes::from)
        .map_err(serde::de::Error::custom)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::from_utf8(bytes(deserializer)?.to_vec()).map_err(serde::de::Error::custom)
}

fn is_delete<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)? == "DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_prefix_ends_behind_its_last_key() {
        assert_eq!(end_of("/registry/"), b"/registry0");
        assert_eq!(end_of(""), b"\0");
    }

    #[test]
    fn a_watch_answer_is_read_with_its_numbers_in_strings() {
        let line = r#"{"result":{"header":{"revision":"9"},"events":[
            {"kv":{"key":"L3JlZ2lzdHJ5L2E=","mod_revision":"7","version":"1","value":"e30="}},
            {"type":"DELETE","kv":{"key":"L3JlZ2lzdHJ5L2E=","mod_revision":"8"},
             "prev_kv":{"key":"L3JlZ2lzdHJ5L2E=","mod_revision":"7","version":"1","value":"e30="}}]}}"#;
        let line: WatchLine = serde_json::from_str(line).expect("a watch line");
        let events = line.result.expect("a result").events;
        assert_eq!((events[0].deleted, events[0].kv.mod_revision), (false, 7));
        assert_eq!(events[0].kv.key, "/registry/a");
        assert_eq!((events[1].deleted, events[1].kv.mod_revision), (true, 8));
        assert_eq!(
            &events[1].prev_kv.as_ref().expect("before").value[..],
            b"{}"
        );
    }
}
