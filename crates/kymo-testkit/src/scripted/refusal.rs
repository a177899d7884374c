//! Errors as the API server words them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::proxy::{ReplyBody, status_object};

/// A refused request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(Value);

impl Refusal {
    pub(crate) fn new(code: u16, message: &str) -> Self {
        Self(status_object(code, message))
    }

    /// The 410 of a list; `token` goes on with the list at the present revision.
    pub(crate) fn expired(message: &str, token: Option<String>) -> Self {
        let mut status = status_object(410, message);
        if let (Some(token), Some(metadata)) = (token, status.get_mut("metadata")) {
            *metadata = json!({"continue": token});
        }
        Self(status)
    }

    /// The 504 of a list from the future.
    pub(crate) fn too_large(rv: u64, now: u64) -> Self {
        let message = format!("Too large resource version: {rv}, current: {now}");
        let mut status = status_object(504, &format!("Timeout: {message}"));
        if let Some(fields) = status.as_object_mut() {
            let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
            let details = json!({"causes": [cause], "retryAfterSeconds": 1});
            fields.insert("details".into(), details);
        }
        Self(status)
    }

    pub(crate) fn response(&self) -> Response<ReplyBody> {
        let code = self.0.get("code").and_then(Value::as_u64).unwrap_or(500);
        let mut response = json_response(&self.0);
        *response.status_mut() = u16::try_from(code)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response
    }
}

pub(crate) fn json_response(value: &Value) -> Response<ReplyBody> {
    typed("application/json", format!("{value}\n"))
}

pub(crate) fn typed(kind: &'static str, body: impl Into<Bytes>) -> Response<ReplyBody> {
    streamed(kind, ReplyBody::full(body))
}

pub(crate) fn streamed(kind: &'static str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The answer for a path that is not served: text, no Status.
pub(crate) fn not_served() -> Response<ReplyBody> {
    let mut response = typed("text/plain; charset=utf-8", "404 page not found\n");
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
