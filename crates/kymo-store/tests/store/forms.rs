//! Rows whose bodies are forms.

use std::sync::Arc;

use bytes::Bytes;
use kymo_model::{
    Certainty, Event, EventType, Feed, FeedId, ObjectKey, ResourceType, Rv, Scope, Timestamp,
};
use kymo_store::segment::{
    Blank, Filled, FilledRow, Form, MOST_TIMES, NewRow, Row, SegmentMeta, SegmentOptions,
    SegmentReader, SegmentWriter, Texts,
};
use proptest::prelude::*;
use serde_json::Value;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_795_226_845;

/// What objects say besides their metadata, stage by stage. `N` and `A` are texts, `X`, `Y` and `Z`
/// times.
const STAGES: [&str; 5] = [
    r#""spec":{"n":%O%,"v":[{"name":"a-%A%"}]},"status":{"phase":"Pending","long":"0123456789012345678901234567890123456789"}"#,
    r#""spec":{"n":%O%,"v":[{"name":"a-%A%"}],"at":"2026-11-21T02:07:25Z"},"status":{"phase":"Pending","c":[{"type":"x","at":"%X%"}],"long":"0123456789012345678901234567890123456789"}"#,
    r#""spec":{"n":%O%,"v":[{"name":"a-%A%"}],"at":"2026-11-21T02:07:25Z"},"status":{"phase":"Running","c":[{"type":"y","at":"%Y%"},{"type":"x","at":"%Z%"}],"ips":[{"ip":"%P%"}],"long":"0123456789012345678901234567890123456789"}"#,
    r#""spec":{"n":%O%},"status":{"c":[{"type":"x","at":"%Y%"}],"told":"%X% %A%","ips":[{"ip":"%P%"},{"ip":"10.0.0.1"}],"long":"0123456789012345678901234567890123456789"}"#,
    r#""spec":{},"status":{}"#,
];

fn forms(id: &str) -> Vec<Arc<Form>> {
    let marks: Vec<(String, Blank)> = [
        ("O", Blank::Text(0)),
        ("A", Blank::Text(1)),
        ("P", Blank::Text(2)),
        ("X", Blank::Time(0)),
        ("Y", Blank::Time(1)),
        ("Z", Blank::Time(7)),
    ]
    .into_iter()
    .map(|(mark, blank)| match blank {
        // A number, so that the text is JSON.
        Blank::Text(0) => ("77777777".to_owned(), blank),
        _ => (format!("%{mark}%"), blank),
    })
    .collect();
    let form = |stage: &&str| {
        let text = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p","namespace":"ns","uid":"u","resourceVersion":"1","labels":{{"id":"{id}"}}}},{}}}"#,
            stage.replace("%O%", "77777777")
        );
        Arc::new(Form::new(&text, &marks).unwrap())
    };
    STAGES.iter().map(form).collect()
}

/// A version: its form, its times after the start, and whether it comes as a form.
type Version = (usize, [i64; 3], bool);

/// Texts of an object, which of two families of forms it has, and its versions.
type Life = ((u8, u8, u8), bool, Vec<Version>);

fn rows(lives: &[Life]) -> Vec<(FilledRow, bool)> {
    let families = [forms("a"), forms("b")];
    let (mut rows, mut seq) = (Vec::new(), 0);
    for (object, ((ordinal, letters, address), is_second, versions)) in lives.iter().enumerate() {
        let mut texts = Texts::default();
        texts.push(&(u32::from(*ordinal) + 1_000_000).to_string());
        texts.push(&format!("x{letters}"));
        texts.push(&format!("10.1.0.{address}"));
        let texts = Arc::new(texts);
        for (stage, times, is_form) in versions {
            seq += 1;
            let mut all = [0; MOST_TIMES];
            for (place, time) in [0, 1, 7].into_iter().zip(times) {
                all[place] = START + time;
            }
            let filled = Filled {
                form: Arc::clone(&families[usize::from(*is_second)][*stage]),
                texts: Arc::clone(&texts),
                times: all,
                generation: (*stage > 2).then_some(2),
                created: Some(START),
                deleted: (*stage == 3).then_some(START + 30),
            };
            let event = Event {
                feed: FeedId(3),
                ts: Timestamp((START + 3) * SECOND + 7),
                not_before: None,
                event_type: EventType::Modified,
                certainty: Certainty::Seen,
                epoch: 0,
                key: ObjectKey {
                    namespace: "ns".to_owned(),
                    name: format!("p{object:03}"),
                    uid: format!("{object}"),
                },
                rv: Some(Rv::new(seq.to_string())),
                body: None,
                request: None,
            };
            let row = Row {
                seq,
                session: 1,
                event,
            };
            rows.push((FilledRow { row, filled }, *is_form));
        }
    }
    rows
}

fn feeds() -> Vec<(FeedId, Feed)> {
    let feed = |group: &str, resource: &str, kind: &str| Feed {
        resource: ResourceType {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            kind: kind.into(),
            namespaced: true,
        },
        scope: Scope::default(),
    };
    vec![
        (FeedId(3), feed("", "pods", "Pod")),
        (FeedId(4), feed("example.com", "things", "")),
    ]
}

fn read(segment: &Bytes) -> Vec<Row> {
    let reader = SegmentReader::open(segment.clone()).unwrap();
    reader.rows().unwrap().map(Result::unwrap).collect()
}

fn assert_same(found: &[Row], expected: &[Row]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let parts = |row: &Row| {
            let mut row = row.clone();
            let body = row.event.body.take().unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            (row, body)
        };
        assert_eq!(parts(found), parts(expected));
    }
}

fn as_text(filled: &FilledRow) -> Row {
    let mut row = filled.row.clone();
    row.event.body = Some(filled.filled.text(&row.event).unwrap());
    row
}

fn write(rows: impl Iterator<Item = NewRow>, options: SegmentOptions) -> Bytes {
    let mut output = Vec::new();
    let mut writer = SegmentWriter::new(&mut output, &feeds(), options).unwrap();
    for row in rows {
        writer.push_new(&row).unwrap();
    }
    let meta = SegmentMeta {
        feeds: feeds(),
        ..SegmentMeta::default()
    };
    writer.finish(&meta).unwrap();
    Bytes::from(output)
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let version = (0usize..5, [0i64..3, 0i64..3, 0i64..3], any::<bool>());
    let texts = (0u8..2, 0u8..2, 0u8..2);
    let life = (texts, any::<bool>(), prop::collection::vec(version, 1..6));
    prop::collection::vec(life, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn forms_are_written_byte_by_byte_as_their_text_would_be(
        lives in lives(),
        row_group_rows in 3usize..40,
        keyframe_interval in 0u32..5,
        sibling_interval in 0u32..4,
        ages in any::<bool>(),
    ) {
        let options = SegmentOptions {
            row_group_rows,
            keyframe_interval,
            sibling_interval,
            ages,
            ..SegmentOptions::default()
        };
        let rows = rows(&lives);
        let texts: Vec<Row> = rows.iter().map(|(row, _)| as_text(row)).collect();
        let slow = write(texts.iter().cloned().map(NewRow::from), options.clone());
        let mixed = rows.iter().zip(&texts).map(|((filled, is_form), text)| {
            if *is_form { filled.clone().into() } else { text.clone().into() }
        });
        prop_assert!(write(mixed, options.clone()) == slow, "some as text");
        let all = rows.iter().map(|(filled, _)| filled.clone().into());
        let all = write(all, options);
        prop_assert!(all == slow, "all as forms");
        assert_same(&read(&all), &texts);
    }
}

#[test]
fn blanks_that_hold_the_same_by_chance_do_no_harm() {
    let stage = |mark: &str| {
        let text = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p","namespace":"ns","uid":"u","resourceVersion":"1"}},"spec":{{"a":"{mark}","b":"fixed","c":"a long text so that a patch is worth it"}}}}"#
        );
        let marks = [
            ("M0".to_owned(), Blank::Text(0)),
            ("M1".to_owned(), Blank::Text(1)),
        ];
        Arc::new(Form::new(&text, &marks).unwrap())
    };
    let stages = [stage("M0"), stage("fixed"), stage("M1")];
    let mut rows = rows(&[((0, 0, 0), false, vec![(0, [0; 3], true); 4])]);
    let mut texts = Texts::default();
    texts.push("fixed");
    texts.push("fixed");
    let texts = Arc::new(texts);
    for (place, (row, _)) in rows.iter_mut().enumerate() {
        row.filled.form = Arc::clone(&stages[place % 3]);
        row.filled.texts = Arc::clone(&texts);
    }
    let segment = write(
        rows.iter().map(|(row, _)| row.clone().into()),
        SegmentOptions::default(),
    );
    let texts: Vec<Row> = rows.iter().map(|(row, _)| as_text(row)).collect();
    assert_same(&read(&segment), &texts);
}

#[test]
fn a_form_of_another_object_or_kind_is_written_as_text() {
    let mut rows = rows(&[((0, 0, 0), false, vec![(0, [0; 3], true), (1, [0; 3], true)])]);
    rows[1].0.row.event.feed = FeedId(4);
    let segment = write(
        rows.iter().map(|(row, _)| row.clone().into()),
        SegmentOptions::default(),
    );
    let texts: Vec<Row> = rows.iter().map(|(row, _)| as_text(row)).collect();
    assert_same(&read(&segment), &texts);
}
