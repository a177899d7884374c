//! What a failed request says about the server.

use std::error::Error as StdError;
use std::io;

use kymo_watch::Error as WatchError;

use crate::Error;

/// Says what a failed request means.
pub(crate) fn classify(server: &str, action: &'static str, error: &kube::Error) -> Error {
    let server = server.to_owned();
    match error {
        kube::Error::Api(status) => answered(&server, action, status.code, &status.message),
        kube::Error::Auth(_) => Error::Unauthorized {
            server,
            message: chain(error),
        },
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Error::NotAnApiServer {
            server,
            action,
            message: chain(error),
        },
        kube::Error::RustlsTls(_) | kube::Error::TlsRequired => Error::Tls {
            server,
            message: chain(error),
        },
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            let message = chain(error);
            if is_auth(error) {
                Error::Unauthorized { server, message }
            } else if is_tls(error) {
                Error::Tls { server, message }
            } else {
                Error::Unreachable { server, message }
            }
        }
        _ => Error::Client {
            server,
            message: chain(error),
        },
    }
}

/// Says what an answer other than success means.
pub(crate) fn answered(server: &str, action: &'static str, code: u16, message: &str) -> Error {
    let server = server.to_owned();
    let message = if message.is_empty() {
        format!("status {code}")
    } else {
        message.to_owned()
    };
    match code {
        401 => Error::Unauthorized { server, message },
        403 => Error::Forbidden {
            server,
            action,
            message,
        },
        429 | 500..=599 => Error::Unreachable { server, message },
        code => Error::Refused {
            server,
            action,
            code,
            message,
        },
    }
}

/// Says what a failed discovery means.
pub(crate) fn discovery(server: &str, error: &WatchError) -> Error {
    const ACTION: &str = "discovery";
    match error {
        WatchError::Refused { status, .. } => {
            answered(server, ACTION, status.code, &status.message)
        }
        WatchError::Transport { message, .. } => Error::Unreachable {
            server: server.to_owned(),
            message: message.clone(),
        },
        other => Error::NotAnApiServer {
            server: server.to_owned(),
            action: ACTION,
            message: other.to_string(),
        },
    }
}

/// Returns the messages of an error and of its causes, each once.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut messages: Vec<String> = Vec::new();
    for error in causes(error) {
        let message = error.to_string();
        // Outer messages often repeat the inner ones; the innermost say it best.
        messages.retain(|outer| !outer.contains(&message));
        messages.push(message);
    }
    messages.join(": ")
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An `io::Error` hides what it wraps from `source`.
        match error.downcast_ref::<io::Error>() {
            Some(error) => error
                .get_ref()
                .map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// The TLS library reports all its failures as `InvalidData`, or `UnexpectedEof` in the handshake.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| {
            error.kind() == io::ErrorKind::InvalidData
                || (error.kind() == io::ErrorKind::UnexpectedEof
                    && error.to_string().contains("tls"))
        })
}

fn is_auth(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(<dyn StdError>::is::<kube::client::AuthError>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, "bad certificate");
        let error = kube::Error::Service(Box::new(inner));
        let classified = classify("https://x", "GET /version", &error);
        assert!(matches!(&classified, Error::Tls { message, .. } if message == "bad certificate"));
    }

    #[test]
    fn answers_are_told_apart() {
        for (code, expected) in [
            (401, "https://x does not accept the credentials: m"),
            (403, "https://x forbids discovery: m"),
            (404, "https://x refuses discovery (404): m"),
            (503, "cannot reach https://x: m"),
        ] {
            assert_eq!(
                answered("https://x", "discovery", code, "m").to_string(),
                expected
            );
        }
        assert!(
            answered("https://x", "discovery", 503, "")
                .to_string()
                .ends_with("status 503")
        );
    }
}
