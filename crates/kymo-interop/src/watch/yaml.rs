//! Reads a stream of YAML documents: what `kubectl get RES --watch -o yaml` prints.

use std::io;

use kymo_anonymize::Policy;

use super::meaning::{Meaning, Place, Read};
use crate::Error;
use crate::import::{Item, LossReport, ReadItems};
use crate::input::{Content, Documents, Text};
use crate::json::ListHead;

/// Reads the items of one stream.
pub(super) struct YamlReader {
    documents: Documents,
    meaning: Meaning,
    /// Whether all items of the present list could be read.
    is_whole: bool,
    has_ended: bool,
}

impl YamlReader {
    /// Reads `text`; `name` is for messages, `file_stem` may tell the resource.
    pub(super) fn new(
        name: &str,
        file_stem: &str,
        text: Text<'static>,
        policy: Policy,
        limit: usize,
    ) -> Self {
        Self {
            documents: Documents::new(text, limit),
            meaning: Meaning::new(name, file_stem, policy),
            is_whole: true,
            has_ended: false,
        }
    }

    /// Reads on; `false` at the end.
    fn read(&mut self) -> io::Result<bool> {
        let Some(document) = self.documents.next()? else {
            return Ok(false);
        };
        let line = document.line;
        let place = Place { line, recv: None };
        match document.content {
            Content::Whole(body) => {
                if self.meaning.value(line, body.into_text().as_bytes()) == Read::List {
                    let reason = "a list in braces, which is not read in YAML";
                    self.meaning.unreadable(line, None, reason);
                }
            }
            Content::Item(body) => {
                let text = body.into_text();
                let head = ListHead::default();
                self.is_whole &= self.meaning.list_item(place, text.as_bytes(), &head);
            }
            Content::ListEnd(head) => {
                self.meaning.end_list(place, &head, self.is_whole);
                self.is_whole = true;
            }
            Content::Unreadable(reason) => {
                self.is_whole = false;
                self.meaning.unreadable(line, None, reason);
            }
        }
        Ok(true)
    }
}

impl ReadItems for YamlReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.meaning.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.has_ended {
                return Ok(None);
            }
            let read = self.read();
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
    use kymo_model::{Certainty, EventType};

    use super::*;
    use crate::import::What;

    fn told(input: &str) -> (Vec<String>, LossReport) {
        let text = Text::new(Box::new(io::Cursor::new(input.as_bytes().to_vec())));
        let mut reader = YamlReader::new("in", "", text, Policy::default(), 10_000);
        let mut told = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            told.push(match item.what {
                What::Object(object) => format!(
                    "{} {} {} {}",
                    object.certainty,
                    object.event_type,
                    object.key.uid,
                    object.rv.map(|rv| rv.to_string()).unwrap_or_default()
                ),
                What::ListEnd { is_complete, .. } => format!("list end {is_complete}"),
                What::Unreadable { reason } => format!("{}: {reason}", item.line),
                other => format!("{other:?}"),
            });
        }
        let mut report = LossReport::default();
        reader.finish(&mut report);
        (told, report)
    }

    fn pod(uid: &str, rv: u64) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: n\n  resourceVersion: \"{rv}\"\n  uid: {uid}\n"
        )
    }

    fn event(event_type: EventType, uid: &str, rv: u64) -> String {
        let object = pod(uid, rv).replace('\n', "\n  ");
        format!("object:\n  {}\ntype: {event_type}\n", object.trim_end())
    }

    #[test]
    fn documents_of_events_are_events() {
        let documents = [
            event(EventType::Added, "u1", 5),
            event(EventType::Modified, "u1", 6),
            event(EventType::Deleted, "u1", 7),
            "object:\n  kind: Status\n".to_owned(),
        ];
        let (told, report) = told(&documents.join("---\n"));
        assert_eq!(
            told[..3],
            [
                format!("{} ADDED u1 5", Certainty::Listed),
                "seen MODIFIED u1 6".to_owned(),
                "seen DELETED u1 7".to_owned(),
            ]
        );
        assert!(
            told[3].contains("neither a watch event nor a list"),
            "{told:?}"
        );
        assert!(report.losses.is_empty());
    }

    #[test]
    fn documents_of_objects_are_added_once_and_then_modified() {
        let documents = [pod("u1", 5), pod("u1", 6), pod("u2", 9)];
        let (told, report) = told(&documents.join("---\n"));
        assert_eq!(
            told,
            [
                "listed ADDED u1 5",
                "seen MODIFIED u1 6",
                "inferred DELETED u1 ",
                "listed ADDED u2 9",
            ]
        );
        let counts: Vec<u64> = report.losses.iter().map(|loss| loss.count).collect();
        assert_eq!(counts, [3, 1]);
    }

    #[test]
    fn a_list_comes_item_by_item() {
        let item = pod("u1", 5).replace('\n', "\n  ");
        let list = format!(
            "apiVersion: v1\nitems:\n- {}\nkind: List\nmetadata:\n  resourceVersion: \"\"\n",
            item.trim_end()
        );
        let (told, _) = told(&list);
        assert_eq!(told, ["listed ADDED u1 5", "list end false"]);
    }
}
