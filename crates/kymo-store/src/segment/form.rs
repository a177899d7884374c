//! Bodies of objects that are alike: a text with blanks, and what stands in them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kymo_model::{Event, Feed, ObjectKey};

use super::decode::parse;
use super::json::{At, Doc};
use super::kept::KeptRow;
use super::shadow::{Head, HeadRef, Parts, join};
use super::times::push_seconds;
use super::{Row, SegmentError};

/// The most blanks for texts that a form has.
pub const MOST_TEXTS: usize = 64;
/// The most blanks for times.
pub const MOST_TIMES: usize = 16;

/// How long a time is as text, without quotes.
const TIME_BYTES: usize = 20;

/// Stands in the place of blanks where two forms are compared; three digits follow.
const STAND_IN: &str = "9170326485";

/// A place in a form that differs between objects, or between versions of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blank {
    /// The text of this number among [`Texts`].
    Text(u8),
    /// The time of this number among those of a version.
    Time(u8),
}

/// Some text, and the blank behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: Box<str>,
    pub(super) blank: Option<Blank>,
}

/// The body of objects that differ only in some values, as a segment holds it: without what typed
/// columns hold.
#[derive(Debug)]
pub struct Form {
    id: u64,
    kind: String,
    api_version: String,
    has_namespace: bool,
    pieces: Vec<Piece>,
    /// Which texts and times it asks for, a bit for each.
    texts: u64,
    times: u16,
    /// How long it is without what stands in its blanks.
    fixed_bytes: usize,
}

impl Form {
    /// Makes a form of the JSON text of an object, in which every text of `marks` stands for a
    /// blank.
    ///
    /// `None` if it cannot be one: the names of members must not have blanks, an object needs its
    /// kind, `apiVersion`, name, uid and resourceVersion, and managedFields are not provided for.
    pub fn new(text: &str, marks: &[(String, Blank)]) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let parts = Parts::split(text.as_bytes(), None).ok()?;
        let head = parts.head;
        let is_whole = head.name.is_some() && head.uid.is_some() && head.rv.is_some();
        let is_known = marks.iter().all(|(mark, blank)| {
            !mark.is_empty()
                && match blank {
                    Blank::Text(number) => usize::from(*number) < MOST_TEXTS,
                    Blank::Time(number) => usize::from(*number) < MOST_TIMES,
                }
        });
        if !is_whole || !is_known || !parts.managed.text.is_empty() || text.contains(STAND_IN) {
            return None;
        }
        if has_blank_name(&parts.body, At::ROOT, marks) {
            return None;
        }
        let pieces = pieces_of(parts.body.as_str(), marks)?;
        let (mut texts, mut times) = (0, 0);
        for piece in &pieces {
            match piece.blank {
                Some(Blank::Text(number)) => texts |= 1u64 << number,
                Some(Blank::Time(number)) => times |= 1u16 << number,
                None => {}
            }
        }
        Some(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            kind: head.kind?,
            api_version: head.api_version?,
            has_namespace: head.namespace.is_some(),
            fixed_bytes: pieces.iter().map(|piece| piece.text.len()).sum(),
            pieces,
            texts,
            times,
        })
    }

    /// A number that no other form has.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn texts(&self) -> u64 {
        self.texts
    }

    pub(super) fn times(&self) -> u16 {
        self.times
    }

    fn blanks(&self) -> impl Iterator<Item = Blank> {
        self.pieces.iter().filter_map(|piece| piece.blank)
    }

    /// Writes the form with numbers in the place of what stands in its blanks, so that blanks of the
    /// same number are alike and others are not; returns where the blanks are.
    pub(super) fn stand_in(
        &self,
        number: impl Fn(Blank) -> usize,
    ) -> (String, Vec<(usize, usize, Blank)>) {
        let (mut text, mut places) = (String::new(), Vec::new());
        for piece in &self.pieces {
            text.push_str(&piece.text);
            if let Some(blank) = piece.blank {
                let start = text.len();
                // Writing to a string does not fail.
                write!(text, "{STAND_IN}{:03}", number(blank)).ok();
                places.push((start, text.len(), blank));
            }
        }
        (text, places)
    }
}

fn has_blank_name(doc: &Doc, at: At, marks: &[(String, Blank)]) -> bool {
    doc.children(at).any(|child| {
        let name = std::str::from_utf8(child.key).unwrap_or_default();
        marks.iter().any(|(mark, _)| name.contains(mark.as_str()))
            || has_blank_name(doc, child.at, marks)
    })
}

fn pieces_of(text: &str, marks: &[(String, Blank)]) -> Option<Vec<Piece>> {
    let mut found: Vec<(usize, usize, Blank)> = Vec::new();
    for (mark, blank) in marks {
        let places = text.match_indices(mark.as_str());
        found.extend(places.map(|(start, mark)| (start, start + mark.len(), *blank)));
    }
    found.sort_unstable_by_key(|(start, ..)| *start);
    let (mut pieces, mut from) = (Vec::new(), 0);
    for (start, end, blank) in found {
        // Marks that overlap are nobody's.
        let text = text.get(from..start)?.into();
        pieces.push(Piece {
            text,
            blank: Some(blank),
        });
        from = end;
    }
    pieces.push(Piece {
        text: text.get(from..)?.into(),
        blank: None,
    });
    Some(pieces)
}

/// The texts that stand in the blanks of an object's forms, as they stand in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Adds the next one.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    /// Returns the text of a number; empty if there is none.
    pub(super) fn get(&self, number: u8) -> &str {
        let at = |number: usize| self.ends.get(number).map_or(0, |end| *end as usize);
        let start = usize::from(number).checked_sub(1).map_or(0, at);
        let end = at(usize::from(number)).max(start);
        self.text.get(start..end).unwrap_or_default()
    }
}

/// A form that is filled in: a version of an object.
#[derive(Clone, Debug)]
pub struct Filled {
    /// The form.
    pub form: Arc<Form>,
    /// What stands in its blanks for texts.
    pub texts: Arc<Texts>,
    /// What stands in its blanks for times, in seconds since 1970.
    pub times: [i64; MOST_TIMES],
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// `metadata.creationTimestamp`, in seconds since 1970.
    pub created: Option<i64>,
    /// `metadata.deletionTimestamp`, in seconds since 1970.
    pub deleted: Option<i64>,
}

impl Filled {
    pub(super) fn time(&self, number: u8) -> i64 {
        self.times
            .get(usize::from(number))
            .copied()
            .unwrap_or_default()
    }

    /// How long what stands in a blank is.
    pub(super) fn bytes_in(&self, blank: Blank) -> usize {
        match blank {
            Blank::Text(number) => self.texts.get(number).len(),
            Blank::Time(_) => TIME_BYTES,
        }
    }

    /// Writes pieces; `None` if a time cannot be written.
    pub(super) fn write(&self, pieces: &[Piece], out: &mut String) -> Option<()> {
        for piece in pieces {
            out.push_str(&piece.text);
            match piece.blank {
                Some(Blank::Text(number)) => out.push_str(self.texts.get(number)),
                Some(Blank::Time(number)) => push_seconds(self.time(number), out)?,
                None => {}
            }
        }
        Some(())
    }

    /// How long the body is at least.
    pub(super) fn least_bytes(&self) -> usize {
        self.form.fixed_bytes
    }

    /// How long the body is without what typed columns hold.
    pub(super) fn bytes(&self) -> usize {
        let blanks = self.form.blanks().map(|blank| self.bytes_in(blank));
        self.form.fixed_bytes + blanks.sum::<usize>()
    }

    /// Writes the body less what typed columns hold; `None` if a time cannot be written.
    pub(super) fn body(&self) -> Option<String> {
        let mut out = String::with_capacity(self.bytes());
        self.write(&self.form.pieces, &mut out)?;
        Some(out)
    }

    /// Tells whether typed columns say what the body says.
    pub(super) fn is_of(&self, feed: &Feed, key: &ObjectKey) -> bool {
        let resource = &feed.resource;
        let api_version = &self.form.api_version;
        let is_version = match api_version.split_once('/') {
            Some((group, version)) => resource.group == group && resource.version == version,
            None => resource.group.is_empty() && resource.version == *api_version,
        };
        is_version
            && (resource.kind.is_empty() || resource.kind == self.form.kind)
            && self.form.has_namespace != key.namespace.is_empty()
    }

    /// Returns what typed columns hold.
    pub(super) fn told<'a>(&'a self, event: &'a Event) -> HeadRef<'a> {
        HeadRef {
            kind: Some(&self.form.kind),
            namespace: self
                .form
                .has_namespace
                .then_some(event.key.namespace.as_str()),
            name: Some(&event.key.name),
            uid: Some(&event.key.uid),
            rv: event.rv.as_ref().map(kymo_model::Rv::as_str),
            generation: self.generation,
            created: self.created,
            deleted: self.deleted,
        }
    }

    fn split(&self, number: u64) -> Result<Doc, SegmentError> {
        let body = self.body().ok_or(SegmentError::Row {
            row: number,
            what: "a time of its form is out of range",
        })?;
        parse(number, &body)
    }

    /// Takes the version in a row apart, without its head.
    pub(super) fn parts(&self, number: u64) -> Result<Parts, SegmentError> {
        Ok(Parts {
            body: self.split(number)?,
            ..Parts::default()
        })
    }

    /// Writes the whole body of an event.
    pub fn text(&self, event: &Event) -> Result<Arc<[u8]>, SegmentError> {
        self.numbered_text(0, event)
    }

    /// The same; `number` is that of the row, for errors.
    pub(super) fn numbered_text(
        &self,
        number: u64,
        event: &Event,
    ) -> Result<Arc<[u8]>, SegmentError> {
        let body = self.split(number)?;
        let own = |text: &str| Some(text.to_owned());
        let head = Head {
            kind: own(&self.form.kind),
            api_version: own(&self.form.api_version),
            name: own(&event.key.name),
            namespace: own(&event.key.namespace).filter(|_| self.form.has_namespace),
            uid: own(&event.key.uid),
            rv: event.rv.as_ref().map(|rv| rv.as_str().to_owned()),
            generation: self.generation,
            created: self.created,
            deleted: self.deleted,
        };
        let text = join(&head, &body, &Doc::default());
        text.map(Arc::from).ok_or(SegmentError::Row {
            row: number,
            what: "its form has no metadata",
        })
    }
}

/// An event whose body is a form.
#[derive(Clone, Debug)]
pub struct FilledRow {
    /// The event, without a body. It has a version, and its key is that of the object.
    pub row: Row,
    /// The body.
    pub filled: Filled,
}

/// A row for a new segment.
#[derive(Clone, Debug)]
pub enum NewRow {
    /// With its body as text, or as another segment holds it.
    Kept(KeptRow),
    /// With a form as its body.
    Filled(FilledRow),
}

impl NewRow {
    /// Returns the event; its body may lie elsewhere.
    pub fn row(&self) -> &Row {
        match self {
            Self::Kept(kept) => &kept.row,
            Self::Filled(filled) => &filled.row,
        }
    }
}

impl From<Row> for NewRow {
    fn from(row: Row) -> Self {
        Self::Kept(row.into())
    }
}

impl From<KeptRow> for NewRow {
    fn from(row: KeptRow) -> Self {
        Self::Kept(row)
    }
}

impl From<FilledRow> for NewRow {
    fn from(row: FilledRow) -> Self {
        Self::Filled(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"NAME","uid":"u","resourceVersion":"1"},"spec":{"a":"NAME.x","b":"TIME"}}"#;

    fn marks() -> Vec<(String, Blank)> {
        vec![
            ("NAME".to_owned(), Blank::Text(1)),
            ("TIME".to_owned(), Blank::Time(3)),
        ]
    }

    #[test]
    fn a_form_is_filled_in_with_texts_and_times() {
        let form = Form::new(POD, &marks()).unwrap();
        let mut texts = Texts::default();
        for text in ["", "web", "other"] {
            texts.push(text);
        }
        let mut times = [0; MOST_TIMES];
        times[3] = 86_400;
        let filled = Filled {
            form: Arc::new(form),
            texts: Arc::new(texts),
            times,
            generation: None,
            created: None,
            deleted: None,
        };
        assert_eq!(
            filled.body().unwrap(),
            r#"{"metadata":{},"spec":{"a":"web.x","b":"1970-01-02T00:00:00Z"}}"#
        );
    }

    #[test]
    fn what_cannot_be_a_form_is_none() {
        let is_form = |text: &str| Form::new(text, &marks()).is_some();
        assert!(is_form(POD));
        assert!(!is_form(&POD.replace("\"a\"", "\"NAME\"")), "a blank name");
        assert!(!is_form(&POD.replace("\"uid\":\"u\",", "")), "no uid");
        assert!(!is_form(&POD.replace("NAME.x", STAND_IN)), "a stand-in");
        assert!(!is_form("{"), "no JSON");
        let managed = POD.replace("\"uid\"", "\"managedFields\":[],\"uid\"");
        assert!(!is_form(&managed), "managedFields");
        let overlapping = [
            ("NAME".to_owned(), Blank::Text(0)),
            ("AM".to_owned(), Blank::Text(1)),
        ];
        assert!(Form::new(POD, &overlapping).is_none());
        assert!(Form::new(POD, &[("x".to_owned(), Blank::Text(64))]).is_none());
    }
}
