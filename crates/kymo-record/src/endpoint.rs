//! Metrics and health over HTTP, on loopback only.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | all metrics, `OpenMetrics` text |
//! | `/healthz` | 200 while the recorder runs and its log is being written |
//! | `/readyz` | 200 once every feed has come to a state and the disk takes what comes, else 503 |
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `kymo_events_total` | | events written to the log |
//! | `kymo_feed_events_total` | group, resource, namespace | the same by feed |
//! | `kymo_received_bytes_total` | | bytes of their objects, after redaction |
//! | `kymo_durable_bytes` | | bytes of the logs on disk since the start |
//! | `kymo_commit_seconds` | | histogram: time that a commit took, fsync included |
//! | `kymo_lag_seconds` | | age of the oldest record that is not durable |
//! | `kymo_in_flight_bytes` | | bytes that feeds delivered and the log has not taken |
//! | `kymo_resident_memory_bytes` | | memory of the process |
//! | `kymo_memory_budget_bytes` | | memory to stay under |
//! | `kymo_feeds` | state | feeds by coverage state |
//! | `kymo_gaps_total` | cause | stretches not observed |
//! | `kymo_alarms_total` | kind | alarms of feeds |
//! | `kymo_feed_faults_total` | | feeds restarted after a fault inside the recorder |
//! | `kymo_fsync_failures_total` | | times the disk did not keep what it was given |
//! | `kymo_disk_full` | | 1 while recording waits for space |
//! | `kymo_sealed_logs_total` | | logs that became segments |
//! | `kymo_compacted_segments_total` | | segments that became part of larger ones |
//! | `kymo_seal_failures_total` | | failed attempts to do either |
//! | `kymo_discoveries_total`, `kymo_discovery_failures_total` | | questions what the server serves |
//! | `kymo_clock_steps_total` | | steps of the wall clock |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::tally::Tally;
use crate::{Error, Status};

/// A log that has taken nothing for so long is stuck.
const STUCK: Duration = Duration::from_mins(1);

/// Where metrics and health are served.
#[derive(Debug)]
pub(crate) struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Shown {
    tally: Arc<Tally>,
    status: watch::Receiver<Status>,
}

impl Endpoint {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Error> {
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback { address });
        }
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until cancelled.
    pub(crate) async fn serve(
        self,
        tally: Arc<Tally>,
        status: watch::Receiver<Status>,
        cancel: CancellationToken,
    ) {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(health))
            .route("/readyz", get(readiness))
            .with_state(Shown { tally, status });
        let served = axum::serve(self.listener, router);
        tokio::select! {
            () = cancel.cancelled() => {}
            result = served => if let Err(error) = result {
                tracing::warn!("metrics are no longer served: {error}");
            }
        }
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match shown.tally.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn health(State(shown): State<Shown>) -> Response {
    let status = shown.status.borrow().clone();
    if status.lag > STUCK && !status.disk_full {
        let message = format!("nothing became durable for {} s\n", status.lag.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    }
    "ok\n".into_response()
}

async fn readiness(State(shown): State<Shown>) -> Response {
    let status = shown.status.borrow().clone();
    if status.ready {
        return "ok\n".into_response();
    }
    let message = if status.disk_full {
        "the disk is full\n".to_owned()
    } else {
        format!("{} feeds have not started\n", status.feeds.starting)
    };
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_others_can_reach_is_refused() {
        for address in ["0.0.0.0:0", "192.0.2.1:9464", "[::]:0"] {
            let error = Endpoint::bind(address.parse().unwrap()).await.unwrap_err();
            assert!(matches!(error, Error::NotLoopback { .. }), "{error}");
        }
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        assert_ne!(endpoint.address().port(), 0);
    }

    #[test]
    fn every_metric_is_in_the_table() {
        let tally = Tally::new(1);
        let text = tally.encode().unwrap();
        let table = include_str!("endpoint.rs");
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split_once(' '))
            .map(|(name, _)| name)
            .collect();
        assert!(names.len() > 15, "{names:?}");
        for name in names {
            assert!(
                table.contains(&format!("`{name}`")) || table.contains(&format!("`{name}_total`")),
                "{name} is not in the table"
            );
        }
    }
}
