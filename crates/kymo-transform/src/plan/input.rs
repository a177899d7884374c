use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{Feed, FeedId, Timestamp};
use kymo_query::{Limits, QuerySession, Source, Span, TraceSource};
use kymo_store::Trace;

use crate::Error;

/// The input of a stage.
pub(crate) struct Input {
    pub(crate) trace: Arc<Trace>,
    pub(crate) session: QuerySession,
    pub(crate) span: Span,
    pub(crate) feeds: Arc<BTreeMap<FeedId, Feed>>,
    /// What questions may use.
    pub(crate) limits: Limits,
    /// Where paths in the script begin.
    pub(crate) base: PathBuf,
}

impl Input {
    /// Opens a trace to be read and to be asked.
    pub(crate) fn open(path: &Path, limits: &Limits, base: &Path) -> Result<Self, Error> {
        let trace = Arc::new(Trace::open(path)?);
        let source = Arc::new(TraceSource::open(path)?);
        let span = source.span().unwrap_or(Span {
            start: Timestamp(0),
            end: Timestamp(0),
        });
        let session = QuerySession::over(&[("trace".to_owned(), source)], limits.clone())?;
        Ok(Self {
            feeds: Arc::new(trace.feeds().clone()),
            trace,
            session,
            span,
            limits: limits.clone(),
            base: base.to_owned(),
        })
    }

    /// Opens a session for questions whose answers are in the order of the trace. One thread reads the
    /// rows in that order; of several, each would have to keep its rows until those before are read.
    pub(crate) fn session_in_order(&self) -> Result<QuerySession, Error> {
        let source = Arc::new(TraceSource::open(self.trace.path())?);
        let limits = Limits {
            threads: Some(1),
            ..self.limits.clone()
        };
        Ok(QuerySession::over(&[("trace".to_owned(), source)], limits)?)
    }
}
