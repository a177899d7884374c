use kymo_model::{ObjectKey, Timestamp};
use serde_json::Value;

/// What becomes of an object, by the first of its events that are touched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The kind of the object.
    pub kind: String,
    /// The object; of one that comes to be, the new one.
    pub object: ObjectKey,
    /// The number of the event in the input of the statement, or of the one that it is made of.
    pub seq: u64,
    /// What becomes of the event.
    pub kept: Kept,
    /// When the event was received and when it will have been; the same where that stays.
    pub received: (Timestamp, Timestamp),
    /// What changes in the object, or in the one that it is made of.
    pub changes: Vec<Change>,
    /// How many changes there are besides.
    pub more: usize,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It stays, changed.
    Changed,
    /// It is one more.
    Added,
    /// It is taken away.
    Removed,
}

/// A value in an object that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Where, as a JSON Pointer.
    pub path: String,
    /// What was there, as JSON; `None`: nothing.
    pub before: Option<String>,
    /// What will be there, as JSON; `None`: nothing.
    pub after: Option<String>,
}

/// How many changes of an event are told.
const MOST_CHANGES: usize = 6;

/// How many characters of a value are told.
const MOST_CHARACTERS: usize = 120;

/// Tells the first changes from one document to another, and how many there are besides.
pub(super) fn changes(before: &Value, after: &Value) -> (Vec<Change>, usize) {
    let operations = json_patch::diff(before, after).0;
    let more = operations.len().saturating_sub(MOST_CHANGES);
    let mut document = before.clone();
    let mut changes = Vec::new();
    for operation in operations.into_iter().take(MOST_CHANGES) {
        let path = operation.path().to_string();
        let had = document.pointer(&path).map(shown);
        let (had, gets) = match &operation {
            json_patch::PatchOperation::Add(add) => (None, Some(shown(&add.value))),
            json_patch::PatchOperation::Replace(replace) => (had, Some(shown(&replace.value))),
            _ => (had, None),
        };
        changes.push(Change {
            path,
            before: had,
            after: gets,
        });
        // Places in arrays count after the changes before.
        if json_patch::patch(&mut document, &[operation]).is_err() {
            break;
        }
    }
    (changes, more)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_told_one_by_one_and_long_values_are_cut() {
        let before = json!({"a": [1, 2, 3], "b": 1, "c": "x".repeat(500)});
        let after = json!({"a": [2, 3], "b": 2, "d": {}});
        let (changes, more) = changes(&before, &after);
        let told: Vec<_> = changes
            .iter()
            .map(|change| {
                let length =
                    |value: &Option<String>| value.as_ref().map(|text| text.chars().count());
                (
                    change.path.as_str(),
                    length(&change.before),
                    length(&change.after),
                )
            })
            .collect();
        assert!(told.contains(&("/b", Some(1), Some(1))), "{told:?}");
        assert!(told.contains(&("/c", Some(121), None)), "{told:?}");
        assert!(told.contains(&("/d", None, Some(2))), "{told:?}");
        assert_eq!(more, 0);
        let many: Value = (0..20)
            .map(|index| (index.to_string(), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(super::changes(&json!({}), &many).1, 14);
    }
}
