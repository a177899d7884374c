//! Conditions of objects.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Builder, NullBufferBuilder, StringBuilder, StructArray,
    TimestampNanosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use kymo_model::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::texts::{Taken, TextFunction, Texts, all, excerpt};

/// The texts of a condition: in SQL and in JSON.
const TEXTS: [(&str, &str); 3] = [
    ("status", "status"),
    ("reason", "reason"),
    ("message", "message"),
];

/// The times that conditions of one kind or another have.
const TIMES: [(&str, &str); 4] = [
    ("last_transition_time", "lastTransitionTime"),
    ("last_update_time", "lastUpdateTime"),
    ("last_probe_time", "lastProbeTime"),
    ("last_heartbeat_time", "lastHeartbeatTime"),
];

/// `condition`
pub(super) fn condition() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "A condition of an object as a struct: its status, reason, message, times and observed \
         generation; null if the object does not have it.",
        "condition(object, type)",
    )
    .with_argument("object", "An object as JSON.")
    .with_argument("type", "The type of the condition, such as `Ready`.")
    .with_sql_example(
        "SELECT name, condition(object, 'Ready')['status'] FROM events WHERE kind = 'Node'",
    )
    .build();
    TextFunction::udf(
        "condition",
        2..=2,
        Taken::AsJson,
        DataType::Struct(fields()),
        documentation,
        conditions,
    )
}

/// The field that is a number.
const GENERATION: &str = "observed_generation";

/// Returns the fields of a condition.
pub(super) fn field_names() -> impl Iterator<Item = &'static str> {
    let named = TEXTS.into_iter().chain(TIMES).map(|(name, _)| name);
    named.chain([GENERATION])
}

fn fields() -> Fields {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let texts = TEXTS.map(|(name, _)| Field::new(name, DataType::Utf8, true));
    let times = TIMES.map(|(name, _)| Field::new(name, time.clone(), true));
    let generation = Field::new(GENERATION, DataType::Int64, true);
    texts.into_iter().chain(times).chain([generation]).collect()
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

/// Conditions are left as text until one is asked for: custom resources have some of odd forms, and
/// one of them must not hide the others.
#[derive(Deserialize)]
struct Status<'a> {
    #[serde(default, borrow)]
    conditions: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
}

fn conditions(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let mut words: [StringBuilder; TEXTS.len()] = Default::default();
    let mut times: [TimestampNanosecondBuilder; TIMES.len()] = Default::default();
    let mut generations = Int64Builder::new();
    let mut nulls = NullBufferBuilder::new(rows);
    let mut last = Last::default();
    for row in 0..rows {
        let found = match all(texts, row) {
            Some([object, name]) => last.find(&object, &name)?,
            None => None,
        };
        nulls.append(found.is_some());
        let field = |name| found.and_then(|found| found.get(name));
        for (word, (_, name)) in words.iter_mut().zip(TEXTS) {
            word.append_option(field(name).and_then(text));
        }
        for (time, (_, name)) in times.iter_mut().zip(TIMES) {
            let value = field(name).and_then(Value::as_str);
            time.append_option(value.and_then(|text| Some(text.parse::<Timestamp>().ok()?.0)));
        }
        generations.append_option(field("observedGeneration").and_then(Value::as_i64));
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(TEXTS.len() + TIMES.len() + 1);
    for word in &mut words {
        columns.push(Arc::new(word.finish()));
    }
    for time in &mut times {
        columns.push(Arc::new(time.finish().with_timezone("UTC")));
    }
    columns.push(Arc::new(generations.finish()));
    Ok(Arc::new(StructArray::try_new(
        fields(),
        columns,
        nulls.finish(),
    )?))
}

/// The last answer: versions of an object often have the same conditions.
#[derive(Default)]
struct Last {
    /// The object and the name of the condition; `None` before the first.
    asked: Option<(String, String)>,
    found: Option<Value>,
}

impl Last {
    fn find(&mut self, object: &str, name: &str) -> Result<Option<&Value>> {
        let asked = self.asked.as_ref();
        if asked.is_none_or(|asked| asked.0 != object || asked.1 != name) {
            self.found = find(object, name)?;
            self.asked = Some((object.to_owned(), name.to_owned()));
        }
        Ok(self.found.as_ref())
    }
}

/// Finds the condition; an object without conditions has none.
fn find(object: &str, name: &str) -> Result<Option<Value>> {
    let read = match serde_json::from_str::<Object<'_>>(object) {
        Ok(read) => read,
        // Many statuses have no conditions, or something else under that name.
        Err(error) if error.is_data() => return Ok(None),
        Err(error) => {
            return Err(exec_datafusion_err!(
                "condition: `{}` is not JSON: {error}",
                excerpt(object)
            ));
        }
    };
    let conditions = read.status.map(|status| status.conditions);
    let found = conditions.into_iter().flatten().find(|condition| {
        serde_json::from_str::<Typed<'_>>(condition.get()).is_ok_and(|typed| typed.name == name)
    });
    Ok(found.and_then(|found| serde_json::from_str(found.get()).ok()))
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    }
}
