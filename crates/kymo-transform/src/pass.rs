//! One reading of a trace through the steps of a stage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kymo_model::{FeedId, GroupResource, ObjectKey};
use kymo_store::Trace;
use kymo_store::segment::KeptRow;

use crate::Error;
use crate::ahead::{ahead, bytes};
use crate::draft::Draft;
use crate::insertions::{Insertions, NewRow};
use crate::merged::{Coming, KeptRows};
use crate::preview::Survey;
use crate::progress::Progress;
use crate::reissue::Reissue;
use crate::step::Chain;

/// What came of a reading, once it has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Rows that were read.
    pub(crate) read: u64,
    /// Rows that came out.
    pub(crate) written: u64,
    /// Rows among them that the input does not have.
    pub(crate) new: u64,
    /// The feeds of which a filter left out rows.
    pub(crate) filtered: BTreeSet<FeedId>,
}

/// Rows of a trace, as they leave the steps. `I` gives the rows of the trace in its order.
pub(crate) struct Drafts<I> {
    rows: I,
    chain: Chain,
    object: Option<(FeedId, ObjectKey)>,
    ready: VecDeque<Draft>,
    progress: Arc<dyn Progress>,
    tally: Arc<Mutex<Tally>>,
    /// What looks at each row, where it is asked what becomes of it.
    survey: Option<Survey>,
    ended: bool,
}

impl<T: Into<KeptRow>, I: Iterator<Item = Result<T, kymo_store::Error>>> Drafts<I> {
    pub(crate) fn new(
        rows: I,
        chain: Chain,
        progress: Arc<dyn Progress>,
        tally: Arc<Mutex<Tally>>,
    ) -> Self {
        Self {
            tally,
            rows,
            chain,
            object: None,
            ready: VecDeque::new(),
            progress,
            survey: None,
            ended: false,
        }
    }

    /// Reads everything and tells what became of it.
    pub(crate) fn survey(mut self, survey: Survey) -> Result<Survey, Error> {
        self.survey = Some(survey);
        for draft in &mut self {
            draft?;
        }
        let mut survey = self.survey.take().unwrap_or_default();
        survey.end_of_object();
        Ok(survey)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&mut self) -> Result<(), Error> {
        let mut out = Vec::new();
        while self.ready.is_empty() && !self.ended {
            if let Some(kept) = self.rows.next().transpose()? {
                let kept: KeptRow = kept.into();
                let row = &kept.row;
                if !self.progress.row() {
                    return Err(Error::Stopped);
                }
                self.tally().read += 1;
                let is_same = self
                    .object
                    .as_ref()
                    .is_some_and(|(feed, key)| *feed == row.event.feed && *key == row.event.key);
                if !is_same {
                    self.chain.end_of_object(&mut out)?;
                    self.look(&mut out)?;
                    self.object = Some((row.event.feed, row.event.key.clone()));
                }
                let ends_key = row.event.ends_key();
                let mut draft = Draft::new(kept);
                if let Some(survey) = &mut self.survey {
                    survey.comes(&mut draft, is_same);
                }
                self.chain.row(draft, &mut out)?;
                if ends_key {
                    self.object = None;
                    self.chain.end_of_object(&mut out)?;
                }
            } else {
                self.ended = true;
                self.chain.end_of_object(&mut out)?;
                let filtered = self.chain.filtered();
                self.tally().filtered = filtered;
            }
            self.look(&mut out)?;
            self.ready.extend(out.drain(..));
        }
        Ok(())
    }

    fn look(&mut self, out: &mut Vec<Draft>) -> Result<(), Error> {
        if let Some(survey) = &mut self.survey {
            for mut draft in out.drain(..) {
                survey.goes(&mut draft)?;
            }
        }
        Ok(())
    }
}

impl<T: Into<KeptRow>, I: Iterator<Item = Result<T, kymo_store::Error>>> Iterator for Drafts<I> {
    type Item = Result<Draft, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.ended = true;
            return Some(Err(error));
        }
        let draft = self.ready.pop_front()?;
        let mut tally = self.tally();
        tally.written += 1;
        tally.new += u64::from(draft.is_new);
        drop(tally);
        Some(Ok(draft))
    }
}

/// Finds the rows that the steps add, in the order in which they add them. Bodies are not read.
pub(crate) fn new_rows(
    trace: &Trace,
    chain: Chain,
    progress: Arc<dyn Progress>,
) -> Result<Vec<NewRow>, Error> {
    let mut new = Vec::new();
    let mut last: Option<(ObjectKey, u64)> = None;
    for draft in Drafts::new(trace.heads()?, chain, progress, Arc::default()) {
        let draft = draft?;
        if draft.is_new {
            let after = match &last {
                Some((key, seq)) if *key == draft.event.key => *seq,
                _ => 0,
            };
            new.push(NewRow {
                ts: draft.event.ts,
                feed: draft.event.feed,
                after,
            });
        } else {
            last = Some((draft.event.key, draft.source));
        }
    }
    Ok(new)
}

/// Returns the rows of the output with other numbers, in the order of the input's objects.
pub(crate) fn reissued_rows(
    trace: &Trace,
    chain: Chain,
    reissue: Reissue,
    progress: Arc<dyn Progress>,
    tally: Arc<Mutex<Tally>>,
) -> Result<KeptRows, Error> {
    let drafts = Drafts::new(ahead(trace.kept_rows()?, bytes)?, chain, progress, tally);
    let resources: BTreeMap<FeedId, GroupResource> = trace
        .feeds()
        .iter()
        .map(|(id, feed)| (*id, feed.resource.group_resource()))
        .collect();
    Ok(Box::new(drafts.map(move |draft| {
        let mut draft = draft?;
        let resource = resources.get(&draft.event.feed);
        let seq = reissue.place(&mut draft, resource)?;
        draft.into_kept(seq)
    })))
}

/// Returns the rows of the output that stand as the input's do, in its order. Those that get other
/// places come by [`coming_rows`].
pub(crate) fn staying_rows(
    trace: &Trace,
    chain: &Chain,
    insertions: Arc<Insertions>,
    progress: Arc<dyn Progress>,
    tally: Arc<Mutex<Tally>>,
) -> Result<KeptRows, Error> {
    let is_elsewhere = elsewhere(trace, chain);
    let rows = ahead(trace.kept_rows()?, bytes)?;
    let drafts = Drafts::new(rows, chain.of_staying(), progress, tally);
    let feeds = trace.feeds().clone();
    let mut new = 0;
    let rows = drafts.map(move |draft| {
        let mut draft = draft?;
        if draft.is_new {
            let (seq, version) = insertions.place(new).ok_or(Error::Changed)?;
            new += 1;
            if is_elsewhere(&draft) {
                return Ok(None);
            }
            draft.set_version(version)?;
            return draft.into_kept(seq).map(Some);
        }
        if insertions.is_empty() {
            let seq = draft.source;
            return draft.into_kept(seq).map(Some);
        }
        let resource: Option<GroupResource> = feeds
            .get(&draft.event.feed)
            .map(|feed| feed.resource.group_resource());
        if let Some(resource) = resource.filter(|resource| insertions.widens(resource))
            && let Some(version) = draft.event.rv.clone()
            && let Some(version) = insertions.widened(&resource, &version)
        {
            draft.set_version(Some(version))?;
        }
        let seq = insertions.moved(draft.source);
        draft.into_kept(seq).map(Some)
    });
    Ok(Box::new(rows.filter_map(Result::transpose)))
}

/// Returns the rows of objects that the steps add, in any order; none if they add none.
pub(crate) fn coming_rows(
    trace: &Trace,
    chain: &Chain,
    insertions: Arc<Insertions>,
    progress: Arc<dyn Progress>,
) -> Result<Option<Coming>, Error> {
    if chain.adds_to().is_empty() {
        return Ok(None);
    }
    let is_elsewhere = elsewhere(trace, chain);
    let rows = ahead(trace.kept_rows()?, bytes)?;
    let drafts = Drafts::new(rows, chain.clone(), progress, Arc::default());
    let new = drafts.filter(|draft| draft.as_ref().map_or(true, |draft| draft.is_new));
    let rows = new.enumerate().map(move |(index, draft)| {
        let mut draft = draft?;
        if !is_elsewhere(&draft) {
            return Ok(None);
        }
        let (seq, version) = insertions.place(index).ok_or(Error::Changed)?;
        draft.set_version(version)?;
        draft.into_row(seq).map(Some)
    });
    let rows = rows.filter_map(Result::transpose);
    Ok(Some(Coming::InAnyOrder(vec![Box::new(rows)])))
}

/// Returns what tells whether a row stands somewhere else than the one of which it is made.
fn elsewhere(trace: &Trace, chain: &Chain) -> impl Fn(&Draft) -> bool + Send + use<> {
    let plurals = chain.adds_to();
    let feeds = trace.feeds().iter();
    let added: BTreeSet<FeedId> = feeds
        .filter(|(_, feed)| plurals.contains(&feed.resource.resource.as_str()))
        .map(|(id, _)| *id)
        .collect();
    move |draft| draft.is_new && added.contains(&draft.event.feed)
}
