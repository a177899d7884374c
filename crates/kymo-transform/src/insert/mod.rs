//! `INSERT`: rows of a query that become events.
//!
//! The rows are read in the order of their times and kept on disk; of each only its place is held in
//! memory. What the objects of the trace do decides which types and uids are issued, and whether the
//! rows fit ([`lives`]). Then they are merged into the pass over the trace.

mod columns;
mod lives;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use kymo_model::{Certainty, Event, EventType, Feed, FeedId, ObjectKey, Rv, Timestamp};
use kymo_store::Spool;
use kymo_store::segment::Row;
use serde_json::{Map, Value};
use tempfile::TempDir;

use self::columns::Columns;
use self::lives::Fate;
use crate::Error;
use crate::insertions::NewRow;
use crate::language::Place;
use crate::merged::KeptRows;
use crate::plan::Input;
use crate::rows::{each_batch, numbers, texts};

/// Memory for rows before they go to the disk, in bytes.
const SPOOL_BYTES: usize = 32 << 20;

/// What `INSERT` says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) columns: &'a [String],
    pub(crate) query: &'a str,
    pub(crate) place: Place,
    pub(crate) seed: u64,
}

/// Rows that are to be added.
pub(crate) struct Inserted {
    /// Where they stand, in the order of a segment.
    pub(crate) new: Vec<NewRow>,
    spool: Mutex<Spool>,
    /// Removed with the rows.
    _directory: TempDir,
}

/// What is held of a row while its fate is not known.
#[derive(Clone, Debug)]
struct Light {
    ts: i64,
    feed: FeedId,
    namespace: String,
    name: String,
    uid: Option<String>,
    event_type: Option<EventType>,
}

impl Order<'_> {
    fn wrong(&self, message: impl Into<String>, hint: Option<&str>) -> Error {
        Error::Statement {
            message: message.into(),
            place: self.place,
            hint: hint.map(str::to_owned),
        }
    }

    /// Says what is wrong with a row, by its number in the order of time.
    fn wrong_row(&self, row: usize, name: &str, message: &str, hint: Option<&str>) -> Error {
        self.wrong(
            format!("row {} of the query, `{name}`: {message}", row + 1),
            hint,
        )
    }
}

/// Asks for the rows and finds what they are to the objects of the trace.
pub(crate) async fn insert(order: &Order<'_>, input: &Input) -> Result<Inserted, Error> {
    let misunderstood = |source: kymo_query::Error| Error::Condition {
        source: Box::new(source),
        place: order.place,
        first_line: 1,
    };
    let told = input
        .session
        .sql(order.query)
        .await
        .map_err(misunderstood)?;
    let events = input.session.sql("SELECT * FROM events LIMIT 0").await?;
    let columns = Columns::find(order, told.schema(), events.schema())?;
    drop((told, events));
    let directory = tempfile::tempdir().map_err(|source| Error::Workspace {
        path: std::env::temp_dir(),
        source,
    })?;
    let mut read = Spool::new(directory.path(), Arc::clone(&input.feeds), SPOOL_BYTES);
    let sessions = sessions(input);
    let epochs = epochs(input).await?;
    let mut lights: Vec<Light> = Vec::new();
    let sql = columns.in_order_of_time(order.query);
    let mut answer = input.session.sql(&sql).await.map_err(misunderstood)?;
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(misunderstood)?;
        for given in columns.rows(order, &batch, lights.len())? {
            let row = lights.len();
            let (light, body) = light(order, given, row, input)?;
            let session = sessions.partition_point(|(started, _)| *started <= light.ts);
            let session = sessions
                .get(session.saturating_sub(1))
                .map_or(1, |(_, number)| *number);
            let event = Event {
                feed: light.feed,
                ts: Timestamp(light.ts),
                not_before: None,
                event_type: EventType::Modified,
                certainty: body.1,
                epoch: epochs.get(&light.feed).copied().unwrap_or(0),
                key: ObjectKey {
                    namespace: light.namespace.clone(),
                    name: light.name.clone(),
                    uid: light.uid.clone().unwrap_or_default(),
                },
                rv: None,
                body: Some(Arc::from(body.0)),
                request: None,
            };
            read.push(Row {
                seq: row as u64,
                session,
                event,
            })?;
            lights.push(light);
        }
    }
    let fates = lives::fates(order, &lights, input).await?;
    let mut spool = Spool::new(directory.path(), Arc::clone(&input.feeds), SPOOL_BYTES);
    finish(&mut read, &fates, &mut spool)?;
    Ok(Inserted {
        new: places(&lights, &fates, &input.feeds),
        spool: Mutex::new(spool),
        _directory: directory,
    })
}

impl Inserted {
    /// Returns the rows in the order of a segment, with numbers and versions.
    pub(crate) fn rows(&self, places: Vec<(u64, Option<Rv>)>) -> Result<KeptRows, Error> {
        let mut spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = spool.drain()?;
        Ok(Box::new(rows.zip(places).map(|(row, (seq, version))| {
            let mut draft = crate::draft::Draft::new(row?);
            draft.set_version(version)?;
            draft.into_kept(seq)
        })))
    }
}

/// Reads the object of a row: which one it is and by which feed it would have been seen.
fn light(
    order: &Order<'_>,
    given: columns::Given,
    row: usize,
    input: &Input,
) -> Result<(Light, (Vec<u8>, Certainty)), Error> {
    let object: Value = serde_json::from_str(&given.object).map_err(|error| {
        order.wrong_row(row, "object", &format!("it is not JSON: {error}"), None)
    })?;
    let text = |pointer: &str| {
        let value = object.pointer(pointer).and_then(Value::as_str);
        value.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let name = text("/metadata/name")
        .ok_or_else(|| order.wrong_row(row, "object", "it has no metadata.name", None))?;
    let wrong = |message: &str, hint| order.wrong_row(row, &name, message, hint);
    let (Some(version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
        return Err(wrong("it has no apiVersion or no kind", None));
    };
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let feed = input.feeds.iter().find(|(_, feed)| {
        let resource = &feed.resource;
        resource.kind == kind && resource.group == group
    });
    let Some((feed, watched)) = feed else {
        let message = format!("the trace has no feed of {version} {kind}");
        return Err(wrong(
            &message,
            Some("events can be added of what was recorded"),
        ));
    };
    let namespace = text("/metadata/namespace").unwrap_or_default();
    if namespace.is_empty() == watched.resource.namespaced {
        let is = if namespace.is_empty() { "no" } else { "a" };
        return Err(wrong(
            &format!("a {kind} with {is} namespace cannot be"),
            None,
        ));
    }
    let uid = text("/metadata/uid");
    for (column, value, own) in [
        ("kind", &given.kind, Some(&kind)),
        ("namespace", &given.namespace, Some(&namespace)),
        ("name", &given.name, Some(&name)),
        ("uid", &given.uid, uid.as_ref()),
    ] {
        if let (Some(value), Some(own)) = (value, own)
            && value != own
        {
            let message = format!("the column `{column}` says `{value}` and the object `{own}`");
            return Err(wrong(
                &message,
                Some("what follows from the object can be left out"),
            ));
        }
    }
    let created =
        text("/metadata/creationTimestamp").and_then(|text| text.parse::<Timestamp>().ok());
    if created.is_some_and(|created| created.0 > given.ts.saturating_add(1_000_000_000)) {
        return Err(wrong(
            "it was received before it was created (rule `times`)",
            None,
        ));
    }
    let light = Light {
        ts: given.ts,
        feed: *feed,
        namespace,
        name,
        uid,
        event_type: given.event_type,
    };
    Ok((light, (given.object.into_bytes(), given.certainty)))
}

/// Gives rows the uids and types that they get.
fn finish(read: &mut Spool, fates: &[Fate], spool: &mut Spool) -> Result<(), Error> {
    for row in read.drain()? {
        let mut row = row?;
        let fate = usize::try_from(row.seq)
            .ok()
            .and_then(|index| fates.get(index));
        let fate = fate.ok_or(Error::Changed)?;
        let mut draft = crate::draft::Draft::new(row.clone());
        if let Some(Value::Object(object)) = draft.object()? {
            let metadata = object
                .entry("metadata")
                .or_insert(Value::Object(Map::new()));
            if let Value::Object(metadata) = metadata {
                metadata.insert("uid".to_owned(), Value::String(fate.uid.clone()));
                // It gets its version when its place is known.
                metadata.insert("resourceVersion".to_owned(), Value::String("0".to_owned()));
            }
        }
        row = draft.into_row(row.seq)?;
        row.event.rv = Some("0".into());
        row.event.event_type = fate.event_type;
        row.event.key.uid.clone_from(&fate.uid);
        spool.push(row)?;
    }
    Ok(())
}

/// Returns the places of rows in the order of a segment.
fn places(lights: &[Light], fates: &[Fate], feeds: &BTreeMap<FeedId, Feed>) -> Vec<NewRow> {
    let mut order: Vec<(usize, &Light, &Fate)> = lights
        .iter()
        .zip(fates)
        .enumerate()
        .map(|(row, (light, fate))| (row, light, fate))
        .collect();
    let resource = |light: &Light| feeds.get(&light.feed).map(|feed| &feed.resource);
    order.sort_by(|(a_row, a, a_fate), (b_row, b, b_fate)| {
        let key = |row: usize, light: &Light, fate: &Fate| {
            let of = resource(light);
            (
                of.map(|of| of.resource.clone()),
                light.namespace.clone(),
                light.name.clone(),
                fate.uid.clone(),
                of.map(|of| of.group.clone()),
                row,
            )
        };
        key(*a_row, a, a_fate).cmp(&key(*b_row, b, b_fate))
    });
    let new = order.into_iter().map(|(_, light, _)| NewRow {
        ts: Timestamp(light.ts),
        feed: light.feed,
        after: 0,
    });
    new.collect()
}

/// Returns when each session began, in order, and its number.
fn sessions(input: &Input) -> Vec<(i64, u32)> {
    let sessions = input.trace.sessions();
    let mut sessions: Vec<_> = sessions.map(|one| (one.started.0, one.number)).collect();
    sessions.sort_unstable();
    sessions
}

/// Returns the last epoch of each feed.
async fn epochs(input: &Input) -> Result<BTreeMap<FeedId, u32>, Error> {
    let mut epochs = BTreeMap::new();
    let sql = "SELECT api_group, resource, max(epoch) FROM events GROUP BY api_group, resource";
    each_batch(&input.session, sql, |batch| {
        let (groups, resources) = (texts(batch, 0)?, texts(batch, 1)?);
        for (epoch, (group, resource)) in
            numbers(batch, 2)?.zip(groups.iter().zip(resources.iter()))
        {
            let epoch = epoch.and_then(|epoch| u32::try_from(epoch).ok());
            for (id, feed) in input.feeds.iter() {
                let own = &feed.resource;
                if Some(own.group.as_str()) == group && Some(own.resource.as_str()) == resource {
                    epochs.insert(*id, epoch.unwrap_or(0));
                }
            }
        }
        Ok(())
    })
    .await?;
    Ok(epochs)
}
