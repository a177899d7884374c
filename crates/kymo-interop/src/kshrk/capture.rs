//! What the records of a capture tell, one after the other.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectHead, ObjectText, Timestamp};

use super::api_path::{DISCOVERY, ResourcePath};
use super::catalogue::Catalogue;
use super::follow::{Finding, Follow};
use super::record::{Envelope, Served, open_record};
use crate::import::{Item, Loss, LossReport, Named, Object, What, redacted};
use crate::input::Text;
use crate::json::{ListReader, Step, Value, read_value, typed};

/// The state of reading a capture.
pub(super) struct Capture {
    /// The name of the archive or stream, for messages.
    name: String,
    policy: Policy,
    /// The longest object in bytes.
    limit: usize,
    pub(super) catalogue: Catalogue,
    followed: Vec<Followed>,
    by_path: HashMap<String, usize>,
    /// Items to be given out.
    pub(super) ready: VecDeque<Item>,
    buffer: Vec<u8>,
    left_out: BTreeMap<&'static str, u64>,
    /// Answers that were no success, by code.
    failed: BTreeMap<u16, u64>,
    holes: u64,
    last_ts: Timestamp,
}

/// One path of a resource.
struct Followed {
    path: ResourcePath,
    /// Lists and events may be stored a little out of order against each other, so that each
    /// is a source of its own.
    list_source: Arc<str>,
    watch_source: Arc<str>,
    named: Option<Arc<Named>>,
    follow: Follow,
    lists: u64,
}

/// A list that is being read.
pub(super) struct OpenList {
    reader: ListReader,
    index: usize,
    place: Place,
    is_whole: bool,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// When it was made; `None` where nothing tells it.
    pub(super) ts: Option<Timestamp>,
    /// Its number on its path or in its stream, from 1.
    pub(super) number: u64,
}

const TWICE: &str = "records of objects that another version or group shows too";

impl Capture {
    /// Starts with nothing read.
    pub(super) fn new(name: &str, policy: Policy, limit: usize) -> Self {
        Self {
            name: name.to_owned(),
            policy,
            limit,
            catalogue: Catalogue::default(),
            followed: Vec::new(),
            by_path: HashMap::new(),
            ready: VecDeque::new(),
            buffer: Vec::new(),
            left_out: BTreeMap::new(),
            failed: BTreeMap::new(),
            holes: 0,
            last_ts: Timestamp::default(),
        }
    }

    /// Prepares the path of a resource; `false` if its objects are read elsewhere.
    pub(super) fn follow(&mut self, text: &str, path: &ResourcePath, is_watched: bool) -> bool {
        if !self.catalogue.admit(path) {
            return false;
        }
        self.by_path.insert(text.to_owned(), self.followed.len());
        self.followed.push(Followed {
            path: path.clone(),
            list_source: format!("{}!{text}", self.name).into(),
            watch_source: format!("{}!{text}?watch", self.name).into(),
            named: None,
            follow: Follow::new(is_watched),
            lists: 0,
        });
        true
    }

    /// Counts a record that is not read, by what it is.
    pub(super) fn leave_out(&mut self, what: &'static str, count: u64) {
        *self.left_out.entry(what).or_default() += count;
    }

    /// Counts records that say what the server serves.
    pub(super) fn leave_out_discovery(&mut self, count: u64) {
        self.leave_out(DISCOVERY, count);
    }

    /// Counts records of objects that are read elsewhere.
    pub(super) fn leave_out_twice_shown(&mut self, count: u64) {
        self.leave_out(TWICE, count);
    }

    /// Whether a path was prepared.
    pub(super) fn is_followed(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// Notes something that cannot be read.
    pub(super) fn unreadable(&mut self, path: &str, place: Place, reason: impl Into<String>) {
        let known = self
            .by_path
            .get(path)
            .and_then(|index| self.followed.get(*index));
        let source = match known {
            Some(followed) => Arc::clone(&followed.list_source),
            None if path.is_empty() => self.name.as_str().into(),
            None => format!("{}!{path}", self.name).into(),
        };
        let named = known.and_then(|followed| followed.named.clone());
        let what = What::Unreadable {
            reason: reason.into(),
        };
        self.ready.push_back(item(source, place, named, what));
    }

    /// Reads what a group version serves.
    pub(super) fn learn(
        &mut self,
        text: &mut Text<'_>,
        group: &str,
        version: &str,
    ) -> io::Result<()> {
        if read_value(text, &mut self.buffer, self.limit)? == Value::Whole
            && let Ok(served) = serde_json::from_slice::<Served>(&self.buffer)
        {
            self.catalogue.learn(group, version, served);
        }
        Ok(())
    }

    /// Reads the part of a record in front of the response; the reason if it is no record.
    pub(super) fn open_record(
        &mut self,
        text: &mut Text<'_>,
    ) -> io::Result<Result<Envelope, &'static str>> {
        open_record(text, &mut self.buffer)
    }

    /// Reads the response of a record on a path that is followed; returns a list, which is to be
    /// read step by step.
    pub(super) fn response(
        &mut self,
        text: &mut Text<'_>,
        envelope: &Envelope,
        place: Place,
    ) -> io::Result<Option<OpenList>> {
        let Some(index) = self.by_path.get(&envelope.api_path).copied() else {
            return Ok(None);
        };
        let Some(ts) = place.ts else {
            return Ok(None);
        };
        self.last_ts = self.last_ts.max(ts);
        if envelope.code != 200 {
            self.failed_answer(index, envelope.code, place);
            return Ok(None);
        }
        if envelope.event_type.is_empty() {
            let findings = match self.followed.get_mut(index) {
                Some(followed) => followed.follow.begin_list(ts),
                None => Vec::new(),
            };
            self.find(index, findings, place);
            return Ok(Some(OpenList {
                reader: ListReader::new(),
                index,
                place,
                is_whole: true,
            }));
        }
        let event_type = match envelope.event_type.as_str() {
            "ADDED" => EventType::Added,
            "MODIFIED" => EventType::Modified,
            "DELETED" => EventType::Deleted,
            other => {
                let reason = format!("unknown type `{other}` of a watch event");
                self.unreadable(&envelope.api_path, place, reason);
                return Ok(None);
            }
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let value = read_value(text, &mut buffer, self.limit);
        match value {
            Ok(Value::Whole) => self.event(index, event_type, &buffer, place),
            Ok(Value::TooLong) => {
                let reason = format!("an object longer than {} bytes", self.limit);
                self.unreadable(&envelope.api_path, place, reason);
            }
            Ok(Value::Cut) => self.unreadable(&envelope.api_path, place, "the record ends early"),
            Err(error) => {
                self.buffer = buffer;
                return Err(error);
            }
        }
        self.buffer = buffer;
        Ok(None)
    }

    /// Takes a step in a list; `false` when it ended.
    pub(super) fn step(&mut self, text: &mut Text<'_>, list: &mut OpenList) -> io::Result<bool> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let step = list.reader.step(text, &mut buffer, self.limit);
        let goes_on = match step {
            Ok(Step::Item) => {
                self.list_item(list, &buffer);
                Ok(true)
            }
            Ok(Step::TooLong) => {
                let reason = format!("an item longer than {} bytes", self.limit);
                self.broken(list, reason);
                Ok(true)
            }
            Ok(Step::Broken(reason)) => {
                self.broken(list, reason);
                self.end_list(list);
                Ok(false)
            }
            Ok(Step::End) => {
                self.end_list(list);
                Ok(false)
            }
            Err(error) => Err(error),
        };
        self.buffer = buffer;
        goes_on
    }

    /// Ends a list that could not be read to its end.
    pub(super) fn break_off(&mut self, list: &mut OpenList, reason: impl Into<String>) {
        self.broken(list, reason);
        self.end_list(list);
    }

    fn broken(&mut self, list: &mut OpenList, reason: impl Into<String>) {
        list.is_whole = false;
        let Some(followed) = self.followed.get(list.index) else {
            return;
        };
        let what = What::Unreadable {
            reason: reason.into(),
        };
        let source = Arc::clone(&followed.list_source);
        let named = followed.named.clone();
        self.ready.push_back(item(source, list.place, named, what));
    }

    fn list_item(&mut self, list: &mut OpenList, bytes: &[u8]) {
        let object = match ObjectText::parse(bytes) {
            Ok(object) => object,
            Err(error) => return self.broken(list, error.to_string()),
        };
        let mut head = object.head;
        let of_list = (list.reader.head.item_kind(), &list.reader.head.api_version);
        let text = if head.kind.is_empty() || head.api_version.is_empty() {
            let Some(named) = self.name(list.index, of_list.0, &head) else {
                return;
            };
            let (kind, api_version) = (named.resource.kind.clone(), named.resource.api_version());
            if kind.is_empty() {
                return self.broken(list, "an item without kind");
            }
            typed(object.text, &mut head, &api_version, &kind)
        } else {
            object.text.to_owned()
        };
        let Some(followed) = self.followed.get_mut(list.index) else {
            return;
        };
        // The watch told that it is gone: the list is from before that.
        if !followed.follow.list_item(&head.key(), head.rv.as_ref()) {
            return;
        }
        let source = Arc::clone(&followed.list_source);
        let object = self.object(
            list.index,
            EventType::Added,
            Certainty::Listed,
            &head,
            &text,
        );
        match object {
            Ok((named, object)) => {
                let what = What::Object(object);
                self.ready
                    .push_back(item(source, list.place, Some(named), what));
            }
            Err(reason) => self.broken(list, reason),
        }
    }

    fn end_list(&mut self, list: &OpenList) {
        let head = &list.reader.head;
        let kind = head.item_kind().to_owned();
        let rv = head.rv.clone();
        let is_complete = list.is_whole && !head.is_partial;
        let Some(named) = self.name(list.index, &kind, &ObjectHead::default()) else {
            return;
        };
        let Some(followed) = self.followed.get_mut(list.index) else {
            return;
        };
        // Objects that are not in the list are gone, but the watch may still tell of that.
        let is_last_word = !followed.follow.is_watched();
        let ts = list.place.ts.unwrap_or(self.last_ts);
        followed.follow.end_list(rv.clone(), is_complete, ts);
        followed.lists += 1;
        let namespace = match &named.scope.namespace {
            Some(_) => None,
            None => followed.path.namespace.clone(),
        };
        let what = What::ListEnd {
            rv,
            namespace: namespace.map(String::into_boxed_str),
            is_complete: is_complete && is_last_word,
        };
        let source = Arc::clone(&followed.list_source);
        self.ready
            .push_back(item(source, list.place, Some(named), what));
    }

    fn event(&mut self, index: usize, event_type: EventType, bytes: &[u8], place: Place) {
        let ts = place.ts.unwrap_or(self.last_ts);
        let Some(followed) = self.followed.get(index) else {
            return;
        };
        let source = Arc::clone(&followed.watch_source);
        let named = followed.named.clone();
        let taken = ObjectText::parse(bytes)
            .map_err(|error| error.to_string())
            .and_then(|object| {
                let (head, text) = (object.head, object.text);
                let object = self.object(index, event_type, Certainty::Seen, &head, text)?;
                Ok((head, object))
            });
        match taken {
            Ok((head, (named, object))) => {
                let findings = match self.followed.get_mut(index) {
                    Some(followed) => {
                        let rv = head.rv.as_ref();
                        followed.follow.event(event_type, &head.key(), rv, ts)
                    }
                    None => Vec::new(),
                };
                self.find(index, findings, place);
                let what = What::Object(object);
                self.ready.push_back(item(source, place, Some(named), what));
            }
            Err(reason) => {
                let what = What::Unreadable { reason };
                self.ready.push_back(item(source, place, named, what));
            }
        }
    }

    /// Names and redacts an object.
    fn object(
        &mut self,
        index: usize,
        event_type: EventType,
        certainty: Certainty,
        head: &ObjectHead,
        text: &str,
    ) -> Result<(Arc<Named>, Object), String> {
        if head.kind.is_empty() || head.api_version.is_empty() {
            return Err("an object without kind or apiVersion".to_owned());
        }
        let named = self
            .name(index, &head.kind, head)
            .ok_or("nothing tells its resource")?;
        let (body, is_redacted) = redacted(self.policy, &named.resource, text)?;
        let object = Object {
            event_type,
            certainty,
            not_before: None,
            key: head.key(),
            rv: head.rv.clone(),
            body: Some(body),
            is_redacted,
            request: None,
        };
        Ok((named, object))
    }

    /// Names the resource of a path once it is needed.
    fn name(&mut self, index: usize, kind: &str, head: &ObjectHead) -> Option<Arc<Named>> {
        let followed = self.followed.get_mut(index)?;
        if let Some(named) = &followed.named {
            return Some(Arc::clone(named));
        }
        let has_namespace = !head.namespace.is_empty();
        let named = self.catalogue.name(&followed.path, kind, has_namespace);
        if !named.resource.kind.is_empty() {
            followed.named = Some(Arc::clone(&named));
        }
        Some(named)
    }

    /// A poll that failed ends what was known of a path without a watch.
    fn failed_answer(&mut self, index: usize, code: u16, place: Place) {
        *self.failed.entry(code).or_default() += 1;
        let Some(followed) = self.followed.get(index) else {
            return;
        };
        if followed.lists > 0 && !followed.follow.is_watched() {
            let message = "the list failed".to_owned();
            let what = What::Error { code, message };
            let source = Arc::clone(&followed.list_source);
            let named = followed.named.clone();
            self.ready.push_back(item(source, place, named, what));
        }
    }

    fn find(&mut self, index: usize, findings: Vec<Finding>, place: Place) {
        let Some(followed) = self.followed.get(index) else {
            return;
        };
        for finding in findings {
            let (place, what) = match finding {
                Finding::Hole { from, to, sign } => {
                    self.holes += 1;
                    let what = What::Gap {
                        from: Some(from),
                        detail: sign.to_owned(),
                    };
                    (
                        Place {
                            ts: Some(to),
                            ..place
                        },
                        what,
                    )
                }
                Finding::Gone { key, after } => {
                    let object = Object {
                        event_type: EventType::Deleted,
                        certainty: Certainty::Inferred,
                        not_before: Some(after),
                        key,
                        rv: None,
                        body: None,
                        is_redacted: false,
                        request: None,
                    };
                    (place, What::Object(object))
                }
            };
            let source = Arc::clone(&followed.watch_source);
            let named = followed.named.clone();
            self.ready.push_back(item(source, place, named, what));
        }
    }

    /// Ends the capture: what the watches did not tell until now, they missed.
    pub(super) fn end(&mut self) {
        for index in 0..self.followed.len() {
            let Some(followed) = self.followed.get_mut(index) else {
                continue;
            };
            let findings = followed.follow.missed();
            let place = Place {
                ts: Some(self.last_ts),
                number: followed.lists,
            };
            self.find(index, findings, place);
        }
    }

    /// Tells what could not be carried over.
    pub(super) fn report(&self, report: &mut LossReport) {
        for (what, count) in &self.left_out {
            report.note(what, *count);
        }
        for (code, count) in &self.failed {
            report.note(&format!("answers with HTTP {code} left out"), *count);
        }
        let watched = self.followed.iter().filter(|path| path.follow.is_watched());
        let polled = self
            .followed
            .iter()
            .filter(|path| !path.follow.is_watched() && path.lists > 0);
        for (what, why, count) in [
            (
                Loss::Gaps,
                "changes between the end of a watch and its next start are missing",
                self.holes,
            ),
            (
                Loss::Gaps,
                "watched paths: a hole between two watches is found only where a list shows it",
                watched.count() as u64,
            ),
            (
                Loss::Changes,
                "polled paths: what came and went between two lists is not known",
                polled.count() as u64,
            ),
        ] {
            report.lose(what, why, count);
        }
    }
}

fn item(source: Arc<str>, place: Place, named: Option<Arc<Named>>, what: What) -> Item {
    Item {
        recv: place.ts,
        source,
        line: place.number,
        named,
        what,
    }
}
