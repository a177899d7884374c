//! What `UPDATE` sets, asked in SQL.

use std::sync::{Arc, Mutex};

use datafusion::arrow::datatypes::DataType;
use futures::StreamExt as _;
use kymo_query::{Answer, QuerySession};
use roaring::RoaringTreemap;
use tokio::sync::mpsc;

use super::{Input, Selection};
use crate::Error;
use crate::language::{Assignment, Unit};
use crate::rows::{instants, numbers};
use crate::step::{Update, Values};

/// The line of a query in which its expression begins.
const FIRST_LINE: u64 = 2;

/// Batches on the way from the query to the pass.
const WAITING: usize = 1;

/// Asks for the values that a statement sets in the rows that it names.
pub(super) async fn update(
    assignments: &[Assignment],
    selection: &Selection<'_>,
    rows: Arc<RoaringTreemap>,
    input: &Input,
) -> Result<Update, Error> {
    let mut update = Update {
        rows,
        times: None,
        objects: None,
        place: assignments
            .first()
            .map(|assignment| assignment.value.place)
            .unwrap_or_default(),
    };
    for assignment in assignments {
        if assignment.column == "ts" {
            update.times = Some(Arc::new(
                times(assignment, selection, &input.session).await?,
            ));
        } else {
            update.place = assignment.value.place;
            let values = objects(assignment, selection, input.session_in_order()?).await?;
            update.objects = Some(Arc::new(Mutex::new(values)));
        }
    }
    Ok(update)
}

/// The query that gives the number and the value of each row.
pub(super) fn sql(assignment: &Assignment, selection: &Selection<'_>) -> String {
    let which = match (selection.unit, selection.condition) {
        (_, None) => String::new(),
        (Unit::Events, Some(condition)) => format!(" WHERE (\n{}\n)", condition.sql),
        (Unit::Objects, Some(_)) => format!(" WHERE seq IN ({})", selection.sql()),
    };
    let value = &assignment.value.sql;
    format!("SELECT seq, (\n{value}\n) AS value FROM events{which}")
}

async fn ask(sql: &str, assignment: &Assignment, session: &QuerySession) -> Result<Answer, Error> {
    session
        .sql(sql)
        .await
        .map_err(|source| misunderstood(assignment, source))
}

fn misunderstood(assignment: &Assignment, source: kymo_query::Error) -> Error {
    Error::Condition {
        source: Box::new(source),
        place: assignment.value.place,
        first_line: FIRST_LINE,
    }
}

fn refused(assignment: &Assignment, found: &DataType, wanted: &str, hint: &str) -> Error {
    Error::Statement {
        message: format!("`{}` is {wanted}, not {found}", assignment.column),
        place: assignment.value.place,
        hint: Some(hint.to_owned()),
    }
}

fn value_type(answer: &Answer) -> DataType {
    let field = answer.schema().fields().get(1);
    field.map_or(DataType::Null, |field| field.data_type().clone())
}

async fn times(
    assignment: &Assignment,
    selection: &Selection<'_>,
    session: &QuerySession,
) -> Result<Vec<(u64, i64)>, Error> {
    let sql = format!("{} ORDER BY seq", sql(assignment, selection));
    let mut answer = ask(&sql, assignment, session).await?;
    match value_type(&answer) {
        DataType::Timestamp(..) => {}
        other => {
            let hint = "write `at('10m')`, or `ts + INTERVAL '1 second'`";
            return Err(refused(assignment, &other, "a time", hint));
        }
    }
    let mut times = Vec::new();
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(|source| misunderstood(assignment, source))?;
        for (seq, ts) in numbers(&batch, 0)?.zip(instants(&batch, 1)?) {
            let (Some(seq), Some(ts)) = (seq, ts) else {
                return Err(Error::Statement {
                    message: "`ts` would be null in some events".to_owned(),
                    place: assignment.value.place,
                    hint: None,
                });
            };
            times.push((seq.unsigned_abs(), ts));
        }
    }
    Ok(times)
}

async fn objects(
    assignment: &Assignment,
    selection: &Selection<'_>,
    session: QuerySession,
) -> Result<Values, Error> {
    // The order of rows in a trace.
    let sql = format!(
        "{} ORDER BY resource, namespace, name, uid, api_group, seq",
        sql(assignment, selection)
    );
    let mut answer = ask(&sql, assignment, &session).await?;
    match value_type(&answer) {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {}
        other => {
            let hint =
                "write `json_set(object, '/spec/priority', 1000)`, or `json_merge(object, '{…}')`";
            return Err(refused(assignment, &other, "a document as text", hint));
        }
    }
    let (sender, batches) = mpsc::channel(WAITING);
    let assignment = assignment.clone();
    // Ends when there is no more, or when nobody asks any more.
    tokio::spawn(async move {
        let _session = session;
        while let Some(batch) = answer.next().await {
            let batch = batch.map_err(|source| misunderstood(&assignment, source));
            if sender.send(batch).await.is_err() {
                break;
            }
        }
    });
    Ok(Values::new(batches))
}
