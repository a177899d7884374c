//! Durations, and times relative to a trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, DurationNanosecondArray, TimestampNanosecondArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use kymo_model::{Timestamp, parse_duration};

use super::texts::{Taken, TextFunction, Texts, all};
use crate::Span;

/// `duration`
pub(super) fn duration() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_DATETIME,
        "A duration as Go and Kubernetes write it; `d` is a day of 24 hours.",
        "duration(text)",
    )
    .with_argument("text", "A duration, such as `1h30m` or `250ms`.")
    .with_sql_example("SELECT duration('1h30m') > duration('45m')")
    .build();
    TextFunction::udf(
        "duration",
        1..=1,
        Taken::AsText,
        DataType::Duration(TimeUnit::Nanosecond),
        documentation,
        durations,
    )
}

fn durations(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let values = (0..rows).map(|row| {
        let Some([text]) = all(texts, row) else {
            return Ok(None);
        };
        parse_duration(&text)
            .map(Some)
            .map_err(|error| exec_datafusion_err!("duration: {error}"))
    });
    let array: DurationNanosecondArray = values.collect::<Result<_>>()?;
    Ok(Arc::new(array))
}

/// `at`, which knows when each trace of the session begins and ends.
pub(super) fn at(spans: BTreeMap<String, Option<Span>>) -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_DATETIME,
        "A time: so long after the start of the trace, with a minus so long before its end, or an \
         RFC 3339 time as it is. With several traces the second argument says which is meant.",
        "at(text[, trace])",
    )
    .with_argument(
        "text",
        "A duration, such as `10m` or `-5m`, or an RFC 3339 time.",
    )
    .with_argument("trace", "The name of a trace.")
    .with_sql_example("SELECT count(*) FROM events WHERE ts < at('10m')")
    .build();
    TextFunction::udf(
        "at",
        1..=2,
        Taken::AsText,
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        documentation,
        move |texts, rows| times(texts, rows, &spans),
    )
}

fn times(texts: &[Texts], rows: usize, spans: &BTreeMap<String, Option<Span>>) -> Result<ArrayRef> {
    let values = (0..rows).map(|row| {
        let Some(text) = texts.first().and_then(|texts| texts.get(row)) else {
            return Ok(None);
        };
        let trace = match texts.get(1).map(|traces| traces.get(row)) {
            Some(None) => return Ok(None),
            trace => trace.flatten(),
        };
        time(&text, trace.as_deref(), spans).map(|time| Some(time.0))
    });
    let array: TimestampNanosecondArray = values.collect::<Result<_>>()?;
    Ok(Arc::new(array.with_timezone("UTC")))
}

fn time(
    text: &str,
    trace: Option<&str>,
    spans: &BTreeMap<String, Option<Span>>,
) -> Result<Timestamp> {
    let found = match trace {
        Some(trace) => spans.get_key_value(trace),
        None if spans.len() == 1 => spans.first_key_value(),
        None => None,
    };
    // An RFC 3339 time needs no trace, but a trace that does not exist is wrong in any case.
    if let (Some(trace), None) = (trace, found) {
        return exec_err!("at: no trace `{trace}`; there are {}", names(spans));
    }
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let Ok(offset) = parse_duration(text) else {
        return exec_err!(
            "at: `{text}` is neither a duration such as `10m` or `-5m` nor an RFC 3339 time"
        );
    };
    let Some((name, span)) = found else {
        return exec_err!(
            "at: `{text}` of which trace? A second argument says it; there are {}",
            names(spans)
        );
    };
    let Some(span) = span else {
        return exec_err!("at: the trace `{name}` is empty, so it has no start and no end");
    };
    span.at(text.starts_with('-'), offset)
        .ok_or_else(|| exec_datafusion_err!("at: `{text}` is outside the years 1677 to 2262"))
}

fn names(spans: &BTreeMap<String, Option<Span>>) -> String {
    let names: Vec<String> = spans.keys().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
