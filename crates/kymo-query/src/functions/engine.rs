//! The functions of the engine that a query can call.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use crate::Error;

/// Functions that are left out: from a few words they make arrays of any size, which no limit on
/// memory sees. The table functions of the engine (`range`, `generate_series`) are left out too.
const LEFT_OUT: [&str; 6] = [
    "range",
    "generate_series",
    "array_repeat",
    "array_resize",
    "input_file_name",
    "file_row_index",
];

/// Functions whose second argument says how long their result gets.
const LENGTH_BY_ARGUMENT: [&str; 3] = ["repeat", "lpad", "rpad"];

/// The most that one call of such a function may produce for one batch, in bytes.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// Returns the engine's scalar functions less those that are left out.
pub(super) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    SessionStateDefaults::default_scalar_functions()
        .into_iter()
        .filter(|function| !LEFT_OUT.contains(&function.name()))
        .map(|function| {
            if LENGTH_BY_ARGUMENT.contains(&function.name()) {
                Arc::new(ScalarUDF::new_from_impl(Capped { inner: function }))
            } else {
                function
            }
        })
        .collect()
}

/// A function that is refused when its result would be too large.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Capped {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Capped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
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

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = produced(&args)?;
        if bytes > MOST_BYTES {
            return Err(Error::TooLarge {
                function: self.name().to_owned(),
                bytes,
                limit: MOST_BYTES,
            }
            .into());
        }
        self.inner.invoke_with_args(args)
    }
}

/// Bounds what a call produces: for each row the length times the longest text that it is made of.
fn produced(args: &ScalarFunctionArgs) -> Result<u64> {
    let is_array = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Array(_));
    let rows = if args.args.iter().any(is_array) {
        args.number_rows
    } else {
        1
    };
    let arrays = args
        .args
        .iter()
        .map(|arg| arg.to_array(rows))
        .collect::<Result<Vec<_>>>()?;
    let Some((lengths, texts)) = arrays.get(1).zip(arrays.first()) else {
        return Ok(0);
    };
    let lengths = cast(lengths, &DataType::Int64)?;
    let lengths = lengths.as_primitive::<Int64Type>();
    let texts = cast(texts, &DataType::LargeUtf8)?;
    let texts = texts.as_string::<i64>();
    let mut bytes = 0_u64;
    for (length, text) in lengths.iter().zip(texts.iter()) {
        if let (Some(length), Some(text)) = (length, text) {
            let length = u64::try_from(length).unwrap_or(0);
            let width = u64::try_from(text.len()).unwrap_or(u64::MAX).max(4);
            bytes = bytes.saturating_add(length.saturating_mul(width));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_left_out_and_capped_exist_in_the_engine() {
        let all: Vec<String> = SessionStateDefaults::default_scalar_functions()
            .iter()
            .map(|function| function.name().to_owned())
            .collect();
        for name in LEFT_OUT.iter().chain(&LENGTH_BY_ARGUMENT) {
            assert!(all.iter().any(|found| found == name), "{name}");
        }
        let kept = scalar_functions();
        assert_eq!(kept.len() + LEFT_OUT.len(), all.len());
    }
}
