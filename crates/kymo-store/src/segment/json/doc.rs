/// The index entry of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Length of the value's text.
    pub(crate) len: u32,
    /// Number of nodes of the value and all below it.
    pub(crate) skip: u32,
    /// Length of the member name before it with its quotes; 0 for items and the root.
    pub(crate) key: u32,
}

/// A value in a [`Doc`]: its node and the offset of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// Index of the node.
    pub(crate) node: usize,
    /// Offset of the value's first byte.
    pub(crate) pos: usize,
}

impl At {
    /// The whole document.
    pub(crate) const ROOT: Self = Self { node: 0, pos: 0 };
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Other,
}

/// One JSON value as compact text with an index; never empty once parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) text: Vec<u8>,
    pub(crate) nodes: Vec<Node>,
}

impl Doc {
    /// Returns the text as UTF-8; the parser checked it.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.nodes.clear();
    }

    pub(crate) fn node(&self, at: At) -> Node {
        self.nodes.get(at.node).copied().unwrap_or(Node {
            len: 0,
            skip: 1,
            key: 0,
        })
    }

    /// Returns the text of a value.
    pub(crate) fn value(&self, at: At) -> &[u8] {
        let len = self.node(at).len as usize;
        self.text.get(at.pos..at.pos + len).unwrap_or_default()
    }

    /// Returns the nodes of a value and of all below it.
    pub(crate) fn subtree(&self, at: At) -> &[Node] {
        let skip = self.node(at).skip as usize;
        self.nodes.get(at.node..at.node + skip).unwrap_or_default()
    }

    pub(crate) fn kind(&self, at: At) -> Kind {
        match self.text.get(at.pos) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            _ => Kind::Other,
        }
    }

    /// Walks the members of an object or the items of an array; nothing for other values.
    pub(crate) fn children(&self, at: At) -> Children<'_> {
        let end = match self.kind(at) {
            Kind::Object | Kind::Array => at.node + self.node(at).skip as usize,
            Kind::String | Kind::Other => 0,
        };
        Children {
            doc: self,
            node: at.node + 1,
            pos: at.pos + 1,
            end,
        }
    }

    /// Finds a member by its name as it stands in the text, with quotes.
    pub(crate) fn member(&self, at: At, key: &[u8]) -> Option<At> {
        if self.kind(at) != Kind::Object {
            return None;
        }
        self.children(at)
            .find(|child| child.key == key)
            .map(|child| child.at)
    }

    /// Finds a member by its name as a pointer says it, without quotes and escapes.
    pub(crate) fn member_named(&self, at: At, name: &str) -> Option<At> {
        if super::pointer::needs_escapes(name) {
            return self.member(at, super::pointer::quoted(name).as_bytes());
        }
        if self.kind(at) != Kind::Object {
            return None;
        }
        let name = name.as_bytes();
        self.children(at)
            .find(|child| matches!(child.key, [b'"', inner @ .., b'"'] if inner == name))
            .map(|child| child.at)
    }

    /// Finds an item of an array.
    pub(crate) fn item(&self, at: At, index: usize) -> Option<At> {
        if self.kind(at) != Kind::Array {
            return None;
        }
        self.children(at).nth(index).map(|child| child.at)
    }

    /// Copies a value out as a document of its own.
    pub(crate) fn extract(&self, at: At) -> Self {
        let mut nodes = self.subtree(at).to_vec();
        if let Some(root) = nodes.first_mut() {
            root.key = 0;
        }
        Self {
            text: self.value(at).to_vec(),
            nodes,
        }
    }
}

/// One member or item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child<'a> {
    /// The member name with quotes; empty for items.
    pub(crate) key: &'a [u8],
    pub(crate) at: At,
}

/// See [`Doc::children`].
#[derive(Clone, Debug)]
pub(crate) struct Children<'a> {
    doc: &'a Doc,
    node: usize,
    pos: usize,
    end: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = Child<'a>;

    #[inline]
    fn next(&mut self) -> Option<Child<'a>> {
        if self.node >= self.end {
            return None;
        }
        let node = self.doc.nodes.get(self.node)?;
        let key_len = node.key as usize;
        let key = self.doc.text.get(self.pos..self.pos + key_len)?;
        let pos = if key_len == 0 {
            self.pos
        } else {
            self.pos + key_len + 1
        };
        let at = At {
            node: self.node,
            pos,
        };
        self.node += node.skip as usize;
        self.pos = pos + node.len as usize + 1;
        Some(Child { key, at })
    }
}

/// Tells whether two values are equal as JSON up to the order of members.
///
/// Scalars are compared as text, which is stricter than JSON.
pub(crate) fn same(a: &Doc, at_a: At, b: &Doc, at_b: At) -> bool {
    if a.value(at_a) == b.value(at_b) {
        return true;
    }
    let kind = a.kind(at_a);
    if kind != b.kind(at_b) {
        return false;
    }
    match kind {
        Kind::String | Kind::Other => false,
        Kind::Array => {
            let (mut left, mut right) = (a.children(at_a), b.children(at_b));
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(x), Some(y)) if same(a, x.at, b, y.at) => {}
                    _ => return false,
                }
            }
        }
        Kind::Object => {
            if a.children(at_a).count() != b.children(at_b).count() {
                return false;
            }
            let mut expected = b.children(at_b);
            for x in a.children(at_a) {
                let found = match expected.clone().next() {
                    Some(y) if y.key == x.key => {
                        expected.next();
                        Some(y.at)
                    }
                    _ => b.member(at_b, x.key),
                };
                if !found.is_some_and(|at| same(a, x.at, b, at)) {
                    return false;
                }
            }
            true
        }
    }
}
