//! Reads what the simulator exports: all objects of seven kinds in one JSON object.

use std::io;
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectText, ResourceType, Scope, Timestamp};

use crate::Error;
use crate::import::{Context, Item, Loss, LossReport, Named, Object, ReadItems, What, redacted};
use crate::input::{Entry, Text};
use crate::json::{Value, read_value, skip_blank, take, typed};
use crate::kinds;

/// The members that hold objects: name, group, version and kind.
pub(super) const MEMBERS: &[(&str, &str, &str, &str)] = &[
    ("pods", "", "v1", "Pod"),
    ("nodes", "", "v1", "Node"),
    ("pvs", "", "v1", "PersistentVolume"),
    ("pvcs", "", "v1", "PersistentVolumeClaim"),
    ("storageClasses", "storage.k8s.io", "v1", "StorageClass"),
    (
        "priorityClasses",
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
    ),
    ("namespaces", "", "v1", "Namespace"),
];

/// Reads the objects of a snapshot.
pub(super) struct SnapshotReader {
    source: Arc<str>,
    text: Text<'static>,
    policy: Policy,
    /// The longest object in bytes.
    limit: usize,
    /// When the file was changed last.
    modified: Option<Timestamp>,
    place: Place,
    buffer: Vec<u8>,
    objects: u64,
    others: u64,
}

enum Place {
    Start,
    Members,
    Objects(Arc<Named>),
    End,
}

impl SnapshotReader {
    /// Opens a snapshot.
    pub(super) fn open(entry: &Entry, context: &Context) -> Result<Self, Error> {
        Ok(Self {
            source: entry.name.as_str().into(),
            text: entry.open(&context.budget)?,
            policy: context.policy,
            limit: context.limits.value_bytes,
            modified: entry.modified,
            place: Place::Start,
            buffer: Vec::new(),
            objects: 0,
            others: 0,
        })
    }

    fn read(&mut self) -> io::Result<Option<Item>> {
        while !matches!(self.place, Place::End) {
            let byte = skip_blank(&mut self.text)?;
            match (&self.place, byte) {
                (Place::Start, Some(b'{')) | (Place::Objects(_), Some(b']')) => {
                    take(&mut self.text);
                    self.place = Place::Members;
                }
                (Place::Members, Some(b'}')) => {
                    take(&mut self.text);
                    self.place = Place::End;
                }
                (Place::Members, Some(b'"')) => {
                    if let Some(reason) = self.member()? {
                        return Ok(Some(self.broken(reason)));
                    }
                }
                (Place::Objects(named), Some(_)) => {
                    let named = Arc::clone(named);
                    return self.object(&named).map(Some);
                }
                _ => return Ok(Some(self.broken("the snapshot ends early"))),
            }
        }
        Ok(None)
    }

    /// Reads the name of a member, and its value where it holds no objects; the reason if that
    /// cannot be done.
    fn member(&mut self) -> io::Result<Option<&'static str>> {
        if read_value(&mut self.text, &mut self.buffer, self.limit)? != Value::Whole {
            return Ok(Some("the snapshot ends early"));
        }
        let name: String = serde_json::from_slice(&self.buffer).unwrap_or_default();
        if skip_blank(&mut self.text)? != Some(b':') {
            return Ok(Some("not a snapshot"));
        }
        take(&mut self.text);
        let member = MEMBERS.iter().find(|member| member.0 == name);
        if let (Some(member), Some(b'[')) = (member, skip_blank(&mut self.text)?) {
            take(&mut self.text);
            self.place = Place::Objects(Arc::new(named(member)));
            return Ok(None);
        }
        let value = read_value(&mut self.text, &mut self.buffer, self.limit)?;
        self.others += u64::from(member.is_none() && self.buffer != b"null");
        Ok((value == Value::Cut).then_some("the snapshot ends early"))
    }

    fn object(&mut self, named: &Arc<Named>) -> io::Result<Item> {
        let line = self.text.line();
        let what = match read_value(&mut self.text, &mut self.buffer, self.limit)? {
            Value::Whole => match self.listed(named) {
                Ok(object) => {
                    self.objects += 1;
                    What::Object(object)
                }
                Err(reason) => What::Unreadable { reason },
            },
            Value::TooLong => What::Unreadable {
                reason: format!("an object longer than {} bytes", self.limit),
            },
            Value::Cut => return Ok(self.broken("the snapshot ends inside an object")),
        };
        Ok(self.item(line, Some(Arc::clone(named)), what))
    }

    fn listed(&self, named: &Named) -> Result<Object, String> {
        let object = ObjectText::parse(&self.buffer).map_err(|error| error.to_string())?;
        let mut head = object.head;
        let resource = &named.resource;
        let text = typed(
            object.text,
            &mut head,
            &resource.api_version(),
            &resource.kind,
        );
        let (body, is_redacted) = redacted(self.policy, resource, &text)?;
        Ok(Object {
            event_type: EventType::Added,
            certainty: Certainty::Listed,
            not_before: None,
            key: head.key(),
            rv: head.rv,
            body: Some(body),
            is_redacted,
            request: None,
        })
    }

    fn broken(&mut self, reason: &str) -> Item {
        self.place = Place::End;
        let what = What::Unreadable {
            reason: reason.to_owned(),
        };
        self.item(self.text.line(), None, what)
    }

    fn item(&self, line: u64, named: Option<Arc<Named>>, what: What) -> Item {
        Item {
            recv: self.modified,
            source: Arc::clone(&self.source),
            line,
            named,
            what,
        }
    }
}

fn named((_, group, version, kind): &(&str, &str, &str, &str)) -> Named {
    let (resource, namespaced) = kinds::by_kind(group, kind).unwrap_or_default();
    Named {
        resource: ResourceType {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
            resource: resource.to_owned(),
            kind: (*kind).to_owned(),
            namespaced,
        },
        is_guessed: false,
        scope: Scope::default(),
    }
}

impl ReadItems for SnapshotReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        let read = self.read();
        read.map_err(|source| {
            self.place = Place::End;
            Error::Read {
                path: self.source.to_string(),
                source,
            }
        })
    }

    fn finish(&mut self, report: &mut LossReport) {
        let why = "a snapshot does not tell when it was made: the time of its file stands for it";
        report.lose(Loss::ReceiveTimes, why, self.objects);
        report.note("configurations of schedulers left out", self.others);
    }
}
