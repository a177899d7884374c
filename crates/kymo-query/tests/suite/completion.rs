use kymo_query::{Limits, QuerySession};

use crate::traces;

#[tokio::main]
async fn words(session: &QuerySession, text: &str) -> Vec<String> {
    // The cursor is where the bar is.
    let cursor = text.find('|').unwrap();
    let found = session.complete(&text.replace('|', ""), cursor).await;
    assert!(text.get(found.start..cursor).is_some(), "{text}");
    found.words
}

fn is_in(words: &[String], word: &str) -> bool {
    words.iter().any(|found| found == word)
}

#[test]
fn tables_columns_functions_and_keywords_are_offered_where_they_fit() {
    let trace = traces::sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    assert_eq!(words(&session, "SELECT * FROM eve|"), ["events"]);
    assert_eq!(words(&session, "DESCRIBE vers|"), ["versions"]);
    assert!(is_in(&words(&session, "SELECT 1 FROM |"), "pods"));
    assert_eq!(words(&session, "SELECT names| FROM pods"), ["namespace"]);
    assert_eq!(
        words(
            &session,
            "SELECT p.names| FROM versions v, pods AS OF '1s' p"
        ),
        ["namespace"]
    );
    assert_eq!(words(&session, "SELECT nope.names| FROM pods"), [""; 0]);
    assert_eq!(words(&session, "SELECT cond| FROM events"), ["condition("]);
    assert_eq!(words(&session, "SEL|"), ["SELECT"]);
    assert_eq!(words(&session, "sel|"), ["select"]);
    let columns = words(&session, "SELECT | FROM coverage");
    assert!(
        is_in(&columns, "state") && !is_in(&columns, "SELECT"),
        "{columns:?}"
    );
    assert_eq!(words(&session, "SELECT 'eve|"), [""; 0]);
    assert_eq!(words(&session, "SELECT naïve FROM eve|"), ["events"]);
    assert_eq!(session.tables_beginning("cover"), ["coverage"]);
}

#[test]
fn several_traces_are_offered_by_name() {
    let trace = traces::sealed("story");
    let (_, path) = trace.named();
    let both = [("a".to_owned(), path.clone()), ("B".to_owned(), path)];
    let session = QuerySession::open(&both, Limits::default()).unwrap();
    assert!(is_in(&words(&session, "SELECT 1 FROM |"), "\"B\".events"));
    assert_eq!(words(&session, "SELECT 1 FROM a.eve|"), ["events"]);
    let columns = words(&session, "SELECT 1 FROM a.events WHERE na|");
    assert!(
        is_in(&columns, "name") && is_in(&columns, "namespace"),
        "{columns:?}"
    );
}

#[test]
fn a_function_is_told_with_its_example() {
    let trace = traces::sealed("story");
    let session = QuerySession::open(&[trace.named()], Limits::default()).unwrap();
    let at = session.function("AT").unwrap();
    assert!(at.syntax.starts_with("at("), "{at:?}");
    assert!(at.example.unwrap().contains("at('"));
    for name in ["count", "row_number", "json_get", "array_transform", "->"] {
        assert_eq!(session.function(name).is_some(), name != "->", "{name}");
    }
    assert_eq!(
        session.nearest_function("conditoin").as_deref(),
        Some("condition")
    );
    assert!(
        session
            .functions_beginning("json_p")
            .contains(&"json_patch".to_owned())
    );
}
