use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use http::response::Parts;
use kymo_model::WatchStatus;

/// How much of a text that is no `Status` is told.
const TOLD: usize = 200;

/// Reads what a server said beside a status other than 200: a `Status`, or a page or a line of
/// text of some proxy.
pub(super) fn refusal(head: &Parts, body: &[u8]) -> WatchStatus {
    let mut status = WatchStatus::parse(body).unwrap_or_else(|| WatchStatus {
        message: told(head, body),
        ..WatchStatus::default()
    });
    status.code = head.status.as_u16();
    status.retry_after = retry_after(&head.headers).or(status.retry_after);
    status
}

/// Kubernetes sends seconds; the form with a date is not followed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

fn told(head: &Parts, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words
        .join(" ")
        .chars()
        .filter(|char| !char.is_control())
        .take(TOLD)
        .collect();
    if line.is_empty() {
        head.status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use rstest::rstest;

    use super::*;

    /// Fault table row 15.
    #[rstest]
    #[case::compact(
        410,
        r#"{"kind":"Status","code":410,"reason":"Expired","message":"too old"}"#,
        "too old"
    )]
    #[case::pretty(
        410,
        "{\n  \"kind\": \"Status\",\n  \"message\": \"too old\",\n  \"code\": 410\n}\n",
        "too old"
    )]
    #[case::html(503, "<html>\n <b>busy</b>\n</html>", "<html> <b>busy</b> </html>")]
    #[case::plain_text(404, "404 page not found\n", "404 page not found")]
    #[case::nothing(502, "", "Bad Gateway")]
    #[case::code_of_the_body_is_wrong(403, r#"{"kind":"Status","code":200}"#, "")]
    fn every_error_body_becomes_a_status(
        #[case] code: u16,
        #[case] body: &str,
        #[case] message: &str,
    ) {
        let (head, ()) = Response::builder()
            .status(code)
            .header("Retry-After", "7")
            .body(())
            .unwrap()
            .into_parts();
        let status = refusal(&head, body.as_bytes());
        assert_eq!((status.code, status.message.as_str()), (code, message));
        assert_eq!(status.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn escapes_of_a_terminal_are_not_told() {
        let (head, ()) = Response::builder()
            .status(500)
            .body(())
            .unwrap()
            .into_parts();
        assert_eq!(refusal(&head, b"a\x1b[31mb\x07").message, "a[31mb");
    }
}
