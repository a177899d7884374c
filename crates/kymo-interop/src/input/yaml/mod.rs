//! Reads YAML as the tools of Kubernetes write it.

mod scalar;

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

/// Nesting deeper than this is refused; the API server refuses it too.
const MAX_DEPTH: usize = 250;
/// What a value takes in memory besides its text, about.
const VALUE_BYTES: usize = 32;

/// Why a document is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The line, from 0.
    pub(super) line: u64,
    /// What is wrong.
    pub(super) reason: String,
}

impl Broken {
    fn at(span: &Span, reason: impl Into<String>) -> Self {
        Self {
            line: span.start.line().saturating_sub(1) as u64,
            reason: reason.into(),
        }
    }
}

impl From<ScanError> for Broken {
    fn from(error: ScanError) -> Self {
        Self {
            line: error.marker().line().saturating_sub(1) as u64,
            reason: format!("not YAML: {}", error.info()),
        }
    }
}

/// What a text holds.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    /// The value; null if there is none.
    pub(super) value: Value,
    /// How many members of mappings were left out because another of that name came later.
    pub(super) replaced: u64,
}

/// Reads one document.
///
/// Scalars mean what they mean to Kubernetes (see [`scalar`]), the last of two equal keys holds, `<<`
/// merges. Aliases are followed as long as what they stand for is not longer than `limit` bytes.
/// What strikes out parts of files writes `***HIDDEN***` where a value was, which YAML takes for
/// an alias: that is read as a text.
pub(super) fn parse(text: &[u8], limit: usize) -> Result<Read, Broken> {
    let text = std::str::from_utf8(text).map_err(|error| Broken {
        line: memchr::memchr_iter(b'\n', text.get(..error.valid_up_to()).unwrap_or_default())
            .count() as u64,
        reason: format!("not UTF-8: {error}"),
    })?;
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        limit,
        ..Builder::default()
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event?;
        builder.take(event, &span)?;
    }
    Ok(Read {
        value: builder.root.unwrap_or_default(),
        replaced: builder.replaced,
    })
}

/// A value that was anchored, and about how much memory it takes.
struct Anchored {
    value: Value,
    size: usize,
}

enum Open {
    Sequence {
        items: Vec<Value>,
    },
    Mapping {
        members: Map<String, Value>,
        key: Option<Key>,
        /// What `<<` names; what stands beside it wins.
        merged: Vec<Map<String, Value>>,
    },
}

enum Key {
    Name(String),
    Merge,
}

/// An open collection, its anchor, and about how much memory it takes so far.
struct Frame {
    open: Open,
    anchor: usize,
    size: usize,
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    /// How much was copied for anchors and aliases, and how much may be.
    copied: usize,
    limit: usize,
    replaced: u64,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Broken::at(span, "a second document"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text, style, anchor, tag.as_deref(), span)
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(name) if name.starts_with('*') => {
                let text = format!("*{name}");
                self.scalar(text.into(), ScalarStyle::SingleQuoted, 0, None, span)
            }
            Event::UnresolvedAlias(name) => {
                let reason = format!("not YAML: an alias of nothing: `*{name}`");
                Err(Broken::at(span, reason))
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(Open::Sequence { items: Vec::new() }, anchor, span)
            }
            Event::MappingStart(_, anchor, _) => {
                let open = Open::Mapping {
                    members: Map::new(),
                    key: None,
                    merged: Vec::new(),
                };
                self.open(open, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            _ => Ok(()),
        }
    }

    fn is_key_next(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame {
                open: Open::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<(), Broken> {
        let is_plain = style == ScalarStyle::Plain;
        if is_plain && text == "<<" && tag.is_none() && self.is_key_next() {
            if let Some(Open::Mapping { key, .. }) = self.last() {
                *key = Some(Key::Merge);
            }
            return Ok(());
        }
        let is_text = match tag {
            Some(tag) => tag.suffix() == "str" || tag.suffix() == "binary" || !is_plain,
            None => !is_plain,
        };
        let size = text.len() + VALUE_BYTES;
        let value = if is_text {
            Value::String(text.into_owned())
        } else {
            scalar::resolve(&text)
        };
        self.value(value, size, anchor, span)
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<(), Broken> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Broken::at(span, "an alias inside of what it names"));
        };
        let (value, size) = (anchored.value.clone(), anchored.size);
        self.count_copy(size, span)?;
        self.value(value, size, 0, span)
    }

    fn count_copy(&mut self, size: usize, span: &Span) -> Result<(), Broken> {
        self.copied += size;
        if self.copied > self.limit {
            let reason = format!("aliases that stand for more than {} bytes", self.limit);
            return Err(Broken::at(span, reason));
        }
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize, span: &Span) -> Result<(), Broken> {
        if self.is_key_next() {
            return Err(Broken::at(span, "a key that is not a scalar"));
        }
        if self.frames.len() >= MAX_DEPTH {
            let reason = format!("nested deeper than {MAX_DEPTH}");
            return Err(Broken::at(span, reason));
        }
        self.frames.push(Frame {
            open,
            anchor,
            size: VALUE_BYTES,
        });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), Broken> {
        let Some(Frame { open, anchor, size }) = self.frames.pop() else {
            return Ok(());
        };
        let value = match open {
            Open::Sequence { items } => Value::Array(items),
            Open::Mapping {
                mut members,
                merged,
                ..
            } => {
                for (name, value) in merged.into_iter().flatten() {
                    members.entry(name).or_insert(value);
                }
                Value::Object(members)
            }
        };
        self.value(value, size, anchor, span)
    }

    fn last(&mut self) -> Option<&mut Open> {
        self.frames.last_mut().map(|frame| &mut frame.open)
    }

    /// Puts a complete value where it belongs.
    fn value(
        &mut self,
        value: Value,
        size: usize,
        anchor: usize,
        span: &Span,
    ) -> Result<(), Broken> {
        if anchor != 0 {
            self.count_copy(size, span)?;
            let value = value.clone();
            self.anchors.insert(anchor, Anchored { value, size });
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.size += size;
        }
        match self.last() {
            None => self.root = Some(value),
            Some(Open::Sequence { items }) => items.push(value),
            Some(Open::Mapping {
                members,
                key,
                merged,
            }) => match key.take() {
                None => *key = Some(Key::Name(name(value, span)?)),
                Some(Key::Merge) => merge(merged, value, span)?,
                Some(Key::Name(name)) => {
                    let replaced = members.insert(name, value);
                    self.replaced += u64::from(replaced.is_some());
                }
            },
        }
        Ok(())
    }
}

/// Returns the name of a member: JSON has no others than texts.
fn name(value: Value, span: &Span) -> Result<String, Broken> {
    match value {
        Value::String(name) => Ok(name),
        Value::Array(_) | Value::Object(_) => Err(Broken::at(span, "a key that is not a scalar")),
        scalar => Ok(scalar.to_string()),
    }
}

fn merge(merged: &mut Vec<Map<String, Value>>, value: Value, span: &Span) -> Result<(), Broken> {
    match value {
        Value::Object(members) => merged.push(members),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            for item in items {
                merge(merged, item, span)?;
            }
        }
        _ => return Err(Broken::at(span, "`<<` with something that is no mapping")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, Broken> {
        parse(text.as_bytes(), 100_000).map(|read| read.value)
    }

    #[test]
    fn documents_become_json_in_their_order() {
        let text = "kind: Pod\nmetadata:\n  name: a\n  labels: {true: 'yes', \"1\": \"1\"}\n\
                    text: |\n  {\n    x\nfolded: >-\n  a\n  b\nnone:\nlist:\n- 1\n- [a, 2.5]\n\
                    2: two\n!!str true: !!str 12\nbytes: !!binary aGk=\n";
        let value = read(text).unwrap();
        assert_eq!(
            value,
            json!({
                "kind": "Pod", "metadata": {"name": "a", "labels": {"true": "yes", "1": "1"}},
                "text": "{\n  x\n", "folded": "a b", "none": null, "list": [1, ["a", 2.5]],
                "2": "two", "true": "12", "bytes": "aGk=",
            })
        );
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys[..3], ["kind", "metadata", "text"]);
        assert_eq!(read("").unwrap(), Value::Null);
    }

    #[test]
    fn the_last_of_two_equal_keys_holds_and_is_counted() {
        let read = parse(b"z: 1\na: 2\nz: 3\n", 1000).unwrap();
        assert_eq!(
            (read.value.to_string().as_str(), read.replaced),
            (r#"{"z":3,"a":2}"#, 1)
        );
    }

    #[test]
    fn aliases_and_merges_are_resolved() {
        let text = "base: &b {a: 1, b: 2}\none: *b\ntwo:\n  b: 3\n  <<: *b\n\
                    three:\n  <<: [*b, {c: 4}]\n";
        assert_eq!(
            read(text).unwrap(),
            json!({
                "base": {"a": 1, "b": 2}, "one": {"a": 1, "b": 2},
                "two": {"b": 3, "a": 1}, "three": {"a": 1, "b": 2, "c": 4},
            })
        );
    }

    #[test]
    fn what_struck_out_parts_of_a_file_left_there_is_read() {
        let text = "ip: ***HIDDEN***\nlist:\n- ***HIDDEN***\nf:***HIDDEN***: 1\n";
        assert_eq!(
            read(text).unwrap(),
            json!({"ip": "***HIDDEN***", "list": ["***HIDDEN***"], "f:***HIDDEN***": 1})
        );
    }

    #[test]
    fn an_alias_bomb_is_not_followed() {
        let levels = (1..12).map(|level| {
            let below = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{below}]\n")
        });
        let nested =
            "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned() + &levels.collect::<String>();
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(50_000),
            "*a, ".repeat(10_000)
        );
        for bomb in [nested, long] {
            let broken = read(&bomb).unwrap_err();
            assert!(
                broken.reason.contains("more than 100000 bytes"),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read(&"[".repeat(100_000)).is_err());
        let deep: String = (0..2000).map(|depth| " ".repeat(depth) + "a:\n").collect();
        assert!(read(&deep).is_err());
        let fine = format!("k: {}1{}", "[".repeat(100), "]".repeat(100));
        assert!(read(&fine).is_ok());
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        for (text, line, reason) in [
            ("a: 1\nb: [\n", 1, "not YAML"),
            ("a: 1\n? [b]\n: c\n", 1, "a key that is not a scalar"),
            ("a: &x [*x]\n", 0, "an alias inside of what it names"),
            ("a: 1\nb: *nowhere\n", 1, "an alias of nothing: `*nowhere`"),
            ("a: 1\nb: c: d\n", 1, "not YAML"),
            ("<<: 1\n", 0, "`<<` with something"),
            ("a\n---\nb\n", 1, "a second document"),
        ] {
            let broken = read(text).unwrap_err();
            assert!(broken.reason.contains(reason), "{text:?}: {broken:?}");
            assert_eq!(broken.line, line, "{text:?}: {broken:?}");
        }
        let broken = parse(b"a: 1\nb: \xff\n", 100).unwrap_err();
        assert_eq!(broken.line, 1, "{broken:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c:{}\\[\\]*&!|>\"'\\- \n\t<#]{0,80}") {
            let read = read(&text);
            proptest::prop_assert!(read.is_ok() || read.is_err_and(|broken| !broken.reason.is_empty()));
        }
    }
}
