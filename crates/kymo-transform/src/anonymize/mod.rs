//! A whole trace with pseudonyms in place of everything that identifies.
//!
//! The trace is read twice: once to learn every name ([`Anonymizer::learn`]) and version
//! (`versions`), and once to replace them (`rows`, `meta`). Rows are sorted again, since what they
//! are sorted by has other names; what goes to the disk for that is already replaced.

mod meta;
mod rows;
mod statement;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kymo_anonymize::{AnonymizationPolicy, Anonymizer, Key, Settings, Touched};
use kymo_model::{Feed, FeedId, GroupResource};
use kymo_store::fs::RealFs;
use kymo_store::segment::{SegmentOptions, SegmentSummary};
use kymo_store::{Spool, Trace, write_file};

use self::rows::Replaced;
pub(crate) use self::statement::Order;
use self::versions::Ranks;
use crate::Error;
use crate::merged::SPOOL_BYTES;
use crate::progress::{Progress, Unwatched};
use crate::transform::workspace;

/// A trace to anonymize.
///
/// The input is never changed; the output is a new trace, which exists only when all of it is
/// written, checked and durable.
#[derive(Clone)]
pub struct Anonymization {
    input: PathBuf,
    key: Key,
    policy: AnonymizationPolicy,
    settings: Settings,
    progress: Arc<dyn Progress>,
    before: Before,
}

/// What was done to the input before, where that is not in its lineage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// What decides it; empty if nothing was done.
    pub(crate) name: String,
    /// Resources of which it left out objects.
    pub(crate) partial: BTreeSet<GroupResource>,
}

/// What would come of an anonymization.
#[derive(Clone, Debug)]
pub(crate) struct Foretold {
    /// How many identifiers would get a pseudonym.
    pub(crate) pseudonyms: usize,
    /// Which rules would touch what.
    pub(crate) touched: Vec<Touched>,
    /// Events that would change.
    pub(crate) events: u64,
    /// Objects that would change.
    pub(crate) objects: u64,
}

/// What came of an anonymization.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Anonymized {
    /// Events of the input.
    pub read: u64,
    /// How many identifiers got a pseudonym.
    pub pseudonyms: usize,
    /// Which rules touched what.
    pub touched: Vec<Touched>,
    /// What each pseudonym stands for, by kind of identifier; empty unless asked for. Secret.
    pub map: BTreeMap<String, BTreeMap<String, String>>,
    /// The output.
    pub summary: SegmentSummary,
}

impl Anonymization {
    /// Makes an anonymization of the trace at `input`.
    pub fn new(input: &Path, key: Key, policy: AnonymizationPolicy) -> Self {
        Self {
            input: input.to_owned(),
            key,
            policy,
            settings: Settings::default(),
            progress: Arc::new(Unwatched),
            before: Before::default(),
        }
    }

    /// Remembers what each pseudonym stands for.
    #[must_use]
    pub fn with_map(mut self) -> Self {
        self.settings.with_map = true;
        self
    }

    /// Bounds the memory of what is known of names, in bytes, about; it is 512 MiB otherwise.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.settings.memory = bytes;
        self
    }

    /// Tells `progress` how far it is; every row is read twice.
    #[must_use]
    pub fn watched_by(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Says what was done to the input before, which its lineage does not tell.
    #[must_use]
    pub(crate) fn after(mut self, before: Before) -> Self {
        self.before = before;
        self
    }

    /// Finds what would come of it and writes nothing. Blocks.
    pub(crate) fn foretell(&self) -> Result<Foretold, Error> {
        let trace = Trace::open(&self.input)?;
        let mut anonymizer = Anonymizer::new(&self.key, self.policy.clone(), self.settings);
        let mut ranks = Ranks::of(self.policy.versions);
        self.learn(&trace, &mut anonymizer, &mut ranks)?;
        let anonymizer = Arc::new(Mutex::new(anonymizer));
        let watch: Arc<dyn Progress> = Arc::new(Unwatched);
        let replaced = Replaced::new(&trace, Arc::clone(&anonymizer), ranks, watch)?;
        let (mut events, mut objects) = (0, 0);
        let mut last = None;
        for (row, replaced) in trace.rows()?.zip(replaced) {
            let (before, after) = (row?, replaced?);
            if !self.progress.row() {
                return Err(Error::Stopped);
            }
            if rows::is_same(&before, &after)? {
                continue;
            }
            events += 1;
            let object = Some((before.event.feed, before.event.key));
            if object != last {
                objects += 1;
                last = object;
            }
        }
        let anonymizer = anonymizer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Foretold {
            pseudonyms: anonymizer.pseudonyms(),
            touched: anonymizer.touched(),
            events,
            objects,
        })
    }

    /// Anonymizes and writes the output as one sealed file, which must not exist. Blocks.
    pub fn run(&self, out: &Path) -> Result<Anonymized, Error> {
        if out.symlink_metadata().is_ok() {
            let path = out.to_owned();
            return Err(kymo_store::Error::Exists { path }.into());
        }
        let trace = Trace::open(&self.input)?;
        let mut anonymizer = Anonymizer::new(&self.key, self.policy.clone(), self.settings);
        let mut ranks = Ranks::of(self.policy.versions);
        let read = self.learn(&trace, &mut anonymizer, &mut ranks)?;
        let mut meta = meta::replace(&trace, &self.before, &mut anonymizer, &ranks)?;
        let feeds: Arc<BTreeMap<FeedId, Feed>> = Arc::new(meta.feeds.iter().cloned().collect());
        let step = meta::step(&trace, &self.before, &mut anonymizer)?;
        meta.lineage = vec![step];
        // Whoever is told what the rules did asks after the last row.
        let anonymizer = Arc::new(Mutex::new(anonymizer));
        let workspace = workspace(out)?;
        let mut spool = Spool::new(workspace.path(), feeds, SPOOL_BYTES);
        let replaced = Replaced::new(
            &trace,
            Arc::clone(&anonymizer),
            ranks,
            Arc::clone(&self.progress),
        )?;
        for row in replaced {
            spool.push(row?)?;
        }
        let sorted = spool.drain()?.map(|row| row.map_err(Error::from));
        let summary = write_file(
            Arc::new(RealFs),
            out,
            sorted,
            meta,
            &SegmentOptions::default(),
            |_| {},
        )?;
        let anonymizer = anonymizer.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = |entries: BTreeMap<&str, &str>| {
            entries
                .into_iter()
                .map(|(original, token)| (original.to_owned(), token.to_owned()))
                .collect()
        };
        Ok(Anonymized {
            read,
            pseudonyms: anonymizer.pseudonyms(),
            touched: anonymizer.touched(),
            map: anonymizer
                .map()
                .into_iter()
                .map(|(kind, entries)| (kind.to_owned(), owned(entries)))
                .collect(),
            summary,
        })
    }

    /// Reads the whole trace once. Returns how many events it has.
    fn learn(
        &self,
        trace: &Trace,
        anonymizer: &mut Anonymizer,
        ranks: &mut Ranks,
    ) -> Result<u64, Error> {
        meta::learn(trace, ranks);
        let mut read = 0;
        for row in trace.rows()? {
            let row = row?;
            if !self.progress.row() {
                return Err(Error::Stopped);
            }
            read += 1;
            let Some(feed) = trace.feeds().get(&row.event.feed) else {
                continue;
            };
            let object = rows::object(&row)?;
            let event = &row.event;
            ranks.learn(&feed.resource.resource, event.rv.as_ref());
            if let Some(version) = object.as_ref().and_then(rows::version) {
                ranks.learn(&feed.resource.resource, Some(&version));
            }
            anonymizer
                .learn(
                    &feed.resource,
                    &event.key,
                    object.as_ref(),
                    event.request.as_deref(),
                )
                .map_err(Error::anonymize(row.seq))?;
        }
        Ok(read)
    }
}
