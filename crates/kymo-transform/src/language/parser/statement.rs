//! Each statement.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::Token;
use kymo_query::nearest;

use super::cursor::Cursor;
use super::{document, scale, synthesize, value};
use crate::language::forms::{FORMS, Form, QUERY_WORDS};
use crate::language::{
    Action, Assignment, Closure, LanguageError, PatchKind, Shift, Stretch, Unit, Window,
};

const UNITS: [(&str, Unit); 2] = [("EVENTS", Unit::Events), ("OBJECTS", Unit::Objects)];

/// Reads a statement, with or without `EXPLAIN`.
pub(super) fn read(cursor: &mut Cursor) -> Result<(bool, Action), LanguageError> {
    let explain = cursor.takes("EXPLAIN");
    let form = form(cursor)?;
    cursor.is(form);
    cursor.advance();
    let action = match form.word {
        "DELETE" => delete(cursor),
        "KEEP" => keep(cursor),
        "SLICE" => slice(cursor),
        "PATCH" => patch(cursor),
        "UPDATE" => update(cursor),
        "SCALE" => scale::read(cursor).map(Action::Scale),
        "STRETCH" => stretch(cursor),
        "SHIFT" => shift(cursor),
        "MERGE" => merge(cursor),
        "REPEAT" => repeat(cursor),
        "SYNTHESIZE" => synthesize::read(cursor).map(Action::Synthesize),
        "ANONYMIZE" => anonymize(cursor),
        _ => insert(cursor),
    }?;
    Ok((explain, action))
}

/// Finds the statement that begins with the next word.
fn form(cursor: &Cursor) -> Result<&'static Form, LanguageError> {
    let word = cursor.next_word().unwrap_or_default().to_uppercase();
    if let Some(form) = Form::find(&word) {
        return Ok(form);
    }
    let place = cursor.place();
    let hint = match word.as_str() {
        "SELECT" | "WITH" | "VALUES" | "SHOW" | "DESCRIBE" => {
            "a script changes a trace; `kymo query` asks it"
        }
        "EXPLAIN" => "one `EXPLAIN` is enough",
        _ => {
            "a statement begins with DELETE, KEEP, SLICE, PATCH, UPDATE, SCALE, STRETCH, SHIFT, \
             MERGE, REPEAT, SYNTHESIZE, ANONYMIZE or INSERT"
        }
    };
    Err(LanguageError::UnknownStatement {
        found: cursor.found(),
        nearest: nearest(&word, FORMS.iter().map(|form| form.word)),
        hint,
        place,
    })
}

fn delete(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    cursor.word("FROM")?;
    let unit = cursor.one_of(&UNITS)?;
    let condition = cursor.condition()?;
    let cascade = unit == Unit::Objects && cursor.takes("CASCADE");
    Ok(Action::Delete {
        unit,
        condition,
        cascade,
    })
}

fn keep(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    let unit = cursor.one_of(&UNITS)?;
    let condition = cursor.condition()?;
    let mut with = Closure::default();
    if unit == Unit::Objects && cursor.takes("WITH") {
        with.owners = cursor.takes("OWNERS");
        if !with.owners || cursor.takes("AND") {
            cursor.word("OWNED")?;
            with.owned = true;
        }
    }
    Ok(Action::Keep {
        unit,
        condition,
        with,
    })
}

fn slice(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    let window = value::window(cursor)?;
    if window == Window::default() {
        return Err(cursor.unexpected());
    }
    Ok(Action::Slice(window))
}

fn patch(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    let unit = cursor.one_of(&UNITS)?;
    cursor.word("WITH")?;
    let kind = cursor.one_of(&[
        ("JSON", PatchKind::Json),
        ("MERGE", PatchKind::Merge),
        ("STRATEGIC", PatchKind::Strategic),
    ])?;
    let text = cursor.text("a patch in quotes")?;
    let patch = document::read(cursor.script(), kind, &text)?;
    let condition = cursor.condition()?;
    let window = value::window(cursor)?;
    Ok(Action::Patch {
        unit,
        patch,
        condition,
        window,
    })
}

const SETTABLE: [&str; 2] = ["object", "ts"];

fn update(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    let unit = cursor.one_of(&UNITS)?;
    cursor.word("SET")?;
    let mut assignments: Vec<Assignment> = Vec::new();
    loop {
        let column = cursor.name("a column")?;
        let refused = |message: String, hint| LanguageError::Value {
            message,
            hint,
            place: column.place,
        };
        if !SETTABLE.contains(&column.value.as_str()) {
            return Err(refused(
                format!("the column `{}` cannot be set", column.value),
                Some("set `object` or `ts`; what other columns tell follows from the object"),
            ));
        }
        if assignments
            .iter()
            .any(|earlier| earlier.column == column.value)
        {
            return Err(refused(format!("`{}` is set twice", column.value), None));
        }
        cursor.sign(&Token::Eq, "`=`")?;
        assignments.push(Assignment {
            column: column.value,
            column_place: column.place,
            value: cursor.expression()?,
        });
        if !cursor.takes_sign(&Token::Comma, "`,`") {
            break;
        }
    }
    let condition = cursor.condition()?;
    Ok(Action::Update {
        unit,
        assignments,
        condition,
    })
}

fn stretch(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    let what = cursor.one_of(&[
        ("TIME", Stretch::Time),
        ("ARRIVALS", Stretch::Arrivals),
        ("LIFETIMES", Stretch::Lifetimes),
    ])?;
    cursor.word("BY")?;
    let factor = value::factor(cursor)?;
    let condition = match what {
        Stretch::Time => None,
        Stretch::Arrivals | Stretch::Lifetimes => cursor.condition()?,
    };
    Ok(Action::Stretch {
        what,
        factor,
        condition,
    })
}

fn shift(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    cursor.word("TIME")?;
    if cursor.takes("TO") {
        let time = value::time(cursor)?;
        if value::instant(&time).is_none() {
            return Err(LanguageError::Value {
                message: format!("`{}` says how far, not when", time.text),
                hint: Some("write `SHIFT TIME BY` for a duration"),
                place: time.place,
            });
        }
        return Ok(Action::Shift(Shift::To(time)));
    }
    cursor.word("BY")?;
    let (duration, _) = value::duration(cursor)?;
    Ok(Action::Shift(Shift::By(duration)))
}

fn merge(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    cursor.word("TRACE")?;
    let path = cursor.text("the path of a trace in quotes")?;
    if path.value.is_empty() || path.value.contains('\0') {
        return Err(LanguageError::Value {
            message: "this cannot be the path of a trace".to_owned(),
            hint: None,
            place: path.place,
        });
    }
    let at = if cursor.takes("AT") {
        Some(value::time(cursor)?)
    } else {
        None
    };
    let prefix = if cursor.takes("PREFIX") {
        cursor.word("NAMESPACES")?;
        Some(value::prefix(cursor)?)
    } else {
        None
    };
    Ok(Action::Merge {
        path: path.value,
        path_place: path.place,
        at,
        prefix,
    })
}

fn repeat(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    let (times, place) = value::count(cursor)?;
    if times == 0 {
        return Err(LanguageError::Value {
            message: "a trace is seen at least once".to_owned(),
            hint: Some("`REPEAT 1 TIMES` leaves it as it is"),
            place,
        });
    }
    cursor.word("TIMES")?;
    let every = if cursor.takes("EVERY") {
        Some(value::length(cursor, 1)?)
    } else {
        None
    };
    Ok(Action::Repeat { times, every })
}

fn anonymize(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    if !cursor.takes("WITH") {
        return Ok(Action::Anonymize {
            policy: None,
            policy_place: cursor.place(),
        });
    }
    cursor.word("POLICY")?;
    let policy = cursor.text("the name of a policy or the path of its file in quotes")?;
    if policy.value.is_empty() || policy.value.contains('\0') {
        return Err(LanguageError::Value {
            message: "this cannot be the name of a policy".to_owned(),
            hint: Some("kymo has `share`, `vendor` and `internal`"),
            place: policy.place,
        });
    }
    Ok(Action::Anonymize {
        policy: Some(policy.value),
        policy_place: policy.place,
    })
}

fn insert(cursor: &mut Cursor) -> Result<Action, LanguageError> {
    cursor.word("INTO")?;
    cursor.word("EVENTS")?;
    let mut columns = Vec::new();
    let is_list = match cursor.second_token() {
        Token::Word(word) => {
            let word_of_query = QUERY_WORDS
                .iter()
                .find(|start| word.value.eq_ignore_ascii_case(start));
            word.quote_style.is_some() || word_of_query.is_none()
        }
        _ => false,
    };
    if is_list && cursor.takes_sign(&Token::LParen, "`(`") {
        let mut seen = BTreeSet::new();
        loop {
            let column = cursor.name("a column")?;
            if !seen.insert(column.value.clone()) {
                return Err(LanguageError::Value {
                    message: format!("`{}` is named twice", column.value),
                    hint: None,
                    place: column.place,
                });
            }
            columns.push(column.value);
            if !cursor.takes_sign(&Token::Comma, "`,`") {
                break;
            }
        }
        cursor.sign(&Token::RParen, "`)`")?;
    }
    let query = cursor.query()?;
    Ok(Action::Insert {
        columns,
        query: query.sql,
        place: query.place,
    })
}
