//! Manifests: files of YAML with one object or several.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use serde_saphyr::Spanned;

use crate::Error;

/// The longest file, in bytes.
const MOST_BYTES: u64 = 4 << 20;

/// One object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The object as it was written, defaults not filled in.
    pub object: Value,
    /// Where it stands: the file.
    pub file: String,
    /// Where it stands: the line, from 1.
    pub line: u64,
}

impl Manifest {
    /// Reads a file. Only regular files are read, of at most 4 MiB.
    pub fn read(path: &Path) -> Result<Vec<Self>, Error> {
        Self::parse(&read_text(path)?, &path.display().to_string())
    }

    /// Reads documents of YAML (or JSON, which is YAML); a List is its items.
    pub fn parse(text: &str, file: &str) -> Result<Vec<Self>, Error> {
        let documents: Vec<Spanned<Value>> =
            serde_saphyr::from_multiple(text).map_err(|error| Error::Manifest {
                file: file.to_owned(),
                line: error.location().map_or(1, |place| place.line()),
                reason: first_line(&error.to_string()),
            })?;
        let mut manifests = Vec::new();
        for document in documents {
            let line = document.referenced.line().max(1);
            let refused = |reason: &str| Error::Manifest {
                file: file.to_owned(),
                line,
                reason: reason.to_owned(),
            };
            let mut object = document.value;
            if object.is_null() {
                continue;
            }
            let is_list = object
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.ends_with("List"));
            let items = object.get_mut("items").map(Value::take);
            let objects = match items {
                Some(Value::Array(items)) if is_list => items,
                Some(_) if is_list => return Err(refused("`items` is not a list")),
                Some(items) => {
                    if let Some(members) = object.as_object_mut() {
                        members.insert("items".to_owned(), items);
                    }
                    vec![object]
                }
                None => vec![object],
            };
            for object in objects {
                check(&object).map_err(|reason| refused(&reason))?;
                manifests.push(Self {
                    object,
                    file: file.to_owned(),
                    line,
                });
            }
        }
        if manifests.is_empty() {
            return Err(Error::Manifest {
                file: file.to_owned(),
                line: 1,
                reason: "there is no object in it".to_owned(),
            });
        }
        Ok(manifests)
    }

    /// Returns the kind.
    pub fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    /// Returns `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion").unwrap_or_default()
    }

    /// Returns `metadata.name`, where it has one.
    pub fn name(&self) -> Option<&str> {
        self.text("/metadata/name")
    }

    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.object.pointer(pointer).and_then(Value::as_str)
    }

    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::Manifest {
            file: self.file.clone(),
            line: self.line,
            reason: reason.into(),
        }
    }
}

/// Reads a text that a script names: a regular file of at most 4 MiB.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let refused = |reason: &str| Error::File {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(refused("is not a regular file"));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(refused("is larger than 4 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| refused("is not UTF-8"))
}

fn check(object: &Value) -> Result<(), String> {
    if !object.is_object() {
        return Err("a document is not an object".to_owned());
    }
    for member in ["kind", "apiVersion"] {
        match object.get(member) {
            Some(Value::String(text)) if !text.is_empty() => {}
            Some(_) => return Err(format!("`{member}` is not a text")),
            None => return Err(format!("`{member}` is missing")),
        }
    }
    match object.get("metadata") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(_) => Err("`metadata` is not an object".to_owned()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_read_with_their_lines() {
        let text = "kind: A\napiVersion: v1\n---\n# nothing\n---\nkind: List\napiVersion: v1\nitems:\n- {kind: B, apiVersion: v1, metadata: {name: b}}\n- {kind: C, apiVersion: x/v1}\n";
        let found = Manifest::parse(text, "x.yaml").unwrap();
        let kinds: Vec<_> = found.iter().map(|each| (each.kind(), each.line)).collect();
        assert_eq!(kinds, [("A", 1), ("B", 6), ("C", 6)]);
        assert_eq!(found[1].name(), Some("b"));
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_file_and_line() {
        for (text, shown) in [
            ("", "x.yaml:1: there is no object in it"),
            ("kind: A\n", "x.yaml:1: `apiVersion` is missing"),
            (
                "kind: A\napiVersion: v1\n---\nkind: 3\napiVersion: v1\n",
                "x.yaml:4: `kind` is not a text",
            ),
            ("- a\n", "x.yaml:1: a document is not an object"),
            (
                "kind: List\napiVersion: v1\nitems: 3\n",
                "x.yaml:1: `items` is not a list",
            ),
            (
                "kind: A\napiVersion: v1\nmetadata: []\n",
                "x.yaml:1: `metadata` is not an object",
            ),
        ] {
            assert_eq!(
                Manifest::parse(text, "x.yaml").unwrap_err().to_string(),
                shown
            );
        }
        let broken = Manifest::parse("kind: A\nx: [1,\n", "x.yaml").unwrap_err();
        assert!(
            matches!(broken, Error::Manifest { line: 2.., .. }),
            "{broken}"
        );
    }

    #[test]
    fn only_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let error = Manifest::read(directory.path()).unwrap_err();
        assert!(
            error.to_string().ends_with("is not a regular file"),
            "{error}"
        );
        let path = directory.path().join("x.yaml");
        assert!(matches!(Manifest::read(&path), Err(Error::Read { .. })));
        std::fs::write(&path, "kind: A\napiVersion: v1\n").unwrap();
        assert_eq!(Manifest::read(&path).unwrap().len(), 1);
    }
}
