//! A proxy between a client and an API server that breaks answers on purpose.
//!
//! It speaks plain HTTP/1.1 to the client and HTTP or HTTPS to the upstream. What goes wrong is a script of
//! [`Fault`]s, each with an id, a condition ([`When`]), a deed ([`Do`]) and a budget. A test asserts with
//! [`FaultProxy::fired`] that its fault really struck. Requests that no fault is meant for pass unchanged.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use kymo_testkit::proxy::{Do, Fault, FaultProxy, Upstream, When};
//!
//! let proxy = FaultProxy::start(
//!     Upstream::http("http://127.0.0.1:8001")?,
//!     [Fault::new("reset", When::watching("pods").after(3, 17), Do::Reset)],
//! )
//! .await?;
//! // … let a client work with `proxy.url()` …
//! proxy.until_fired("reset", 1).await;
//! assert_eq!(proxy.fired("reset"), 1);
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod fault;
mod forward;
mod kubeconfig;
mod line;
mod lines;
pub(crate) mod loopback;
mod reach;
mod request;
mod stage;
mod transform;
mod upstream;
mod when;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;

pub use answer::{ErrorAnswer, ErrorBody, error_line, status_object};
pub use body::{Abort, ReplyBody};
pub use fault::{ArmedFault, Do, Fault, RvRewrite};
pub use kubeconfig::kubeconfig;
pub use request::{RequestMatch, SeenRequest};
pub use stage::Op;
pub use transform::Transformer;
pub use upstream::Upstream;
pub use when::{LineMatch, Trigger, When};

use loopback::{Handler, Loopback};

/// A running fault proxy on a free loopback port. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct FaultProxy {
    core: Arc<Core>,
    loopback: Loopback,
}

#[derive(Debug)]
struct Core {
    state: Mutex<State>,
    changed: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct State {
    upstream: Upstream,
    faults: Vec<ArmedFault>,
    spent: Vec<ArmedFault>,
    requests: Vec<SeenRequest>,
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Core {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response<ReplyBody>, Abort>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let seen = SeenRequest::of(&parts);
            let (upstream, faults) = {
                let mut state = self.state();
                let meant = state.faults.iter().filter(|fault| fault.takes(&seen));
                let faults = meant.cloned().collect();
                state.requests.push(seen);
                (state.upstream.clone(), faults)
            };
            self.changed.send_replace(());
            forward::forward(upstream, Request::from_parts(parts, body), faults).await
        })
    }
}

impl FaultProxy {
    /// Starts a proxy.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(
        upstream: Upstream,
        faults: impl IntoIterator<Item = Fault>,
    ) -> io::Result<Self> {
        let changed = Arc::new(watch::Sender::new(()));
        let arm = |fault| ArmedFault::telling(fault, Arc::clone(&changed));
        let core = Arc::new(Core {
            state: Mutex::new(State {
                upstream,
                faults: faults.into_iter().map(arm).collect(),
                spent: Vec::new(),
                requests: Vec::new(),
            }),
            changed,
        });
        let loopback = Loopback::start(Arc::clone(&core)).await?;
        Ok(Self { core, loopback })
    }

    /// Returns its address as a client needs it: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.loopback.address())
    }

    /// Returns a kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url(), None)
    }

    /// Adds a fault; requests that come from now on are subject to it.
    pub fn add(&self, fault: Fault) {
        let armed = ArmedFault::telling(fault, Arc::clone(&self.core.changed));
        self.core.state().faults.push(armed);
    }

    /// Takes a fault out of force; its counter stays readable.
    pub fn remove(&self, id: &str) {
        let mut state = self.core.state();
        let (gone, kept) = state.faults.drain(..).partition(|fault| fault.id() == id);
        let gone: Vec<ArmedFault> = gone;
        state.faults = kept;
        state.spent.extend(gone);
    }

    /// Sends later requests to another server.
    pub fn set_upstream(&self, upstream: Upstream) {
        self.core.state().upstream = upstream;
    }

    /// Closes all connections that are open now.
    pub fn hang_up(&self) {
        self.loopback.hang_up();
    }

    /// Returns how often the faults of this id have struck in all; 0 for an id that was never added.
    pub fn fired(&self, id: &str) -> u64 {
        let state = self.core.state();
        let all = state.faults.iter().chain(&state.spent);
        all.filter(|fault| fault.id() == id)
            .map(ArmedFault::fired)
            .sum()
    }

    /// Returns the ids of faults that have never struck: an empty list is what a test asserts at its end.
    pub fn unfired(&self) -> Vec<String> {
        let state = self.core.state();
        let all = state.faults.iter().chain(&state.spent);
        all.filter(|fault| fault.fired() == 0)
            .map(|fault| fault.id().to_owned())
            .collect()
    }

    /// Waits until the faults of this id have struck so often. It has no limit of its own.
    pub async fn until_fired(&self, id: &str, times: u64) {
        let mut changed = self.core.changed.subscribe();
        while self.fired(id) < times {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns all requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.core.state().requests.clone()
    }
}
