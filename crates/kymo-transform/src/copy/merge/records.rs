//! What two traces say beside their events.

use kymo_model::{Coverage, FeedId, Rv};
use kymo_store::segment::SegmentMeta;
use kymo_store::{LogRecord, PlacedRecord};

use super::later;
use super::order::Steps;
use super::worlds::Worlds;

impl Worlds {
    /// Puts the records of both together. Sessions of one trace come one after the other, so the
    /// coverage of the other one is told as stretches that are known as a whole.
    pub(super) fn records(&self, meta: &mut SegmentMeta, theirs: &SegmentMeta) {
        for placed in &mut meta.records {
            let seq = placed.seq;
            placed.seq = self.ours.moved(seq);
            match &mut placed.record {
                LogRecord::Mark { feed, rv, .. } if self.is_reissued(*feed) => {
                    *rv = version_before(placed.seq);
                }
                LogRecord::Transition { feed, rv, .. } if self.is_reissued(*feed) => {
                    *rv = rv.as_ref().map(|_| version_before(placed.seq));
                }
                LogRecord::Gap(gap) => self.moved(gap, &self.ours),
                _ => {}
            }
        }
        for gap in self.other.coverage() {
            let mut gap = Coverage {
                feed: gap
                    .feed
                    .map(|feed| self.their_feeds.get(&feed).copied().unwrap_or(feed)),
                session: self.session(gap.session),
                from_ts: gap.from_ts.map(|time| later(time, self.shift)),
                to_ts: gap.to_ts.map(|time| later(time, self.shift)),
                ..gap
            };
            self.moved(&mut gap, &self.theirs);
            meta.records.push(whole_stretch(gap));
        }
        for placed in &theirs.records {
            if let LogRecord::ClockStep(step) = &placed.record {
                let mut step = *step;
                step.at = later(step.at, self.shift);
                meta.records.push(PlacedRecord {
                    seq: self.theirs.moved(placed.seq),
                    session: 0,
                    record: LogRecord::ClockStep(step),
                });
            }
        }
        meta.records.sort_by_key(|placed| placed.seq);
    }

    fn is_reissued(&self, feed: FeedId) -> bool {
        let feed = self.feeds.get(&feed);
        feed.is_some_and(|feed| self.reissued.contains(&feed.resource.group_resource()))
    }

    fn moved(&self, gap: &mut Coverage, steps: &Steps) {
        gap.from_seq = gap.from_seq.map(|seq| steps.moved(seq));
        gap.to_seq = gap.to_seq.map(|seq| steps.moved(seq));
        if gap.feed.is_some_and(|feed| self.is_reissued(feed)) {
            let version = |seq: Option<u64>, more: u64| {
                seq.map(|seq| version_before(seq.saturating_add(more)))
            };
            gap.from_rv = gap.from_rv.take().and(version(gap.from_seq, 0));
            gap.to_rv = gap.to_rv.take().and(version(gap.to_seq, 1));
        }
    }
}

/// Returns the version up to which everything before a number is, where versions are numbers of rows.
fn version_before(seq: u64) -> Rv {
    seq.saturating_sub(1).to_string().as_str().into()
}

/// Returns a stretch as a record of its own.
pub(super) fn whole_stretch(gap: Coverage) -> PlacedRecord {
    PlacedRecord {
        seq: gap.from_seq.unwrap_or(0),
        // Of no session: it neither begins nor ends one.
        session: 0,
        record: LogRecord::Gap(gap),
    }
}
