//! New clients when the old one's credentials are not accepted any more.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Cluster;
use crate::sink::Drain;

/// The shortest time between two new clients.
const PAUSE: Duration = Duration::from_secs(2);

/// Makes a new client, which reads tokens and certificates and runs plugins again, whenever a
/// feed is told 401, until cancelled.
pub(crate) async fn renew(
    cluster: Cluster,
    drain: Arc<Drain>,
    clients: watch::Sender<Client>,
    cancel: CancellationToken,
) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = drain.unauthorized.notified() => {}
        }
        match cluster.renew().await {
            Ok(client) => {
                clients.send_replace(client);
            }
            Err(error) => drain.tally.note(format!("no new credentials: {error}")),
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
