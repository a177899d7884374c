//! What one dump holds: every object once, and what its lists prove.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use kymo_model::{ObjectHead, Rv};

use super::layout::{Group, Hint};
use super::names::{self, Names};
use super::piece::{Piece, Pieces};
use super::scope::{Listed, Seen};
use super::times;
use crate::Error;
use crate::import::Context;
use crate::input::{Damage, Entry};
use crate::json::ListHead;
use crate::kinds;
use crate::vault::{Chunk, Vault};

/// A file with more faults than this is given up.
const MAX_FAULTS: usize = 1000;

/// A kind of objects, by group and kind.
pub(super) type Kind = (String, String);

/// Everything that one dump holds.
pub(super) struct Survey {
    /// Where the texts of the objects lie.
    pub(super) vault: Vault,
    /// The objects by kind.
    pub(super) kinds: BTreeMap<Kind, Found>,
    /// What could not be read: file, line and reason.
    pub(super) faults: Vec<(Arc<str>, u64, String)>,
    /// Files that could not be read to their end.
    pub(super) damaged: Vec<(Arc<str>, Damage)>,
    /// Files in which there is nothing of a cluster, with the reason.
    pub(super) skipped: Vec<(String, String)>,
    /// What was left out or put right.
    pub(super) tally: Tally,
    /// The newest creationTimestamp.
    pub(super) newest: Option<String>,
    /// The uid of the kube-system namespace.
    pub(super) cluster_uid: Option<String>,
    namespaces: BTreeSet<Arc<str>>,
}

/// How often something was left out or put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The same version of an object in another file of the dump.
    pub(super) repeated: u64,
    /// Another version of an object in the same dump.
    pub(super) conflicting: u64,
    /// Values that are no objects.
    pub(super) other: u64,
    /// Objects whose kind only the name of their file tells.
    pub(super) typed_by_file: u64,
    /// Members of mappings that were left out for later ones of their name.
    pub(super) replaced: u64,
}

/// The objects of a kind.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The version of the API in which the first is written.
    pub(super) version: String,
    /// The objects by namespace and name.
    pub(super) objects: HashMap<(Arc<str>, Box<str>), Noted>,
    /// The lists that showed them.
    pub(super) lists: Vec<Listed>,
    /// The plural, as far as the places of the files tell it.
    pub(super) plural: Option<String>,
}

/// An object whose text was put aside.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) uid: Box<str>,
    pub(super) version: Version,
    pub(super) chunk: Chunk,
    pub(super) source: Arc<str>,
    pub(super) line: u64,
    /// apiVersion and kind, where the text itself lacks one of them.
    pub(super) lacking: Option<Arc<(String, String)>>,
}

/// What tells one version of an object from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Rv(Rv),
    /// A hash of the text, for want of a resourceVersion.
    Text(u64),
}

/// An item of a list whose end has not come yet.
struct Pending {
    head: ObjectHead,
    noted: Noted,
}

/// A file that is being read.
struct File<'a> {
    name: Arc<str>,
    hint: Hint,
    context: &'a Context,
    names: &'a mut Names,
    pending: Vec<Pending>,
    is_useful: bool,
    /// What the values were that are no objects.
    other: Option<String>,
    others: u64,
    faults: usize,
}

impl Survey {
    /// Reads a dump.
    pub(super) fn of(group: &Group, context: &Context, names: &mut Names) -> Result<Self, Error> {
        let mut survey = Self {
            vault: Vault::new(&context.workshop),
            kinds: BTreeMap::new(),
            faults: Vec::new(),
            damaged: Vec::new(),
            skipped: Vec::new(),
            tally: Tally::default(),
            newest: None,
            cluster_uid: None,
            namespaces: BTreeSet::new(),
        };
        for entry in &group.files {
            let file = File {
                name: Arc::from(entry.name.as_str()),
                hint: group.hint(&entry.path),
                context,
                names,
                pending: Vec::new(),
                is_useful: false,
                other: None,
                others: 0,
                faults: 0,
            };
            survey.read(entry, file)?;
        }
        Ok(survey)
    }

    fn read(&mut self, entry: &Entry, mut file: File<'_>) -> Result<(), Error> {
        let text = entry.open(&file.context.budget)?;
        let limit = file.context.limits.value_bytes;
        let mut line = 1;
        let damaged = self.damaged.len();
        let mut pieces = match Pieces::open(text, limit) {
            Ok(pieces) => pieces,
            Err(error) => return self.damaged(entry, &file, error),
        };
        loop {
            match pieces.next() {
                Ok(None) => break,
                Ok(Some(piece)) => {
                    if let Piece::Value { line: at, .. } | Piece::Unreadable { line: at, .. } =
                        piece
                    {
                        line = at;
                    }
                    self.take(piece, &mut file)?;
                }
                Err(error) => {
                    self.damaged(entry, &file, error)?;
                    break;
                }
            }
            if file.faults > MAX_FAULTS {
                let reason = "more faults than are worth reading on: the rest is left out";
                self.faults
                    .push((Arc::clone(&file.name), line, reason.to_owned()));
                break;
            }
        }
        self.tally.replaced += pieces.replaced();
        // What was read of a list whose end is missing.
        if !file.pending.is_empty() {
            self.end_list(
                &ListHead {
                    is_partial: true,
                    ..ListHead::default()
                },
                &mut file,
            );
        }
        let is_readable = file.faults == 0 && self.damaged.len() == damaged;
        if !file.is_useful && is_readable {
            let reason = match file.other.take() {
                Some(what) => format!("no object of a cluster: {what}"),
                None => "empty".to_owned(),
            };
            self.skipped.push((entry.name.clone(), reason));
        } else {
            self.tally.other += file.others;
        }
        Ok(())
    }

    /// Notes that a file cannot be read on; what is no fault of the file ends the import.
    fn damaged(
        &mut self,
        entry: &Entry,
        file: &File<'_>,
        error: std::io::Error,
    ) -> Result<(), Error> {
        let Some(damage) = Damage::of(&error) else {
            return Err(times::failed(entry, error));
        };
        self.damaged.push((Arc::clone(&file.name), damage.clone()));
        Ok(())
    }

    fn take(&mut self, piece: Piece, file: &mut File<'_>) -> Result<(), Error> {
        match piece {
            Piece::Value {
                line,
                text,
                in_list,
            } => self.value(line, &text, in_list, file),
            Piece::ListEnd(end) => {
                self.end_list(&end, file);
                Ok(())
            }
            Piece::Unreadable { line, reason } => {
                file.faults += 1;
                self.faults.push((Arc::clone(&file.name), line, reason));
                Ok(())
            }
        }
    }

    fn value(
        &mut self,
        line: u64,
        text: &str,
        in_list: bool,
        file: &mut File<'_>,
    ) -> Result<(), Error> {
        let head = match ObjectHead::parse(text) {
            Ok(head) if !head.name.is_empty() => head,
            parsed => {
                if file.names.learn_resources(text) {
                    file.is_useful = true;
                } else {
                    file.others += 1;
                    let kind = parsed.map(|head| head.kind).unwrap_or_default();
                    file.other.get_or_insert_with(|| what_instead(text, &kind));
                }
                return Ok(());
            }
        };
        self.newest = newer_of(self.newest.take(), text);
        let chunk = self
            .vault
            .put(text.as_bytes())
            .map_err(|source| Error::Write {
                path: file.context.workshop.clone(),
                source,
            })?;
        let (group, _) = kinds::split_api_version(&head.api_version);
        let may_define = names::is_definition(group, &head.kind)
            || file.hint.word.as_deref() == Some("custom-resource-definitions");
        if may_define {
            file.names.learn_definition(text);
        }
        let noted = Noted {
            uid: head.uid.as_str().into(),
            version: match &head.rv {
                Some(rv) => Version::Rv(rv.clone()),
                None => Version::Text(hash(text)),
            },
            chunk,
            source: Arc::clone(&file.name),
            line,
            lacking: None,
        };
        if in_list {
            file.pending.push(Pending { head, noted });
        } else {
            self.single(head, noted, file);
        }
        Ok(())
    }

    /// Takes an object that is in no list.
    fn single(&mut self, head: ObjectHead, noted: Noted, file: &mut File<'_>) {
        let lacking = if head.kind.is_empty() || head.api_version.is_empty() {
            let Some(typed) = file.hint.word.as_deref().and_then(names::of_word) else {
                let line = noted.line;
                return self.fault(file, line, "an object without kind or apiVersion");
            };
            self.tally.typed_by_file += 1;
            Some(Arc::new((typed.0, typed.1.to_owned())))
        } else {
            None
        };
        self.object(head, noted, lacking, file);
    }

    fn fault(&mut self, file: &mut File<'_>, line: u64, reason: &str) {
        file.faults += 1;
        let fault = (Arc::clone(&file.name), line, reason.to_owned());
        self.faults.push(fault);
    }

    /// Takes the items of a list, which may lack what the list says for all of them.
    fn end_list(&mut self, end: &ListHead, file: &mut File<'_>) {
        let of_word = || {
            let (api_version, kind) = names::of_word(file.hint.word.as_deref()?)?;
            Some((api_version, kind.to_owned()))
        };
        let is_typed = !end.item_kind().is_empty() && !end.api_version.is_empty();
        let typed = if is_typed {
            Some((end.api_version.clone(), end.item_kind().to_owned()))
        } else {
            of_word()
        };
        let typed = typed.map(Arc::new);
        let mut lists: BTreeMap<Kind, Seen> = BTreeMap::new();
        let mut is_whole = !end.is_partial;
        if let Some(typed) = &typed {
            let (group, version) = kinds::split_api_version(&typed.0);
            let kind = (group.to_owned(), typed.1.clone());
            let found = self.kinds.entry(kind.clone()).or_default();
            if found.version.is_empty() {
                version.clone_into(&mut found.version);
            }
            if let Some((_, plural)) = file.hint.resource.as_ref().filter(|(of, _)| of == group) {
                found.plural.get_or_insert_with(|| plural.clone());
            }
            lists.insert(kind, Seen::None);
            file.is_useful = true;
        }
        for Pending { head, noted } in std::mem::take(&mut file.pending) {
            let mut lacking = None;
            if head.kind.is_empty() || head.api_version.is_empty() {
                if typed.is_none() {
                    is_whole = false;
                    let reason = "an item without kind or apiVersion in a list without them";
                    self.fault(file, noted.line, reason);
                    continue;
                }
                self.tally.typed_by_file += u64::from(!is_typed);
                lacking.clone_from(&typed);
            }
            let (kind, namespace) = self.object(head, noted, lacking, file);
            lists.entry(kind).or_default().add(&namespace);
        }
        for (kind, seen) in lists {
            self.kinds.entry(kind).or_default().lists.push(Listed {
                seen,
                told: file.hint.told.clone(),
                rv: end.rv.clone(),
                is_whole,
            });
        }
    }

    /// Notes an object under its kind; returns the kind and the namespace.
    fn object(
        &mut self,
        mut head: ObjectHead,
        mut noted: Noted,
        lacking: Option<Arc<(String, String)>>,
        file: &mut File<'_>,
    ) -> (Kind, Arc<str>) {
        file.is_useful = true;
        if let Some(lacking) = &lacking {
            if head.api_version.is_empty() {
                head.api_version.clone_from(&lacking.0);
            }
            if head.kind.is_empty() {
                head.kind.clone_from(&lacking.1);
            }
        }
        noted.lacking = lacking;
        let (group, version) = kinds::split_api_version(&head.api_version);
        if group.is_empty() && head.kind == "Namespace" && head.name == "kube-system" {
            self.cluster_uid = Some(head.uid.clone()).filter(|uid| !uid.is_empty());
        }
        let namespace = self.namespace(&head.namespace);
        let kind = (group.to_owned(), head.kind);
        let found = self.kinds.entry(kind.clone()).or_default();
        if found.version.is_empty() {
            version.clone_into(&mut found.version);
        }
        if let Some((_, plural)) = file.hint.resource.as_ref().filter(|(of, _)| of == group) {
            found.plural.get_or_insert_with(|| plural.clone());
        }
        match found
            .objects
            .entry((Arc::clone(&namespace), head.name.into()))
        {
            Place::Vacant(place) => {
                place.insert(noted);
            }
            Place::Occupied(mut place) => {
                let known = place.get_mut();
                if known.version == noted.version {
                    self.tally.repeated += 1;
                } else {
                    self.tally.conflicting += 1;
                    if noted.version.replaces(&known.version) {
                        *known = noted;
                    }
                }
            }
        }
        (kind, namespace)
    }

    fn namespace(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.namespaces.get(name) {
            return Arc::clone(known);
        }
        let namespace: Arc<str> = Arc::from(name);
        self.namespaces.insert(Arc::clone(&namespace));
        namespace
    }
}

impl Version {
    /// Whether this is the one to keep of two that differ: the newer, and where nothing tells,
    /// the one that came later.
    fn replaces(&self, known: &Self) -> bool {
        match (known, self) {
            (Self::Rv(known), Self::Rv(this)) => !known.is_newer_than(this),
            (Self::Rv(_), Self::Text(_)) => false,
            (Self::Text(_), _) => true,
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Says what a value is that is no object.
fn what_instead(text: &str, kind: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let kind = value
        .get("kind")
        .and_then(|kind| kind.as_str())
        .unwrap_or(kind);
    match value {
        serde_json::Value::Object(_) if kind == "Status" => {
            "an answer of the API server that something failed".to_owned()
        }
        serde_json::Value::Object(_) if is_word(kind) => format!("`{kind}` without a name"),
        serde_json::Value::Object(_) => "a mapping without kind and metadata".to_owned(),
        _ => "a text".to_owned(),
    }
}

/// Only what looks like a kind is repeated in messages.
fn is_word(kind: &str) -> bool {
    !kind.is_empty() && kind.len() < 64 && kind.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Returns the newer of a time and the first creationTimestamp in a text.
fn newer_of(known: Option<String>, text: &str) -> Option<String> {
    const MEMBER: &str = "\"creationTimestamp\":\"";
    let found = text.find(MEMBER).and_then(|at| {
        let time = text.get(at + MEMBER.len()..)?;
        // All are written like 2021-08-03T10:14:13Z, so that texts compare as times do.
        time.get(..20).filter(|time| time.ends_with('Z'))
    });
    match (known, found) {
        (Some(known), Some(found)) if known.as_str() >= found => Some(known),
        (_, Some(found)) => Some(found.to_owned()),
        (known, None) => known,
    }
}
