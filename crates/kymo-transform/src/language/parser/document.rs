//! Patches: that they are JSON, of the right form, and leave alone what says which object it is.

use std::collections::BTreeMap;

use kymo_patch::MAX_OPERATIONS;
use kymo_query::nearest;
use serde_json::Value;
use serde_json::value::RawValue;

use super::cursor::Text;
use crate::language::{LanguageError, Patch, PatchKind, Place};

/// Fields that say which object it is.
const IDENTITY: [&str; 5] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/uid",
];

const WHY_NOT: &str = "kind, namespace, name and uid say which object it is, and owners, Events \
    and pods point at them; copy objects with `SCALE` or `MERGE TRACE … PREFIX NAMESPACES`";

const OPERATIONS: [&str; 6] = ["add", "copy", "move", "remove", "replace", "test"];

/// Reads the document of a patch.
pub(super) fn read(script: &str, kind: PatchKind, text: &Text) -> Result<Patch, LanguageError> {
    let source = Source { script, text };
    let document = source.json()?;
    match kind {
        PatchKind::Json => operations(&source)?,
        PatchKind::Merge => merge(&source, &document, "a merge patch")?,
        PatchKind::Strategic => {
            merge(&source, &document, "a strategic merge patch")?;
            if document.get("$patch").is_some() {
                return Err(source.refused("a patch cannot replace or delete the whole object"));
            }
        }
    }
    Ok(Patch {
        kind,
        document,
        place: text.place,
    })
}

fn merge(source: &Source, document: &Value, what: &str) -> Result<(), LanguageError> {
    if !document.is_object() {
        return Err(wrong(source.whole(), format!("{what} is a JSON object")));
    }
    for field in IDENTITY {
        if document.pointer(field).is_some() {
            return Err(source.refused(&format!("a patch cannot change `{field}`")));
        }
    }
    match document.get("metadata") {
        Some(metadata) if !metadata.is_object() => {
            Err(source.refused("a patch cannot replace `/metadata` as a whole"))
        }
        _ => Ok(()),
    }
}

fn operations(source: &Source) -> Result<(), LanguageError> {
    let Ok(operations) = serde_json::from_str::<Vec<&RawValue>>(&source.text.value) else {
        let message = "a JSON patch is a list of operations".to_owned();
        return Err(wrong(source.whole(), message));
    };
    if operations.len() > MAX_OPERATIONS {
        let message = format!("a JSON patch has at most {MAX_OPERATIONS} operations");
        return Err(wrong(source.whole(), message));
    }
    for operation in operations {
        let whole = source.part(operation);
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(operation.get())
        else {
            let message = "an operation of a JSON patch is a JSON object".to_owned();
            return Err(wrong(whole, message));
        };
        check(source, whole, &fields)?;
    }
    Ok(())
}

fn check(
    source: &Source,
    whole: Place,
    fields: &BTreeMap<String, &RawValue>,
) -> Result<(), LanguageError> {
    let field = |name: &str| {
        let Some(raw) = fields.get(name) else {
            return Err(wrong(whole, format!("the operation has no `{name}`")));
        };
        let place = source.part(raw);
        serde_json::from_str::<String>(raw.get())
            .map(|text| (text, place))
            .map_err(|_| wrong(place, format!("`{name}` of an operation is a text")))
    };
    let (operation, place) = field("op")?;
    if !OPERATIONS.contains(&operation.as_str()) {
        let meant = nearest(&operation, OPERATIONS);
        let meant = meant.map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        let message = format!("no operation is called `{operation}`{meant}");
        return Err(wrong(place, message));
    }
    let (path, place) = field("path")?;
    pointer(place, &path)?;
    if operation != "test" {
        is_free(place, &path)?;
    }
    if matches!(operation.as_str(), "add" | "replace" | "test") && !fields.contains_key("value") {
        return Err(wrong(whole, "the operation has no `value`".to_owned()));
    }
    if matches!(operation.as_str(), "copy" | "move") {
        let (from, place) = field("from")?;
        pointer(place, &from)?;
        if operation == "move" {
            is_free(place, &from)?;
            if path
                .strip_prefix(&from)
                .is_some_and(|below| below.starts_with('/'))
            {
                let message = format!("`{from}` cannot be moved into itself");
                return Err(wrong(place, message));
            }
        }
    }
    Ok(())
}

/// Checks a JSON pointer (RFC 6901).
fn pointer(place: Place, path: &str) -> Result<(), LanguageError> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err(LanguageError::Value {
            message: format!("the path `{path}` does not begin with `/`"),
            hint: Some("a path is a JSON pointer, such as `/spec/replicas`"),
            place,
        });
    }
    let mut escapes = path.split('~').skip(1);
    if escapes.all(|rest| rest.starts_with(['0', '1'])) {
        return Ok(());
    }
    Err(LanguageError::Value {
        message: format!("in the path `{path}`, `~` is followed by neither 0 nor 1"),
        hint: Some("in a path, `~0` stands for `~` and `~1` for `/`"),
        place,
    })
}

/// Fails for paths at, above or below what says which object it is.
fn is_free(place: Place, path: &str) -> Result<(), LanguageError> {
    let lies_in = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    let touched = IDENTITY
        .iter()
        .find(|field| lies_in(path, field) || lies_in(field, path));
    match touched {
        Some(field) => Err(LanguageError::Value {
            message: format!("a patch cannot change `{field}`"),
            hint: Some(WHY_NOT),
            place,
        }),
        None => Ok(()),
    }
}

fn wrong(place: Place, message: String) -> LanguageError {
    LanguageError::Value {
        message,
        hint: None,
        place,
    }
}

/// The document of a patch as it stands in the script.
struct Source<'a> {
    script: &'a str,
    text: &'a Text,
}

impl Source<'_> {
    fn json(&self) -> Result<Value, LanguageError> {
        serde_json::from_str(&self.text.value).map_err(|error| {
            let text = &self.text.value;
            let line: usize = text
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1))
                .map(str::len)
                .sum();
            let mut offset = (line + error.column().saturating_sub(1)).min(text.len());
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            let length = text.get(offset..).and_then(|rest| rest.chars().next());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            wrong(
                self.place(offset, offset + length.map_or(0, char::len_utf8)),
                format!("the patch is not JSON: {message}"),
            )
        })
    }

    fn whole(&self) -> Place {
        self.text.place
    }

    fn refused(&self, message: &str) -> LanguageError {
        LanguageError::Value {
            message: message.to_owned(),
            hint: Some(WHY_NOT),
            place: self.whole(),
        }
    }

    /// Returns where a part of the document stands in the script.
    fn part(&self, raw: &RawValue) -> Place {
        let start = raw.get().as_ptr() as usize - self.text.value.as_ptr() as usize;
        self.place(start, start + raw.get().len())
    }

    /// Returns where bytes of the document stand in the script, which writes `''` for a quote.
    fn place(&self, start: usize, end: usize) -> Place {
        let Place {
            start: first,
            end: behind,
        } = self.text.place;
        let written = self.script.get(first..behind).unwrap_or_default();
        if let Some(tagged) = written.strip_prefix('$') {
            let opening = tagged.find('$').map_or(0, |tag| tag + 2);
            return Place {
                start: first + opening + start,
                end: first + opening + end,
            };
        }
        let at = |offset: usize| {
            let before = self.text.value.get(..offset).unwrap_or_default();
            first + 1 + offset + before.matches('\'').count()
        };
        Place {
            start: at(start),
            end: at(end),
        }
    }
}
