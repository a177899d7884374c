//! Plans and what comes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kymo_model::{EventType, Feed, FeedId};
use kymo_store::fs::RealFs;
use kymo_store::segment::{NewRow, Row, RowKey, SegmentOptions};
use kymo_store::write_file;
use kymo_synth::{
    Distribution, Error, Manifest, NodeOrder, Placement, Plan, Synthesis, Unwatched, With,
    WorkloadOrder,
};
use serde_json::Value;

pub(crate) const SECOND: i64 = 1_000_000_000;

pub(crate) fn nodes(count: u64) -> NodeOrder {
    NodeOrder {
        count,
        pattern: "sim-{i}".to_owned(),
        manifest: None,
        labels: Vec::new(),
        at: 0,
        until: None,
        arrival: None,
        startup: None,
        leases: None,
        updates: None,
        heartbeats: false,
    }
}

pub(crate) fn workload(kind: &str, name: &str, manifest: &str) -> WorkloadOrder {
    WorkloadOrder {
        kind: kind.to_owned(),
        namespace: "load".to_owned(),
        name: name.to_owned(),
        manifests: Manifest::parse(manifest, "test.yaml").unwrap(),
        replicas: None,
        at: 2 * SECOND,
        until: None,
        arrival: None,
        startup: Some(Distribution::Constant(2e9)),
        runtime: None,
        lifetime: None,
        failures: 0.0,
        restarts: None,
        crash: kymo_synth::Crash::default(),
        evictions: 0.0,
        namespaces: [].into(),
        placement: Placement::Spread,
        scale: [].into(),
        rollouts: [].into(),
        pods: None,
        stages: kymo_synth::Stages::default(),
        updates: None,
        with: With::default(),
    }
}

pub(crate) const DEPLOYMENT: &str = "
kind: Deployment
apiVersion: apps/v1
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: 'app:1', resources: {requests: {cpu: 500m}}}]}
";

/// What came of a plan.
pub(crate) struct Made {
    pub(crate) rows: Vec<Row>,
    pub(crate) feeds: BTreeMap<FeedId, Feed>,
}

pub(crate) fn make(plan: &Plan) -> Made {
    let synthesis = Synthesis::new(plan, &Unwatched).unwrap();
    let made = Made {
        rows: synthesis.rows().map(Result::unwrap).collect(),
        feeds: synthesis.feeds(),
    };
    made.is_legal();
    let as_text = file(
        &synthesis,
        synthesis.rows().map(|row| row.map(NewRow::from)),
    );
    let as_forms = file(&synthesis, synthesis.new_rows());
    assert!(as_text == as_forms, "forms say something else");
    made
}

/// Returns the file of the rows of a trace.
fn file(synthesis: &Synthesis<'_>, rows: impl Iterator<Item = Result<NewRow, Error>>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    // Little is compressed: it takes long in a development build.
    let options = SegmentOptions {
        zstd_level: 1,
        sibling_interval: 5,
        row_group_rows: 500,
        ..SegmentOptions::default()
    };
    let (fs, meta) = (Arc::new(RealFs), synthesis.meta("test"));
    write_file(fs, &path, rows, meta, &options, |_| {}).unwrap();
    std::fs::read(&path).unwrap()
}

/// The timeline of an object: what happened and what it was then.
pub(crate) type Life = Vec<(EventType, Value)>;

impl Made {
    /// Rows are in the order of a segment, numbers and versions grow with time.
    fn is_legal(&self) {
        let keys: Vec<RowKey<'_>> = self
            .rows
            .iter()
            .map(|row| RowKey::of(row, &self.feeds[&row.event.feed]))
            .collect();
        assert!(keys.is_sorted());
        let mut by_seq: Vec<&Row> = self.rows.iter().collect();
        by_seq.sort_by_key(|row| row.seq);
        let numbers: Vec<u64> = by_seq.iter().map(|row| row.seq).collect();
        assert!(numbers.iter().copied().eq(1..=self.rows.len() as u64));
        assert!(by_seq.is_sorted_by_key(|row| row.event.ts));
        for row in &self.rows {
            let body: Value = serde_json::from_slice(row.event.body.as_ref().unwrap())
                .unwrap_or_else(|error| panic!("{error}: {row:?}"));
            let metadata = &body["metadata"];
            assert_eq!(metadata["name"], row.event.key.name);
            assert_eq!(metadata["uid"], row.event.key.uid);
            let version = row.event.rv.as_ref().unwrap().as_str();
            assert_eq!(metadata["resourceVersion"], version);
        }
    }

    /// Returns the timelines of a kind, by name.
    pub(crate) fn lives(&self, kind: &str) -> BTreeMap<String, Life> {
        let mut lives: BTreeMap<String, Life> = BTreeMap::new();
        for row in &self.rows {
            if self.feeds[&row.event.feed].resource.kind == kind {
                let body = serde_json::from_slice(row.event.body.as_ref().unwrap()).unwrap();
                let key = format!("{} {}", row.event.key.name, row.event.key.uid);
                lives
                    .entry(key)
                    .or_default()
                    .push((row.event.event_type, body));
            }
        }
        lives
    }

    /// Returns the only timeline of a kind.
    pub(crate) fn life(&self, kind: &str) -> Life {
        let mut lives = self.lives(kind).into_values();
        let life = lives.next().unwrap();
        assert!(lives.next().is_none(), "several of kind {kind}");
        life
    }
}
