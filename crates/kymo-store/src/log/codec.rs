use kymo_model::{Certainty, EventType, FeedId, Timestamp};
use serde::Deserialize;

use crate::record::LogRecord;

/// Tags of records, and what precedes a record's body: `tag u8, length u32`.
mod tag {
    pub(super) const SESSION: u8 = 1;
    pub(super) const SESSION_END: u8 = 2;
    pub(super) const FEED: u8 = 3;
    pub(super) const EVENT: u8 = 4;
    pub(super) const MARK: u8 = 5;
    pub(super) const TRANSITION: u8 = 6;
    pub(super) const GAP: u8 = 7;
    pub(super) const CLOCK_STEP: u8 = 8;
    pub(super) const LINEAGE: u8 = 9;
}

const PREFIX: usize = 5;

fn tag_of(record: &LogRecord) -> u8 {
    match record {
        LogRecord::Session(_) => tag::SESSION,
        LogRecord::SessionEnd { .. } => tag::SESSION_END,
        LogRecord::Feed { .. } => tag::FEED,
        LogRecord::Event(_) => tag::EVENT,
        LogRecord::Mark { .. } => tag::MARK,
        LogRecord::Transition { .. } => tag::TRANSITION,
        LogRecord::Gap(_) => tag::GAP,
        LogRecord::ClockStep(_) => tag::CLOCK_STEP,
        LogRecord::Lineage(_) => tag::LINEAGE,
    }
}

/// Adds a record to the raw content of a frame. After an error the buffer is as before.
pub(crate) fn put(
    buffer: &mut Vec<u8>,
    record: &LogRecord,
) -> Result<(), rmp_serde::encode::Error> {
    let start = buffer.len();
    buffer.push(tag_of(record));
    buffer.extend_from_slice(&[0; 4]);
    if let Err(error) = rmp_serde::encode::write_named(buffer, record) {
        buffer.truncate(start);
        return Err(error);
    }
    let length = (buffer.len() - start - PREFIX) as u32;
    if let Some(space) = buffer.get_mut(start + 1..start + PREFIX) {
        space.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}

/// A record as it lies in a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordBytes<'a> {
    tag: u8,
    body: &'a [u8],
}

impl<'a> RecordBytes<'a> {
    /// Takes the next record off the raw content of a frame; `None` at the end, an error if what
    /// is left is no record.
    pub(crate) fn take(raw: &mut &'a [u8]) -> Result<Option<Self>, ()> {
        if raw.is_empty() {
            return Ok(None);
        }
        let (prefix, rest) = raw.split_at_checked(PREFIX).ok_or(())?;
        let (Some(tag), Some(length)) = (prefix.first(), prefix.get(1..)) else {
            return Err(());
        };
        let length = u32::from_le_bytes(length.try_into().map_err(|_| ())?) as usize;
        let (body, rest) = rest.split_at_checked(length).ok_or(())?;
        *raw = rest;
        Ok(Some(Self { tag: *tag, body }))
    }

    pub(crate) fn is_event(&self) -> bool {
        self.tag == tag::EVENT
    }

    /// Tells whether this version knows such records; others are skipped.
    pub(crate) fn is_known(&self) -> bool {
        (tag::SESSION..=tag::LINEAGE).contains(&self.tag)
    }

    /// Decodes the record.
    pub(crate) fn decode(&self) -> Result<LogRecord, rmp_serde::decode::Error> {
        rmp_serde::from_slice(self.body)
    }

    /// Decodes an event without copying its texts.
    pub(crate) fn event(&self) -> Result<EventRef<'a>, rmp_serde::decode::Error> {
        let Borrowed::Event(event) = rmp_serde::from_slice(self.body)?;
        Ok(event)
    }

    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }
}

#[derive(Deserialize)]
enum Borrowed<'a> {
    #[serde(borrow)]
    Event(EventRef<'a>),
}

/// An event as it lies in a frame.
#[derive(Debug, Deserialize)]
pub(crate) struct EventRef<'a> {
    pub(crate) feed: FeedId,
    pub(crate) ts: Timestamp,
    pub(crate) event_type: EventType,
    pub(crate) certainty: Certainty,
    #[serde(borrow)]
    pub(crate) key: KeyRef<'a>,
    #[serde(default)]
    pub(crate) rv: Option<&'a str>,
}

/// The key of an [`EventRef`].
#[derive(Debug, Deserialize)]
pub(crate) struct KeyRef<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
}

#[cfg(test)]
mod tests {
    use kymo_model::{
        Cause, ClockStep, Coverage, CoverageState, Event, Feed, ObjectKey, Request, ResourceType,
        Scope,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::record::SessionInfo;

    fn request() -> impl Strategy<Value = Request> {
        let text = || ".{0,8}";
        let optional = move || proptest::option::of(text());
        let several = move || proptest::collection::vec(text(), 0..3);
        let words = (text(), text(), text());
        let others = (optional(), optional(), optional());
        (words, several(), several(), others).prop_map(
            |((audit_id, verb, username), groups, source_ips, others)| Request {
                audit_id,
                verb,
                subresource: others.0,
                username,
                groups,
                impersonated_username: others.1,
                user_agent: others.2,
                source_ips,
            },
        )
    }

    fn event() -> impl Strategy<Value = LogRecord> {
        let key = (".{0,8}", ".{0,8}", ".{0,8}");
        let rv = proptest::option::of("[0-9]{1,20}");
        let body = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
        let times = (any::<i64>(), proptest::option::of(any::<i64>()));
        let words = (0..EventType::ALL.len(), 0..Certainty::ALL.len());
        let request = proptest::option::of(request());
        (any::<u32>(), times, words, key, rv, body, request).prop_map(
            |(number, (ts, not_before), (event_type, certainty), key, rv, body, request)| {
                LogRecord::Event(Event {
                    feed: FeedId(number),
                    ts: Timestamp(ts),
                    not_before: not_before.map(Timestamp),
                    event_type: EventType::ALL[event_type],
                    certainty: Certainty::ALL[certainty],
                    epoch: number,
                    key: ObjectKey {
                        namespace: key.0,
                        name: key.1,
                        uid: key.2,
                    },
                    rv: rv.map(kymo_model::Rv::new),
                    body: body.map(Into::into),
                    request: request.map(Into::into),
                })
            },
        )
    }

    fn others() -> Vec<LogRecord> {
        vec![
            LogRecord::Session(SessionInfo {
                number: 3,
                tool: "kymo".into(),
                cluster_uid: Some("u".into()),
                clock_offset_ns: Some(-5),
                ..SessionInfo::default()
            }),
            LogRecord::SessionEnd {
                ts: Timestamp(1),
                cause: Cause::Stop,
            },
            LogRecord::Feed {
                id: FeedId(2),
                feed: Feed {
                    resource: ResourceType {
                        group: "apps".into(),
                        version: "v1".into(),
                        resource: "deployments".into(),
                        kind: "Deployment".into(),
                        namespaced: true,
                    },
                    scope: Scope::default(),
                },
            },
            LogRecord::Mark {
                feed: FeedId(2),
                rv: "5".into(),
                ts: Timestamp(2),
            },
            LogRecord::Transition {
                feed: FeedId(2),
                epoch: 1,
                ts: Timestamp(3),
                state: CoverageState::Observed,
                cause: Cause::Start,
                rv: None,
                detail: Some("x".into()),
            },
            LogRecord::Gap(Coverage {
                feed: None,
                epoch: 0,
                session: 1,
                state: CoverageState::Unobserved,
                cause: Cause::Corrupt,
                from_rv: None,
                to_rv: None,
                from_seq: Some(1),
                to_seq: Some(2),
                from_ts: None,
                to_ts: None,
                detail: None,
            }),
            LogRecord::ClockStep(ClockStep {
                at: Timestamp(4),
                offset_ns: -9,
            }),
            LogRecord::Lineage(serde_json::json!({"operation": "import", "lines": [1, 2.5]})),
        ]
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were(events in proptest::collection::vec(event(), 0..8)) {
            let mut records = events;
            records.extend(others());
            let mut buffer = Vec::new();
            for record in &records {
                put(&mut buffer, record).unwrap();
            }
            let mut raw = &buffer[..];
            let mut found = Vec::new();
            while let Some(bytes) = RecordBytes::take(&mut raw).unwrap() {
                prop_assert!(bytes.is_known());
                let record = bytes.decode().unwrap();
                if let LogRecord::Event(event) = &record {
                    let borrowed = bytes.event().unwrap();
                    prop_assert_eq!(borrowed.key.uid, &event.key.uid);
                    prop_assert_eq!(borrowed.rv, event.rv.as_ref().map(kymo_model::Rv::as_str));
                }
                found.push(record);
            }
            prop_assert_eq!(found, records);
        }

        #[test]
        fn any_bytes_are_records_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut raw = &bytes[..];
            while let Ok(Some(record)) = RecordBytes::take(&mut raw) {
                drop(record.decode());
                drop(record.event());
            }
        }
    }

    #[test]
    fn a_tag_of_a_later_version_is_skipped() {
        let mut buffer = vec![200, 3, 0, 0, 0, 1, 2, 3];
        put(&mut buffer, &others()[3]).unwrap();
        let mut raw = &buffer[..];
        let unknown = RecordBytes::take(&mut raw).unwrap().unwrap();
        assert!(!unknown.is_known());
        let known = RecordBytes::take(&mut raw).unwrap().unwrap();
        assert_eq!(known.decode().unwrap(), others()[3]);
    }
}
