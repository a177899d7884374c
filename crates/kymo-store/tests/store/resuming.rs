use kymo_model::{Cause, Certainty, CoverageState, EventType};
use kymo_store::fs::ModelFs;
use kymo_store::{LogRecord, Writer};

use crate::support::{self, event, observed, pods, resource, session};

fn names(writer: &mut Writer, feed: kymo_model::FeedId) -> Vec<String> {
    let live = writer.resume(feed).unwrap().live;
    live.into_iter().map(|object| object.key.name).collect()
}

fn fill(fs: &ModelFs) {
    let mut writer = support::create(fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    let other = writer.feed(&resource("nodes", "Node")).unwrap();
    writer.append(observed(feed, Some("1"))).unwrap();
    for (rv, (event_type, name)) in (2..).zip([
        (EventType::Added, "a"),
        (EventType::Added, "b"),
        (EventType::Modified, "a"),
        (EventType::Deleted, "b"),
        (EventType::Added, "c"),
    ]) {
        writer
            .append_event(event(feed, event_type, name, rv))
            .unwrap();
        writer.commit().unwrap();
    }
    writer
        .append_event(event(other, EventType::Added, "node", 100))
        .unwrap();
    writer.close(Cause::Stop).unwrap();
}

#[test]
fn a_feed_goes_on_from_the_last_event_with_its_live_objects() {
    let fs = ModelFs::new();
    fill(&fs);
    for sealed in [false, true] {
        if sealed {
            support::open(&fs).unwrap().seal_now().unwrap();
        }
        let mut writer = support::open(&fs).unwrap();
        let feed = writer.feed(&pods()).unwrap();
        let resume = writer.resume(feed).unwrap();
        assert_eq!(resume.rv, Some("6".into()), "sealed: {sealed}");
        assert_eq!(resume.state, Some(CoverageState::Observed));
        let live: Vec<_> = resume
            .live
            .iter()
            .map(|object| {
                (
                    object.key.name.as_str(),
                    object.rv.as_ref().unwrap().as_str(),
                )
            })
            .collect();
        assert_eq!(live, [("a", "4"), ("c", "6")], "sealed: {sealed}");
    }
}

#[test]
fn another_version_of_the_resource_goes_on_where_the_last_was() {
    let fs = ModelFs::new();
    fill(&fs);
    let mut writer = support::open(&fs).unwrap();
    let mut newer = pods();
    newer.resource.version = "v2".into();
    let feed = writer.feed(&newer).unwrap();
    assert_eq!(feed.0, 2, "a feed of its own");
    assert_eq!(writer.resume(feed).unwrap().rv, Some("6".into()));
}

#[test]
fn a_mark_behind_the_last_event_counts() {
    let fs = ModelFs::new();
    fill(&fs);
    let mut writer = support::open(&fs).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer
        .append(LogRecord::Mark {
            feed,
            rv: "50".into(),
            ts: support::START,
        })
        .unwrap();
    assert_eq!(writer.resume(feed).unwrap().rv, Some("50".into()));
    drop(writer);
    let mut writer = support::open(&fs).unwrap();
    assert_eq!(
        writer.resume(feed).unwrap().rv,
        Some("50".into()),
        "it was committed"
    );
}

#[test]
fn the_live_objects_are_there_again_when_asked_again() {
    let fs = ModelFs::new();
    fill(&fs);
    let mut writer = support::open(&fs).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    assert_eq!(names(&mut writer, feed), ["a", "c"]);
    writer
        .append_event(event(feed, EventType::Added, "d", 7))
        .unwrap();
    assert_eq!(names(&mut writer, feed), ["a", "c", "d"]);
    writer.forget_live();
    assert_eq!(names(&mut writer, feed), ["a", "c", "d"]);
}

#[test]
fn a_listed_event_is_nothing_to_resume_from() {
    let fs = ModelFs::new();
    let mut writer = support::create(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    let mut listed = event(feed, EventType::Added, "a", 90);
    listed.certainty = Certainty::Listed;
    writer.append_event(listed).unwrap();
    assert_eq!(
        writer.resume(feed).unwrap().rv,
        None,
        "the list was not complete"
    );
}

#[test]
fn a_new_epoch_forgets_the_versions_of_the_old() {
    let fs = ModelFs::new();
    fill(&fs);
    let mut writer = support::open(&fs).unwrap();
    writer.begin_session(session()).unwrap();
    let feed = writer.feed(&pods()).unwrap();
    writer
        .append(LogRecord::Transition {
            feed,
            epoch: 1,
            ts: support::START,
            state: CoverageState::Unobserved,
            cause: Cause::HistoryRewound,
            rv: None,
            detail: None,
        })
        .unwrap();
    let resume = writer.resume(feed).unwrap();
    assert_eq!((resume.rv, resume.epoch), (None, 1));
    writer.seal_now().unwrap();
    drop(writer);
    let mut writer = support::open(&fs).unwrap();
    let resume = writer.resume(feed).unwrap();
    assert_eq!((resume.rv, resume.epoch), (None, 1), "sealed as well");
}
