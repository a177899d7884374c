//! Columns that are made of objects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, MapBuilder, StringBuilder};
use datafusion::arrow::error::ArrowError;
use jiter::{Jiter, Peek};
use kymo_store::segment::{JsonPath, Step};
use serde::Deserialize;

use super::logical::name_of;
use super::wide::{Item, broken};
use crate::Error;
use crate::paths::{PathColumn, cut};

/// The object of one row.
pub(super) trait Body {
    /// Tells whether there is one.
    fn is_there(&self) -> bool;

    /// Returns the whole text where it is kept as such, so that nothing is won by leaving parts of
    /// it out.
    fn kept(&self) -> Option<&str>;

    /// Returns the JSON text at a path, which is the one with this index among [`Objects::paths`].
    fn value(&self, index: usize, path: &JsonPath) -> Option<Cow<'_, str>>;

    /// Returns the whole text.
    fn text(&self) -> Result<Option<Cow<'_, str>>, Error>;
}

/// An object as text.
pub(super) struct Text<'a>(pub(super) Option<&'a str>);

impl Body for Text<'_> {
    fn is_there(&self) -> bool {
        self.0.is_some()
    }

    fn kept(&self) -> Option<&str> {
        self.0
    }

    fn value(&self, _: usize, path: &JsonPath) -> Option<Cow<'_, str>> {
        find(self.0?, path).map(Cow::Borrowed)
    }

    fn text(&self) -> Result<Option<Cow<'_, str>>, Error> {
        Ok(self.0.map(Cow::Borrowed))
    }
}

/// Finds the text of the value at a path. Only what stands before it must be JSON: of a torn text
/// the beginning can be read, as the JSON functions of SQL do.
pub(super) fn find<'a>(text: &'a str, path: &JsonPath) -> Option<&'a str> {
    let mut json = Jiter::new(text.as_bytes());
    let mut next = json.peek().ok()?;
    for step in path.steps() {
        next = match (next, step) {
            (Peek::Object, Step::Name(name)) => member(&mut json, name)?,
            (Peek::Array, Step::Name(name)) => item(&mut json, name.parse().ok()?)?,
            (Peek::Array, Step::Index(index)) => item(&mut json, *index)?,
            _ => return None,
        };
    }
    let start = json.current_index();
    // Of a value that is torn, all that is left is returned.
    let end = json
        .known_skip(next)
        .map_or(text.len(), |()| json.current_index());
    text.get(start..end)
}

fn member(json: &mut Jiter<'_>, name: &str) -> Option<Peek> {
    let mut found = json.known_object().ok()?? == name;
    while !found {
        json.next_skip().ok()?;
        found = json.next_key().ok()?? == name;
    }
    json.peek().ok()
}

fn item(json: &mut Jiter<'_>, index: i64) -> Option<Peek> {
    let index = if index < 0 {
        let mut all = json.clone();
        let (mut count, mut next) = (0i64, all.known_array().ok()?);
        while let Some(peek) = next {
            all.known_skip(peek).ok()?;
            count += 1;
            next = all.array_step().ok()?;
        }
        count.checked_add(index).filter(|index| *index >= 0)?
    } else {
        index
    };
    let mut next = json.known_array().ok()??;
    for _ in 0..index {
        json.known_skip(next).ok()?;
        next = json.array_step().ok()??;
    }
    Some(next)
}

/// What a column shows of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The whole text.
    Object,
    /// The value at a path, or what a cut leaves.
    Path(PathColumn),
    /// `metadata.labels` or `metadata.annotations`.
    Pairs(&'static str),
    /// A field of the controller among `metadata.ownerReferences`.
    Owner(OwnerField),
}

/// A field of an owner reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnerField {
    Kind,
    Name,
    Uid,
}

impl Shown {
    /// Finds out what a column shows of objects, if it does.
    pub(super) fn of_item(item: &Item) -> Option<Self> {
        let index = match item {
            Item::Column(index) => *index,
            Item::Path(column) => return Some(Self::Path(column.clone())),
        };
        Some(match name_of(index) {
            "object" => Self::Object,
            "labels" => Self::Pairs("labels"),
            "annotations" => Self::Pairs("annotations"),
            "owner_kind" => Self::Owner(OwnerField::Kind),
            "owner_name" => Self::Owner(OwnerField::Name),
            "owner_uid" => Self::Owner(OwnerField::Uid),
            _ => return None,
        })
    }

    fn paths(&self) -> Vec<JsonPath> {
        match self {
            Self::Object => Vec::new(),
            Self::Path(column) => column.paths().to_vec(),
            Self::Pairs(name) => vec![JsonPath::of_names(["metadata", name])],
            Self::Owner(_) => vec![JsonPath::of_names(["metadata", "ownerReferences"])],
        }
    }
}

/// Builds columns that show something of objects.
#[derive(Debug)]
pub(super) struct Objects {
    paths: Vec<JsonPath>,
    columns: Vec<Column>,
    bytes: usize,
}

#[derive(Debug)]
enum Column {
    Object(StringBuilder),
    Value(usize, StringBuilder),
    Cut(Vec<usize>, StringBuilder),
    Pairs(usize, Box<PairsBuilder>),
    Owner(usize, OwnerField, Owners, StringBuilder),
}

impl Objects {
    /// Builds these columns.
    pub(super) fn new(shown: &[Shown]) -> Self {
        let mut paths: Vec<JsonPath> = Vec::new();
        let columns = shown.iter().map(|shown| {
            let places: Vec<usize> = shown
                .paths()
                .into_iter()
                .map(|path| {
                    let known = paths.iter().position(|known| *known == path);
                    known.unwrap_or_else(|| {
                        paths.push(path);
                        paths.len() - 1
                    })
                })
                .collect();
            let first = places.first().copied().unwrap_or(0);
            let builder = StringBuilder::new();
            match shown {
                Shown::Object => Column::Object(builder),
                Shown::Path(PathColumn::Value(_)) => Column::Value(first, builder),
                Shown::Path(PathColumn::Cut(_)) => Column::Cut(places, builder),
                Shown::Pairs(_) => Column::Pairs(first, Box::default()),
                Shown::Owner(field) => Column::Owner(first, *field, Owners::default(), builder),
            }
        });
        let columns = columns.collect();
        Self {
            paths,
            columns,
            bytes: 0,
        }
    }

    /// Returns the paths that the columns are made of.
    pub(super) fn paths(&self) -> &[JsonPath] {
        &self.paths
    }

    /// Returns the bytes of text since the last [`Self::finish`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row.
    pub(super) fn push(&mut self, body: &dyn Body) -> Result<(), Error> {
        let paths = &self.paths;
        let value = |place: usize| body.value(place, paths.get(place)?);
        for column in &mut self.columns {
            match column {
                Column::Object(builder) => {
                    let text = body.text()?;
                    self.bytes += text.as_deref().map_or(0, str::len);
                    builder.append_option(text);
                }
                Column::Value(place, builder) => {
                    let text = value(*place);
                    self.bytes += text.as_deref().map_or(0, str::len);
                    builder.append_option(text);
                }
                Column::Cut(_, builder) if body.kept().is_some() || !body.is_there() => {
                    self.bytes += body.kept().map_or(0, str::len);
                    builder.append_option(body.kept());
                }
                Column::Cut(places, builder) => {
                    let values: Vec<_> = places.iter().map(|place| value(*place)).collect();
                    let wanted = places.iter().filter_map(|place| paths.get(*place));
                    let mut text = String::new();
                    cut(wanted.zip(values.iter().map(Option::as_deref)), &mut text);
                    self.bytes += text.len();
                    builder.append_value(text);
                }
                Column::Pairs(place, builder) => {
                    self.bytes += builder.push(value(*place).as_deref()).map_err(broken)?;
                }
                Column::Owner(place, field, owners, builder) => {
                    let owner = owners.controller(value(*place).as_deref());
                    builder.append_option(owner.map(|owner| match field {
                        OwnerField::Kind => &owner.kind,
                        OwnerField::Name => &owner.name,
                        OwnerField::Uid => &owner.uid,
                    }));
                }
            }
        }
        Ok(())
    }

    /// Returns the columns with the rows since the last call, in their order.
    pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
        self.bytes = 0;
        self.columns
            .iter_mut()
            .map(|column| match column {
                Column::Object(builder)
                | Column::Value(_, builder)
                | Column::Cut(_, builder)
                | Column::Owner(_, _, _, builder) => Arc::new(builder.finish()) as ArrayRef,
                Column::Pairs(_, pairs) => Arc::new(pairs.builder.finish()),
            })
            .collect()
    }
}

type Pairs = BTreeMap<String, Option<String>>;

/// Builds a map column. Versions of an object have the same labels nearly always, so the last text
/// is kept with what it says.
#[derive(Debug)]
struct PairsBuilder {
    builder: MapBuilder<StringBuilder, StringBuilder>,
    last: String,
    pairs: Option<Pairs>,
}

impl Default for PairsBuilder {
    fn default() -> Self {
        Self {
            builder: MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()),
            last: String::new(),
            pairs: None,
        }
    }
}

impl PairsBuilder {
    fn push(&mut self, text: Option<&str>) -> Result<usize, ArrowError> {
        let text = text.unwrap_or_default();
        if text != self.last {
            self.pairs = serde_json::from_str(text).ok();
            text.clone_into(&mut self.last);
        }
        for (key, value) in self.pairs.iter().flatten() {
            self.builder.keys().append_value(key);
            self.builder.values().append_option(value.as_deref());
        }
        self.builder.append(self.pairs.is_some())?;
        Ok(text.len())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    uid: String,
    controller: Option<bool>,
}

/// The last owner references that were read.
#[derive(Debug, Default)]
struct Owners {
    last: String,
    owners: Vec<Owner>,
}

impl Owners {
    fn controller(&mut self, text: Option<&str>) -> Option<&Owner> {
        let text = text.unwrap_or_default();
        if text != self.last {
            self.owners = serde_json::from_str(text).unwrap_or_default();
            text.clone_into(&mut self.last);
        }
        self.owners
            .iter()
            .find(|owner| owner.controller == Some(true))
    }
}
