//! Reading and changing one line of a watch, or the one line of a list, without touching its other bytes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::RvRewrite;

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(rename = "resourceVersion", borrow)]
    version: Option<&'a RawValue>,
}

/// Returns the event type of a watch line.
pub(crate) fn event_type(line: &[u8]) -> Option<Cow<'_, str>> {
    serde_json::from_slice::<Typed<'_>>(line)
        .ok()
        .map(|typed| typed.event_type)
}

/// Returns the line with another resourceVersion, or `None` when there is none to be found.
pub(crate) fn rewrite_rv(line: &[u8], rewrite: &RvRewrite) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let outer: Outer<'_> = serde_json::from_str(text).ok()?;
    let metadata = match outer.object {
        Some(object) => {
            serde_json::from_str::<Outer<'_>>(object.get())
                .ok()?
                .metadata?
        }
        None => outer.metadata?,
    };
    let version = serde_json::from_str::<Versioned<'_>>(metadata.get())
        .ok()?
        .version?
        .get();
    let old = version.trim_matches('"');
    let new = match rewrite {
        RvRewrite::Set(text) => text.clone(),
        RvRewrite::Minus(by) => old.parse::<u64>().ok()?.saturating_sub(*by).to_string(),
        RvRewrite::Plus(by) => old.parse::<u64>().ok()?.saturating_add(*by).to_string(),
    };
    // The raw values borrow from the line, so the place of one is the difference of addresses.
    let start = version.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    let (before, rest) = line.split_at_checked(start)?;
    let (_, after) = rest.split_at_checked(version.len())?;
    Some([before, format!("\"{new}\"").as_bytes(), after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_objects_own_resource_version_changes() {
        let line = br#"{"type":"ADDED","object":{"spec":{"resourceVersion":"9"},"metadata":{"labels":{"resourceVersion":"9"},"resourceVersion":"9"}}}"#;
        let new = rewrite_rv(line, &RvRewrite::Minus(4)).unwrap();
        let expected = br#"{"type":"ADDED","object":{"spec":{"resourceVersion":"9"},"metadata":{"labels":{"resourceVersion":"9"},"resourceVersion":"5"}}}"#;
        assert_eq!(new, expected);
    }

    #[test]
    fn the_resource_version_of_a_list_changes_too() {
        let list = br#"{"items":[{"metadata":{"resourceVersion":"1"}}],"metadata":{"resourceVersion":"8"}}"#;
        let new = rewrite_rv(list, &RvRewrite::Set("x".into())).unwrap();
        assert!(new.ends_with(br#""metadata":{"resourceVersion":"x"}}"#));
        assert!(rewrite_rv(b"no json", &RvRewrite::Plus(1)).is_none());
        assert!(rewrite_rv(b"{\"type\":\"A\"}", &RvRewrite::Plus(1)).is_none());
    }
}
