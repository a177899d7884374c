//! Tells the objects of dumps, one dump after the other.

use std::collections::btree_map::IntoIter as Kinds;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use kymo_anonymize::Policy;
use kymo_model::{Certainty, EventType, ObjectHead, ObjectKey, Timestamp};

use super::layout::Group;
use super::names::Names;
use super::scope::Proof;
use super::survey::{Found, Kind, Noted, Survey, Tally, Version};
use super::times::TimeSource;
use crate::Error;
use crate::import::{Context, Item, Loss, LossReport, Named, Object, ReadItems, What, redacted};
use crate::input::Damage;
use crate::json::typed;
use crate::vault::Vault;

/// A dump that is still to be read, and when it was made.
pub(super) type Dated = (Group, Timestamp, TimeSource);

/// Reads dumps of one cluster in the order of their times.
pub(super) struct DumpReader {
    context: Context,
    dumps: VecDeque<Dated>,
    names: Names,
    /// The resource of each kind: the same in all dumps, whatever version of the API they show.
    named: HashMap<Kind, Arc<Named>>,
    /// When each kind was last shown.
    shown: HashMap<Kind, Timestamp>,
    present: Option<Telling>,
    time: Option<Timestamp>,
    cluster: Option<(String, String)>,
    tally: Tally,
    without_version: u64,
    sources: Vec<TimeSource>,
    skipped: Vec<(String, String)>,
}

/// A dump whose objects are being told.
struct Telling {
    name: Arc<str>,
    time: Timestamp,
    vault: Vault,
    faults: std::vec::IntoIter<(Arc<str>, u64, String)>,
    damaged: std::vec::IntoIter<(Arc<str>, Damage)>,
    kinds: Kinds<Kind, Found>,
    kind: Option<KindTelling>,
}

/// A kind whose objects are being told.
struct KindTelling {
    named: Arc<Named>,
    /// What is still to come, the last first.
    steps: Vec<Step>,
    /// Whether all objects since the last end of a list could be told.
    is_complete: bool,
}

enum Step {
    Object(ObjectKey, Noted),
    /// The end of what proves that others are gone, or of what proves nothing.
    End {
        namespace: Option<Arc<str>>,
        rv: Option<kymo_model::Rv>,
        is_proof: bool,
    },
    Gap {
        from: Timestamp,
        detail: String,
    },
}

impl DumpReader {
    /// Reads `dumps`, which are in the order of their times.
    pub(super) fn new(context: Context, dumps: VecDeque<Dated>, names: Names) -> Self {
        Self {
            context,
            dumps,
            names,
            named: HashMap::new(),
            shown: HashMap::new(),
            present: None,
            time: None,
            cluster: None,
            tally: Tally::default(),
            without_version: 0,
            sources: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Reads the next dump; returns the uid of its cluster if it has one.
    pub(super) fn begin(&mut self) -> Result<bool, Error> {
        let Some((group, time, source)) = self.dumps.pop_front() else {
            return Ok(false);
        };
        let survey = Survey::of(&group, &self.context, &mut self.names)?;
        self.check_cluster(&group.name, survey.cluster_uid.as_deref())?;
        let newest = survey.newest.as_deref().and_then(|time| time.parse().ok());
        let (mut time, source) = match newest {
            Some(newest) if source == TimeSource::Modified && time < newest => {
                (newest, TimeSource::Objects)
            }
            _ => (time, source),
        };
        if let Some(before) = self.time {
            time = time.max(before);
        }
        self.time = Some(time);
        if !survey.kinds.is_empty() {
            self.sources.push(source);
        }
        self.tally.add(survey.tally);
        self.skipped.extend(survey.skipped);
        self.present = Some(Telling {
            name: Arc::from(group.name),
            time,
            vault: survey.vault,
            faults: survey.faults.into_iter(),
            damaged: survey.damaged.into_iter(),
            kinds: survey.kinds.into_iter(),
            kind: None,
        });
        Ok(true)
    }

    /// Returns the uid of the cluster, as far as it is known.
    pub(super) fn cluster_uid(&self) -> Option<String> {
        self.cluster.as_ref().map(|(uid, _)| uid.clone())
    }

    fn check_cluster(&mut self, dump: &str, uid: Option<&str>) -> Result<(), Error> {
        let Some(uid) = uid else { return Ok(()) };
        match &self.cluster {
            Some((known, first)) if known != uid => Err(Error::DifferentClusters {
                first: first.clone(),
                second: dump.to_owned(),
            }),
            Some(_) => Ok(()),
            None => {
                self.cluster = Some((uid.to_owned(), dump.to_owned()));
                Ok(())
            }
        }
    }

    /// Prepares what is told of a kind.
    fn begin_kind(&mut self, kind: Kind, found: Found, time: Timestamp) -> KindTelling {
        let has_namespace = found
            .objects
            .keys()
            .any(|(namespace, _)| !namespace.is_empty())
            || found
                .lists
                .iter()
                .any(|list| matches!(list.told, super::layout::Told::Namespace(_)));
        let names = &self.names;
        let named = self.named.entry(kind.clone()).or_insert_with(|| {
            let (group, name) = (kind.0.as_str(), kind.1.as_str());
            let plural = found.plural.as_deref();
            Arc::new(names.name((group, name), &found.version, plural, has_namespace))
        });
        let named = Arc::clone(named);
        let proof = Proof::of(&found.lists, named.resource.namespaced);
        let before = self.shown.insert(kind, time);
        KindTelling {
            named,
            steps: steps(found, &proof, before, time),
            is_complete: true,
        }
    }

    /// Tells an object; the reason if that cannot be done.
    fn object(
        policy: Policy,
        vault: &Vault,
        named: &Named,
        key: ObjectKey,
        noted: &Noted,
        buffer: &mut Vec<u8>,
    ) -> Result<Object, String> {
        vault
            .get(noted.chunk, buffer)
            .map_err(|error| format!("cannot be read back: {error}"))?;
        let text = String::from_utf8_lossy(buffer);
        let text = match &noted.lacking {
            Some(lacking) => {
                let mut head = ObjectHead::parse(&text).map_err(|error| error.to_string())?;
                typed(&text, &mut head, &lacking.0, &lacking.1).into()
            }
            None => text,
        };
        let (body, is_redacted) = redacted(policy, &named.resource, &text)?;
        Ok(Object {
            event_type: EventType::Added,
            certainty: Certainty::Listed,
            not_before: None,
            key,
            rv: match &noted.version {
                Version::Rv(rv) => Some(rv.clone()),
                Version::Text(_) => None,
            },
            body: Some(body),
            is_redacted,
            request: None,
        })
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.repeated += other.repeated;
        self.conflicting += other.conflicting;
        self.other += other.other;
        self.typed_by_file += other.typed_by_file;
        self.replaced += other.replaced;
    }
}

/// An object with its namespace and name.
type Row = ((Arc<str>, Box<str>), Noted);

/// Orders what is told of a kind, the last first: the objects that no list proves complete, then
/// each namespace with its end, and what is known of the stretches between.
fn steps(found: Found, proof: &Proof, before: Option<Timestamp>, time: Timestamp) -> Vec<Step> {
    let mut rows: Vec<Row> = found.objects.into_iter().collect();
    let is_proven =
        |namespace: &str| matches!(proof, Proof::Namespaces(_)) && proof.covers(namespace);
    rows.sort_by(|(a, _), (b, _)| (is_proven(&a.0), a).cmp(&(is_proven(&b.0), b)));
    let mut steps = Vec::with_capacity(rows.len() + 2);
    let mut rows = rows.into_iter().peekable();
    let mut take = |steps: &mut Vec<Step>, namespace: Option<&str>| {
        let is_of = |row: &Row| match namespace {
            Some(namespace) => *row.0.0 == *namespace,
            None => !is_proven(&row.0.0),
        };
        while let Some(((namespace, name), noted)) = rows.next_if(is_of) {
            let key = ObjectKey {
                namespace: namespace.to_string(),
                name: name.into(),
                uid: noted.uid.to_string(),
            };
            steps.push(Step::Object(key, noted));
        }
    };
    take(&mut steps, None);
    match proof {
        Proof::Cluster(rv) => steps.push(Step::End {
            namespace: None,
            rv: rv.clone(),
            is_proof: true,
        }),
        Proof::Namespaces(namespaces) => {
            let is_rest = !steps.is_empty();
            if is_rest {
                steps.push(Step::End {
                    namespace: None,
                    rv: None,
                    is_proof: false,
                });
            }
            for namespace in namespaces {
                take(&mut steps, Some(namespace));
                steps.push(Step::End {
                    namespace: Some(Arc::clone(namespace)),
                    rv: None,
                    is_proof: true,
                });
            }
            let detail = match namespaces.len() {
                0 => "the dump has single objects, not all".to_owned(),
                1 => "the dump has all objects of one namespace only".to_owned(),
                count => format!("the dump has all objects of {count} namespaces only"),
            };
            steps.push(Step::Gap { from: time, detail });
        }
    }
    if let Some(from) = before.filter(|before| *before < time) {
        let detail = "between two dumps: what came and went is not known".to_owned();
        steps.push(Step::Gap { from, detail });
    }
    steps.reverse();
    steps
}

impl ReadItems for DumpReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        let mut buffer = Vec::new();
        loop {
            let Some(telling) = &mut self.present else {
                if self.begin()? {
                    continue;
                }
                return Ok(None);
            };
            let time = telling.time;
            let item = |source: &Arc<str>, line, named: Option<&Arc<Named>>, what| Item {
                recv: Some(time),
                source: Arc::clone(source),
                line,
                named: named.map(Arc::clone),
                what,
            };
            if let Some((source, line, reason)) = telling.faults.next() {
                return Ok(Some(item(&source, line, None, What::Unreadable { reason })));
            }
            if let Some((source, damage)) = telling.damaged.next() {
                let line = damage.line.unwrap_or(0);
                return Ok(Some(item(&source, line, None, What::Damaged(damage))));
            }
            let Some(kind) = &mut telling.kind else {
                match telling.kinds.next() {
                    Some((kind, found)) => {
                        let begun = self.begin_kind(kind, found, time);
                        if let Some(telling) = &mut self.present {
                            telling.kind = Some(begun);
                        }
                    }
                    None => self.present = None,
                }
                continue;
            };
            let named = Arc::clone(&kind.named);
            let Some(step) = kind.steps.pop() else {
                telling.kind = None;
                continue;
            };
            let what = match step {
                Step::Object(key, noted) => {
                    self.without_version += u64::from(matches!(noted.version, Version::Text(_)));
                    let told = Self::object(
                        self.context.policy,
                        &telling.vault,
                        &named,
                        key,
                        &noted,
                        &mut buffer,
                    );
                    let what = told.map_or_else(
                        |reason| {
                            kind.is_complete = false;
                            What::Unreadable { reason }
                        },
                        What::Object,
                    );
                    return Ok(Some(item(&noted.source, noted.line, Some(&named), what)));
                }
                Step::End {
                    namespace,
                    rv,
                    is_proof,
                } => What::ListEnd {
                    rv,
                    namespace: namespace.map(|namespace| (*namespace).into()),
                    is_complete: std::mem::replace(&mut kind.is_complete, true) && is_proof,
                },
                Step::Gap { from, detail } => What::Gap {
                    from: Some(from),
                    detail,
                },
            };
            let source = Arc::clone(&telling.name);
            return Ok(Some(item(&source, 1, Some(&named), what)));
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        for source in &self.sources {
            report.lose(Loss::ReceiveTimes, source.why(), 1);
        }
        let Tally {
            repeated,
            conflicting,
            other,
            typed_by_file,
            replaced,
        } = self.tally;
        report.note(
            "objects that were in several files of a dump, stored once",
            repeated,
        );
        report.note("values that are no objects", other);
        report.lose(
            Loss::Changes,
            "a dump has an object in several versions: the newest was kept",
            conflicting,
        );
        report.lose(
            Loss::Kinds,
            "kind and apiVersion were told by the name of the file only",
            typed_by_file,
        );
        report.lose(
            Loss::Fields,
            "a mapping has members of the same name: the last was kept",
            replaced,
        );
        report.lose(
            Loss::ResourceVersions,
            "objects have no resourceVersion: their text tells whether they changed",
            self.without_version,
        );
        for (path, reason) in self.skipped.drain(..) {
            report.note_skipped(path, &reason);
        }
    }
}
