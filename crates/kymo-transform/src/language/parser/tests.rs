use std::collections::BTreeSet;

use crate::language::{
    Action, Amount, Closure, Factor, LanguageError, PatchKind, Scale, Script, Seats, Shift,
    Stretch, Unit,
};

use super::{MOST_BYTES, MOST_STATEMENTS};

fn parse_one(text: &str) -> Action {
    let script = Script::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(script.statements.len(), 1, "{text}");
    script.statements.into_iter().next().unwrap().action
}

/// Returns what is said about a script and the text that is marked.
fn failure(text: &str) -> (String, &str, LanguageError) {
    match Script::parse(text) {
        Ok(script) => panic!("{text}: {script:?}"),
        Err(error) => {
            let marked = error
                .place()
                .map_or("", |place| &text[place.start..place.end]);
            (error.to_string(), marked, error)
        }
    }
}

#[test]
fn a_script_is_statements_between_semicolons_with_comments_and_any_case() {
    let text = "-- first\nexplain delete FROM Events where kind = 'a;b';;\n\
                /* then */ Keep oBJects WITH owners AND owned -- all\n;";
    let script = Script::parse(text).unwrap();
    let shown: Vec<_> = script
        .statements
        .iter()
        .map(|statement| {
            let place = statement.place;
            (statement.explain, &text[place.start..place.end])
        })
        .collect();
    assert_eq!(
        shown,
        [
            (true, "explain delete FROM Events where kind = 'a;b'"),
            (false, "Keep oBJects WITH owners AND owned"),
        ]
    );
    let Action::Delete {
        unit: Unit::Events,
        condition: Some(condition),
        cascade: false,
    } = &script.statements[0].action
    else {
        panic!("{:?}", script.statements[0]);
    };
    assert_eq!(condition.sql, "kind = 'a;b'");
    assert_eq!(
        &text[condition.place.start..condition.place.end],
        condition.sql
    );
    assert_eq!(
        script.statements[1].action,
        Action::Keep {
            unit: Unit::Objects,
            condition: None,
            with: Closure {
                owners: true,
                owned: true
            },
        }
    );
}

#[test]
fn a_condition_is_all_of_sql_and_ends_where_the_statement_goes_on() {
    for (text, sql, columns, has_subquery) in [
        (
            "DELETE FROM objects WHERE object->'spec'->>'x' = 'y' CASCADE",
            "object->'spec'->>'x' = 'y'",
            vec!["object"],
            false,
        ),
        (
            "KEEP objects WHERE matches(labels, 'a=b') AND NOT \"Odd\" WITH OWNERS",
            "matches(labels, 'a=b') AND NOT \"Odd\"",
            vec!["labels", "Odd"],
            false,
        ),
        (
            "PATCH objects WITH MERGE '{}' WHERE Kind IS DISTINCT FROM 'Pod' FROM '1m' TO '2m'",
            "Kind IS DISTINCT FROM 'Pod'",
            vec!["kind"],
            false,
        ),
        (
            "DELETE FROM objects WHERE uid IN (SELECT p.uid FROM pods AS OF '10m' AS p) CASCADE",
            "uid IN (SELECT p.uid FROM pods AS OF '10m' AS p)",
            vec!["p", "uid"],
            true,
        ),
    ] {
        let condition = match parse_one(text) {
            Action::Delete { condition, .. }
            | Action::Keep { condition, .. }
            | Action::Patch { condition, .. } => condition.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(condition.sql, sql);
        let columns: BTreeSet<String> = columns.into_iter().map(str::to_owned).collect();
        assert_eq!(
            (condition.columns, condition.has_subquery),
            (columns, has_subquery)
        );
    }
}

#[test]
fn a_factor_is_an_exact_fraction_in_lowest_terms() {
    for (text, numerator, denominator) in [
        ("0.25", 1, 4),
        ("2", 2, 1),
        ("1_000", 1000, 1),
        ("1.50", 3, 2),
        ("1e3", 1000, 1),
        ("25e-2", 1, 4),
        ("2 / 6", 1, 3),
        (".5", 1, 2),
    ] {
        let script = format!("STRETCH TIME BY {text}");
        let Action::Stretch {
            what: Stretch::Time,
            factor,
            condition: None,
        } = parse_one(&script)
        else {
            panic!("{text}");
        };
        let Factor {
            numerator: above,
            denominator: below,
            place,
        } = factor;
        assert_eq!((above, below), (numerator, denominator), "{text}");
        assert_eq!(&script[place.start..place.end], text);
    }
}

#[test]
fn every_statement_is_read() {
    for text in [
        "DELETE FROM objects WHERE namespace = 'kube-system' CASCADE",
        "KEEP objects WHERE matches(labels, 'team=search') WITH OWNERS",
        "DELETE FROM events WHERE kind = 'Lease'",
        "SLICE FROM '10m' TO '40m'",
        "SLICE TO '-5m'",
        "PATCH objects WITH STRATEGIC '{\"spec\":{\"schedulerName\":\"volcano\"}}' WHERE kind = 'Pod'",
        "PATCH events WITH JSON $$[{\"op\":\"test\",\"path\":\"/kind\",\"value\":\"Pod\"}]$$",
        "UPDATE events SET object = json_merge(object, '{}'), ts = ts + INTERVAL '1s' WHERE kind = 'Pod'",
        "SCALE Deployment 'shop/checkout' TO 10000 REPLICAS RAMP '5m'",
        "SCALE Deployment 'shop/checkout' TO 0 REPLICAS",
        "SCALE Deployment 'shop/checkout' BY 2 PLACEMENT SPREAD",
        "SCALE Job 'a/b' TO 9 REPLICAS RAMP '1s' PLACEMENT binpack",
        "SCALE \"RayCluster\" 'a/b' BY 2",
        "SCALE namespace 'shop' BY 3",
        "SCALE nodes TO 2000 WHERE name LIKE 'spot-%'",
        "SCALE everything BY 2",
        "STRETCH LIFETIMES BY 2 WHERE kind = 'Pod'",
        "SHIFT TIME TO '2027-01-01T00:00:00Z'",
        "SHIFT TIME BY '-1h'",
        "MERGE TRACE 'other.parquet' AT '5m' PREFIX NAMESPACES 'b-'",
        "REPEAT 24 TIMES EVERY '1h'",
        "INSERT INTO events SELECT * FROM events",
        "INSERT INTO events (ts, object) WITH a AS (SELECT 1) SELECT * FROM a",
        "INSERT INTO events (SELECT * FROM events)",
    ] {
        parse_one(text);
    }
}

#[test]
fn a_statement_says_what_it_means() {
    let Action::Scale(Scale::Workload {
        workload,
        amount,
        ramp,
        placement,
    }) = parse_one("SCALE deployment 'shop/checkout' TO 10 REPLICAS RAMP '5m' PLACEMENT BINPACK")
    else {
        panic!("no workload");
    };
    assert_eq!(
        (
            workload.kind.as_str(),
            workload.namespace.as_str(),
            workload.name.as_str()
        ),
        ("Deployment", "shop", "checkout")
    );
    assert_eq!((amount, ramp), (Amount::To(10), Some(300_000_000_000)));
    assert_eq!(placement, Some(Seats::Binpack));
    assert_eq!(
        parse_one("SHIFT TIME BY '-1s'"),
        Action::Shift(Shift::By(-1_000_000_000))
    );
    assert_eq!(
        parse_one("REPEAT 2 TIMES"),
        Action::Repeat {
            times: 2,
            every: None
        }
    );
    let Action::Merge {
        path, at, prefix, ..
    } = parse_one("MERGE TRACE 'it''s' PREFIX NAMESPACES 'b-'")
    else {
        panic!("no merge");
    };
    assert_eq!(
        (path.as_str(), at, prefix.as_deref()),
        ("it's", None, Some("b-"))
    );
    let Action::Insert { columns, query, .. } =
        parse_one("INSERT INTO events (\"Ts\", OBJECT) SELECT 1, 2 ;")
    else {
        panic!("no insert");
    };
    assert_eq!(
        (columns, query.as_str()),
        (vec!["Ts".into(), "object".into()], "SELECT 1, 2")
    );
    let Action::Patch { patch, .. } = parse_one("PATCH objects WITH MERGE '{\"a\":\"it''s\"}'")
    else {
        panic!("no patch");
    };
    assert_eq!(patch.kind, PatchKind::Merge);
    assert_eq!(patch.document, serde_json::json!({ "a": "it's" }));
}

#[test]
fn what_does_not_belong_is_marked_and_what_was_meant_is_guessed() {
    for (text, message, marked) in [
        (
            "DELTE FROM events",
            "no statement begins with `DELTE`; did you mean `DELETE`?",
            "DELTE",
        ),
        (
            "SLICE FROM '1m'; 'x'",
            "no statement begins with `'x'`",
            "'x'",
        ),
        ("SELECT 1", "no statement begins with `SELECT`", "SELECT"),
        (
            "anonymize WITH KEY 'x'",
            "expected `POLICY`, found `KEY`",
            "KEY",
        ),
        (
            "ANONYMIZE WITH POLICY ''",
            "this cannot be the name of a policy",
            "''",
        ),
        ("DELETE events", "expected `FROM`, found `events`", "events"),
        (
            "DELETE FROM event",
            "expected `EVENTS` or `OBJECTS`, found `event`; did you mean `EVENTS`?",
            "event",
        ),
        (
            "SCALE Deployment 'a/b' BEY 2",
            "expected `TO` or `BY`, found `BEY`; did you mean `BY`?",
            "BEY",
        ),
        (
            "DELETE FROM objects CASCADE WHERE true",
            "expected the end of the statement, found `WHERE`",
            "WHERE",
        ),
        (
            "DELETE FROM events CASCADE",
            "expected `WHERE` or the end of the statement, found `CASCADE`",
            "CASCADE",
        ),
        (
            "KEEP objects WITH",
            "expected `OWNERS` or `OWNED`, found the end of the statement",
            "",
        ),
        (
            "SLICE",
            "expected `FROM` or `TO`, found the end of the statement",
            "",
        ),
        (
            "STRETCH TIME BY 2 WHERE true",
            "expected `/` or the end of the statement, found `WHERE`",
            "WHERE",
        ),
        (
            "EXPLAIN EXPLAIN SLICE TO '1m'",
            "no statement begins with `EXPLAIN`",
            "EXPLAIN",
        ),
        (
            "KEEP objects WHERE kind = = 2",
            "syntax error: Expected: an expression, found: =",
            "=",
        ),
        (
            "KEEP objects WHERE",
            "syntax error: Expected: an expression, found: EOF",
            "",
        ),
        (
            "KEEP events WHERE kind = 'Pod",
            "syntax error: Unterminated string literal",
            "'",
        ),
        (
            "KEEP events WHERE kind = $kind",
            "`$kind` has no value here; only a query has parameters",
            "$kind",
        ),
        (
            "KEEP events AS OF '1m' WHERE true",
            "AS OF stands between the name of a table and its alias",
            "AS",
        ),
        (
            "INSERT INTO events SELECT * FROM 'a.parquet'",
            "FROM 'a.parquet' is refused: a query reads the traces it was given, never a file that it names",
            "SELECT",
        ),
    ] {
        let (found, place, _) = failure(text);
        assert_eq!((found.as_str(), place), (message, marked), "{text}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (text, message, marked) in [
        ("STRETCH TIME BY 0", "a factor must be above zero", "0"),
        (
            "STRETCH TIME BY 0.000",
            "a factor must be above zero",
            "0.000",
        ),
        ("STRETCH TIME BY -2", "a factor must be above zero", "-2"),
        (
            "STRETCH TIME BY 1 / 0",
            "a factor must be above zero",
            "1 / 0",
        ),
        (
            "SCALE nodes BY 99999999999999999999",
            "a factor has at most 19 digits",
            "99999999999999999999",
        ),
        ("SCALE nodes TO 0", "at least one must be left", "0"),
        (
            "SCALE nodes TO 1.5",
            "`1.5` is not a whole number up to 18446744073709551615",
            "1.5",
        ),
        (
            "SLICE FROM '5m' TO '5m'",
            "nothing is between `5m` and `5m`",
            "'5m' TO '5m'",
        ),
        (
            "SLICE FROM '-5m' TO '-10m'",
            "nothing is between `-5m` and `-10m`",
            "'-5m' TO '-10m'",
        ),
        (
            "SLICE FROM '2027-01-01T00:00:00Z' TO '2026-01-01T00:00:00Z'",
            "nothing is between `2027-01-01T00:00:00Z` and `2026-01-01T00:00:00Z`",
            "'2027-01-01T00:00:00Z' TO '2026-01-01T00:00:00Z'",
        ),
        ("SLICE FROM 'noon'", "`noon` is not a time", "'noon'"),
        (
            "SHIFT TIME TO '10m'",
            "`10m` says how far, not when",
            "'10m'",
        ),
        ("REPEAT 0 TIMES", "a trace is seen at least once", "0"),
        (
            "REPEAT 2 TIMES EVERY '0'",
            "the duration must be above zero",
            "'0'",
        ),
        (
            "SCALE Job 'a/b' BY 2 RAMP '-1s'",
            "the duration must not be negative",
            "'-1s'",
        ),
        (
            "SCALE Job 'a/b' BY 2 PLACEMENT NONE",
            "expected `SPREAD` or `BINPACK`, found `NONE`",
            "NONE",
        ),
        (
            "SCALE Job 'b' BY 2",
            "a workload is named with its namespace",
            "'b'",
        ),
        (
            "SCALE Job '/b' BY 2",
            "`` cannot be the name of a namespace",
            "'/b'",
        ),
        (
            "SCALE Job 'a/b/c' BY 2",
            "`b/c` cannot be the name of an object",
            "'a/b/c'",
        ),
        (
            "SCALE Jobs 'a/b' BY 2",
            "nothing to scale is called `Jobs`; did you mean `Job`?",
            "Jobs",
        ),
        (
            "SCALE node BY 2",
            "nothing to scale is called `node`; did you mean `nodes`?",
            "node",
        ),
        (
            "UPDATE events SET name = 'x'",
            "the column `name` cannot be set",
            "name",
        ),
        (
            "UPDATE events SET ts = ts, ts = ts",
            "`ts` is set twice",
            "ts",
        ),
        (
            "UPDATE objects SET kind = 'Pod'",
            "the column `kind` cannot be set",
            "kind",
        ),
        ("MERGE TRACE ''", "this cannot be the path of a trace", "''"),
        (
            "MERGE TRACE 'x' PREFIX NAMESPACES '-b'",
            "`-b` cannot begin the name of a namespace",
            "'-b'",
        ),
    ] {
        let (found, place, _) = failure(text);
        assert_eq!((found.as_str(), place), (message, marked), "{text}");
    }
}

#[test]
fn a_patch_is_checked_where_it_stands_in_the_script() {
    for (patch, message, marked) in [
        (
            "MERGE '{\"a\": it''s}'",
            "the patch is not JSON: expected value",
            "i",
        ),
        (
            "MERGE '{\"it''s\": x}'",
            "the patch is not JSON: expected value",
            "x",
        ),
        ("MERGE '[]'", "a merge patch is a JSON object", "'[]'"),
        (
            "STRATEGIC '1'",
            "a strategic merge patch is a JSON object",
            "'1'",
        ),
        (
            "MERGE '{\"metadata\":{\"name\":\"x\"}}'",
            "a patch cannot change `/metadata/name`",
            "'{\"metadata\":{\"name\":\"x\"}}'",
        ),
        ("JSON '{}'", "a JSON patch is a list of operations", "'{}'"),
        (
            "JSON '[7]'",
            "an operation of a JSON patch is a JSON object",
            "7",
        ),
        (
            "JSON '[{\"path\":\"\"}]'",
            "the operation has no `op`",
            "{\"path\":\"\"}",
        ),
        (
            "JSON '[{\"op\":\"repalce\",\"path\":\"\"}]'",
            "no operation is called `repalce`; did you mean `replace`?",
            "\"repalce\"",
        ),
        (
            "JSON '[{\"op\":\"add\",\"path\":7}]'",
            "`path` of an operation is a text",
            "7",
        ),
        (
            "JSON $p$[{\"op\":\"add\",\"path\":\"spec\"}]$p$",
            "the path `spec` does not begin with `/`",
            "\"spec\"",
        ),
        (
            "JSON '[{\"op\":\"add\",\"path\":\"/a~2\"}]'",
            "in the path `/a~2`, `~` is followed by neither 0 nor 1",
            "\"/a~2\"",
        ),
        (
            "JSON '[{\"op\":\"add\",\"path\":\"/a\"}]'",
            "the operation has no `value`",
            "{\"op\":\"add\",\"path\":\"/a\"}",
        ),
        (
            "JSON '[{\"op\":\"move\",\"path\":\"/a/b\",\"from\":\"/a\"}]'",
            "`/a` cannot be moved into itself",
            "\"/a\"",
        ),
        (
            "JSON '[{\"op\":\"remove\",\"path\":\"/metadata\"}]'",
            "a patch cannot change `/metadata/name`",
            "\"/metadata\"",
        ),
        (
            "JSON '[{\"op\":\"move\",\"path\":\"/a\",\"from\":\"/kind\"}]'",
            "a patch cannot change `/kind`",
            "\"/kind\"",
        ),
    ] {
        let text = format!("-- µ\nPATCH objects WITH {patch}");
        let (found, place, error) = failure(&text);
        assert_eq!((found.as_str(), place), (message, marked), "{text}");
        let position = error.position(&text).unwrap();
        assert_eq!(position.line, 2, "{text}");
    }
}

#[test]
fn a_hint_shows_how_the_statement_is_written() {
    let (_, _, error) = failure("SLICE 5");
    assert_eq!(
        error.hint().unwrap(),
        "write `SLICE {FROM time [TO time] | TO time}`"
    );
    let (_, _, error) = failure("PATCH objects WITH MERGE '{\"kind\":\"Job\"}'");
    assert!(error.hint().unwrap().contains("say which object it is"));
}

#[test]
fn long_wide_and_deep_scripts_end_in_an_error() {
    let (found, ..) = failure(" -- nothing\n ; ;");
    assert_eq!(found, "the script has no statement");
    let long = format!("KEEP events WHERE '{}'", "x".repeat(MOST_BYTES));
    assert!(matches!(
        Script::parse(&long),
        Err(LanguageError::TooLong { .. })
    ));
    let many = "SLICE TO '1m';".repeat(MOST_STATEMENTS + 1);
    assert!(matches!(
        Script::parse(&many),
        Err(LanguageError::TooManyStatements { .. })
    ));
    let nested = format!(
        "KEEP events WHERE {}1{}",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    assert!(matches!(
        Script::parse(&nested),
        Err(LanguageError::Sql { .. })
    ));
    let chained = format!("KEEP events WHERE 1{}", " + 1".repeat(200_000));
    let error = Script::parse(&chained).unwrap_err();
    assert!(
        error.to_string().contains("operators and keywords"),
        "{error}"
    );
    let chained = format!("KEEP events WHERE 1{}", " + 1".repeat(4_990));
    assert!(Script::parse(&chained).is_ok());
    let deep = format!("PATCH events WITH MERGE '{}'", "[".repeat(100_000));
    assert!(Script::parse(&deep).is_err());
    let word = "x".repeat(500_000);
    let error = Script::parse(&word).unwrap_err();
    assert!(error.to_string().len() < 100, "{error}");
}

#[test]
fn a_wrong_synthesize_is_told_the_form_that_it_has() {
    for (script, starts, says) in [
        (
            "SYNTHESIZE NODES",
            "write `SYNTHESIZE NODES count",
            "a number",
        ),
        (
            "SYNTHESIZE NODES 3 LEESES",
            "write `SYNTHESIZE NODES count",
            "did you mean `LEASES`",
        ),
        (
            "SYNTHESIZE TIME 3",
            "write `SYNTHESIZE TIME duration",
            "a duration",
        ),
        (
            "SYNTHESIZE DRAIN NODES 'a'",
            "write `SYNTHESIZE {FAILURE | DRAIN | REMOVAL} OF",
            "`OF`",
        ),
        (
            "SYNTHESIZE Job 'a/b'",
            "write `SYNTHESIZE kind object",
            "`FROM`",
        ),
    ] {
        let (message, _, error) = failure(script);
        assert!(message.contains(says), "{script}: {message}");
        let hint = error.hint().unwrap().into_owned();
        assert!(hint.starts_with(starts), "{script}: {hint}");
        assert!(!hint.contains("TIME duration [FROM instant] |"), "{hint}");
    }
    let (message, marked, _) = failure("SYNTHESIZE NODES 0");
    assert_eq!(
        (message.as_str(), marked),
        ("there is at least one node", "0")
    );
}
