use std::fmt;

use super::super::json::{At, Doc, Kind, push_segment};

/// One step of a [`JsonPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To the member of an object by its name. In an array it is an index if it spells one.
    Name(String),
    /// To the item of an array, counted from 0; a negative index counts from the end, -1 being the
    /// last.
    Index(i64),
}

/// The way from the root of an object to a value in it.
///
/// It means what the JSON functions of SQL mean by their arguments; a JSON Pointer cannot tell an
/// index from a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonPath(Vec<Step>);

impl JsonPath {
    /// Makes a path of names only.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names
            .into_iter()
            .map(|name| Step::Name(name.to_owned()))
            .collect()
    }

    /// Returns the steps in order; none lead to the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl FromIterator<Step> for JsonPath {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

/// Writes names as in a JSON Pointer and indices in brackets: `/spec/containers[0]/image`. Two
/// paths that differ are written differently.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Name(name) => {
                    let mut segment = String::new();
                    push_segment(&mut segment, name);
                    f.write_str(&segment.replace('[', "~2"))?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Finds the value that steps lead to.
pub(super) fn find(doc: &Doc, from: At, steps: &[Step]) -> Option<At> {
    steps
        .iter()
        .try_fold(from, |at, step| match (doc.kind(at), step) {
            (Kind::Object, Step::Name(name)) => doc.member_named(at, name),
            (Kind::Array, Step::Name(name)) => item(doc, at, name.parse().ok()?),
            (Kind::Array, Step::Index(index)) => item(doc, at, *index),
            _ => None,
        })
}

fn item(doc: &Doc, at: At, index: i64) -> Option<At> {
    let index = if index < 0 {
        let length = i64::try_from(doc.children(at).count()).ok()?;
        length.checked_add(index)?
    } else {
        index
    };
    doc.item(at, usize::try_from(index).ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::super::json::Parser;
    use super::*;

    fn value(text: &str, steps: &[Step]) -> Option<String> {
        let doc = Parser::document(text.as_bytes(), None).unwrap();
        let at = find(&doc, At::ROOT, steps)?;
        Some(String::from_utf8(doc.value(at).to_vec()).unwrap())
    }

    fn name(name: &str) -> Step {
        Step::Name(name.to_owned())
    }

    #[test]
    fn names_and_indices_lead_where_the_functions_of_sql_lead() {
        let text = r#"{"a":{"0":"zero","b":[1,{"c":null},"last"]}}"#;
        for (steps, expected) in [
            (vec![], Some(text)),
            (vec![name("a"), name("0")], Some("\"zero\"")),
            (vec![name("a"), Step::Index(0)], None),
            (vec![name("a"), name("b"), Step::Index(0)], Some("1")),
            (
                vec![name("a"), name("b"), Step::Index(-1)],
                Some("\"last\""),
            ),
            (vec![name("a"), name("b"), Step::Index(-4)], None),
            (vec![name("a"), name("b"), Step::Index(3)], None),
            (
                vec![name("a"), name("b"), name("1"), name("c")],
                Some("null"),
            ),
            (vec![name("a"), name("b"), name("-1")], Some("\"last\"")),
            (vec![name("a"), name("b"), name("x")], None),
            (vec![name("a"), name("b"), Step::Index(0), name("d")], None),
            (vec![name("x")], None),
        ] {
            assert_eq!(value(text, &steps).as_deref(), expected, "{steps:?}");
        }
    }

    #[test]
    fn paths_that_differ_are_written_differently() {
        let path: JsonPath = [name("a/b~[0]"), Step::Index(-1), name("0")]
            .into_iter()
            .collect();
        assert_eq!(path.to_string(), "/a~1b~0~20][-1]/0");
        assert_eq!(JsonPath::default().to_string(), "");
    }
}
