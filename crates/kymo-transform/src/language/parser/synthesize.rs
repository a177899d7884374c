//! `SYNTHESIZE`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{scale, value};
use crate::language::forms::{NODES_FORM, OUTAGE_FORM, TIME_FORM, UPDATES_FORM, WORKLOAD_FORM};
use crate::language::{
    Argument, ArgumentValue, Call, CrashWord, DocumentText, LanguageError, ManifestText, Number,
    Outage, Place, PlacementWord, StageWord, Synthesize, SynthesizeOptions, TimePoint,
    UpdatesClause,
};
use crate::synth;

pub(super) fn read(cursor: &mut Cursor) -> Result<Synthesize, LanguageError> {
    if cursor.takes("TIME") {
        cursor.is_written(TIME_FORM);
        let span = value::length(cursor, 1)?;
        let from = if cursor.takes("FROM") {
            let from = value::time(cursor)?;
            if value::instant(&from).is_none() {
                return Err(refused(
                    format!("`{}` says how far, not when", from.text),
                    Some("write an RFC 3339 time, such as '2027-01-01T00:00:00Z'"),
                    from.place,
                ));
            }
            Some(from)
        } else {
            None
        };
        let after = if cursor.takes("AFTER") {
            Some(value::length(cursor, 0)?)
        } else {
            None
        };
        return Ok(Synthesize::Time { span, from, after });
    }
    if cursor.takes("UPDATES") {
        cursor.is_written(UPDATES_FORM);
        let shares = shares(cursor)?;
        return Ok(Synthesize::Updates { shares });
    }
    if cursor.takes("MANAGEDFIELDS") {
        return Ok(Synthesize::ManagedFields);
    }
    if cursor.takes("NODES") {
        cursor.is_written(NODES_FORM);
        let (count, place) = value::count(cursor)?;
        if count == 0 {
            let message = "there is at least one node".to_owned();
            return Err(refused(message, None, place));
        }
        if count > MOST_NODES {
            let message = format!("there can be at most {MOST_NODES} nodes");
            return Err(refused(message, None, place));
        }
        let mut options = SynthesizeOptions::default();
        if cursor.takes("NAMED") {
            let named = cursor.text("a pattern of names in quotes")?;
            check_pattern(&named.value, "a node", named.place)?;
            options.named = Some(named.value);
        }
        manifest(cursor, &mut options)?;
        clauses(cursor, &NODE_CLAUSES, &mut options)?;
        return Ok(Synthesize::Nodes {
            count,
            options: Box::new(options),
        });
    }
    for (word, kind) in [
        ("FAILURE", Outage::Failure),
        ("DRAIN", Outage::Drain),
        ("REMOVAL", Outage::Removal),
    ] {
        if cursor.takes(word) {
            cursor.is_written(OUTAGE_FORM);
            return outage(cursor, kind);
        }
    }
    cursor.is_written(WORKLOAD_FORM);
    let kind = scale::read_kind(cursor, "make", &MORE_KINDS)?;
    let workload = cursor.text("'namespace/name'")?;
    let Some((namespace, name)) = workload.value.split_once('/') else {
        return Err(refused(
            "an object is named with its namespace".to_owned(),
            Some("write 'namespace/name'"),
            workload.place,
        ));
    };
    value::check_name(namespace, "a namespace", workload.place)?;
    check_pattern(name, "an object", workload.place)?;
    let mut options = SynthesizeOptions::default();
    manifest(cursor, &mut options)?;
    if options.manifest.is_none() {
        return Err(cursor.unexpected());
    }
    clauses(cursor, &WORKLOAD_CLAUSES, &mut options)?;
    Ok(Synthesize::Workload {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        options: Box::new(options),
    })
}

/// The most nodes that one statement makes.
const MOST_NODES: u64 = 1_000_000;

/// Kinds that can be made besides workloads.
const MORE_KINDS: [&str; 1] = ["Pod"];

const NODE_CLAUSES: [&str; 8] = [
    "LABELS",
    "AT",
    "UNTIL",
    "ARRIVAL",
    "STARTUP",
    "LEASES",
    "HEARTBEATS",
    "UPDATES",
];

const WORKLOAD_CLAUSES: [&str; 19] = [
    "REPLICAS",
    "AT",
    "UNTIL",
    "ARRIVAL",
    "STARTUP",
    "RUNTIME",
    "LIFETIME",
    "RESTARTS",
    "FAILURES",
    "EVICTIONS",
    "NAMESPACES",
    "PLACEMENT",
    "SCALE",
    "ROLLOUT",
    "EVENTS",
    "ENDPOINTSLICES",
    "PODS",
    "STAGE",
    "UPDATES",
];

fn refused(message: String, hint: Option<&'static str>, place: Place) -> LanguageError {
    LanguageError::Value {
        message,
        hint,
        place,
    }
}

fn manifest(cursor: &mut Cursor, options: &mut SynthesizeOptions) -> Result<(), LanguageError> {
    let (is_inline, text) = if cursor.takes("FROM") {
        let path = cursor.text("the path of a manifest in quotes")?;
        if path.value.is_empty() || path.value.contains('\0') {
            return Err(refused(
                "this cannot be the path of a manifest".to_owned(),
                None,
                path.place,
            ));
        }
        (false, path)
    } else if cursor.takes("AS") {
        (true, cursor.text("a manifest in quotes")?)
    } else {
        return Ok(());
    };
    options.manifest = Some(ManifestText {
        text: text.value,
        is_inline,
        place: text.place,
    });
    Ok(())
}

fn outage(cursor: &mut Cursor, kind: Outage) -> Result<Synthesize, LanguageError> {
    cursor.word("OF")?;
    cursor.word("NODES")?;
    let nodes = cursor.text("names of nodes in quotes")?;
    cursor.word("AT")?;
    let at = value::time(cursor)?;
    let lasts = if cursor.takes("FOR") {
        Some(value::length(cursor, 1)?)
    } else {
        None
    };
    Ok(Synthesize::Outage {
        kind,
        nodes: nodes.value,
        at,
        lasts,
    })
}

/// Reads the clauses, in any order.
fn clauses(
    cursor: &mut Cursor,
    words: &[&'static str],
    options: &mut SynthesizeOptions,
) -> Result<(), LanguageError> {
    let mut seen: Vec<&'static str> = Vec::new();
    loop {
        let place = cursor.place();
        let Some(word) = words.iter().copied().find(|word| cursor.takes(word)) else {
            return Ok(());
        };
        let is_list = matches!(word, "SCALE" | "ROLLOUT" | "STAGE");
        if !is_list && seen.contains(&word) {
            return Err(refused(format!("`{word}` is given twice"), None, place));
        }
        seen.push(word);
        clause(cursor, word, options)?;
    }
}

fn clause(
    cursor: &mut Cursor,
    word: &'static str,
    options: &mut SynthesizeOptions,
) -> Result<(), LanguageError> {
    match word {
        "LABELS" => options.labels = labels(cursor)?,
        "AT" => options.at = Some(time(cursor)?),
        "UNTIL" => options.until = Some(time(cursor)?),
        "REPLICAS" => options.replicas = Some(value::count(cursor)?.0),
        "ARRIVAL" => {
            let call = call(cursor, "an arrival such as poisson(rate => 5)")?;
            synth::check_arrival(&call)?;
            options.arrival = Some(call);
        }
        "STARTUP" => options.startup = Some(distribution(cursor)?),
        "RUNTIME" => options.runtime = Some(distribution(cursor)?),
        "LIFETIME" => options.lifetime = Some(distribution(cursor)?),
        "RESTARTS" => {
            options.restarts = Some(distribution(cursor)?);
            if cursor.takes("REASON") {
                options.restart_reason = Some(cursor.one_of(&CrashWord::ALL)?);
            }
        }
        "EVICTIONS" => options.evictions = Some(share(cursor)?),
        "NAMESPACES" => options.namespaces = namespaces(cursor)?,
        "FAILURES" => {
            options.failures = Some(share(cursor)?);
        }
        "PLACEMENT" => {
            options.placement = Some(placement(cursor)?);
        }
        "SCALE" => {
            cursor.word("TO")?;
            let (replicas, _) = value::count(cursor)?;
            cursor.word("AT")?;
            options.scale.push((replicas, time(cursor)?));
        }
        "ROLLOUT" => {
            cursor.word("AT")?;
            let at = time(cursor)?;
            let patch = cursor.takes("WITH").then(|| document(cursor)).transpose()?;
            options.rollouts.push((at, patch));
        }
        "ENDPOINTSLICES" => options.slices = true,
        "PODS" => options.pods = Some(value::count(cursor)?.0),
        "STAGE" => {
            let stage = cursor.one_of(&StageWord::ALL)?;
            options.stages.push((stage, share(cursor)?));
        }
        "UPDATES" => options.updates = Some(updates(cursor)?),
        "EVENTS" => {
            options.events = true;
            if cursor.takes("OF") {
                options.reasons = texts(cursor, "a reason in quotes")?;
            }
        }
        "LEASES" => {
            options.leases = true;
            if cursor.takes("EVERY") {
                options.lease_interval = Some(value::length(cursor, 1)?);
            }
        }
        _ => options.heartbeats = true,
    }
    Ok(())
}

fn placement(cursor: &mut Cursor) -> Result<PlacementWord, LanguageError> {
    for (word, placement) in [
        ("NONE", PlacementWord::None),
        ("SPREAD", PlacementWord::Spread),
        ("BINPACK", PlacementWord::Binpack),
    ] {
        if cursor.takes(word) {
            return Ok(placement);
        }
    }
    cursor.word("LIKE")?;
    let path = cursor.text("the path of a trace in quotes")?;
    if path.value.is_empty() || path.value.contains('\0') {
        let message = "this cannot be the path of a trace".to_owned();
        return Err(refused(message, None, path.place));
    }
    Ok(PlacementWord::Like {
        path: path.value,
        place: path.place,
    })
}

fn share(cursor: &mut Cursor) -> Result<Number, LanguageError> {
    let place = cursor.place();
    let share = number(cursor)?;
    if (0.0..=1.0).contains(&share.value) {
        return Ok(share);
    }
    let message = "a share lies between 0 and 1".to_owned();
    Err(refused(message, None, place))
}

/// Reads `{'kind': share, …}`.
fn shares(cursor: &mut Cursor) -> Result<Vec<(String, Number)>, LanguageError> {
    cursor.sign(&Token::LBrace, "`{`")?;
    let mut shares: Vec<(String, Number)> = Vec::new();
    loop {
        let kind = cursor.text("a kind in quotes")?;
        if shares.iter().any(|(known, _)| *known == kind.value) {
            let message = format!("`{}` is given twice", kind.value);
            return Err(refused(message, None, kind.place));
        }
        cursor.sign(&Token::Colon, "`:`")?;
        shares.push((kind.value, share(cursor)?));
        if !cursor.takes_sign(&Token::Comma, "`,`") {
            break;
        }
    }
    cursor.sign(&Token::RBrace, "`}`")?;
    Ok(shares)
}

/// Reads `count arrival [WITH …]`.
fn updates(cursor: &mut Cursor) -> Result<UpdatesClause, LanguageError> {
    let (count, _) = value::count(cursor)?;
    let arrival = call(cursor, "an arrival such as poisson(rate => 5)")?;
    synth::check_arrival(&arrival)?;
    let mut patches = Vec::new();
    if cursor.takes("WITH") {
        let is_cycle = cursor
            .next_word()
            .is_some_and(|word| word.eq_ignore_ascii_case("cycle"));
        if is_cycle {
            cursor.advance();
            cursor.sign(&Token::LParen, "`(`")?;
            loop {
                patches.push(document(cursor)?);
                if !cursor.takes_sign(&Token::Comma, "`,`") {
                    break;
                }
            }
            cursor.sign(&Token::RParen, "`)`")?;
        } else {
            patches.push(document(cursor)?);
        }
    }
    Ok(UpdatesClause {
        count,
        arrival,
        patches,
    })
}

/// Reads a JSON object in quotes.
fn document(cursor: &mut Cursor) -> Result<DocumentText, LanguageError> {
    let text = cursor.text("an object in JSON, in quotes")?;
    let read = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text.value);
    match read {
        Ok(_) => Ok(DocumentText {
            text: text.value,
            place: text.place,
        }),
        Err(error) => Err(refused(
            format!("this is no object in JSON: {error}"),
            None,
            text.place,
        )),
    }
}

/// Reads `('text', …)`.
fn texts(cursor: &mut Cursor, what: &'static str) -> Result<Vec<String>, LanguageError> {
    cursor.sign(&Token::LParen, "`(`")?;
    let mut texts = Vec::new();
    loop {
        texts.push(cursor.text(what)?.value);
        if !cursor.takes_sign(&Token::Comma, "`,`") {
            break;
        }
    }
    cursor.sign(&Token::RParen, "`)`")?;
    Ok(texts)
}

/// Reads names of namespaces, `('name', …)`.
fn namespaces(cursor: &mut Cursor) -> Result<Vec<String>, LanguageError> {
    let place = cursor.place();
    let names = texts(cursor, "a namespace in quotes")?;
    for name in &names {
        value::check_name(name, "a namespace", place)?;
    }
    Ok(names)
}

/// Reads a time that lies behind the start.
fn time(cursor: &mut Cursor) -> Result<TimePoint, LanguageError> {
    value::time(cursor)
}

fn distribution(cursor: &mut Cursor) -> Result<Call, LanguageError> {
    let call = call(cursor, "a distribution such as exponential(mean => '2h')")?;
    synth::check_distribution(&call)?;
    Ok(call)
}

/// Reads `name(argument, …)`.
fn call(cursor: &mut Cursor, what: &'static str) -> Result<Call, LanguageError> {
    let name = cursor.name(what)?;
    let mut place = name.place;
    cursor.sign(&Token::LParen, "`(`")?;
    let mut arguments = Vec::new();
    loop {
        let start = cursor.place().start;
        let name = match (cursor.next_token(), cursor.second_token()) {
            (Token::Word(_), Token::RArrow) => {
                let name = cursor.name("the name of a parameter")?;
                cursor.sign(&Token::RArrow, "`=>`")?;
                Some(name.value)
            }
            _ => None,
        };
        let (value, end) = if matches!(cursor.next_token(), Token::Number(..)) {
            let end = cursor.place().end;
            (ArgumentValue::Number(number(cursor)?), end)
        } else {
            let text = cursor.text("a number or a text in quotes")?;
            (ArgumentValue::Text(text.value), text.place.end)
        };
        arguments.push(Argument {
            name,
            value,
            place: Place { start, end },
        });
        if arguments.len() > MOST_ARGUMENTS {
            return Err(refused(
                format!("a call has at most {MOST_ARGUMENTS} arguments"),
                None,
                place,
            ));
        }
        if !cursor.takes_sign(&Token::Comma, "`,`") {
            break;
        }
    }
    place.end = cursor.place().end;
    cursor.sign(&Token::RParen, "`)`")?;
    Ok(Call {
        name: name.value,
        arguments,
        place,
    })
}

/// The most arguments of a call: the values of an empirical distribution.
const MOST_ARGUMENTS: usize = 10_000;

fn number(cursor: &mut Cursor) -> Result<Number, LanguageError> {
    let Token::Number(text, _) = cursor.next_token() else {
        return Err(cursor.expected("a number"));
    };
    let text = text.replace('_', "");
    let place = cursor.advance();
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Number { text, value }),
        _ => Err(refused(format!("`{text}` is no number"), None, place)),
    }
}

/// Reads `{'label': 'value', 'label': cycle('a', 'b')}`.
fn labels(cursor: &mut Cursor) -> Result<Vec<(String, Vec<String>)>, LanguageError> {
    cursor.sign(&Token::LBrace, "`{`")?;
    let mut labels: Vec<(String, Vec<String>)> = Vec::new();
    loop {
        let label = cursor.text("the name of a label in quotes")?;
        if label.value.is_empty() || labels.iter().any(|(known, _)| *known == label.value) {
            let message = if label.value.is_empty() {
                "a label has a name".to_owned()
            } else {
                format!("`{}` is given twice", label.value)
            };
            return Err(refused(message, None, label.place));
        }
        cursor.sign(&Token::Colon, "`:`")?;
        let mut values = Vec::new();
        let is_cycle = cursor
            .next_word()
            .is_some_and(|word| word.eq_ignore_ascii_case("cycle"));
        if is_cycle {
            cursor.advance();
            cursor.sign(&Token::LParen, "`(`")?;
            loop {
                values.push(cursor.text("a value in quotes")?.value);
                if !cursor.takes_sign(&Token::Comma, "`,`") {
                    break;
                }
            }
            cursor.sign(&Token::RParen, "`)`")?;
        } else {
            values.push(cursor.text("a value in quotes")?.value);
        }
        labels.push((label.value, values));
        if !cursor.takes_sign(&Token::Comma, "`,`") {
            break;
        }
    }
    cursor.sign(&Token::RBrace, "`}`")?;
    Ok(labels)
}

/// Fails for what is never a pattern of names.
fn check_pattern(pattern: &str, what: &str, place: Place) -> Result<(), LanguageError> {
    let filled = match pattern.split_once("{i") {
        Some((before, rest)) => match rest.split_once('}') {
            Some((_, behind)) => format!("{before}0{behind}"),
            None => pattern.to_owned(),
        },
        None => pattern.to_owned(),
    };
    value::check_name(&filled, what, place)
}
