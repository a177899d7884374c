//! `regexp_replace`, capped. How much it produces is only known afterwards, so it is given as many
//! rows at a time as cannot produce too much.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::engine::{MOST_BYTES, check_constants, size};
use super::texts::{Taken, Texts};
use crate::Error;

/// Wraps the engine's function.
pub(super) fn capped(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(CappedReplace { inner }))
}

#[derive(Debug, PartialEq, Eq)]
struct CappedReplace {
    inner: Arc<ScalarUDF>,
}

impl Hash for CappedReplace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for CappedReplace {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check_constants(self.name(), &args)?;
        let bounds = bounds(&args)?;
        if let Some(bytes) = bounds.iter().find(|bytes| **bytes > MOST_BYTES) {
            return Err(self.too_large(*bytes));
        }
        if bounds
            .iter()
            .fold(0, |sum: u64, bytes| sum.saturating_add(*bytes))
            <= MOST_BYTES
        {
            return self.inner.invoke_with_args(args);
        }
        let mut results: Vec<ArrayRef> = Vec::new();
        let mut produced = 0_u64;
        let mut start = 0;
        while start < bounds.len() {
            let rows = rows_that_fit(bounds.get(start..).unwrap_or_default());
            let part = self.inner.invoke_with_args(slice(&args, start, rows))?;
            let part = part.into_array(rows)?;
            produced = produced.saturating_add(length(&part)?);
            if produced > MOST_BYTES {
                return Err(self.too_large(produced));
            }
            results.push(part);
            start += rows;
        }
        let parts: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

impl CappedReplace {
    fn too_large(&self, bytes: u64) -> datafusion::error::DataFusionError {
        Error::TooLarge {
            function: self.name().to_owned(),
            bytes,
            limit: MOST_BYTES,
        }
        .into()
    }
}

/// Returns what each row can produce at most: every place of the text becomes the replacement, and
/// every reference in that repeats what was found.
fn bounds(args: &ScalarFunctionArgs) -> Result<Vec<u64>> {
    let is_array = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Array(_));
    let rows = if args.args.iter().any(is_array) {
        args.number_rows
    } else {
        1
    };
    let texts = args
        .args
        .iter()
        .map(|arg| Texts::of(arg, Taken::AsText))
        .collect::<Result<Vec<_>>>()?;
    let [texts, _, others, rest @ ..] = texts.as_slice() else {
        return Ok(vec![0; rows]);
    };
    let bounds = (0..rows).map(|row| {
        let (Some(text), Some(other)) = (texts.get(row), others.get(row)) else {
            return 0;
        };
        let is_global = rest
            .first()
            .is_some_and(|flags| flags.get(row).is_some_and(|flags| flags.contains('g')));
        let places = if is_global { size(&text) + 1 } else { 1 };
        let references = other.matches(['\\', '$']).count();
        let references = u64::try_from(references).unwrap_or(u64::MAX);
        let repeated = references.saturating_mul(size(&text));
        size(&text)
            .saturating_add(places.saturating_mul(size(&other)))
            .saturating_add(repeated)
    });
    Ok(bounds.collect())
}

/// At least one.
fn rows_that_fit(bounds: &[u64]) -> usize {
    let mut sum = 0_u64;
    let fits = bounds.iter().take_while(|bytes| {
        sum = sum.saturating_add(**bytes);
        sum <= MOST_BYTES
    });
    fits.count().max(1)
}

fn slice(args: &ScalarFunctionArgs, start: usize, rows: usize) -> ScalarFunctionArgs {
    let of = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.clone()),
    };
    ScalarFunctionArgs {
        args: args.args.iter().map(of).collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: rows,
        return_field: Arc::clone(&args.return_field),
        config_options: Arc::clone(&args.config_options),
    }
}

fn length(array: &ArrayRef) -> Result<u64> {
    let texts = cast(array, &DataType::LargeUtf8)?;
    let texts = texts.as_string::<i64>();
    Ok(texts.iter().flatten().map(size).sum())
}
