//! SIGINT and SIGTERM ask a command to end in an orderly way.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::command_error::CommandError;

/// Cancels the token on the first SIGINT or SIGTERM.
pub(crate) fn cancel_on_signal(token: &CancellationToken) -> Result<(), CommandError> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            CommandError::environment("cannot listen to signals").caused_by(&error)
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let token = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(())
}
