use thiserror::Error;

use super::diff::Edit;
use super::doc::{At, Doc, Kind, Node};
use super::parse::Parser;
use super::pointer::{index, quoted, segments};

/// Why a patch does not apply.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchError {
    /// The path leads nowhere.
    #[error("no value at `{path}`")]
    NoSuchPath {
        /// The path.
        path: String,
    },
    /// The value of an operation is not JSON.
    #[error("the value for `{path}` is not JSON")]
    Value {
        /// The path.
        path: String,
    },
    /// The result would be larger than a document may be.
    #[error("the value at `{path}` would make the document too large")]
    TooLarge {
        /// The path.
        path: String,
    },
}

/// Documents do not grow beyond this.
const MAX_DOC_BYTES: usize = 1 << 28;

/// Applies one operation of RFC 6902. On an error the document is as it was.
pub(crate) fn apply(doc: &mut Doc, edit: Edit, path: &str, value: &[u8]) -> Result<(), PatchError> {
    let missing = || PatchError::NoSuchPath {
        path: path.to_owned(),
    };
    if doc.nodes.is_empty() && (!path.is_empty() || edit == Edit::Remove) {
        return Err(missing());
    }
    let mut trail = segments(path).ok_or_else(missing)?.peekable();
    let mut parents: Vec<At> = Vec::with_capacity(8);
    let mut at = At::ROOT;
    let mut target = Target::Value(At::ROOT);
    while let Some(segment) = trail.next() {
        parents.push(at);
        let is_last = trail.peek().is_none();
        let found = match doc.kind(at) {
            Kind::Object => match doc.member_named(at, &segment) {
                Some(child) => Target::Value(child),
                None => Target::NewMember(quoted(&segment)),
            },
            Kind::Array => {
                let length = || doc.children(at).count();
                let position = if segment == "-" {
                    length()
                } else {
                    index(&segment).ok_or_else(missing)?
                };
                match doc.item(at, position) {
                    Some(child) if is_last && edit == Edit::Add => Target::ItemBefore(child),
                    Some(child) => Target::Value(child),
                    None if position == length() => Target::NewItem,
                    None => return Err(missing()),
                }
            }
            Kind::String | Kind::Other => return Err(missing()),
        };
        match found {
            Target::Value(child) => {
                at = child;
                target = Target::Value(child);
            }
            other if is_last => target = other,
            _ => return Err(missing()),
        }
    }
    if edit == Edit::Remove {
        let Target::Value(at) = target else {
            return Err(missing());
        };
        if parents.is_empty() {
            return Err(missing());
        }
        remove(doc, &parents, at);
        return Ok(());
    }
    if doc.text.len() + value.len() > MAX_DOC_BYTES {
        return Err(PatchError::TooLarge {
            path: path.to_owned(),
        });
    }
    if let Target::Value(at) = target
        && !parents.is_empty()
        && !matches!(value.first(), Some(b'{' | b'['))
        && doc.node(at).skip == 1
        && Parser::scalar(value).is_ok()
    {
        replace_text(doc, &parents, at, value);
        return Ok(());
    }
    let new = Parser::document(value, None).map_err(|_| PatchError::Value {
        path: path.to_owned(),
    })?;
    if parents.is_empty() {
        // The whole document; there may have been none.
        *doc = new;
        return Ok(());
    }
    match (target, edit) {
        (Target::Value(at), _) => replace(doc, &parents, at, new),
        (Target::NewMember(key), Edit::Add) => {
            let parent = parents.last().copied().ok_or_else(missing)?;
            let place = end_of(doc, parent);
            insert(doc, &parents, place, key.as_bytes(), new, false);
        }
        (Target::NewItem, Edit::Add) => {
            let parent = parents.last().copied().ok_or_else(missing)?;
            let place = end_of(doc, parent);
            insert(doc, &parents, place, b"", new, false);
        }
        (Target::ItemBefore(at), _) => insert(doc, &parents, at, b"", new, true),
        (Target::NewMember(_) | Target::NewItem, _) => return Err(missing()),
    }
    Ok(())
}

enum Target {
    Value(At),
    NewMember(String),
    NewItem,
    ItemBefore(At),
}

/// The place behind the last child of a container, before its bracket.
fn end_of(doc: &Doc, parent: At) -> At {
    let node = doc.node(parent);
    At {
        node: parent.node + node.skip as usize,
        pos: parent.pos + node.len as usize - 1,
    }
}

/// Adds to the lengths of all parents of an edit.
fn resize(doc: &mut Doc, parents: &[At], bytes: i64, nodes: i64) {
    for parent in parents {
        if let Some(node) = doc.nodes.get_mut(parent.node) {
            node.len = (i64::from(node.len) + bytes) as u32;
            node.skip = (i64::from(node.skip) + nodes) as u32;
        }
    }
}

/// Replaces a value that has no parts by another such.
fn replace_text(doc: &mut Doc, parents: &[At], at: At, value: &[u8]) {
    let old = doc.node(at).len as usize;
    match doc.text.get_mut(at.pos..at.pos + old) {
        Some(text) if old == value.len() => text.copy_from_slice(value),
        _ => {
            doc.text.splice(at.pos..at.pos + old, value.iter().copied());
            if let Some(node) = doc.nodes.get_mut(at.node) {
                node.len = value.len() as u32;
            }
            resize(doc, parents, value.len() as i64 - old as i64, 0);
        }
    }
}

fn replace(doc: &mut Doc, parents: &[At], at: At, mut new: Doc) {
    let old = doc.node(at);
    if let Some(root) = new.nodes.first_mut() {
        root.key = old.key;
    }
    let (bytes, nodes) = (new.text.len() as i64, new.nodes.len() as i64);
    doc.text.splice(at.pos..at.pos + old.len as usize, new.text);
    doc.nodes
        .splice(at.node..at.node + old.skip as usize, new.nodes);
    resize(
        doc,
        parents,
        bytes - i64::from(old.len),
        nodes - i64::from(old.skip),
    );
}

fn remove(doc: &mut Doc, parents: &[At], at: At) {
    let node = doc.node(at);
    let mut start = at.pos;
    if node.key > 0 {
        start -= node.key as usize + 1;
    }
    let mut end = at.pos + node.len as usize;
    // The comma behind goes with it; behind the last child, the one before.
    if doc.text.get(end) == Some(&b',') {
        end += 1;
    } else if doc.text.get(start.wrapping_sub(1)) == Some(&b',') {
        start -= 1;
    }
    doc.text.drain(start..end);
    doc.nodes.drain(at.node..at.node + node.skip as usize);
    resize(doc, parents, -((end - start) as i64), -i64::from(node.skip));
}

/// Inserts a child at `place`, before a sibling or behind the last one.
fn insert(doc: &mut Doc, parents: &[At], place: At, key: &[u8], new: Doc, before_sibling: bool) {
    let mut text = Vec::with_capacity(key.len() + new.text.len() + 2);
    let is_first = matches!(doc.text.get(place.pos.wrapping_sub(1)), Some(b'{' | b'['))
        && !before_sibling
        && parents
            .last()
            .is_some_and(|parent| doc.node(*parent).skip == 1);
    if !is_first && !before_sibling {
        text.push(b',');
    }
    if !key.is_empty() {
        text.extend_from_slice(key);
        text.push(b':');
    }
    text.extend_from_slice(&new.text);
    if before_sibling {
        text.push(b',');
    }
    let (bytes, nodes) = (text.len() as i64, new.nodes.len() as i64);
    let key_len = key.len() as u32;
    doc.text.splice(place.pos..place.pos, text);
    doc.nodes.splice(
        place.node..place.node,
        new.nodes.into_iter().enumerate().map(|(i, node)| Node {
            key: if i == 0 { key_len } else { node.key },
            ..node
        }),
    );
    resize(doc, parents, bytes, nodes);
}
