//! The tables of a trace.

mod batches;
mod coverage;
mod events;
mod events_scan;
mod feeds;
mod filters;
mod fixed;
mod lineage;
mod partial;
mod pushdown;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;

pub(crate) use batches::panic_message;
pub(crate) use events::EventsTable;
pub(crate) use events_scan::EventsExec;
pub(crate) use filters::OBJECT;

use crate::Error;
use crate::error::{Phase, translate};
use crate::source::Source;

/// Makes the tables of one trace, by name.
pub(crate) fn tables(
    trace: &str,
    source: &Arc<dyn Source>,
) -> Result<BTreeMap<&'static str, Arc<dyn TableProvider>>, Error> {
    let known_feeds = source.feeds();
    let rows = source.coverage();
    let events = EventsTable::new(Arc::from(trace), Arc::clone(source));
    Ok(BTreeMap::from([
        ("events", Arc::new(events) as Arc<dyn TableProvider>),
        ("coverage", fixed(coverage::coverage(&rows, &known_feeds))?),
        ("feeds", fixed(feeds::feeds(&known_feeds))?),
        ("lineage", fixed(lineage::lineage(&source.lineage()))?),
        ("partial", fixed(partial::partial(&source.lineage()))?),
        ("sessions", fixed(feeds::sessions(&source.sessions()))?),
    ]))
}

fn fixed(batch: Result<RecordBatch, ArrowError>) -> Result<Arc<dyn TableProvider>, Error> {
    let batch = batch.map_err(|error| translate(DataFusionError::from(error), Phase::Planning))?;
    Ok(Arc::new(fixed::FixedTable::new(batch)))
}
