//! The columns of who made a change: from format 1.1 on, null where no audit log tells.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field};
use kymo_model::Request;

use super::SegmentError;
use super::batch::{optional, text};
use super::stored::push_text;

/// The names of the columns. `verb` is null where there is no request; of a request the others
/// are null only where they are optional.
pub(super) const COLUMNS: [&str; 8] = [
    "verb",
    "subresource",
    "username",
    "groups",
    "impersonated_username",
    "user_agent",
    "source_ips",
    "audit_id",
];

fn item() -> Field {
    Field::new("item", DataType::Utf8, false)
}

/// Returns the columns in order.
pub(super) fn fields() -> impl Iterator<Item = Field> {
    COLUMNS.into_iter().map(|name| {
        let data_type = match name {
            "groups" | "source_ips" => DataType::List(Arc::new(item())),
            _ => DataType::Utf8,
        };
        Field::new(name, data_type, true)
    })
}

/// A request as the columns hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredRequest<'a> {
    pub(super) verb: &'a str,
    pub(super) subresource: Option<&'a str>,
    pub(super) username: &'a str,
    pub(super) groups: Vec<&'a str>,
    pub(super) impersonated_username: Option<&'a str>,
    pub(super) user_agent: Option<&'a str>,
    pub(super) source_ips: Vec<&'a str>,
    pub(super) audit_id: &'a str,
}

impl<'a> StoredRequest<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let texts = |list: &'a [String]| list.iter().map(String::as_str).collect();
        Self {
            verb: &request.verb,
            subresource: request.subresource.as_deref(),
            username: &request.username,
            groups: texts(&request.groups),
            impersonated_username: request.impersonated_username.as_deref(),
            user_agent: request.user_agent.as_deref(),
            source_ips: texts(&request.source_ips),
            audit_id: &request.audit_id,
        }
    }

    pub(super) fn to_request(&self) -> Request {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Request {
            audit_id: self.audit_id.to_owned(),
            verb: self.verb.to_owned(),
            subresource: own(self.subresource),
            username: self.username.to_owned(),
            groups: texts(&self.groups),
            impersonated_username: own(self.impersonated_username),
            user_agent: own(self.user_agent),
            source_ips: texts(&self.source_ips),
        }
    }

    /// The texts in the order of [`COLUMNS`], lists apart.
    fn texts(&self) -> [Option<&'a str>; 6] {
        [
            Some(self.verb),
            self.subresource,
            Some(self.username),
            self.impersonated_username,
            self.user_agent,
            Some(self.audit_id),
        ]
    }

    /// Adds everything to what a digest is made of.
    pub(super) fn put(&self, buffer: &mut Vec<u8>) {
        for text in self.texts() {
            push_text(buffer, text);
        }
        for list in [&self.groups, &self.source_ips] {
            buffer.extend_from_slice(&(list.len() as u64).to_le_bytes());
            for text in list {
                push_text(buffer, Some(text));
            }
        }
    }
}

/// The columns being filled.
#[derive(Debug)]
pub(super) struct RequestColumns {
    /// Those that are no lists, in the order of [`StoredRequest::texts`].
    texts: [StringBuilder; 6],
    groups: ListBuilder<StringBuilder>,
    source_ips: ListBuilder<StringBuilder>,
}

impl RequestColumns {
    pub(super) fn new() -> Self {
        let list = || ListBuilder::new(StringBuilder::new()).with_field(item());
        Self {
            texts: std::array::from_fn(|_| StringBuilder::new()),
            groups: list(),
            source_ips: list(),
        }
    }

    /// Appends one row; returns its size in bytes.
    pub(super) fn push(&mut self, request: Option<&StoredRequest<'_>>) -> usize {
        let Some(request) = request else {
            for column in &mut self.texts {
                column.append_null();
            }
            self.groups.append_null();
            self.source_ips.append_null();
            return 0;
        };
        let mut bytes = 0;
        for (column, text) in self.texts.iter_mut().zip(request.texts()) {
            column.append_option(text);
            bytes += 4 + text.map_or(0, str::len);
        }
        for (column, list) in [
            (&mut self.groups, &request.groups),
            (&mut self.source_ips, &request.source_ips),
        ] {
            for text in list {
                column.values().append_value(text);
                bytes += 4 + text.len();
            }
            column.append(true);
        }
        bytes
    }

    /// Takes what was pushed, in the order of [`COLUMNS`].
    pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
        let [verb, subresource, username, impersonated, agent, audit_id] = &mut self.texts;
        vec![
            Arc::new(verb.finish()),
            Arc::new(subresource.finish()),
            Arc::new(username.finish()),
            Arc::new(self.groups.finish()),
            Arc::new(impersonated.finish()),
            Arc::new(agent.finish()),
            Arc::new(self.source_ips.finish()),
            Arc::new(audit_id.finish()),
        ]
    }
}

/// The columns of a batch.
#[derive(Debug)]
pub(super) struct RequestBatch {
    verb: StringArray,
    subresource: StringArray,
    username: StringArray,
    groups: TextLists,
    impersonated_username: StringArray,
    user_agent: StringArray,
    source_ips: TextLists,
    audit_id: StringArray,
}

#[derive(Debug)]
struct TextLists {
    list: ListArray,
    items: StringArray,
}

impl TextLists {
    fn new(batch: &RecordBatch, column: &'static str) -> Result<Self, SegmentError> {
        let wrong = || SegmentError::Column { column };
        let list = batch
            .column_by_name(column)
            .and_then(|array| array.as_list_opt::<i32>())
            .cloned()
            .ok_or_else(wrong)?;
        let items = list.values().as_string_opt().cloned().ok_or_else(wrong)?;
        Ok(Self { list, items })
    }

    fn row(&self, index: usize) -> Vec<&str> {
        let offsets = self.list.value_offsets();
        match (offsets.get(index), offsets.get(index + 1)) {
            (Some(start), Some(end)) if !self.list.is_null(index) => (*start as usize
                ..*end as usize)
                .map(|item| self.items.value(item))
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl RequestBatch {
    /// Finds the columns; `None` in a segment that has none of them.
    pub(super) fn new(batch: &RecordBatch) -> Result<Option<Self>, SegmentError> {
        let is_there = |name| batch.column_by_name(name).is_some();
        if !COLUMNS.into_iter().any(is_there) {
            return Ok(None);
        }
        Ok(Some(Self {
            verb: text(batch, "verb")?,
            subresource: text(batch, "subresource")?,
            username: text(batch, "username")?,
            groups: TextLists::new(batch, "groups")?,
            impersonated_username: text(batch, "impersonated_username")?,
            user_agent: text(batch, "user_agent")?,
            source_ips: TextLists::new(batch, "source_ips")?,
            audit_id: text(batch, "audit_id")?,
        }))
    }

    /// Returns the request of a row; `None` where there is none.
    pub(super) fn row(&self, index: usize) -> Option<StoredRequest<'_>> {
        Some(StoredRequest {
            verb: optional(&self.verb, index)?,
            subresource: optional(&self.subresource, index),
            username: optional(&self.username, index).unwrap_or_default(),
            groups: self.groups.row(index),
            impersonated_username: optional(&self.impersonated_username, index),
            user_agent: optional(&self.user_agent, index),
            source_ips: self.source_ips.row(index),
            audit_id: optional(&self.audit_id, index).unwrap_or_default(),
        })
    }
}
