use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::ReplyBody;

/// The shape of an error body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// A `Status` object on one line, as the API server writes it.
    #[default]
    Status,
    /// A `Status` object over many lines, as with `?pretty=true`.
    PrettyStatus,
    /// A page of HTML, as load balancers send.
    Html,
    /// One line of text, as for paths that are not served or when too much is asked.
    Plain,
}

/// An answer with an error status, given in place of the real one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status code.
    pub code: u16,
    /// The `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
    /// What the body looks like.
    pub body: ErrorBody,
}

impl ErrorAnswer {
    /// Answers with a `Status` object and no `Retry-After`.
    pub fn new(code: u16) -> Self {
        Self {
            code,
            retry_after: None,
            body: ErrorBody::Status,
        }
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Chooses the shape of the body.
    #[must_use]
    pub fn body(mut self, body: ErrorBody) -> Self {
        self.body = body;
        self
    }

    /// Builds the response.
    pub fn response(&self) -> Response<ReplyBody> {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let words = status.canonical_reason().unwrap_or("error");
        let object = status_object(self.code, words);
        let (kind, text) = match self.body {
            ErrorBody::Status => ("application/json", format!("{object}\n")),
            ErrorBody::PrettyStatus => ("application/json", format!("{object:#}\n")),
            ErrorBody::Html => (
                "text/html",
                format!(
                    "<html>\n<head><title>{0} {words}</title></head>\n<body>\n<h1>{0} {words}</h1>\n</body>\n</html>\n",
                    self.code
                ),
            ),
            ErrorBody::Plain => (
                "text/plain; charset=utf-8",
                format!("{} {}\n", self.code, words.to_lowercase()),
            ),
        };
        let mut response = Response::new(ReplyBody::full(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Builds the `Status` object of an error, with the reason the API server gives for the code.
pub fn status_object(code: u16, message: &str) -> Value {
    let reason = match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

/// Writes the ERROR line of a watch, with its line end.
pub fn error_line(code: u16, message: &str) -> String {
    let object = status_object(code, message);
    format!("{}\n", json!({"type": "ERROR", "object": object}))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn each_body_kind_has_its_shape() {
        let lines = |text: &str| text.lines().count();
        for (body, kind, is_json, one_line) in [
            (ErrorBody::Status, "application/json", true, true),
            (ErrorBody::PrettyStatus, "application/json", true, false),
            (ErrorBody::Html, "text/html", false, false),
            (ErrorBody::Plain, "text/plain; charset=utf-8", false, true),
        ] {
            let answer = ErrorAnswer::new(429).retry_after(3).body(body);
            let response = answer.response();
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], "3");
            assert_eq!(response.headers()["content-type"], kind);
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            let text = std::str::from_utf8(&bytes).unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(text).is_ok(),
                is_json,
                "{text}"
            );
            assert_eq!(lines(text) == 1, one_line, "{text}");
        }
    }
}
