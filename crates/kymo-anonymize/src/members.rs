//! The members of one JSON object as stretches of its text, so that some can be cut out.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of the object that a text is, in the order in which they stand.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

/// One name and its value.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// The name, without escapes.
    pub(crate) name: Cow<'a, str>,
    /// The text of the value.
    pub(crate) value: &'a str,
}

/// What becomes of a member.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It stays as it is.
    Keep,
    /// It goes, and the comma with it.
    Drop,
    /// Its value is replaced.
    Replace(String),
}

impl<'a> Members<'a> {
    /// Reads the members of `text`; `None` if it is valid JSON but no object.
    ///
    /// Values are checked to be JSON but not parsed; their nesting does not matter.
    pub(crate) fn parse(text: &'a str) -> Result<Option<Self>, serde_json::Error> {
        let body = text.trim_start_matches([' ', '\t', '\n', '\r']);
        if !body.starts_with('{') {
            return serde_json::from_str::<&RawValue>(text).map(|_| None);
        }
        let mut parser = serde_json::Deserializer::from_str(text);
        let members = parser.deserialize_map(Collect)?;
        parser.end()?;
        Ok(Some(Self { text, members }))
    }

    /// Returns the values of the members of that name.
    pub(crate) fn values_of(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.members
            .iter()
            .filter(move |member| member.name == name)
            .map(|member| member.value)
    }

    /// Decides on each member; `None` when all of them stay, else the text without the dropped
    /// ones. What stays keeps its bytes, white space included.
    pub(crate) fn rewrite<E>(
        &self,
        mut decide: impl FnMut(&Member<'a>) -> Result<Fate, E>,
    ) -> Result<Option<String>, E> {
        let fates = self
            .members
            .iter()
            .map(&mut decide)
            .collect::<Result<Vec<_>, E>>()?;
        if fates.iter().all(|fate| matches!(fate, Fate::Keep)) {
            return Ok(None);
        }
        let mut output = String::with_capacity(self.text.len());
        let open = self.text.find('{').map_or(0, |at| at + 1);
        output.push_str(self.text.get(..open).unwrap_or_default());
        let mut end_of_previous = open;
        let mut is_first = true;
        for (member, fate) in self.members.iter().zip(fates) {
            let value = self.place(member);
            let lead = self
                .text
                .get(end_of_previous..value.start)
                .unwrap_or_default();
            end_of_previous = value.end;
            if matches!(fate, Fate::Drop) {
                continue;
            }
            // The lead is `, "name": `; whoever comes first now goes without the comma.
            output.push_str(match (is_first, lead.find(['"', ','])) {
                (true, Some(at)) if lead.get(at..=at) == Some(",") => {
                    lead.get(at + 1..).unwrap_or_default()
                }
                _ => lead,
            });
            is_first = false;
            match fate {
                Fate::Replace(text) => output.push_str(&text),
                Fate::Keep | Fate::Drop => output.push_str(member.value),
            }
        }
        output.push_str(self.text.get(end_of_previous..).unwrap_or_default());
        Ok(Some(output))
    }

    /// Returns where the value of a member stands in the text.
    fn place(&self, member: &Member<'a>) -> Range<usize> {
        let start = member.value.as_ptr().addr() - self.text.as_ptr().addr();
        start..start + member.value.len()
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
        while let Some(Name(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            members.push(Member {
                name,
                value: value.get(),
            });
        }
        Ok(members)
    }
}

/// A name, borrowed when it holds no escape.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn without(text: &str, names: &[&str]) -> Option<String> {
        Members::parse(text)
            .unwrap()
            .unwrap()
            .rewrite(|member| {
                Ok::<_, ()>(if names.contains(&member.name.as_ref()) {
                    Fate::Drop
                } else {
                    Fate::Keep
                })
            })
            .unwrap()
    }

    #[rstest]
    #[case(r#"{"a":1,"b":2,"c":3}"#, &["a"], r#"{"b":2,"c":3}"#)]
    #[case(r#"{"a":1,"b":2,"c":3}"#, &["b"], r#"{"a":1,"c":3}"#)]
    #[case(r#"{"a":1,"b":2,"c":3}"#, &["c"], r#"{"a":1,"b":2}"#)]
    #[case(r#"{"a":1,"b":2,"c":3}"#, &["a", "b"], r#"{"c":3}"#)]
    #[case(r#"{"a":1,"b":2,"c":3}"#, &["a", "b", "c"], "{}")]
    #[case(r#"{"a":1,"b":2,"a":3}"#, &["a"], r#"{"b":2}"#)]
    #[case("{\n  \"a\" : 1 ,\n  \"b\" : [ 2 ]\n}", &["a"], "{\n  \"b\" : [ 2 ]\n}")]
    #[case("{\n  \"a\" : 1 ,\n  \"b\" : [ 2 ]\n}", &["b"], "{\n  \"a\" : 1\n}")]
    #[case(r#"{",":1,",\"":2}"#, &[","], r#"{",\"":2}"#)]
    #[case(r#"{"\u0061":1,"b":"\u0061"}"#, &["a"], r#"{"b":"\u0061"}"#)]
    fn members_are_cut_out_and_the_rest_keeps_its_bytes(
        #[case] text: &str,
        #[case] names: &[&str],
        #[case] expected: &str,
    ) {
        assert_eq!(without(text, names).as_deref(), Some(expected));
    }

    #[test]
    fn nothing_to_cut_gives_nothing_to_copy() {
        assert_eq!(without(r#"{"a":1}"#, &["b"]), None);
        assert_eq!(without("{}", &["b"]), None);
    }

    #[test]
    fn what_is_no_object_has_no_members_and_what_is_no_json_is_refused() {
        for text in ["[1]", "null", " \"a\" "] {
            assert!(Members::parse(text).unwrap().is_none(), "{text}");
        }
        for text in ["", "{", "{\"a\":}", "{\"a\":1}}", "{\"a\":1,}", "[1", "nul"] {
            assert!(Members::parse(text).is_err(), "{text}");
        }
    }
}
