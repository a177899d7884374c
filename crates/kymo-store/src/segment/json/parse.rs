use std::collections::HashSet;

use super::doc::{At, Children, Doc, Node};
use super::pointer::quoted;

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 100;
/// Objects with more members than this are checked for repeated names with a hash set.
const FEW_MEMBERS: usize = 16;

/// The text cannot be kept as a document; it is kept as it is instead.
///
/// It is not JSON, nests too deep, names a member twice, or is larger than 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

/// Reads JSON text into a [`Doc`], copying what is the same in an older one.
#[derive(Debug)]
pub(crate) struct Parser<'a> {
    input: &'a [u8],
    pos: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Result<Self, Rejected> {
        if input.len() > 1 << 30 || std::str::from_utf8(input).is_err() {
            return Err(Rejected);
        }
        Ok(Self { input, pos: 0 })
    }

    /// Reads one whole text.
    pub(crate) fn document(input: &'a [u8], hint: Option<&Doc>) -> Result<Doc, Rejected> {
        let mut parser = Self::new(input)?;
        let mut doc = Doc::default();
        parser.value(&mut doc, 0, hint.map(|doc| (doc, At::ROOT)), 0)?;
        parser.end()?;
        Ok(doc)
    }

    /// Checks that a text is one string, number or word with nothing around it.
    pub(crate) fn scalar(input: &'a [u8]) -> Result<(), Rejected> {
        let mut parser = Self::new(input)?;
        let token = match input.first() {
            Some(b'"') => parser.string()?,
            _ => parser.literal()?,
        };
        if token.len() == input.len() {
            Ok(())
        } else {
            Err(Rejected)
        }
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), Rejected> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Rejected),
        }
    }

    /// Returns the next byte that is not white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.input.get(self.pos) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.pos += 1;
        }
        None
    }

    /// Takes the byte if it is next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Rejected> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Rejected)
        }
    }

    /// Reads a string and returns its text with quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Rejected> {
        if self.peek() != Some(b'"') {
            return Err(Rejected);
        }
        let start = self.pos;
        let mut pos = start + 1;
        let mut escaped = false;
        while let Some(&byte) = self.input.get(pos) {
            pos += 1;
            if !STOPS[byte as usize] {
                continue;
            }
            match byte {
                b'"' => {
                    self.pos = pos;
                    let token = self.input.get(start..pos).ok_or(Rejected)?;
                    if escaped && serde_json::from_slice::<String>(token).is_err() {
                        return Err(Rejected);
                    }
                    return Ok(token);
                }
                b'\\' => {
                    escaped = true;
                    pos += 1;
                }
                _ => return Err(Rejected),
            }
        }
        Err(Rejected)
    }

    /// Reads a member name and the colon; returns the name as documents hold it.
    pub(crate) fn key(&mut self) -> Result<std::borrow::Cow<'a, [u8]>, Rejected> {
        let token = self.string()?;
        self.expect(b':')?;
        if token.contains(&b'\\') {
            let name: String = serde_json::from_slice(token).map_err(|_| Rejected)?;
            return Ok(quoted(&name).into_bytes().into());
        }
        Ok(token.into())
    }

    /// Reads a string without escapes if one is next and `read` takes it; otherwise stays.
    pub(crate) fn plain_string<T>(&mut self, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        self.peek();
        let start = self.pos;
        let found = match self.string() {
            Ok([b'"', inner @ .., b'"']) if !inner.contains(&b'\\') => read(inner),
            _ => None,
        };
        if found.is_none() {
            self.pos = start;
        }
        found
    }

    /// Reads an integer if one is next in the form in which it would be written; otherwise stays.
    pub(crate) fn plain_integer(&mut self) -> Option<i64> {
        self.peek();
        let start = self.pos;
        let found = self.literal().ok().and_then(|token| {
            let text = std::str::from_utf8(token).ok()?;
            let number: i64 = text.parse().ok()?;
            (number.to_string() == text).then_some(number)
        });
        if found.is_none() {
            self.pos = start;
        }
        found
    }

    /// Reads one value and appends it to `out`; `key_len` is the length of its name before it.
    pub(crate) fn value(
        &mut self,
        out: &mut Doc,
        key_len: usize,
        hint: Option<(&Doc, At)>,
        depth: usize,
    ) -> Result<(), Rejected> {
        let first = self.peek().ok_or(Rejected)?;
        if let Some((old, at)) = hint
            && self.copy(out, key_len, old, at)
        {
            return Ok(());
        }
        let index = out.nodes.len();
        let start = out.text.len();
        out.nodes.push(Node {
            len: 0,
            skip: 1,
            key: key_len as u32,
        });
        match first {
            b'{' => self.object(out, hint, depth)?,
            b'[' => self.array(out, hint, depth)?,
            b'"' => {
                let token = self.string()?;
                out.text.extend_from_slice(token);
            }
            _ => {
                let token = self.literal()?;
                out.text.extend_from_slice(token);
            }
        }
        let skip = out.nodes.len() - index;
        let len = out.text.len() - start;
        let node = out.nodes.get_mut(index).ok_or(Rejected)?;
        node.len = u32::try_from(len).map_err(|_| Rejected)?;
        node.skip = skip as u32;
        Ok(())
    }

    /// Copies a value of an older document if the text that follows is the same.
    #[inline]
    fn copy(&mut self, out: &mut Doc, key_len: usize, old: &Doc, at: At) -> bool {
        let text = old.value(at);
        let Some(rest) = self.input.get(self.pos..) else {
            return false;
        };
        if text.is_empty() || !rest.starts_with(text) {
            return false;
        }
        // A number or word may go on; brackets and quotes end themselves.
        if !matches!(text.first(), Some(b'{' | b'[' | b'"'))
            && rest
                .get(text.len())
                .is_some_and(|next| !matches!(next, b',' | b'}' | b']'))
        {
            return false;
        }
        let index = out.nodes.len();
        out.text.extend_from_slice(text);
        out.nodes.extend_from_slice(old.subtree(at));
        if let Some(node) = out.nodes.get_mut(index) {
            node.key = key_len as u32;
        }
        self.pos += text.len();
        true
    }

    fn object(
        &mut self,
        out: &mut Doc,
        hint: Option<(&Doc, At)>,
        depth: usize,
    ) -> Result<(), Rejected> {
        if depth >= MAX_DEPTH {
            return Err(Rejected);
        }
        let (index, start) = (out.nodes.len() - 1, out.text.len());
        self.expect(b'{')?;
        out.text.push(b'{');
        if self.take(b'}') {
            out.text.push(b'}');
            return Ok(());
        }
        let mut members = HintedMembers::new(hint);
        let mut count = 0usize;
        loop {
            let key = self.key()?;
            let hint = members.next(&key);
            out.text.extend_from_slice(&key);
            out.text.push(b':');
            self.value(out, key.len(), hint, depth + 1)?;
            count += 1;
            if !self.take(b',') {
                break;
            }
            out.text.push(b',');
        }
        self.expect(b'}')?;
        out.text.push(b'}');
        if !members.in_order
            && has_repeated_name(
                out,
                At {
                    node: index,
                    pos: start,
                },
                count,
            )
        {
            return Err(Rejected);
        }
        Ok(())
    }

    fn array(
        &mut self,
        out: &mut Doc,
        hint: Option<(&Doc, At)>,
        depth: usize,
    ) -> Result<(), Rejected> {
        if depth >= MAX_DEPTH {
            return Err(Rejected);
        }
        self.expect(b'[')?;
        out.text.push(b'[');
        if self.take(b']') {
            out.text.push(b']');
            return Ok(());
        }
        let mut items = hint
            .filter(|(old, at)| old.kind(*at) == super::Kind::Array)
            .map(|(old, at)| (old, old.children(at)));
        loop {
            let hint = items
                .as_mut()
                .and_then(|(old, items)| Some((*old, items.next()?.at)));
            self.value(out, 0, hint, depth + 1)?;
            if !self.take(b',') {
                break;
            }
            out.text.push(b',');
        }
        self.expect(b']')?;
        out.text.push(b']');
        Ok(())
    }

    fn literal(&mut self) -> Result<&'a [u8], Rejected> {
        let rest = self.input.get(self.pos..).unwrap_or_default();
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
            .count();
        let token = rest.get(..length).unwrap_or_default();
        if !(matches!(token, b"true" | b"false" | b"null") || is_number(token)) {
            return Err(Rejected);
        }
        self.pos += length;
        Ok(token)
    }
}

/// Bytes at which the scan of a string stops: quote, backslash, control characters.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        stops[byte] = true;
        byte += 1;
    }
    stops[b'"' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

/// Checks the grammar of RFC 8259.
fn is_number(token: &[u8]) -> bool {
    let digits = |bytes: &mut &[u8]| {
        let length = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        *bytes = bytes.get(length..).unwrap_or_default();
        length
    };
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let leading_zero = rest.first() == Some(&b'0');
    let length = digits(&mut rest);
    if length == 0 || (leading_zero && length > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction;
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        rest = exponent
            .strip_prefix(b"+")
            .or_else(|| exponent.strip_prefix(b"-"))
            .unwrap_or(exponent);
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    rest.is_empty()
}

pub(crate) fn has_repeated_name(doc: &Doc, at: At, count: usize) -> bool {
    // The node's length is not set yet, so walk the finished children by hand.
    let end = doc.nodes.len();
    let mut names: Vec<&[u8]> = Vec::with_capacity(count.min(FEW_MEMBERS));
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let (mut node, mut pos) = (at.node + 1, at.pos + 1);
    while node < end {
        let Some(entry) = doc.nodes.get(node) else {
            return true;
        };
        let key_len = entry.key as usize;
        let name = doc.text.get(pos..pos + key_len).unwrap_or_default();
        if count <= FEW_MEMBERS {
            if names.contains(&name) {
                return true;
            }
            names.push(name);
        } else if !seen.insert(name) {
            return true;
        }
        pos += key_len + 1 + entry.len as usize + 1;
        node += entry.skip as usize;
    }
    false
}

/// The members of an older object, offered in their order.
pub(crate) struct HintedMembers<'h> {
    old: Option<(&'h Doc, At, Children<'h>)>,
    /// Whether every name so far came in the older object's order, hence none twice.
    pub(crate) in_order: bool,
}

impl<'h> HintedMembers<'h> {
    pub(crate) fn new(hint: Option<(&'h Doc, At)>) -> Self {
        let old = hint
            .filter(|(old, at)| old.kind(*at) == super::Kind::Object)
            .map(|(old, at)| (old, at, old.children(at)));
        Self {
            in_order: old.is_some(),
            old,
        }
    }

    #[inline]
    pub(crate) fn next(&mut self, key: &[u8]) -> Option<(&'h Doc, At)> {
        let (old, at, cursor) = self.old.as_mut()?;
        let mut ahead = cursor.clone();
        if let Some(child) = ahead.next()
            && child.key == key
        {
            *cursor = ahead;
            return Some((old, child.at));
        }
        // Members left out keep the order; anything else ends the claim.
        if let Some(child) = ahead.find(|child| child.key == key) {
            *cursor = ahead;
            return Some((old, child.at));
        }
        self.in_order = false;
        old.member(*at, key).map(|at| (*old, at))
    }
}
