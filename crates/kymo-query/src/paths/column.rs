use std::fmt;

use datafusion::arrow::datatypes::{DataType, Field};
use kymo_store::segment::JsonPath;

/// A column that a scan makes of an object: JSON text, null where there is nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathColumn {
    /// The value at a path.
    Value(JsonPath),
    /// The object less everything that is not at one of these paths of names, or null where there
    /// is no object. An object that is kept as text may have more.
    Cut(Vec<JsonPath>),
}

impl PathColumn {
    /// Returns the paths that it is made of.
    pub fn paths(&self) -> &[JsonPath] {
        match self {
            Self::Value(path) => std::slice::from_ref(path),
            Self::Cut(paths) => paths,
        }
    }

    /// Returns the column as plans see it.
    pub(crate) fn field(&self) -> Field {
        Field::new(self.name(), DataType::Utf8, true)
    }

    /// Returns the name of the column in plans; two that differ have different names.
    pub(crate) fn name(&self) -> String {
        format!("object{self}")
    }
}

/// Writes the form in EXPLAIN: `/spec/nodeName`, or `{/spec/containers, /spec/overhead}`.
impl fmt::Display for PathColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(path) => write!(f, "{path}"),
            Self::Cut(paths) => {
                let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
                write!(f, "{{{}}}", paths.join(", "))
            }
        }
    }
}
