//! Functions from texts to a value, row by row.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion_functions_json::{JSON_UNION_DATA_TYPE, JsonUnionEncoder, JsonUnionValue};

/// Computes the results of so many rows from their texts.
type Compute = Box<dyn Fn(&[Texts], usize) -> Result<ArrayRef> + Send + Sync>;

/// How the result of `->` is taken as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// As a JSON document: texts are quoted.
    AsJson,
    /// As `->>` gives it: texts are not quoted.
    AsText,
}

/// A function whose arguments are texts, and whose results depend on nothing else while a session
/// lasts.
pub(super) struct TextFunction {
    name: &'static str,
    arguments: RangeInclusive<usize>,
    taken: Taken,
    result: DataType,
    signature: Signature,
    documentation: Documentation,
    compute: Compute,
}

impl TextFunction {
    /// Makes a function of that many texts.
    pub(super) fn udf(
        name: &'static str,
        arguments: RangeInclusive<usize>,
        taken: Taken,
        result: DataType,
        documentation: Documentation,
        compute: impl Fn(&[Texts], usize) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Self {
            name,
            arguments,
            taken,
            result,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation,
            compute: Box::new(compute),
        }))
    }
}

impl fmt::Debug for TextFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextFunction").field(&self.name).finish()
    }
}

impl PartialEq for TextFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TextFunction {}

impl Hash for TextFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if !self.arguments.contains(&types.len()) {
            return plan_err!(
                "{} takes {}, not {}",
                self.name,
                arguments(&self.arguments),
                types.len()
            );
        }
        types
            .iter()
            .map(|data_type| {
                text_type(data_type).ok_or_else(|| {
                    plan_datafusion_err!("{} takes texts, not {data_type}", self.name)
                })
            })
            .collect()
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let texts = args
            .args
            .iter()
            .map(|arg| Texts::of(arg, self.taken))
            .collect::<Result<Vec<_>>>()?;
        let results = (self.compute)(&texts, rows)?;
        if is_constant {
            return ScalarValue::try_from_array(&results, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(results))
    }
}

fn arguments(range: &RangeInclusive<usize>) -> String {
    let (least, most) = (range.start(), range.end());
    match (least, most) {
        (1, 1) => "one argument".to_owned(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} to {most} arguments"),
    }
}

/// Returns the type in which an argument of this type is taken as a text; `None` if it is not.
pub(super) fn text_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Null => Some(DataType::Utf8),
        DataType::Dictionary(_, values) if is_text(values) => Some(data_type.clone()),
        other if is_text(other) || other == &*JSON_UNION_DATA_TYPE => Some(other.clone()),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// A column of texts, or one text for all rows.
pub(super) enum Texts {
    /// One for all rows.
    One(Option<String>),
    /// 32-bit offsets.
    Utf8(ArrayRef),
    /// 64-bit offsets.
    LargeUtf8(ArrayRef),
    /// Views.
    View(StringViewArray),
    /// What `->` gives.
    Json(Box<JsonUnionEncoder>, Taken),
}

impl Texts {
    /// Takes an argument as texts.
    pub(super) fn of(value: &ColumnarValue, taken: Taken) -> Result<Self> {
        let array = match value {
            ColumnarValue::Scalar(scalar) => {
                return match scalar.try_as_str() {
                    Some(text) => Ok(Self::One(text.map(ToOwned::to_owned))),
                    None => Self::of_array(&scalar.to_array()?, taken).map(Self::first),
                };
            }
            ColumnarValue::Array(array) => array,
        };
        Self::of_array(array, taken)
    }

    fn of_array(array: &ArrayRef, taken: Taken) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Utf8(Arc::clone(array)),
            DataType::LargeUtf8 => Self::LargeUtf8(Arc::clone(array)),
            DataType::Utf8View => Self::View(array.as_string_view().clone()),
            DataType::Union(..) => match JsonUnionEncoder::from_union(array.as_union().clone()) {
                Some(values) => Self::Json(Box::new(values), taken),
                None => return plan_err!("a union that is not JSON is not a text"),
            },
            _ => Self::View(cast(array, &DataType::Utf8View)?.as_string_view().clone()),
        })
    }

    fn first(self) -> Self {
        Self::One(self.get(0).map(Cow::into_owned))
    }

    /// Tells whether the text is the same in all rows.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::One(_))
    }

    /// Returns the text of a row.
    pub(super) fn get(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::One(text) => text.as_deref().map(Cow::Borrowed),
            Self::Utf8(array) => {
                let array = array.as_string::<i32>();
                array.is_valid(row).then(|| array.value(row).into())
            }
            Self::LargeUtf8(array) => {
                let array = array.as_string::<i64>();
                array.is_valid(row).then(|| array.value(row).into())
            }
            Self::View(array) => array.is_valid(row).then(|| array.value(row).into()),
            Self::Json(values, taken) => of_json(&values.get_value(row), *taken),
        }
    }
}

fn of_json<'a>(value: &JsonUnionValue<'a>, taken: Taken) -> Option<Cow<'a, str>> {
    Some(match *value {
        JsonUnionValue::JsonNull => return None,
        JsonUnionValue::Bool(value) => value.to_string().into(),
        JsonUnionValue::Int(value) => value.to_string().into(),
        JsonUnionValue::Float(value) => serde_json::Value::from(value).to_string().into(),
        JsonUnionValue::Str(text) if taken == Taken::AsJson => {
            serde_json::Value::from(text).to_string().into()
        }
        JsonUnionValue::Str(text) | JsonUnionValue::Array(text) | JsonUnionValue::Object(text) => {
            text.into()
        }
    })
}

/// Returns the texts of a row; `None` if one is null.
pub(super) fn all<const N: usize>(texts: &[Texts], row: usize) -> Option<[Cow<'_, str>; N]> {
    let mut values = [const { Cow::Borrowed("") }; N];
    for (value, texts) in values.iter_mut().zip(texts) {
        *value = texts.get(row)?;
    }
    Some(values)
}

/// Keeps what the last text was read as, because most rows have the same one.
pub(super) struct LastRead<T> {
    last: Option<(String, T)>,
}

impl<T> LastRead<T> {
    /// Keeps nothing yet.
    pub(super) fn new() -> Self {
        Self { last: None }
    }

    /// Returns what a text is read as.
    pub(super) fn get(&mut self, text: &str, read: impl FnOnce(&str) -> Result<T>) -> Result<&T> {
        let last = match self.last.take() {
            Some(last) if last.0 == text => last,
            _ => (text.to_owned(), read(text)?),
        };
        Ok(&self.last.insert(last).1)
    }
}

/// Returns the beginning of a text, for an error.
pub(super) fn excerpt(text: &str) -> String {
    const MOST_CHARACTERS: usize = 60;
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
