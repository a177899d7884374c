//! What leads from one filled form to another: found once for all objects that are alike.

use std::collections::HashMap;
use std::sync::Arc;

use kymo_model::FeedId;

use super::chain::patch;
use super::form::{Blank, Filled, Form, MOST_TIMES, Piece};
use super::json::{At, Doc, Edit, Parser, diff, same};
use super::stored::{Op, OpValue};
use super::times::{push_seconds, read_seconds};

/// More are not remembered.
const MOST_STEPS: usize = 4096;

/// Two forms, and which of the blanks of both hold the same.
///
/// What tells values of JSON apart is only whether they are equal. So the patch between two versions
/// is the same, but for the values in it, for all that have these forms and these equal blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    feed: FeedId,
    from: u64,
    to: u64,
    /// A bit for each text that is the same in both.
    texts: u64,
    /// For each time of the first and then of the second the place of the first that is equal.
    times: [u8; MOST_TIMES * 2],
}

impl Pair {
    fn of(feed: FeedId, from: &Filled, to: &Filled) -> Self {
        let both = from.form.texts() & to.form.texts();
        let texts = if Arc::ptr_eq(&from.texts, &to.texts) {
            both
        } else {
            let is_same = |number: &u8| from.texts.get(*number) == to.texts.get(*number);
            bits(both)
                .filter(is_same)
                .fold(0, |texts, number| texts | 1 << number)
        };
        let mut times = [u8::MAX; MOST_TIMES * 2];
        let mask = |filled: &Filled| bits(u64::from(filled.form.times()));
        let first = mask(from).map(|number| (number, from.time(number)));
        let second = mask(to).map(|number| (number + MOST_TIMES as u8, to.time(number)));
        let mut seen = [(0u8, 0i64); MOST_TIMES * 2];
        let mut count = 0;
        for (place, time) in first.chain(second) {
            let known = seen.get(..count).unwrap_or_default();
            let first = known.iter().find(|(_, other)| *other == time);
            let first = first.map(|(first, _)| *first);
            if first.is_none()
                && let Some(slot) = seen.get_mut(count)
            {
                *slot = (place, time);
                count += 1;
            }
            if let Some(slot) = times.get_mut(usize::from(place)) {
                *slot = first.unwrap_or(place);
            }
        }
        Self {
            feed,
            from: from.form.id(),
            to: to.form.id(),
            texts,
            times,
        }
    }

    /// A number for what stands in a blank, the same for blanks that hold the same.
    fn number(&self, blank: Blank, is_second: bool) -> usize {
        match blank {
            Blank::Text(number) => {
                let is_same = self.texts >> number & 1 == 1;
                usize::from(number) + if is_second && !is_same { 64 } else { 0 }
            }
            Blank::Time(number) => {
                let place = usize::from(number) + if is_second { MOST_TIMES } else { 0 };
                128 + self.times.get(place).map_or(0, |first| usize::from(*first))
            }
        }
    }
}

fn bits(mut mask: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let number = mask.trailing_zeros() as u8;
            mask &= mask - 1;
            number
        })
    })
}

/// The patch between two forms.
#[derive(Debug)]
pub(super) struct Steps {
    all: Vec<Step>,
    /// How long the values and what else counts are, without what stands in blanks.
    fixed_bytes: usize,
    /// The blanks in the values.
    blanks: Vec<Blank>,
}

#[derive(Debug)]
struct Step {
    edit: Edit,
    path: String,
    value: Value,
}

#[derive(Debug)]
enum Value {
    None,
    /// JSON that is always the same.
    Fixed(Box<str>),
    /// A time that is always the same, in seconds since 1970.
    Moment(i64, Box<str>),
    /// The time of this number.
    Time(u8),
    Pieces(Vec<Piece>),
}

/// The values of a patch that are made for a row, one after the other.
#[derive(Debug, Default)]
pub(super) struct Made {
    text: String,
    ends: Vec<u32>,
}

impl Steps {
    /// Compares the forms. `None` if a patch would not lead from one to the other.
    fn find(pair: &Pair, from: &Form, to: &Form) -> Option<Self> {
        let doc = |text: &str| Parser::document(text.as_bytes(), None).ok();
        let (old, _) = from.stand_in(|blank| pair.number(blank, false));
        let (new, places) = to.stand_in(|blank| pair.number(blank, true));
        let (old, new) = (doc(&old)?, doc(&new)?);
        let mut changes = Vec::new();
        diff(&old, &new, "", &mut changes);
        let mut ops = Vec::with_capacity(changes.len());
        let mut found = Self {
            all: Vec::with_capacity(changes.len()),
            fixed_bytes: 0,
            blanks: Vec::new(),
        };
        for change in &changes {
            found.fixed_bytes += 8;
            let (mut value, mut told) = (Value::None, OpValue::None);
            if change.edit != Edit::Remove {
                told = OpValue::Json(std::str::from_utf8(new.value(change.value)).ok()?);
                value = found.value(&new, change.value, &places)?;
            }
            ops.push(Op {
                edit: change.edit,
                path: &change.path,
                value: told,
            });
            found.all.push(Step {
                edit: change.edit,
                path: change.path.clone(),
                value,
            });
        }
        let mut back = old;
        patch(0, 0, &mut back, "", &ops).ok()?;
        same(&back, At::ROOT, &new, At::ROOT).then_some(found)
    }

    fn value(&mut self, doc: &Doc, at: At, places: &[(usize, usize, Blank)]) -> Option<Value> {
        let (mut from, end) = (at.pos, at.pos + doc.value(at).len());
        let within = |(start, stop, _): &&(usize, usize, Blank)| *start >= from && *stop <= end;
        let text = doc.as_str();
        let mut pieces = Vec::new();
        for (start, stop, blank) in places.iter().filter(within).collect::<Vec<_>>() {
            pieces.push(Piece {
                text: text.get(from..*start)?.into(),
                blank: Some(*blank),
            });
            self.blanks.push(*blank);
            from = *stop;
        }
        let rest: Box<str> = text.get(from..end)?.into();
        self.fixed_bytes += rest.len();
        self.fixed_bytes += pieces.iter().map(|piece| piece.text.len()).sum::<usize>();
        Some(match (pieces.as_slice(), rest.as_bytes()) {
            ([], [b'"', inner @ .., b'"']) => match read_seconds(inner) {
                Some(time) => Value::Moment(time, rest),
                None => Value::Fixed(rest),
            },
            ([], _) => Value::Fixed(rest),
            (
                [
                    Piece {
                        text,
                        blank: Some(Blank::Time(number)),
                    },
                ],
                b"\"",
            ) if **text == *"\"" => Value::Time(*number),
            _ => {
                pieces.push(Piece {
                    text: rest,
                    blank: None,
                });
                Value::Pieces(pieces)
            }
        })
    }

    /// How much the patch is, in bytes, as a measure against the whole.
    pub(super) fn cost(&self, to: &Filled) -> usize {
        let blanks = self.blanks.iter().map(|blank| to.bytes_in(*blank));
        self.fixed_bytes + blanks.sum::<usize>()
    }

    /// Makes the values for a version; `None` if a time cannot be written.
    pub(super) fn make(&self, to: &Filled, ages: Option<i64>) -> Option<Made> {
        let mut made = Made::default();
        for step in &self.all {
            match &step.value {
                Value::Pieces(pieces) => to.write(pieces, &mut made.text)?,
                Value::Time(number) if age(ages, to.time(*number)).is_none() => {
                    made.text.push('"');
                    push_seconds(to.time(*number), &mut made.text)?;
                    made.text.push('"');
                }
                _ => continue,
            }
            made.ends.push(made.text.len() as u32);
        }
        Some(made)
    }

    /// Returns the patch to a version, of a row in the second `ages` if times are kept as ages.
    pub(super) fn ops<'a>(&'a self, made: &'a Made, to: &Filled, ages: Option<i64>) -> Vec<Op<'a>> {
        let (mut ends, mut from) = (made.ends.iter(), 0);
        let mut next = || {
            let end = ends.next().map_or(from, |end| *end as usize);
            let text = made.text.get(from..end).unwrap_or_default();
            from = end;
            match text.as_bytes() {
                [b'"', inner @ .., b'"'] => match read_seconds(inner) {
                    Some(time) => age(ages, time).map_or(OpValue::Json(text), OpValue::Age),
                    None => OpValue::Json(text),
                },
                _ => OpValue::Json(text),
            }
        };
        let op = |step: &'a Step| Op {
            edit: step.edit,
            path: &step.path,
            value: match &step.value {
                Value::None => OpValue::None,
                Value::Fixed(text) => OpValue::Json(text),
                Value::Moment(time, text) => {
                    age(ages, *time).map_or(OpValue::Json(text), OpValue::Age)
                }
                Value::Time(number) => match age(ages, to.time(*number)) {
                    Some(age) => OpValue::Age(age),
                    None => next(),
                },
                Value::Pieces(_) => next(),
            },
        };
        self.all.iter().map(op).collect()
    }
}

/// How long before the second of a row a time is.
fn age(second: Option<i64>, time: i64) -> Option<i32> {
    i32::try_from(second?.checked_sub(time)?).ok()
}

/// The patches that were found so far.
#[derive(Debug, Default)]
pub(super) struct KnownSteps {
    known: HashMap<Pair, Option<Arc<Steps>>>,
}

impl KnownSteps {
    /// Returns what leads from one version to another; `None` if that must be found without forms.
    pub(super) fn between(
        &mut self,
        feed: FeedId,
        from: &Filled,
        to: &Filled,
    ) -> Option<Arc<Steps>> {
        let pair = Pair::of(feed, from, to);
        if let Some(known) = self.known.get(&pair) {
            return known.clone();
        }
        if self.known.len() >= MOST_STEPS {
            self.known.clear();
        }
        let found = Steps::find(&pair, &from.form, &to.form).map(Arc::new);
        self.known.insert(pair, found.clone());
        found
    }
}
