//! `SCALE`: of what, and to how many.

use datafusion::sql::sqlparser::tokenizer::{Token, Word};
use kymo_query::nearest;

use super::cursor::Cursor;
use super::value;
use crate::language::forms::KINDS;
use crate::language::{Amount, LanguageError, Place, Scale, Seats, Workload};

/// What else can be scaled.
const OTHERS: [&str; 3] = ["namespace", "nodes", "everything"];

pub(super) fn read(cursor: &mut Cursor) -> Result<Scale, LanguageError> {
    if cursor.takes("NAMESPACE") {
        let name = cursor.text("the name of a namespace in quotes")?;
        value::check_name(&name.value, "a namespace", name.place)?;
        let amount = amount(
            cursor,
            "delete a namespace with `DELETE FROM OBJECTS WHERE …`",
        )?;
        return Ok(Scale::Namespace {
            name: name.value,
            place: name.place,
            amount,
        });
    }
    if cursor.takes("NODES") {
        let amount = amount(
            cursor,
            "pods need nodes; delete some with `DELETE FROM OBJECTS`",
        )?;
        let condition = cursor.condition()?;
        return Ok(Scale::Nodes { amount, condition });
    }
    if cursor.takes("EVERYTHING") {
        cursor.word("BY")?;
        let amount = Amount::By(value::factor(cursor)?);
        return Ok(Scale::Everything { amount });
    }
    let kind = read_kind(cursor, "scale", &OTHERS)?;
    let workload = workload(cursor, kind)?;
    let amount = if cursor.takes("TO") {
        let (count, _) = value::count(cursor)?;
        cursor.word("REPLICAS")?;
        Amount::To(count)
    } else {
        cursor.word("BY")?;
        Amount::By(value::factor(cursor)?)
    };
    let ramp = if cursor.takes("RAMP") {
        Some(value::length(cursor, 0)?)
    } else {
        None
    };
    let placement = if cursor.takes("PLACEMENT") {
        Some(placement(cursor)?)
    } else {
        None
    };
    Ok(Scale::Workload {
        workload,
        amount,
        ramp,
        placement,
    })
}

fn placement(cursor: &mut Cursor) -> Result<Seats, LanguageError> {
    if cursor.takes("SPREAD") {
        return Ok(Seats::Spread);
    }
    cursor.word("BINPACK")?;
    Ok(Seats::Binpack)
}

/// Reads to how many there shall be copies, which is at least one.
fn amount(cursor: &mut Cursor, instead_of_none: &'static str) -> Result<Amount, LanguageError> {
    if cursor.takes("TO") {
        let (count, place) = value::count(cursor)?;
        if count == 0 {
            return Err(LanguageError::Value {
                message: "at least one must be left".to_owned(),
                hint: Some(instead_of_none),
                place,
            });
        }
        return Ok(Amount::To(count));
    }
    cursor.word("BY")?;
    value::factor(cursor).map(Amount::By)
}

/// Reads the kind of a workload, or one of `others`; kinds that are not the API's own stand as they
/// are written.
pub(super) fn read_kind(
    cursor: &mut Cursor,
    verb: &str,
    others: &[&'static str],
) -> Result<String, LanguageError> {
    let Token::Word(Word {
        value, quote_style, ..
    }) = cursor.next_token()
    else {
        return Err(cursor.expected("the kind of a workload"));
    };
    let (word, is_quoted) = (value.clone(), quote_style.is_some());
    let known = KINDS
        .iter()
        .chain(others)
        .find(|kind| kind.eq_ignore_ascii_case(&word));
    let kind = match known {
        _ if is_quoted => word,
        Some(kind) => (*kind).to_owned(),
        None => match nearest(&word, KINDS.into_iter().chain(others.iter().copied())) {
            Some(meant) => {
                return Err(LanguageError::Value {
                    message: format!(
                        "nothing to {verb} is called `{word}`; did you mean `{meant}`?"
                    ),
                    hint: Some("a kind of your own stands in double quotes"),
                    place: cursor.place(),
                });
            }
            None => word,
        },
    };
    let place = cursor.advance();
    if is_kind(&kind) {
        return Ok(kind);
    }
    Err(LanguageError::Value {
        message: "this cannot be a kind".to_owned(),
        hint: Some("a kind has letters and digits, such as Deployment"),
        place,
    })
}

fn is_kind(kind: &str) -> bool {
    kind.len() <= 63
        && kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind
            .chars()
            .all(|character| character.is_ascii_alphanumeric())
}

fn workload(cursor: &mut Cursor, kind: String) -> Result<Workload, LanguageError> {
    let text = cursor.text("'namespace/name'")?;
    let place: Place = text.place;
    let Some((namespace, name)) = text.value.split_once('/') else {
        return Err(LanguageError::Value {
            message: "a workload is named with its namespace".to_owned(),
            hint: Some("write 'namespace/name'"),
            place,
        });
    };
    value::check_name(namespace, "a namespace", place)?;
    value::check_name(name, "an object", place)?;
    Ok(Workload {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        place,
    })
}
