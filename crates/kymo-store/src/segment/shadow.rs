//! What typed columns hold is taken out of a body, and put back.

use super::json::{
    At, Doc, HintedMembers, Kind, Node, Parser, Rejected, has_repeated_name, quoted,
};
use super::times::{read_seconds, write_seconds};

/// The members of an object that live in columns of their own; `None`: not in the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) rv: Option<String>,
    pub(super) generation: Option<i64>,
    /// `metadata.creationTimestamp`, in seconds since 1970.
    pub(super) created: Option<i64>,
    /// `metadata.deletionTimestamp`, in seconds since 1970.
    pub(super) deleted: Option<i64>,
}

/// A [`Head`] that lies elsewhere, without `apiVersion`, which feeds tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadRef<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) uid: Option<&'a str>,
    pub(super) rv: Option<&'a str>,
    pub(super) generation: Option<i64>,
    pub(super) created: Option<i64>,
    pub(super) deleted: Option<i64>,
}

/// A body taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) head: Head,
    /// The object less the head and managedFields; it has `metadata`.
    pub(super) body: Doc,
    /// `metadata.managedFields`; empty if there is none.
    pub(super) managed: Doc,
}

impl Parts {
    /// Takes a body apart, with the parts of a similar one as a hint.
    ///
    /// Members of the head that are not plain strings, integers or canonical times stay in the
    /// body. A body without a `metadata` object is rejected.
    pub(super) fn split(text: &[u8], hint: Option<&Self>) -> Result<Self, Rejected> {
        let mut splitter = Splitter {
            parser: Parser::new(text)?,
            parts: Self::default(),
            hint,
            seen: 0,
        };
        let body = &mut splitter.parts.body;
        body.text.reserve(text.len());
        body.nodes
            .reserve(hint.map_or(text.len() / 24, |hint| hint.body.nodes.len() + 16));
        let hint = hint.map(|hint| (&hint.body, At::ROOT));
        splitter.object(Level::Root, hint, 0)?;
        splitter.parser.end()?;
        if splitter.seen & METADATA == 0 {
            return Err(Rejected);
        }
        Ok(splitter.parts)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Metadata,
}

/// The bit of `metadata` among the members seen; those of the head have lower ones.
const METADATA: u16 = 1 << 10;

struct Splitter<'a, 'h> {
    parser: Parser<'a>,
    parts: Parts,
    hint: Option<&'h Parts>,
    seen: u16,
}

impl Splitter<'_, '_> {
    fn object(
        &mut self,
        level: Level,
        hint: Option<(&Doc, At)>,
        key_len: usize,
    ) -> Result<(), Rejected> {
        let (index, start) = (self.parts.body.nodes.len(), self.parts.body.text.len());
        self.parts.body.nodes.push(Node {
            len: 0,
            skip: 1,
            key: key_len as u32,
        });
        self.parser.expect(b'{')?;
        self.parts.body.text.push(b'{');
        let mut members = HintedMembers::new(hint);
        let mut count = 0usize;
        if !self.parser.take(b'}') {
            loop {
                let key = self.parser.key()?;
                if !self.take_out(level, &key)? {
                    let body = &mut self.parts.body;
                    if count > 0 {
                        body.text.push(b',');
                    }
                    count += 1;
                    let hint = members.next(&key);
                    body.text.extend_from_slice(&key);
                    body.text.push(b':');
                    if level == Level::Root && *key == *b"\"metadata\"" {
                        self.object(Level::Metadata, hint, key.len())?;
                    } else {
                        self.parser.value(body, key.len(), hint, 2)?;
                    }
                }
                if !self.parser.take(b',') {
                    break;
                }
            }
            self.parser.expect(b'}')?;
        }
        let body = &mut self.parts.body;
        body.text.push(b'}');
        let at = At {
            node: index,
            pos: start,
        };
        if !members.in_order && has_repeated_name(body, at, count) {
            return Err(Rejected);
        }
        let (len, skip) = (body.text.len() - start, body.nodes.len() - index);
        if let Some(node) = body.nodes.get_mut(index) {
            node.len = len as u32;
            node.skip = skip as u32;
        }
        Ok(())
    }

    /// Reads the value if it belongs to the head or to managedFields; otherwise leaves it.
    fn take_out(&mut self, level: Level, key: &[u8]) -> Result<bool, Rejected> {
        let head = &mut self.parts.head;
        let (bit, slot) = match (level, key) {
            (Level::Root, b"\"kind\"") => (0, &mut head.kind),
            (Level::Root, b"\"apiVersion\"") => (1, &mut head.api_version),
            (Level::Root, b"\"metadata\"") => {
                self.once(METADATA)?;
                return Ok(false);
            }
            (Level::Metadata, b"\"name\"") => (2, &mut head.name),
            (Level::Metadata, b"\"namespace\"") => (3, &mut head.namespace),
            (Level::Metadata, b"\"uid\"") => (4, &mut head.uid),
            (Level::Metadata, b"\"resourceVersion\"") => (5, &mut head.rv),
            (Level::Metadata, b"\"generation\"") => {
                head.generation = self.parser.plain_integer();
                let taken = head.generation.is_some();
                self.once(1 << 6)?;
                return Ok(taken);
            }
            (Level::Metadata, b"\"creationTimestamp\"") => {
                head.created = self.parser.plain_string(read_seconds);
                let taken = head.created.is_some();
                self.once(1 << 7)?;
                return Ok(taken);
            }
            (Level::Metadata, b"\"deletionTimestamp\"") => {
                head.deleted = self.parser.plain_string(read_seconds);
                let taken = head.deleted.is_some();
                self.once(1 << 8)?;
                return Ok(taken);
            }
            (Level::Metadata, b"\"managedFields\"") => {
                self.once(1 << 9)?;
                let hint = self
                    .hint
                    .filter(|hint| !hint.managed.nodes.is_empty())
                    .map(|hint| (&hint.managed, At::ROOT));
                self.parser.value(&mut self.parts.managed, 0, hint, 2)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *slot = self
            .parser
            .plain_string(|text| std::str::from_utf8(text).ok().map(str::to_owned));
        let taken = slot.is_some();
        self.once(1 << bit)?;
        Ok(taken)
    }

    fn once(&mut self, bit: u16) -> Result<(), Rejected> {
        if self.seen & bit != 0 {
            return Err(Rejected);
        }
        self.seen |= bit;
        Ok(())
    }
}

/// Puts a body together; `None` if it has no `metadata` object.
pub(super) fn join(head: &Head, body: &Doc, managed: &Doc) -> Option<Vec<u8>> {
    let metadata = body
        .member(At::ROOT, b"\"metadata\"")
        .filter(|at| body.kind(*at) == Kind::Object)?;
    let inner = metadata.pos + 1;
    let end = metadata.pos + body.node(metadata).len as usize - 1;
    let mut out = Vec::with_capacity(body.text.len() + managed.text.len() + 320);
    out.push(b'{');
    let member = |out: &mut Vec<u8>, name: &str, value: Option<&str>| {
        if let Some(value) = value {
            push_name(out, name);
            out.extend_from_slice(quoted(value).as_bytes());
        }
    };
    member(&mut out, "kind", head.kind.as_deref());
    member(&mut out, "apiVersion", head.api_version.as_deref());
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(body.text.get(1..inner)?);
    member(&mut out, "name", head.name.as_deref());
    member(&mut out, "namespace", head.namespace.as_deref());
    member(&mut out, "uid", head.uid.as_deref());
    member(&mut out, "resourceVersion", head.rv.as_deref());
    if let Some(generation) = head.generation {
        push_name(&mut out, "generation");
        out.extend_from_slice(generation.to_string().as_bytes());
    }
    let created = head.created.map(write_seconds);
    let deleted = head.deleted.map(write_seconds);
    for (name, time) in [
        ("creationTimestamp", created),
        ("deletionTimestamp", deleted),
    ] {
        if let Some(time) = time {
            member(&mut out, name, Some(&time?));
        }
    }
    if end > inner {
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(body.text.get(inner..end)?);
    }
    if !managed.text.is_empty() {
        push_name(&mut out, "managedFields");
        out.extend_from_slice(&managed.text);
    }
    out.extend_from_slice(body.text.get(end..)?);
    Some(out)
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
