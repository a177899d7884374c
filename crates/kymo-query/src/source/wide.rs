use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::filter;
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::logical;
use super::{EventsRequest, Predicate};
use crate::Error;
use crate::error::{Phase, translate};
use crate::paths::PathColumn;

/// A column of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The column of `events` with this index.
    Column(usize),
    /// What is made of objects.
    Path(PathColumn),
}

impl Item {
    fn of(columns: &[usize], paths: &[PathColumn]) -> Vec<Self> {
        let columns = columns.iter().copied().map(Self::Column);
        columns
            .chain(paths.iter().cloned().map(Self::Path))
            .collect()
    }

    fn field(&self) -> Option<FieldRef> {
        match self {
            Self::Column(index) => logical::schema().fields().get(*index).cloned(),
            Self::Path(column) => Some(Arc::new(column.field())),
        }
    }
}

pub(super) fn broken(error: ArrowError) -> Error {
    translate(DataFusionError::from(error), Phase::Running)
}

/// Batches as they are read: what a predicate needs first, then what is asked for besides.
#[derive(Clone, Debug)]
pub(super) struct Wide {
    items: Vec<Item>,
    schema: SchemaRef,
    predicate: Option<Predicate>,
    /// What is asked for, as places among the items.
    picked: Vec<usize>,
    output: SchemaRef,
}

impl Wide {
    /// Reads what a request asks for, and what its predicate needs.
    pub(super) fn new(request: &EventsRequest) -> Self {
        let output = Item::of(&request.columns, &request.paths);
        let predicate = request.predicate.clone().filter(Predicate::has_expr);
        Self::of(predicate, &output)
    }

    /// Reads only what the predicate needs, to know which rows are wanted.
    pub(super) fn of_predicate(predicate: &Predicate) -> Self {
        Self::of(Some(predicate.clone()), &[])
    }

    /// Reads what a request asks for, of rows that are known to be wanted.
    pub(super) fn of_output(request: &EventsRequest) -> Self {
        Self::of(None, &Item::of(&request.columns, &request.paths))
    }

    fn of(predicate: Option<Predicate>, output: &[Item]) -> Self {
        let mut items = predicate.as_ref().map_or_else(Vec::new, |predicate| {
            Item::of(predicate.columns(), predicate.paths())
        });
        let picked = output
            .iter()
            .map(|item| {
                let known = items.iter().position(|known| known == item);
                known.unwrap_or_else(|| {
                    items.push(item.clone());
                    items.len() - 1
                })
            })
            .collect();
        let schema = |items: &[Item]| {
            let fields: Vec<FieldRef> = items.iter().filter_map(Item::field).collect();
            Arc::new(Schema::new(fields))
        };
        Self {
            schema: schema(&items),
            output: schema(output),
            items,
            predicate,
            picked,
        }
    }

    /// Returns the columns to read.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Tells which rows of columns that were read are wanted; `None`: all.
    pub(super) fn keeps(
        &self,
        arrays: &[ArrayRef],
        rows: usize,
    ) -> Result<Option<BooleanArray>, Error> {
        let Some(predicate) = &self.predicate else {
            return Ok(None);
        };
        let batch = batch(&self.schema, arrays.to_vec(), rows)?;
        predicate.keeps(&batch).map(Some)
    }

    /// Makes a batch of what is asked for, of the wanted rows among those that were read; `None`
    /// if there are none.
    pub(super) fn pick(
        &self,
        arrays: &[ArrayRef],
        rows: usize,
    ) -> Result<Option<RecordBatch>, Error> {
        let keeps = self.keeps(arrays, rows)?;
        let kept = keeps.as_ref().map_or(rows, BooleanArray::true_count);
        if kept == 0 {
            return Ok(None);
        }
        let picked = self.picked.iter().filter_map(|place| arrays.get(*place));
        let arrays = match keeps {
            Some(keeps) if kept < rows => picked
                .map(|array| filter(array, &keeps))
                .collect::<Result<_, _>>()
                .map_err(broken)?,
            _ => picked.cloned().collect(),
        };
        batch(&self.output, arrays, kept).map(Some)
    }
}

fn batch(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(broken)
}
