//! Reads the records of an archive in the order of their times.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Read as _;

use kymo_model::Timestamp;
use sha2::{Digest as _, Sha256};

use super::api_path::{ApiPath, ResourcePath};
use super::capture::{Capture, OpenList, Place};
use super::index::{Index, IndexEntry, Metadata, NEWEST};
use crate::Error;
use crate::import::{Context, Item, LossReport, ReadItems};
use crate::input::{Budget, Entry, Text};

/// The longest `metadata.json`.
const LONGEST_METADATA: u64 = 1 << 20;
/// What a record and a path may need in an index.
const INDEX_BYTES_PER_RECORD: u64 = 1024;
const RECORDS: &str = "records/";

/// The files of one archive by their paths inside it.
pub(super) struct Files {
    /// The archive, for messages.
    pub(super) name: String,
    /// Paths without `.zst`.
    pub(super) entries: HashMap<String, Entry>,
}

/// One archive.
pub(super) struct ArchiveReader {
    files: Files,
    budget: Budget,
    paths: Vec<Path>,
    /// The records in the order of their times, the next one last.
    plan: Vec<Planned>,
    capture: Capture,
    open: Option<(Text<'static>, OpenList)>,
    has_ended: bool,
    deduplicated: u64,
}

struct Path {
    text: String,
    /// The names of its records where they are not numbered.
    names: Vec<String>,
}

/// A record to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    ts: Timestamp,
    path: usize,
    seq: u64,
}

impl Files {
    fn malformed(&self, place: &str, reason: impl Into<String>) -> Error {
        Error::Malformed {
            path: self.name.clone(),
            place: place.to_owned(),
            reason: reason.into(),
        }
    }

    fn metadata(&self, budget: &Budget) -> Result<Metadata, Error> {
        const NAME: &str = "metadata.json";
        let entry = self
            .entries
            .get(NAME)
            .ok_or_else(|| self.malformed(NAME, "missing"))?;
        let text = entry.open(budget)?.take(LONGEST_METADATA);
        let metadata: Metadata = serde_json::from_reader(text)
            .map_err(|error| self.malformed(NAME, error.to_string()))?;
        if metadata.format_version < 0 || metadata.format_version > NEWEST {
            return Err(Error::Version {
                path: self.name.clone(),
                found: metadata.format_version.to_string(),
                known: "1 to 2",
            });
        }
        Ok(metadata)
    }

    fn index(&self, name: &str, budget: &Budget) -> Result<Option<Index>, Error> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let limit = (self.entries.len() as u64 + 64) * INDEX_BYTES_PER_RECORD;
        Index::read(entry.open(budget)?, limit)
            .map(Some)
            .map_err(|reason| self.malformed(name, reason))
    }

    fn record(&self, path: &Path, seq: u64) -> Option<&Entry> {
        let name = if path.names.is_empty() {
            format!("{}/{seq}", folder(&path.text))
        } else {
            path.names.get(usize::try_from(seq).ok()?)?.clone()
        };
        self.entries.get(&format!("{RECORDS}{name}.json"))
    }
}

/// Returns the folder of a path's records: the first 8 bytes of its SHA-256 in hexadecimal.
pub(super) fn folder(path: &str) -> String {
    let digest = Sha256::digest(path.as_bytes());
    let mut name = String::with_capacity(16);
    for byte in digest.iter().take(8) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

impl ArchiveReader {
    /// Reads metadata and indexes; also returns the API server's version.
    pub(super) fn open(files: Files, context: &Context) -> Result<(Self, Option<String>), Error> {
        let metadata = files.metadata(&context.budget)?;
        let lists = files
            .index("index.json", &context.budget)?
            .ok_or_else(|| files.malformed("index.json", "missing"))?;
        let watches = files
            .index("watch-index.json", &context.budget)?
            .unwrap_or_default();
        let capture = Capture::new(&files.name, context.policy, context.limits.value_bytes);
        let mut this = Self {
            files,
            budget: context.budget.clone(),
            paths: Vec::new(),
            plan: Vec::new(),
            capture,
            open: None,
            has_ended: false,
            deduplicated: metadata.deduplicated_count,
        };
        this.plan(lists, watches)?;
        let version = Some(metadata.kubernetes_version).filter(|version| !version.is_empty());
        Ok((this, version))
    }

    /// Decides which records are read, and brings them into the order of their times.
    fn plan(&mut self, lists: Index, watches: Index) -> Result<(), Error> {
        let mut by_path: BTreeMap<String, (IndexEntry, IndexEntry)> = BTreeMap::new();
        for (path, entry) in lists.0 {
            by_path.entry(path).or_default().0 = entry;
        }
        for (path, entry) in watches.0 {
            by_path.entry(path).or_default().1 = entry;
        }
        let mut resources: Vec<(ResourcePath, String, IndexEntry, IndexEntry)> = Vec::new();
        let mut named = 0;
        for (text, (list, watch)) in by_path {
            let count = list.len() + watch.len();
            named += count;
            match ApiPath::parse(&text) {
                ApiPath::Resource(path) => resources.push((path, text, list, watch)),
                ApiPath::Served { group, version } => {
                    self.learn(&text, list, &group, &version)?;
                    self.capture.leave_out_discovery(count);
                }
                ApiPath::Other(what) => self.capture.leave_out(what, count),
            }
        }
        resources.sort_by(|a, b| (a.0.preference(), &a.1).cmp(&(b.0.preference(), &b.1)));
        for (path, text, list, watch) in resources {
            let is_watched = watch.len() > 0;
            if self.capture.follow(&text, &path, is_watched) {
                self.plan_path(text, list, &watch);
            } else {
                let count = list.len() + watch.len();
                self.capture.leave_out_twice_shown(count);
            }
        }
        let records = self.files.entries.keys();
        let records = records.filter(|name| name.starts_with(RECORDS)).count() as u64;
        self.capture
            .leave_out(UNNAMED, records.saturating_sub(named));
        self.plan.sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }

    fn plan_path(&mut self, text: String, list: IndexEntry, watch: &IndexEntry) {
        let path = self.paths.len();
        for entry in [&list, watch] {
            for (position, seq) in entry.numbers().enumerate() {
                if let Some(ts) = entry.times.get(position).and_then(|time| time.0) {
                    self.plan.push(Planned { ts, path, seq });
                } else {
                    let place = Place {
                        ts: None,
                        number: seq.saturating_add(1),
                    };
                    let reason = "the index has no time for the record";
                    self.capture.unreadable(&text, place, reason);
                }
            }
        }
        let names = list.record_ids;
        self.paths.push(Path { text, names });
    }

    /// Reads what a group version serves, if that was captured.
    fn learn(
        &mut self,
        text: &str,
        list: IndexEntry,
        group: &str,
        version: &str,
    ) -> Result<(), Error> {
        let first = list.numbers().next();
        let path = Path {
            text: text.to_owned(),
            names: list.record_ids,
        };
        let Some(entry) = first.and_then(|seq| self.files.record(&path, seq)) else {
            return Ok(());
        };
        let mut record = entry.open(&self.budget)?;
        let failed = |source| Error::Read {
            path: entry.name.clone(),
            source,
        };
        let envelope = self.capture.open_record(&mut record).map_err(failed)?;
        if envelope.is_ok_and(|envelope| envelope.code == 200) {
            let learned = self.capture.learn(&mut record, group, version);
            learned.map_err(failed)?;
        }
        Ok(())
    }

    /// Reads the next record of the plan.
    fn read(&mut self, planned: Planned) {
        let Some(path) = self.paths.get(planned.path) else {
            return;
        };
        let place = Place {
            ts: Some(planned.ts),
            number: planned.seq.saturating_add(1),
        };
        let Some(entry) = self.files.record(path, planned.seq) else {
            let reason = "the index names a record that is not in the archive";
            return self.capture.unreadable(&path.text, place, reason);
        };
        let read = entry.open(&self.budget).map_err(|error| error.to_string());
        let read = read.and_then(|mut text| {
            let envelope = self.capture.open_record(&mut text);
            let envelope = envelope.map_err(|error| error.to_string())??;
            if envelope.api_path != path.text {
                return Err("the record is of another path".to_owned());
            }
            let list = self.capture.response(&mut text, &envelope, place);
            Ok(list
                .map_err(|error| error.to_string())?
                .map(|list| (text, list)))
        });
        match read {
            Ok(list) => self.open = list,
            Err(reason) => self.capture.unreadable(&path.text, place, reason),
        }
    }
}

const UNNAMED: &str = "records that no index names";

impl ReadItems for ArchiveReader {
    fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.capture.ready.pop_front() {
                return Ok(Some(item));
            }
            if let Some((mut text, mut list)) = self.open.take() {
                match self.capture.step(&mut text, &mut list) {
                    Ok(true) => self.open = Some((text, list)),
                    Ok(false) => {}
                    Err(error) => self.capture.break_off(&mut list, error.to_string()),
                }
            } else if let Some(planned) = self.plan.pop() {
                self.read(planned);
            } else if self.has_ended {
                return Ok(None);
            } else {
                self.capture.end();
                self.has_ended = true;
            }
        }
    }

    fn finish(&mut self, report: &mut LossReport) {
        self.capture.report(report);
        report.note(
            "answers that k8shark did not store because they were equal to those before",
            self.deduplicated,
        );
    }
}
