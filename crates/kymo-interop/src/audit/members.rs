//! The members of a JSON object, their values unparsed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::event::Text;

/// Reads the members of an object in the order in which they stand.
pub(super) fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let members = parser.deserialize_map(Collect)?;
    parser.end()?;
    Ok(members)
}

/// Writes an object of members whose values are JSON texts.
pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name).to_string());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(Text(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            members.push((name, value.get()));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_text() {
        let text = r#"{ "a\u0062" : 1.0e2 , "c":{"d":[ ]} }"#;
        let read = members(text).unwrap();
        assert_eq!(read[0], ("ab".into(), "1.0e2"));
        let kept = read.iter().map(|(name, value)| (name.as_ref(), *value));
        assert_eq!(object(kept), r#"{"ab":1.0e2,"c":{"d":[ ]}}"#);
        assert!(members("[1]").is_err());
        assert!(members("{}}").is_err());
    }
}
