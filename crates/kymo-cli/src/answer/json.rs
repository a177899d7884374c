use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use arrow::json::writer::{
    Encoder, EncoderFactory, EncoderOptions, JsonArray, LineDelimited, NullableEncoder,
};
use arrow::json::{Writer, WriterBuilder};
use datafusion_functions_json::{JSON_UNION_DATA_TYPE, JsonUnionEncoder, JsonUnionValue};

use crate::command_error::CommandError;

/// An answer as JSON objects.
pub(crate) enum JsonText<W: Write> {
    Array(Writer<W, JsonArray>),
    Lines(Writer<W, LineDelimited>),
}

impl<W: Write> JsonText<W> {
    /// Writes one array.
    pub(super) fn array(out: W) -> Self {
        Self::Array(builder().build(out))
    }

    /// Writes one object a line.
    pub(super) fn lines(out: W) -> Self {
        Self::Lines(builder().build(out))
    }

    /// Writes the rows of a batch.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), CommandError> {
        match self {
            Self::Array(writer) => writer.write(batch)?,
            Self::Lines(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Closes the array and writes what is held back.
    pub(super) fn finish(self) -> Result<(), CommandError> {
        let mut out = match self {
            Self::Array(mut writer) => {
                writer.finish()?;
                let mut out = writer.into_inner();
                out.write_all(b"\n")?;
                out
            }
            Self::Lines(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        };
        out.flush()?;
        Ok(())
    }
}

fn builder() -> WriterBuilder {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(JsonUnions))
}

/// Returns how nested cells are written.
pub(super) fn options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(JsonUnions))
}

/// Writes what `->` gives as the JSON that it is.
#[derive(Debug)]
struct JsonUnions;

impl EncoderFactory for JsonUnions {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if *array.data_type() != *JSON_UNION_DATA_TYPE {
            return Ok(None);
        }
        let union = JsonUnionEncoder::from_union(array.as_union().clone());
        Ok(union.map(|union| NullableEncoder::new(Box::new(UnionText(union)), None)))
    }
}

struct UnionText(JsonUnionEncoder);

impl Encoder for UnionText {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        let text = text(&self.0.get_value(index));
        out.extend_from_slice(text.as_deref().unwrap_or("null").as_bytes());
    }
}

/// Writes what `->` gives as JSON; `None` for null.
pub(super) fn text(value: &JsonUnionValue<'_>) -> Option<String> {
    let scalar: serde_json::Value = match *value {
        JsonUnionValue::JsonNull => return None,
        JsonUnionValue::Array(text) | JsonUnionValue::Object(text) => return Some(text.to_owned()),
        JsonUnionValue::Bool(value) => value.into(),
        JsonUnionValue::Int(value) => value.into(),
        JsonUnionValue::Float(value) => value.into(),
        JsonUnionValue::Str(value) => value.into(),
    };
    Some(scalar.to_string())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn every_object_has_every_column() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some("\u{1b}")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![3, 4]));
        let batch = RecordBatch::try_from_iter([("text", texts), ("number", numbers)]).unwrap();
        for (is_array, expected) in [
            (
                true,
                "[{\"text\":null,\"number\":3},{\"text\":\"\\u001b\",\"number\":4}]\n",
            ),
            (
                false,
                "{\"text\":null,\"number\":3}\n{\"text\":\"\\u001b\",\"number\":4}\n",
            ),
        ] {
            let mut out = Vec::new();
            let mut json = if is_array {
                JsonText::array(&mut out)
            } else {
                JsonText::lines(&mut out)
            };
            json.write(&batch).unwrap();
            json.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
