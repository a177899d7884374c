//! The functions of the engine that a query can call.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::regexp;
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

/// Bounds what a call produces, in bytes.
type Bound = fn(&[ArrayRef]) -> Result<u64>;

/// Functions whose result can be much longer than their arguments.
const CAPPED: [(&str, Bound); 6] = [
    ("repeat", length_by_argument),
    ("lpad", length_by_argument),
    ("rpad", length_by_argument),
    ("replace", length_by_matches),
    ("concat", sum_of_lengths),
    ("concat_ws", sum_of_lengths),
];

/// What [`regexp`] caps.
const REGEXP_REPLACE: &str = "regexp_replace";

/// The most that one call of such a function may produce for one batch, in bytes.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// Returns the engine's scalar functions less those that are left out.
pub(super) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    SessionStateDefaults::default_scalar_functions()
        .into_iter()
        .filter(|function| !LEFT_OUT.contains(&function.name()))
        .map(|function| {
            let capped = CAPPED.iter().find(|(name, _)| *name == function.name());
            match capped {
                Some((_, bound)) => Arc::new(ScalarUDF::new_from_impl(Capped {
                    inner: function,
                    bound: *bound,
                })),
                None if function.name() == REGEXP_REPLACE => regexp::capped(function),
                None => function,
            }
        })
        .collect()
}

/// A function that is refused when its result would be too large.
#[derive(Debug)]
struct Capped {
    inner: Arc<ScalarUDF>,
    bound: Bound,
}

/// The bound comes with the name.
impl PartialEq for Capped {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Capped {}

impl Hash for Capped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
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
        check_constants(self.name(), &args)?;
        let bytes = (self.bound)(&arrays(&args)?)?;
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

/// Refuses constants that are too large to be repeated for each row, which bounding them does.
pub(super) fn check_constants(function: &str, args: &ScalarFunctionArgs) -> Result<()> {
    let is_array = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Array(_));
    if !args.args.iter().any(is_array) {
        return Ok(());
    }
    let rows = u64::try_from(args.number_rows).unwrap_or(u64::MAX);
    let constants = args.args.iter().filter_map(|arg| match arg {
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    });
    let bytes = constants.map(|text| size(text).saturating_mul(rows)).max();
    match bytes.filter(|bytes| *bytes > MOST_BYTES) {
        Some(bytes) => Err(Error::TooLarge {
            function: function.to_owned(),
            bytes,
            limit: MOST_BYTES,
        }
        .into()),
        None => Ok(()),
    }
}

/// Returns the arguments of each row; one row if all are constants.
fn arrays(args: &ScalarFunctionArgs) -> Result<Vec<ArrayRef>> {
    let is_array = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Array(_));
    let rows = if args.args.iter().any(is_array) {
        args.number_rows
    } else {
        1
    };
    args.args.iter().map(|arg| arg.to_array(rows)).collect()
}

/// For each row the length times the longest character, or times the text that is repeated.
fn length_by_argument(args: &[ArrayRef]) -> Result<u64> {
    let [texts, lengths, ..] = args else {
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
            let width = size(text).max(4);
            bytes = bytes.saturating_add(length.saturating_mul(width));
        }
    }
    Ok(bytes)
}

/// What all texts are together; `concat_ws` puts its first one between the others.
fn sum_of_lengths(args: &[ArrayRef]) -> Result<u64> {
    let mut bytes = 0_u64;
    let joints = u64::try_from(args.len()).unwrap_or(u64::MAX);
    for (index, arg) in args.iter().enumerate() {
        let texts = cast(arg, &DataType::LargeUtf8)?;
        let length: u64 = texts.as_string::<i64>().iter().flatten().map(size).sum();
        let times = if index == 0 { joints } else { 1 };
        bytes = bytes.saturating_add(length.saturating_mul(times));
    }
    Ok(bytes)
}

/// What the texts get longer by: for each place where the sought text is, as much as the other is
/// longer.
fn length_by_matches(args: &[ArrayRef]) -> Result<u64> {
    let args = args
        .iter()
        .map(|arg| cast(arg, &DataType::LargeUtf8))
        .collect::<Result<Vec<_>, _>>()?;
    let [texts, sought, others] = args.as_slice() else {
        return Ok(0);
    };
    let [texts, sought, others] = [texts, sought, others].map(AsArray::as_string::<i64>);
    let mut bytes = 0_u64;
    for ((text, sought), other) in texts.iter().zip(sought.iter()).zip(others.iter()) {
        if let (Some(text), Some(sought), Some(other)) = (text, sought, other) {
            let more = size(other).saturating_sub(size(sought));
            if more > 0 {
                let places = u64::try_from(text.matches(sought).count()).unwrap_or(u64::MAX);
                bytes = bytes.saturating_add(places.saturating_mul(more));
            }
        }
    }
    Ok(bytes)
}

pub(super) fn size(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
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
        for name in LEFT_OUT.iter().chain(CAPPED.iter().map(|(name, _)| name)) {
            assert!(all.iter().any(|found| found == name), "{name}");
        }
        let kept = scalar_functions();
        assert_eq!(kept.len() + LEFT_OUT.len(), all.len());
    }
}
