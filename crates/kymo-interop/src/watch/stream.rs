//! Turns one stream into items: cuts, parses, names and redacts.

use std::borrow::Cow;
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectText, Timestamp, WatchLine};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::Error;
use crate::import::{Item, Object, ReadItems, What, redacted};
use crate::input::Text;
use crate::json::{Cut, ListReader, Step, next_value, skip_value, typed};
use crate::naming::Naming;

/// Reads the items of one stream.
pub(crate) struct StreamReader<'a> {
    name: Arc<str>,
    text: Text<'a>,
    naming: Naming,
    policy: Policy,
    limit: usize,
    buffer: Vec<u8>,
    list: Option<OpenList>,
    /// Whether only ADDED came so far in a stream without times: kubectl prints the initial
    /// list so.
    is_initial: bool,
}

struct OpenList {
    reader: ListReader,
    is_whole: bool,
}

impl<'a> StreamReader<'a> {
    /// Reads `text`; `name` is for messages, `file_stem` may tell the resource.
    pub(crate) fn new(
        name: &str,
        file_stem: &str,
        text: Text<'a>,
        policy: Policy,
        limit: usize,
    ) -> Self {
        Self {
            name: Arc::from(name),
            text,
            naming: Naming::new(file_stem),
            policy,
            limit,
            buffer: Vec::new(),
            list: None,
            is_initial: true,
        }
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> std::io::Result<Option<Item>> {
        loop {
            if self.list.is_some() {
                if let Some(item) = self.read_list(buffer)? {
                    return Ok(Some(item));
                }
                continue;
            }
            let line = self.text.line();
            let Some(cut) = next_value(&mut self.text, buffer, self.limit)? else {
                return Ok(None);
            };
            match cut {
                Cut::Stray => {
                    return Ok(Some(self.unreadable(
                        line,
                        None,
                        "not a JSON object".to_owned(),
                    )));
                }
                Cut::TooLong => self.open_list(buffer),
                Cut::Value => match self.value(line, buffer) {
                    Some(item) => return Ok(Some(item)),
                    None => self.open_list(buffer),
                },
            }
        }
    }

    fn open_list(&mut self, start: &[u8]) {
        self.text.push_back(start);
        self.list = Some(OpenList {
            reader: ListReader::new(),
            is_whole: true,
        });
    }

    /// Reads a complete value; `None` if it is a list.
    fn value(&mut self, line: u64, bytes: &[u8]) -> Option<Item> {
        let bytes = bytes.trim_ascii_end();
        if let Some((recv, event)) = wrapped_event(bytes) {
            return Some(self.event(line, Some(recv), event));
        }
        let wrapped: Wrapped<'_> = match serde_json::from_slice(bytes) {
            Ok(wrapped) => wrapped,
            Err(error) => return Some(self.unreadable(line, None, format!("not JSON: {error}"))),
        };
        if wrapped.list.is_some() || wrapped.items.is_some() {
            return None;
        }
        if let Some(event) = wrapped.event {
            let recv = wrapped.recv.as_deref();
            return Some(self.event(line, recv, event.get().as_bytes()));
        }
        if wrapped.r#type.is_some() {
            return Some(self.event(line, None, bytes));
        }
        let reason = "neither a watch event nor a list".to_owned();
        Some(self.unreadable(line, None, reason))
    }

    fn event(&mut self, line: u64, recv: Option<&str>, bytes: &[u8]) -> Item {
        let is_plain = recv.is_none();
        let recv = match recv.map(str::parse::<Timestamp>).transpose() {
            Ok(recv) => recv,
            Err(error) => return self.unreadable(line, None, error.to_string()),
        };
        let what = match WatchLine::parse(bytes) {
            Ok(WatchLine::Event { event_type, object }) => {
                self.is_initial &= event_type == EventType::Added;
                let is_listed = is_plain && self.is_initial;
                return self.object(line, recv, event_type, is_listed, &object, None);
            }
            Ok(WatchLine::Bookmark { rv, .. }) => What::Bookmark { rv },
            Ok(WatchLine::Error(status)) => What::Error {
                code: status.code,
                message: status.message,
            },
            Err(error) => return self.unreadable(line, recv, error.to_string()),
        };
        self.is_initial = false;
        Item {
            recv,
            source: Arc::clone(&self.name),
            line,
            named: self.naming.current(),
            what,
        }
    }

    fn object(
        &mut self,
        line: u64,
        recv: Option<Timestamp>,
        event_type: EventType,
        is_listed: bool,
        object: &ObjectText<'_>,
        list: Option<(&str, &str)>,
    ) -> Item {
        let mut head = object.head.clone();
        let mut text = Cow::Borrowed(object.text);
        if head.kind.is_empty() || head.api_version.is_empty() {
            let of_list =
                list.filter(|(api_version, kind)| !api_version.is_empty() && !kind.is_empty());
            let of_file = self.naming.fallback();
            let Some((api_version, kind)) = of_list
                .map(|(api_version, kind)| (api_version.to_owned(), kind.to_owned()))
                .or(of_file)
            else {
                return self.unreadable(
                    line,
                    recv,
                    "an object without kind or apiVersion".to_owned(),
                );
            };
            text = Cow::Owned(typed(object.text, &mut head, &api_version, &kind));
        }
        let Some(named) = self.naming.of(&head) else {
            return self.unreadable(
                line,
                recv,
                "an object without kind or apiVersion".to_owned(),
            );
        };
        let (body, is_redacted) = match redacted(self.policy, &named.resource, &text) {
            Ok(redacted) => redacted,
            Err(reason) => return self.unreadable(line, recv, reason),
        };
        let object = Object {
            event_type,
            certainty: if is_listed {
                Certainty::Listed
            } else {
                Certainty::Seen
            },
            not_before: None,
            key: head.key(),
            rv: head.rv,
            body: Some(body),
            is_redacted,
            request: None,
        };
        Item {
            recv,
            source: Arc::clone(&self.name),
            line,
            named: Some(named),
            what: What::Object(object),
        }
    }

    /// Takes a step in the open list; `None` when the step gave nothing to store.
    fn read_list(&mut self, buffer: &mut Vec<u8>) -> std::io::Result<Option<Item>> {
        let Some(mut list) = self.list.take() else {
            return Ok(None);
        };
        let line = self.text.line();
        let step = list.reader.step(&mut self.text, buffer, self.limit)?;
        let recv = list
            .reader
            .head
            .recv
            .as_deref()
            .and_then(|recv| recv.parse().ok());
        let item = match step {
            Step::Item => {
                let item = self.list_item(line, recv, buffer, &list.reader);
                list.is_whole &= !matches!(item.what, What::Unreadable { .. });
                self.list = Some(list);
                item
            }
            Step::TooLong => {
                list.is_whole = false;
                self.list = Some(list);
                self.unreadable(
                    line,
                    recv,
                    format!("an item longer than {} bytes", self.limit),
                )
            }
            Step::Broken(reason) => {
                skip_value(&mut self.text)?;
                self.unreadable(line, recv, reason.to_owned())
            }
            Step::End => {
                let head = list.reader.head;
                let named = self.naming.of_list(&head.api_version, head.item_kind());
                let is_complete = list.is_whole && !head.is_partial && !head.item_kind().is_empty();
                self.is_initial = false;
                Item {
                    recv,
                    source: Arc::clone(&self.name),
                    line,
                    named,
                    what: What::ListEnd {
                        rv: head.rv,
                        namespace: None,
                        is_complete,
                    },
                }
            }
        };
        Ok(Some(item))
    }

    fn list_item(
        &mut self,
        line: u64,
        recv: Option<Timestamp>,
        bytes: &[u8],
        list: &ListReader,
    ) -> Item {
        match ObjectText::parse(bytes) {
            Ok(object) if object.head.rv.is_none() => {
                self.unreadable(line, recv, "an item without a resourceVersion".to_owned())
            }
            Ok(object) => {
                let types = (list.head.api_version.as_str(), list.head.item_kind());
                self.object(line, recv, EventType::Added, true, &object, Some(types))
            }
            Err(error) => self.unreadable(line, recv, error.to_string()),
        }
    }

    fn unreadable(&self, line: u64, recv: Option<Timestamp>, reason: String) -> Item {
        Item {
            recv,
            source: Arc::clone(&self.name),
            line,
            named: self.naming.current(),
            what: What::Unreadable { reason },
        }
    }
}

impl ReadItems for StreamReader<'_> {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let item = self.read(&mut buffer).map_err(|source| Error::Read {
            path: self.name.to_string(),
            source,
        });
        self.buffer = buffer;
        item
    }
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    recv: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    list: Option<IgnoredAny>,
    r#type: Option<IgnoredAny>,
    items: Option<IgnoredAny>,
}

/// Takes the wrapper `{"recv":"…","event":` … `}` off a line without parsing what is inside.
fn wrapped_event(line: &[u8]) -> Option<(&str, &[u8])> {
    let rest = line.trim_ascii().strip_prefix(b"{\"recv\":\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    let (recv, rest) = rest.split_at_checked(end)?;
    let event = rest.strip_prefix(b"\",\"event\":")?.strip_suffix(b"}")?;
    Some((std::str::from_utf8(recv).ok()?, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn items(stem: &str, input: &str) -> Vec<Item> {
        let text = Text::new(Box::new(Cursor::new(input.as_bytes().to_vec())));
        let mut stream = StreamReader::new("in", stem, text, Policy::default(), 400);
        let mut items = Vec::new();
        while let Some(item) = stream.next().unwrap() {
            items.push(item);
        }
        items
    }

    fn object(item: &Item) -> &Object {
        match &item.what {
            What::Object(object) => object,
            other => panic!("{other:?}"),
        }
    }

    fn resource(item: &Item) -> String {
        item.named
            .as_ref()
            .unwrap()
            .resource
            .group_resource()
            .to_string()
    }

    fn reason(item: &Item) -> &str {
        match &item.what {
            What::Unreadable { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"n":1.0e2}"#;

    #[test]
    fn wrapped_lines_keep_time_and_text() {
        for line in [
            format!(
                r#"{{"recv":"2026-11-21T02:07:16.5Z","event":{{"type":"ADDED","object":{POD}}}}}"#
            ),
            format!(
                r#"{{ "event": {{"type":"ADDED","object":{POD}}}, "recv":"2026-11-21T02:07:16.5Z"}}"#
            ),
        ] {
            let items = items("", &line);
            assert_eq!(
                items[0].recv.unwrap().to_string(),
                "2026-11-21T02:07:16.500000000Z"
            );
            assert_eq!(object(&items[0]).body.as_deref().unwrap(), POD);
            assert_eq!(object(&items[0]).certainty, Certainty::Seen);
            assert_eq!(resource(&items[0]), "pods");
        }
    }

    #[test]
    fn kubectl_output_is_read_compact_and_pretty_and_its_first_objects_are_listed() {
        let compact = format!(
            "{{\"type\":\"ADDED\",\"object\":{POD}}}\n{{\"type\":\"MODIFIED\",\"object\":{POD}}}\n{{\"type\":\"ADDED\",\"object\":{POD}}}\n"
        );
        let mut pretty = String::new();
        for line in compact.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            pretty = format!("{pretty}{value:#}\n");
        }
        for input in [compact, pretty] {
            let listed: Vec<bool> = items("", &input)
                .iter()
                .map(|item| object(item).certainty == Certainty::Listed)
                .collect();
            assert_eq!(listed, [true, false, false]);
        }
    }

    #[test]
    fn items_of_lists_get_the_kind_that_they_lack() {
        let list = r#"{"recv":"2026-11-21T02:06:57Z","list":{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"}},{"metadata":{"name":"b"}}]}}"#;
        let items = items("", list);
        assert_eq!(
            object(&items[0]).body.as_deref().unwrap(),
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"}}"#,
        );
        assert!(reason(&items[1]).contains("without a resourceVersion"));
        assert_eq!(
            items[2].what,
            What::ListEnd {
                rv: Some("9".into()),
                namespace: None,
                is_complete: false
            }
        );
    }

    #[test]
    fn a_list_longer_than_the_limit_is_read_item_by_item() {
        let item = r#"{"metadata":{"name":"a","uid":"u","resourceVersion":"5"},"x":"0123456789"}"#;
        let body = [item; 50].join(",\n ");
        let list = format!(
            "{{\n \"kind\": \"NodeList\", \"apiVersion\": \"v1\",\n \"items\": [{body}],\n \"metadata\": {{\"resourceVersion\": \"9\"}}\n}}\n"
        );
        let items = items("core_v1_nodes", &format!("{list}{list}"));
        assert_eq!(items.len(), 102);
        assert!(matches!(
            items[50].what,
            What::ListEnd {
                is_complete: true,
                ..
            }
        ));
        assert_eq!(resource(&items[101]), "nodes");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_line_and_reason() {
        let long = "x".repeat(500);
        let input = format!(
            "{{\"recv\":\"2026-11-21T02:07:16Z\",\"event\":{{\"type\":\"ADDED\",\"obj\n\
             404 page not found\n\
             {{\"recv\":\"yesterday\",\"event\":{{\"type\":\"ADDED\",\"object\":{POD}}}}}\n\
             {{\"a\":1}}\n\
             {{\"type\":\"ADDED\",\"object\":{{\"x\":\"{long}\"}}}}\n\
             {{\"type\":\"ADDED\",\"object\":{POD}}}\n"
        );
        let items = items("core_v1_pods", &input);
        let told: Vec<(u64, &str)> = items[..5]
            .iter()
            .map(|item| (item.line, reason(item)))
            .collect();
        assert_eq!(
            told.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        for (index, part) in [
            "not JSON: EOF",
            "not a JSON object",
            "not an RFC 3339",
            "neither",
            "too long",
        ]
        .iter()
        .enumerate()
        {
            assert!(told[index].1.contains(part), "{told:?}");
        }
        assert_eq!(object(&items[5]).key.name, "a");
        assert_eq!(items.len(), 6);
    }

    #[test]
    fn the_payload_of_a_secret_is_gone_before_anything_sees_it() {
        let line = r#"{"type":"ADDED","object":{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"5"},"data":{"p":"TEFCU0VDUkVU"}}}"#;
        let items = items("", line);
        assert!(
            !object(&items[0])
                .body
                .as_deref()
                .unwrap()
                .contains("TEFCU0VDUkVU")
        );
        assert!(object(&items[0]).is_redacted);
    }

    /// Every form that is read, one after the other.
    fn sample() -> Vec<u8> {
        let pretty: serde_json::Value = serde_json::from_str(POD).unwrap();
        format!(
            "{{\"recv\":\"2026-11-21T02:07:16.5Z\",\"event\":{{\"type\":\"ADDED\",\"object\":{POD}}}}}\n\
             {{\"type\":\"MODIFIED\",\"object\":{POD}}}\n\
             {{\"recv\":\"2026-11-21T02:07:17Z\",\"list\":{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{POD},{POD},{POD}],\"metadata\":{{\"resourceVersion\":\"9\"}}}}}}\n\
             {pretty:#}\n"
        )
        .into_bytes()
    }

    fn read_all(bytes: Vec<u8>, capacity: usize) -> Vec<Item> {
        let reader = std::io::BufReader::with_capacity(capacity, Cursor::new(bytes));
        let text = Text::new(Box::new(reader));
        let mut stream = StreamReader::new("in", "", text, Policy::default(), 400);
        let mut items = Vec::new();
        while let Some(item) = stream.next().unwrap() {
            items.push(item);
        }
        items
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end_wherever_the_reads_are_cut(
            start in 0usize..1200,
            noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            skip in 0usize..300,
            capacity in 1usize..64,
        ) {
            let mut bytes = sample();
            let start = start.min(bytes.len());
            let end = (start + skip).min(bytes.len());
            bytes.splice(start..end, noise);
            let whole = read_all(bytes.clone(), 1 << 16);
            proptest::prop_assert_eq!(whole, read_all(bytes, capacity));
        }
    }
}
