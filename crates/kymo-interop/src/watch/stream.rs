//! Reads a stream of JSON values: cuts them out and has them told.

use std::io;

use kymo_anonymize::Policy;

use super::meaning::{Meaning, Place, Read};
use crate::Error;
use crate::import::{Item, LossReport, ReadItems};
use crate::input::Text;
use crate::json::{Cut, ListReader, Step, next_value, skip_value};

/// Reads the items of one stream.
pub(super) struct StreamReader<'a> {
    text: Text<'a>,
    meaning: Meaning,
    limit: usize,
    buffer: Vec<u8>,
    list: Option<OpenList>,
    has_ended: bool,
}

struct OpenList {
    reader: ListReader,
    is_whole: bool,
}

impl<'a> StreamReader<'a> {
    /// Reads `text`; `name` is for messages, `file_stem` may tell the resource.
    pub(super) fn new(
        name: &str,
        file_stem: &str,
        text: Text<'a>,
        policy: Policy,
        limit: usize,
    ) -> Self {
        Self {
            text,
            meaning: Meaning::new(name, file_stem, policy),
            limit,
            buffer: Vec::new(),
            list: None,
            has_ended: false,
        }
    }

    /// Reads on; `false` at the end.
    fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        if self.list.is_some() {
            self.read_list(buffer)?;
            return Ok(true);
        }
        let line = self.text.line();
        let Some(cut) = next_value(&mut self.text, buffer, self.limit)? else {
            return Ok(false);
        };
        match cut {
            Cut::Stray => self.meaning.unreadable(line, None, "not a JSON object"),
            Cut::TooLong => self.open_list(buffer),
            Cut::Value => {
                if self.meaning.value(line, buffer) == Read::List {
                    self.open_list(buffer);
                }
            }
        }
        Ok(true)
    }

    fn open_list(&mut self, start: &[u8]) {
        self.text.push_back(start);
        self.list = Some(OpenList {
            reader: ListReader::new(),
            is_whole: true,
        });
    }

    /// Takes a step in the open list.
    fn read_list(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let Some(mut list) = self.list.take() else {
            return Ok(());
        };
        let line = self.text.line();
        let step = list.reader.step(&mut self.text, buffer, self.limit)?;
        let recv = list.reader.head.recv.as_deref();
        let recv = recv.and_then(|recv| recv.parse().ok());
        let place = Place { line, recv };
        match step {
            Step::Item => {
                list.is_whole &= self.meaning.list_item(place, buffer, &list.reader.head);
                self.list = Some(list);
            }
            Step::TooLong => {
                list.is_whole = false;
                self.list = Some(list);
                let reason = format!("an item longer than {} bytes", self.limit);
                self.meaning.unreadable(line, recv, reason);
            }
            Step::Broken(reason) => {
                skip_value(&mut self.text)?;
                self.meaning.unreadable(line, recv, reason);
            }
            Step::End => self
                .meaning
                .end_list(place, &list.reader.head, list.is_whole),
        }
        Ok(())
    }
}

impl ReadItems for StreamReader<'_> {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.meaning.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.has_ended {
                return Ok(None);
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = self.read(&mut buffer);
            self.buffer = buffer;
            let has_more = read.map_err(|source| self.meaning.failed(source))?;
            self.has_ended = !has_more;
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        self.meaning.report(report);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use kymo_model::{Certainty, EventType};

    use super::*;
    use crate::import::{Object, What};

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

    #[test]
    fn bare_objects_are_listed_once_and_then_modified_and_a_new_uid_is_another_object() {
        let again = POD.replace("\"5\"", "\"6\"");
        let other = POD.replace("\"u\"", "\"u2\"");
        let pretty: serde_json::Value = serde_json::from_str(POD).unwrap();
        let input = format!(
            "{pretty:#}\n{again}\n{other}\n{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"code\":410,\"message\":\"too old\"}}\n"
        );
        let items = items("", &input);
        let told: Vec<_> = items[..4]
            .iter()
            .map(|item| {
                let object = object(item);
                (object.event_type, object.certainty, object.key.uid.as_str())
            })
            .collect();
        assert_eq!(
            told,
            [
                (EventType::Added, Certainty::Listed, "u"),
                (EventType::Modified, Certainty::Seen, "u"),
                (EventType::Deleted, Certainty::Inferred, "u"),
                (EventType::Added, Certainty::Listed, "u2"),
            ]
        );
        assert!(matches!(&items[4].what, What::Error { code: 410, .. }));
    }

    #[test]
    fn tables_and_metadata_alone_are_refused_with_the_reason() {
        let of = |kind: &str| {
            format!(
                "{{\"kind\":\"{kind}\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{{\"name\":\"a\"}},\"rows\":[]}}"
            )
        };
        let (table, partial) = (of("Table"), of("PartialObjectMetadata"));
        let input = format!("{{\"type\":\"ADDED\",\"object\":{table}}}\n{table}\n{partial}\n");
        let items = items("core_v1_pods", &input);
        for (item, part) in items.iter().zip(["a table", "a table", "the metadata"]) {
            assert!(reason(item).starts_with(part), "{}", reason(item));
        }
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn the_initial_events_of_a_watch_end_as_a_list_does() {
        let event = |event_type: &str, object: &str| {
            format!("{{\"type\":\"{event_type}\",\"object\":{object}}}\n")
        };
        let end = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}"#;
        let input = [
            event("ADDED", POD),
            event("BOOKMARK", end),
            event("ADDED", &POD.replace("\"u\"", "\"u2\"")),
            event("BOOKMARK", end),
        ];
        let items = items("", &input.concat());
        assert_eq!(object(&items[0]).certainty, Certainty::Listed);
        assert!(matches!(
            &items[1].what,
            What::ListEnd {
                is_complete: true,
                ..
            }
        ));
        assert_eq!(object(&items[2]).certainty, Certainty::Seen);
        assert!(matches!(&items[3].what, What::Bookmark { .. }));
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
        let reader = io::BufReader::with_capacity(capacity, Cursor::new(bytes));
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
