//! Texts with places that are filled in.

use serde_json::Value;

/// Stands on both sides of the letter of a place; no object of Kubernetes has such a character.
const MARK: char = '\u{F8FF}';

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The resourceVersion.
    Version,
    /// The whole status, with its name; an object has it as its last member.
    Status,
    /// The letters at the end of the volume of a service account's token.
    Access,
    /// `spec.nodeName` with the comma behind it; nothing before a pod is bound.
    Node,
    /// The name of the pod.
    Name,
    /// The ordinal of the pod.
    Ordinal,
    /// The name of the node for which the pod of a `DaemonSet` is made.
    Target,
}

const PLACES: [(Place, char); 7] = [
    (Place::Version, 'v'),
    (Place::Status, 's'),
    (Place::Access, 'a'),
    (Place::Node, 'n'),
    (Place::Name, 'p'),
    (Place::Ordinal, 'o'),
    (Place::Target, 't'),
];

impl Place {
    /// Returns what stands for it in the text of a value.
    pub(crate) fn mark(self) -> String {
        let letter = PLACES
            .iter()
            .find_map(|(place, letter)| (*place == self).then_some(*letter));
        format!("{MARK}{}{MARK}", letter.unwrap_or_default())
    }

    /// Tells whether a whole member stands for it, `"mark":null`, with the comma behind it.
    fn is_member(self) -> bool {
        matches!(self, Self::Node | Self::Status)
    }
}

/// A text with places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    pieces: Vec<(Box<str>, Option<Place>)>,
}

impl Text {
    /// Finds the places in the JSON of a value.
    pub(crate) fn of(value: &Value) -> Self {
        Self::parse(&value.to_string())
    }

    /// Finds the places in a text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut parts = text.split(MARK);
        let mut before = parts.next().unwrap_or_default().to_owned();
        while let (Some(letter), Some(behind)) = (parts.next(), parts.next()) {
            let place = PLACES
                .iter()
                .find_map(|(place, own)| (letter.chars().eq([*own])).then_some(*place));
            let mut behind = behind;
            if place.is_some_and(Place::is_member) {
                if before.ends_with('"') {
                    before.pop();
                }
                behind = behind.strip_prefix("\":null").unwrap_or(behind);
                behind = behind.strip_prefix(',').unwrap_or(behind);
            }
            pieces.push((std::mem::take(&mut before).into_boxed_str(), place));
            behind.clone_into(&mut before);
        }
        pieces.push((before.into_boxed_str(), None));
        Self { pieces }
    }

    /// Writes the text; `fill` writes what comes into the places.
    pub(crate) fn write(&self, out: &mut String, mut fill: impl FnMut(Place, &mut String)) {
        for (text, place) in &self.pieces {
            out.push_str(text);
            if let Some(place) = place {
                fill(*place, out);
            }
        }
    }
}

/// Writes a text as JSON.
pub(crate) fn quoted(text: &str, out: &mut String) {
    out.push_str(&Value::String(text.to_owned()).to_string());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_filled_in_texts_and_as_members() {
        let value = json!({
            "a": format!("x-{}", Place::Access.mark()),
            Place::Node.mark(): null,
            "b": [Place::Name.mark()],
        });
        let text = Text::of(&value);
        let filled = |node: &str| {
            let mut out = String::new();
            text.write(&mut out, |place, out| match place {
                Place::Access => out.push_str("qq"),
                Place::Node => out.push_str(node),
                _ => out.push_str("pod"),
            });
            out
        };
        assert_eq!(filled(""), r#"{"a":"x-qq","b":["pod"]}"#);
        assert_eq!(
            filled(r#""nodeName":"n","#),
            r#"{"a":"x-qq","nodeName":"n","b":["pod"]}"#
        );
    }

    #[test]
    fn a_mark_without_a_meaning_is_left_out() {
        let text = Text::parse("a\u{F8FF}zz\u{F8FF}b\u{F8FF}");
        let mut out = String::new();
        text.write(&mut out, |_, out| out.push('!'));
        assert_eq!(out, "ab");
    }
}
