use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kymo_anonymize::{AnonymizationPolicy, Key};
use kymo_model::GroupResource;
use kymo_query::Limits;
use kymo_store::fs::RealFs;
use kymo_store::segment::{SegmentMeta, SegmentOptions, SegmentSummary};
use kymo_store::{RevisedTrace, Trace, write_file};
use tempfile::TempDir;

use crate::ahead::{ahead, bytes};
use crate::anonymize::{Before, Order};
use crate::copy::Watch;
use crate::insertions::Insertions;
use crate::language::{Place, Script};
use crate::lineage::{self, InputName, Origin};
use crate::merged::{Coming, merged};
use crate::pass::{self, Tally};
use crate::plan::{self, Input, Stage, Work};
use crate::progress::{Progress, Unwatched};
use crate::reissue::Reissue;
use crate::step::{Chain, Waiting};
use crate::{Error, records, synth};

/// A script to run on a trace.
///
/// The input is never changed; the output is a new trace, which exists only when all of it is
/// written, checked and durable.
pub struct Transform {
    pub(crate) input: PathBuf,
    pub(crate) script: Script,
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) base: PathBuf,
    pub(crate) key: Option<(Key, AnonymizationPolicy)>,
}

/// What came of a transform.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// For each statement, in order, how many events it named; `None` where it names none.
    pub named: Vec<Option<u64>>,
    /// For each statement, in order, why it matches nothing, where it does and that is known.
    pub reasons: Vec<Option<String>>,
    /// Events of the input.
    pub read: u64,
    /// Events of the output that no event of the input became.
    pub new: u64,
    /// The output.
    pub summary: SegmentSummary,
}

impl Transform {
    /// Makes a transform of the trace at `input`.
    pub fn new(input: &Path, script: Script) -> Self {
        Self {
            input: input.to_owned(),
            script,
            seed: 0,
            limits: Limits::default(),
            progress: Arc::new(Unwatched),
            base: PathBuf::new(),
            key: None,
        }
    }

    /// Sets the seed of everything that is drawn; it is 0 otherwise.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets what the queries of the statements may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the directory at which paths in the script begin; it is the current one otherwise.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    /// Sets the key of the pseudonyms that `ANONYMIZE` makes, and its policy where it names none.
    #[must_use]
    pub fn anonymize_with(mut self, key: Key, policy: AnonymizationPolicy) -> Self {
        self.key = Some((key, policy));
        self
    }

    /// Tells `progress` how far it is.
    #[must_use]
    pub fn watched_by(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Runs the script and writes the output as one sealed file, which must not exist.
    ///
    /// Must be called inside a Tokio runtime.
    pub async fn run(&self, out: &Path) -> Result<Report, Error> {
        if out.symlink_metadata().is_ok() {
            let path = out.to_owned();
            return Err(kymo_store::Error::Exists { path }.into());
        }
        if let Some(statement) = self.script.statements.iter().find(|one| one.explain) {
            return Err(Error::Statement {
                message: "a script with `EXPLAIN` in it makes no trace".to_owned(),
                place: statement.place,
                hint: Some("leave `EXPLAIN` out to run it".to_owned()),
            });
        }
        let order = Order::of_script(self)?;
        let stages = plan::stages(&self.script);
        let workspace = match &order {
            // What is to be replaced stands nowhere near the output.
            Some(_) if stages.len() > 1 => aside()?,
            _ => workspace(out)?,
        };
        let mut named = vec![None; self.script.statements.len()];
        let mut reasons = vec![None; self.script.statements.len()];
        let mut partial: BTreeSet<GroupResource> = BTreeSet::new();
        let mut read = 0;
        let mut new = 0;
        let mut origin = Origin {
            script: Arc::clone(&self.script.text),
            seed: self.seed,
            input: InputName::of(&Trace::open(&self.input)?)?,
            merged: Vec::new(),
        };
        let mut input = self.input.clone();
        for (index, stage) in stages.iter().enumerate() {
            let is_last = index + 1 == stages.len();
            let target = if is_last {
                out.to_owned()
            } else {
                workspace.path().join(format!("stage-{index}.parquet"))
            };
            if let Some(order) = order.as_ref().filter(|_| is_last) {
                let name = if index == 0 {
                    String::new()
                } else {
                    Before::script(&origin)
                };
                let before = Before { name, partial };
                let anonymization = order.anonymization(self, &input, before);
                let done = blocking(move || anonymization.run(&target)).await?;
                return Ok(Report {
                    named,
                    reasons,
                    read: if index == 0 { done.read } else { read },
                    new,
                    summary: done.summary,
                });
            }
            let opened = Input::open(&input, &self.limits, &self.base)?;
            let made = workspace.path().join(format!("made-{index}.parquet"));
            let mut work = self.work(stage, &opened, &made).await?;
            for (statement, count) in stage.statements.iter().zip(&work.named) {
                if let Some(slot) = named.get_mut(*statement) {
                    *slot = *count;
                }
            }
            for (statement, reason) in stage.statements.iter().zip(&work.reasons) {
                if let Some(slot) = reasons.get_mut(*statement) {
                    slot.clone_from(reason);
                }
            }
            if let Some(merged) = work.merged.take() {
                partial.extend(merged.partial.iter().cloned());
                origin.merged.push(merged);
            }
            let done = self
                .run_stage(
                    opened,
                    work,
                    &target,
                    is_last.then(|| origin.clone()),
                    workspace.path(),
                    &mut partial,
                )
                .await?;
            if index == 0 {
                read = done.1.read;
            }
            new += done.1.new;
            if index > 0 {
                // Its name is gone; what is open stays readable.
                drop(std::fs::remove_file(&input));
            }
            if is_last {
                return Ok(Report {
                    named,
                    reasons,
                    read,
                    new,
                    summary: done.0,
                });
            }
            input = target;
        }
        Err(Error::Statement {
            message: "the script has no statement".to_owned(),
            place: Place::default(),
            hint: None,
        })
    }

    /// Finds what a stage does. What its statements make up is put into a file `made`.
    pub(crate) async fn work(
        &self,
        stage: &Stage,
        opened: &Input,
        made: &Path,
    ) -> Result<Work, Error> {
        match synth::beside(stage, &self.script, self.seed, opened, made).await? {
            Some(made) => Work::beside(&made, stage, &self.script, self.seed, opened).await,
            None => Work::of(stage, &self.script, self.seed, opened).await,
        }
    }

    pub(crate) async fn run_stage(
        &self,
        input: Input,
        work: Work,
        target: &Path,
        origin: Option<Origin>,
        workspace: &Path,
        partial: &mut BTreeSet<GroupResource>,
    ) -> Result<(SegmentSummary, Tally), Error> {
        let insertions = if work.adds {
            let (trace, chain) = (Arc::clone(&input.trace), work.chain.clone());
            let progress = Arc::clone(&self.progress);
            let new = blocking(move || pass::new_rows(&trace, chain, progress)).await?;
            Insertions::find(&new, &input.feeds, &input.session).await?
        } else if let Some(inserted) = &work.inserted {
            Insertions::find(&inserted.new, &input.feeds, &input.session).await?
        } else {
            Insertions::default()
        };
        let reissue = match work.reorders {
            Some(place) => {
                let (trace, chain) = (Arc::clone(&input.trace), work.chain.clone());
                let (feeds, progress) = (Arc::clone(&input.feeds), Arc::clone(&self.progress));
                let find = move || Reissue::find(&trace, &chain, &feeds, progress, place);
                Some(blocking(find).await?)
            }
            None => None,
        };
        let mut meta = input.trace.meta();
        if let Some(whole) = &work.whole {
            whole.meta(&input.trace, &mut meta);
        }
        records::renumber(&mut meta, &insertions);
        if let Some((_, last)) = reissue.as_ref().and_then(|reissue| reissue.span) {
            records::reach(&mut meta, last);
        }
        if let Some((from, to)) = work.slice {
            records::slice(&mut meta, from, to);
        }
        if let Some(map) = work.map {
            records::retime(&mut meta, map);
        }
        let progress = Arc::clone(&self.progress);
        let target = target.to_owned();
        let known = partial.clone();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let workspace = workspace.to_owned();
        let done = blocking(move || {
            let trace = Arc::clone(&input.trace);
            let options = if origin.is_some() {
                SegmentOptions::default()
            } else {
                SegmentOptions {
                    zstd_level: 1,
                    verify_patches: false,
                    ..SegmentOptions::default()
                }
            };
            let mut filtered = known;
            if work.whole.is_none()
                && work.inserted.is_none()
                && reissue.is_none()
                && insertions.is_empty()
                && let Some(revised) = revised(&trace, &work.chain, progress.as_ref())?
            {
                let complete = |meta: &mut SegmentMeta| {
                    if let Some(origin) = &origin {
                        lineage::put(meta, origin, &filtered);
                    }
                };
                let summary = revised.write(Arc::new(RealFs), &target, meta, &options, complete)?;
                let tally = Tally {
                    read: summary.rows,
                    written: summary.rows,
                    ..Tally::default()
                };
                return Ok((summary, tally, filtered));
            }
            let feeds: Arc<BTreeMap<_, _>> = Arc::new(meta.feeds.iter().cloned().collect());
            let (staying, coming) = if let Some(whole) = &work.whole {
                let tally = Arc::clone(&tally);
                let watch = Watch { progress, tally };
                let coming = whole.coming(&trace, watch.clone())?;
                (whole.staying(&trace, watch)?, coming)
            } else if let Some(reissue) = reissue {
                let tally = Arc::clone(&tally);
                let rows = pass::reissued_rows(&trace, work.chain, reissue, progress, tally)?;
                (rows, None)
            } else {
                let (chain, tally) = (&work.chain, Arc::clone(&tally));
                let new = Arc::new(insertions);
                let coming = if let Some(inserted) = &work.inserted {
                    let count = |tally: &mut Tally| tally.new += inserted.new.len() as u64;
                    count(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
                    Some(Coming::InOrder(inserted.rows(new.places())?))
                } else {
                    let (new, progress) = (Arc::clone(&new), Arc::clone(&progress));
                    pass::coming_rows(&trace, chain, new, progress)?
                };
                let staying = pass::staying_rows(&trace, chain, new, progress, tally)?;
                (staying, coming)
            };
            let rows = match coming {
                Some(coming) => merged(staying, coming.sorted(&workspace, &feeds)?, feeds),
                None => staying,
            };
            let rows = ahead(rows, bytes)?;
            let summary = write_file(
                Arc::new(RealFs),
                &target,
                rows,
                meta,
                &options,
                |meta: &mut SegmentMeta| {
                    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    filtered.extend(lineage::resources(&trace, &tally.filtered));
                    if let Some(origin) = &origin {
                        lineage::put(meta, origin, &filtered);
                    }
                },
            )?;
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok((summary, tally, filtered))
        })
        .await?;
        let (summary, tally, filtered) = done;
        *partial = filtered;
        Ok((summary, tally))
    }
}

/// Finds what changes in a trace if that can be told column by column.
fn revised(
    trace: &Trace,
    chain: &Chain,
    progress: &dyn Progress,
) -> Result<Option<RevisedTrace>, Error> {
    let Some(mut waiting) = Waiting::of(chain) else {
        return Ok(None);
    };
    trace.revised(|seq| {
        if progress.row() {
            Ok(waiting.done(seq))
        } else {
            Err(Error::Stopped)
        }
    })
}

/// Makes the directory for what stands between two stages, beside the output.
pub(crate) fn workspace(out: &Path) -> Result<TempDir, Error> {
    use std::os::unix::fs::PermissionsExt;

    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".kymo-transform-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(|source| Error::Workspace {
            path: parent.to_owned(),
            source,
        })
}

/// Makes the directory for what stands between two stages where temporary files are.
pub(crate) fn aside() -> Result<TempDir, Error> {
    tempfile::Builder::new()
        .prefix("kymo-transform-")
        .tempdir()
        .map_err(|source| Error::Workspace {
            path: std::env::temp_dir(),
            source,
        })
}

/// Does work that blocks beside the runtime's own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Panicked {
            message: error.to_string(),
        }),
    }
}
