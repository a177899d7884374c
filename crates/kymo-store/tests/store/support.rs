//! Traces, events and file systems for the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymo_model::{
    Cause, Certainty, CoverageState, Event, EventType, Feed, FeedId, ManualClock, ObjectKey,
    Request, ResourceType, Scope, Timestamp,
};
use kymo_store::fs::{Filesystem as _, ModelFs, RealFs};
use kymo_store::{
    Error, LogRecord, SessionInfo, Trace, TraceIdentity, Writer, WriterOptions, check_with,
};

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

pub(crate) fn path() -> PathBuf {
    PathBuf::from("/trace.kymo")
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(START))
}

pub(crate) fn small() -> WriterOptions {
    WriterOptions {
        rotate_events: 4,
        ballast_bytes: 64 << 10,
        low_water_bytes: 16 << 10,
        seal_chunk_bytes: 2000,
        compact_at: 2,
        ..WriterOptions::default()
    }
}

pub(crate) fn create(fs: &ModelFs) -> Result<Writer, Error> {
    create_with(fs, small())
}

pub(crate) fn create_with(fs: &ModelFs, options: WriterOptions) -> Result<Writer, Error> {
    let identity = TraceIdentity {
        trace_id: "7b0d3c6a-1c5b-4a53-9b0e-3f0c8f1b2a77".parse().unwrap(),
        cluster_uid: None,
    };
    Writer::create(Arc::new(fs.clone()), &path(), identity, clock(), options)
}

pub(crate) fn open(fs: &ModelFs) -> Result<Writer, Error> {
    open_with(fs, small())
}

pub(crate) fn open_with(fs: &ModelFs, options: WriterOptions) -> Result<Writer, Error> {
    Writer::open(Arc::new(fs.clone()), &path(), clock(), options)
}

pub(crate) fn trace(fs: &ModelFs) -> Result<Trace, Error> {
    Trace::open_with(Arc::new(fs.clone()), &path())
}

pub(crate) fn session() -> SessionInfo {
    SessionInfo {
        started: START,
        tool: "kymo test".into(),
        command: "record".into(),
        ..SessionInfo::default()
    }
}

pub(crate) fn pods() -> Feed {
    resource("pods", "Pod")
}

pub(crate) fn resource(plural: &str, kind: &str) -> Feed {
    Feed {
        resource: ResourceType {
            group: String::new(),
            version: "v1".into(),
            resource: plural.into(),
            kind: kind.into(),
            namespaced: true,
        },
        scope: Scope::default(),
    }
}

pub(crate) fn body(name: &str, rv: u64) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"shop","uid":"uid-{name}","resourceVersion":"{rv}"}},"status":{{"phase":"Running","restarts":{rv}}}}}"#
    )
}

pub(crate) fn event(feed: FeedId, event_type: EventType, name: &str, rv: u64) -> Event {
    Event {
        feed,
        ts: Timestamp(START.0 + i64::try_from(rv).unwrap() * 1_000_000),
        not_before: None,
        event_type,
        certainty: Certainty::Seen,
        epoch: 0,
        key: ObjectKey {
            namespace: "shop".into(),
            name: name.into(),
            uid: format!("uid-{name}"),
        },
        rv: Some(kymo_model::Rv::new(rv.to_string())),
        body: Some(body(name, rv).into_bytes().into()),
        request: None,
    }
}

pub(crate) fn observed(feed: FeedId, rv: Option<&str>) -> LogRecord {
    LogRecord::Transition {
        feed,
        epoch: 0,
        ts: START,
        state: CoverageState::Observed,
        cause: Cause::Start,
        rv: rv.map(Into::into),
        detail: None,
    }
}

/// What a row says, to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) event_type: EventType,
    pub(crate) certainty: Certainty,
    pub(crate) ts: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) key: ObjectKey,
    pub(crate) rv: Option<String>,
    pub(crate) body: Option<serde_json::Value>,
    pub(crate) request: Option<Arc<Request>>,
}

pub(crate) fn said(event: &Event) -> Said {
    Said {
        event_type: event.event_type,
        certainty: event.certainty,
        ts: event.ts,
        not_before: event.not_before,
        key: event.key.clone(),
        rv: event.rv.as_ref().map(ToString::to_string),
        body: event
            .body
            .as_ref()
            .map(|body| serde_json::from_slice(body).unwrap()),
        request: event.request.clone(),
    }
}

/// Every row of a trace by its seq; a seq that comes twice is an error of the store.
pub(crate) fn rows(trace: &Trace) -> Result<BTreeMap<u64, Said>, Error> {
    let mut rows = BTreeMap::new();
    for row in trace.rows()? {
        let row = row?;
        let before = rows.insert(row.seq, said(&row.event));
        assert_eq!(before, None, "seq {} twice", row.seq);
    }
    Ok(rows)
}

pub(crate) fn assert_whole(fs: &ModelFs) {
    let report = check_with(Arc::new(fs.clone()), &path()).unwrap();
    assert!(!report.is_damaged(), "{:?}", report.findings);
}

/// What was appended, and up to which seq it was acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) appended: BTreeMap<u64, Vec<Said>>,
    pub(crate) acknowledged: BTreeMap<u64, Said>,
    pending: BTreeMap<u64, Said>,
    pub(crate) created: bool,
}

impl Ledger {
    pub(crate) fn append(&mut self, writer: &mut Writer, event: Event) -> Result<(), Error> {
        let expected = said(&event);
        let seq = writer.next_seq();
        self.appended.entry(seq).or_default().push(expected.clone());
        self.pending.insert(seq, expected);
        writer.append_event(event).map(|_| ())
    }

    pub(crate) fn commit(&mut self, writer: &mut Writer) -> Result<(), Error> {
        writer.commit()?;
        self.acknowledged.append(&mut self.pending);
        Ok(())
    }

    pub(crate) fn void(&mut self) {
        self.pending.clear();
    }

    /// Everything acknowledged is there, and nothing that was not appended.
    pub(crate) fn compare(&self, rows: &BTreeMap<u64, Said>) {
        for (seq, expected) in &self.acknowledged {
            assert_eq!(rows.get(seq), Some(expected), "seq {seq} was acknowledged");
        }
        for (seq, row) in rows {
            let appended = self.appended.get(seq);
            assert!(
                appended.is_some_and(|appended| appended.contains(row)),
                "seq {seq} was never appended: {row:?}"
            );
        }
    }
}

/// Writes, seals, compacts, closes, opens and goes on, until something fails.
pub(crate) fn life(fs: &ModelFs, ledger: &mut Ledger) -> Result<(), Error> {
    let mut writer = create(fs)?;
    ledger.created = true;
    writer.begin_session(session())?;
    let feed = writer.feed(&pods())?;
    writer.append(observed(feed, Some("1")))?;
    for rv in 2..12 {
        let name = format!("web-{}", rv % 3);
        ledger.append(&mut writer, event(feed, EventType::Modified, &name, rv))?;
        if rv % 2 == 0 {
            ledger.commit(&mut writer)?;
        }
        if rv == 8 {
            writer.maintenance().run_once()?;
        }
    }
    ledger.commit(&mut writer)?;
    writer.append(LogRecord::Mark {
        feed,
        rv: "20".into(),
        ts: START,
    })?;
    writer.close(Cause::Stop)?;

    let mut writer = open(fs)?;
    writer.begin_session(session())?;
    let feed = writer.feed(&pods())?;
    writer.resume(feed)?;
    for rv in 21..24 {
        ledger.append(&mut writer, event(feed, EventType::Deleted, "web-1", rv))?;
    }
    ledger.commit(&mut writer)?;
    writer.seal_now()?;
    ledger.append(&mut writer, event(feed, EventType::Added, "web-9", 30))?;
    ledger.commit(&mut writer)
}

/// Copies a directory of the machine into a model.
pub(crate) fn load_directory(from: &Path) -> ModelFs {
    let fs = ModelFs::new();
    fs.create_dir(&path()).unwrap();
    for (name, _) in RealFs.list(from).unwrap() {
        if from.join(&name).is_file() {
            fs.write(
                &path().join(&name),
                &std::fs::read(from.join(&name)).unwrap(),
            );
        }
    }
    fs
}

/// The files of the trace in a model, those that count.
pub(crate) fn files(fs: &ModelFs) -> Vec<String> {
    fs.list(&path())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name == "manifest" || name.ends_with(".wal") || name.ends_with(".parquet"))
        .collect()
}
