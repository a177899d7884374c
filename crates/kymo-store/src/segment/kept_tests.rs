use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use kymo_model::{EventType, FeedId, ObjectKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{SECOND, assert_same, feeds, history, pod, read, write};
use super::{
    Effect, KeptRow, Revision, Revisions, Row, SegmentError, SegmentMeta, SegmentOptions,
    SegmentReader, SegmentWriter, Touch,
};

/// Sets labels, takes managedFields and the generation away, or copies a member of `spec`.
#[derive(Debug)]
struct Revised {
    number: usize,
    touches: Vec<Touch>,
}

fn revision(number: usize) -> Arc<dyn Revision> {
    let touches = match number {
        0 => vec![Touch::new(["metadata", "labels"], Effect::Sets)],
        1 => vec![
            Touch::new(["metadata", "managedFields"], Effect::Removes),
            Touch::new(["metadata", "generation"], Effect::Removes),
            Touch::new(["status"], Effect::Removes),
        ],
        _ => vec![
            Touch::new(["spec", "a"], Effect::Uses),
            Touch::new(["spec", "b"], Effect::Sets),
        ],
    };
    Arc::new(Revised { number, touches })
}

impl Revision for Revised {
    fn touches(&self) -> &[Touch] {
        &self.touches
    }

    fn revise(
        &self,
        object: &mut Value,
        _: u64,
        _: FeedId,
        key: &ObjectKey,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        assert_eq!(
            object["metadata"]["uid"].as_str().unwrap_or_default(),
            key.uid
        );
        match self.number {
            0 => object["metadata"]["labels"] = json!({"replay": "yes"}),
            1 => {
                for name in ["managedFields", "generation"] {
                    object["metadata"].as_object_mut().unwrap().remove(name);
                }
                object.as_object_mut().unwrap().remove("status");
            }
            _ => {
                if let Some(Value::Object(spec)) = object.get_mut("spec") {
                    let copy = spec.get("a").cloned().unwrap_or(json!("none"));
                    spec.insert("b".to_owned(), copy);
                }
            }
        }
        Ok(())
    }
}

fn kept(segment: &Bytes) -> Vec<KeptRow> {
    let reader = SegmentReader::open(segment.clone()).unwrap();
    reader.kept_rows().unwrap().map(Result::unwrap).collect()
}

fn write_kept(rows: &[KeptRow], options: SegmentOptions) -> Result<Bytes, SegmentError> {
    let mut output = Vec::new();
    let mut writer = SegmentWriter::new(&mut output, &feeds(), options)?;
    for row in rows {
        writer.push_kept(row)?;
    }
    assert_eq!(writer.mismatches(), 0);
    writer.finish(&SegmentMeta {
        feeds: feeds(),
        ..SegmentMeta::default()
    })?;
    Ok(output.into())
}

fn texts(rows: &[KeptRow]) -> Vec<Row> {
    rows.iter()
        .map(|row| row.clone().into_row().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn kept_rows_are_those_that_were_written(rows in history(), row_group_rows in 1usize..12) {
        let options = SegmentOptions { row_group_rows, ..SegmentOptions::default() };
        let segment = write(&rows, options.clone()).unwrap();
        let mut found = texts(&kept(&segment));
        for (found, row) in found.iter_mut().zip(&rows) {
            // A delete gets the last known body.
            if row.event.body.is_none() && row.event.event_type == EventType::Deleted {
                found.event.body = None;
            }
        }
        assert_same(&found, &rows);
    }

    #[test]
    fn a_copy_of_all_rows_is_the_same_segment(rows in history(), row_group_rows in 1usize..12) {
        let rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| row.event.event_type != EventType::Deleted)
            .collect();
        let options = SegmentOptions { row_group_rows, ..SegmentOptions::default() };
        let segment = write(&rows, options.clone()).unwrap();
        prop_assert_eq!(write_kept(&kept(&segment), options).unwrap(), segment);
    }

    #[test]
    fn rows_that_are_left_out_revised_and_moved_come_out_as_their_texts_do(
        rows in history(),
        row_group_rows in (1usize..12, 1usize..12),
        keyframe_interval in (0u32..5, 0u32..5),
        sibling_interval in (0u32..4, 0u32..4),
        fates in prop::collection::vec((0u8..10, 0u8..10, 0i64..8, 0u8..3), 24),
    ) {
        let segment = write(&rows, SegmentOptions {
            row_group_rows: row_group_rows.0,
            keyframe_interval: keyframe_interval.0,
            sibling_interval: sibling_interval.0,
            ..SegmentOptions::default()
        }).unwrap();
        let all: Vec<Arc<dyn Revision>> = (0..3).map(revision).collect();
        let mut changed = kept(&segment);
        let mut fates = fates.into_iter();
        changed.retain_mut(|row| {
            let (leaves, revised, moved, version) = fates.next().unwrap();
            if let Some(kept) = &mut row.kept {
                for (number, revision) in all.iter().enumerate() {
                    // All rows have the first one, most the second, some the third.
                    if revised >= [0, 2, 7][number] {
                        let before = kept.revisions().cloned();
                        let with = Revisions::with(before.as_deref(), Arc::clone(revision));
                        kept.revise(Arc::new(with.unwrap()));
                    }
                }
                if version == 0 {
                    kept.set_version(Some("77".into()));
                }
                if moved == 0 {
                    row.row.event.ts.0 += SECOND;
                }
            }
            leaves > 2
        });
        let options = SegmentOptions {
            row_group_rows: row_group_rows.1,
            keyframe_interval: keyframe_interval.1,
            sibling_interval: sibling_interval.1,
            ..SegmentOptions::default()
        };
        let copy = write_kept(&changed, options).unwrap();
        assert_same(&read(&copy), &texts(&changed));
        let reader = SegmentReader::open(copy).unwrap();
        prop_assert_eq!(reader.verify().unwrap(), reader.verify_stored(2).unwrap());
    }
}

/// Writes what becomes of a segment, if that can be done without putting rows together, and reads
/// it back.
fn revised(
    segment: &Bytes,
    done: impl Fn(u64) -> Option<Arc<Revisions>>,
) -> Result<Option<Vec<Row>>, SegmentError> {
    let reader = SegmentReader::open(segment.clone())?;
    let Some(revised) = super::Revised::find(&reader, |seq| Ok(done(seq)), |error| error)? else {
        return Ok(None);
    };
    let meta = SegmentMeta {
        feeds: feeds(),
        ..SegmentMeta::default()
    };
    let mut output = Vec::new();
    let (summary, made) = revised.write(&mut output, &meta, &SegmentOptions::default())?;
    let copy = SegmentReader::open(Bytes::from(output))?;
    assert!(revised.is_held_by(&copy, &made)?);
    assert_eq!(copy.verify()?, summary);
    let bounds = |reader: &SegmentReader<Bytes>| format!("{:?}", reader.bounds("seq"));
    assert_eq!(bounds(&copy), bounds(&reader));
    let rows: Result<Vec<Row>, _> = copy.rows()?.collect();
    Ok(Some(rows?))
}

fn with_revisions(numbers: impl IntoIterator<Item = usize>) -> Option<Arc<Revisions>> {
    let mut all = None;
    for number in numbers {
        all = Some(Revisions::with(all.as_ref(), revision(number)).unwrap());
    }
    all.map(Arc::new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn a_segment_that_is_revised_has_what_becomes_of_its_rows(
        rows in history(),
        row_group_rows in 1usize..12,
        keyframe_interval in 0u32..5,
        sibling_interval in 0u32..4,
        done in prop::collection::vec(0usize..4, 2),
        by_object in any::<bool>(),
    ) {
        let segment = write(&rows, SegmentOptions {
            row_group_rows,
            keyframe_interval,
            sibling_interval,
            ..SegmentOptions::default()
        }).unwrap();
        let all = [None, with_revisions([0]), with_revisions([0, 1]), with_revisions([1, 2])];
        let of_seq = |seq: u64| {
            let row = rows.iter().find(|row| row.seq == seq).unwrap();
            let is_other = by_object && row.event.key.name.len() % 2 == 0;
            all[done[usize::from(is_other)]].clone()
        };
        if let Some(found) = revised(&segment, of_seq).unwrap() {
            let mut expected = kept(&segment);
            for row in &mut expected {
                if let (Some(kept), Some(done)) = (&mut row.kept, of_seq(row.row.seq)) {
                    kept.revise(done);
                }
            }
            let mut expected = texts(&expected);
            for (expected, row) in expected.iter_mut().zip(&rows) {
                // A delete gets the last known body only on its way out.
                if row.event.body.is_none() {
                    expected.event.body = None;
                }
            }
            assert_same(&found, &expected);
        }
    }
}

#[test]
fn rows_of_which_whole_members_are_set_or_go_are_not_put_together() {
    let rows: Vec<Row> = (1..40).map(|seq| pod(seq, seq)).collect();
    let options = SegmentOptions {
        row_group_rows: 16,
        ..SegmentOptions::default()
    };
    let segment = write(&rows, options).unwrap();
    for numbers in [&[0][..], &[1], &[0, 1]] {
        let done = with_revisions(numbers.iter().copied());
        let found = revised(&segment, |_| done.clone()).unwrap();
        assert!(found.is_some(), "{numbers:?}");
    }
    // What depends on what changes has to be done to each.
    let touches = vec![Touch::new(["spec"], Effect::Uses)];
    let done = Revisions::with(None, Arc::new(Revised { number: 2, touches }));
    let done = done.map(Arc::new);
    assert!(revised(&segment, |_| done.clone()).unwrap().is_none());
    // And so has what is done to a version, but not to the one that its patch refers to.
    let done = with_revisions([0]);
    let found = revised(&segment, |seq| done.clone().filter(|_| seq > 5));
    assert!(found.unwrap().is_none());
}

#[test]
fn a_column_that_was_not_written_as_it_should_be_is_found() {
    let rows: Vec<Row> = (1..10).map(|seq| pod(seq, seq)).collect();
    let [one, other] = [0, 1].map(|number| {
        let segment = write(&rows[number..], SegmentOptions::default()).unwrap();
        SegmentReader::open(segment).unwrap()
    });
    let find = |reader| super::Revised::find(reader, |_| Ok(None), |error| error);
    let revised = find(&one).unwrap().unwrap();
    let (meta, options) = (SegmentMeta::default(), SegmentOptions::default());
    let (_, made) = revised.write(Vec::new(), &meta, &options).unwrap();
    assert!(revised.is_held_by(&one, &made).unwrap());
    assert!(!revised.is_held_by(&other, &made).unwrap());
}

#[test]
fn what_columns_tell_cannot_wait() {
    for path in [
        &["metadata", "name"][..],
        &["metadata", "uid", "x"],
        &["metadata"],
        &["kind"],
        &[],
    ] {
        let touches = vec![Touch::new(path.iter().copied(), Effect::Sets)];
        let revision = Arc::new(Revised { number: 0, touches });
        assert!(Revisions::with(None, revision).is_none(), "{path:?}");
    }
    let generation = |effect| {
        let touches = vec![Touch::new(["metadata", "generation"], effect)];
        Revisions::with(None, Arc::new(Revised { number: 1, touches }))
    };
    assert!(generation(Effect::Removes).is_some());
    assert!(generation(Effect::Sets).is_none());
}

#[test]
fn an_item_of_a_list_is_touched_with_its_list() {
    let item = Touch::new(["spec", "containers", "0", "image"], Effect::Sets);
    assert_eq!(item, Touch::new(["spec", "containers"], Effect::Uses));
    let last = Touch::new(["spec", "containers", "-"], Effect::Removes);
    assert_eq!(last, Touch::new(["spec", "containers"], Effect::Uses));
}

#[derive(Debug)]
struct Refused([Touch; 1]);

impl Revision for Refused {
    fn touches(&self) -> &[Touch] {
        &self.0
    }

    fn revise(
        &self,
        _: &mut Value,
        seq: u64,
        _: FeedId,
        _: &ObjectKey,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(format!("not event {seq}").into())
    }
}

#[test]
fn a_revision_that_fails_fails_the_writer() {
    let segment = write(&[pod(1, 3), pod(2, 4)], SegmentOptions::default()).unwrap();
    let mut rows = kept(&segment);
    let refused = Arc::new(Refused([Touch::new(["spec"], Effect::Sets)]));
    let refused = Arc::new(Revisions::with(None, refused).unwrap());
    for row in &mut rows {
        row.kept.as_mut().unwrap().revise(Arc::clone(&refused));
    }
    let error = write_kept(&rows, SegmentOptions::default()).unwrap_err();
    assert!(matches!(&error, SegmentError::Revision { .. }), "{error}");
    assert!(error.to_string().contains("not event 1"), "{error}");
}
