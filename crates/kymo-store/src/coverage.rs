//! The `coverage` table: what was observed of each feed, and what not.

use std::collections::BTreeMap;

use kymo_model::{Cause, Coverage, CoverageState, FeedId, Rv, Timestamp};

use crate::record::{LogRecord, PlacedRecord};

/// Folds records, in order, into stretches: per feed one after the other, gaps that concern all
/// feeds beside them.
///
/// A transition ends a feed's stretch and begins the next. The end of a session ends all of them:
/// what comes then begins where the feed was left, so a feed that goes on from the same version
/// leaves no hole in versions. A session that did not end (a crash) ends with the last record
/// before the next.
pub(crate) fn fold<'a>(
    records: impl IntoIterator<Item = &'a PlacedRecord>,
    found_now: impl IntoIterator<Item = &'a Coverage>,
) -> Vec<Coverage> {
    let mut fold = Fold::default();
    let mut records: Vec<&PlacedRecord> = records.into_iter().collect();
    records.sort_by_key(|record| record.seq);
    for placed in &records {
        fold.take(placed);
    }
    fold.closed
        .extend(fold.open.into_values().map(|open| open.row));
    fold.closed.extend(found_now.into_iter().cloned());
    for row in &mut fold.closed {
        if row.cause == Cause::Corrupt && row.feed.is_none() {
            frame_in_time(row, &records);
        }
    }
    fold.closed.sort_by_key(|row| row.from_seq.unwrap_or(0));
    fold.closed
}

#[derive(Debug, Default)]
struct Fold {
    open: BTreeMap<FeedId, Open>,
    closed: Vec<Coverage>,
    /// Where each feed was left by the end of a session.
    left: BTreeMap<FeedId, (Option<Rv>, Option<Timestamp>)>,
    session: u32,
    last_ts: Option<Timestamp>,
}

#[derive(Debug)]
struct Open {
    row: Coverage,
    /// The last time at which something was heard of the feed.
    heard: Option<Timestamp>,
}

impl Fold {
    fn take(&mut self, placed: &PlacedRecord) {
        // 0: written before the first session of a log, such as a gap found on opening.
        if placed.session != 0 && placed.session != self.session {
            // Sessions that ended in an orderly way have no open stretches.
            self.end_session(placed.seq, self.last_ts);
            self.session = placed.session;
        }
        match &placed.record {
            LogRecord::Mark { feed, rv, ts } => {
                if let Some(open) = self.open.get_mut(feed) {
                    open.row.to_rv = Some(rv.clone());
                    open.heard = Some(*ts);
                }
            }
            LogRecord::Transition {
                feed,
                epoch,
                ts,
                state,
                cause,
                rv,
                detail,
            } => {
                let left = match self.open.remove(feed) {
                    Some(mut open) => {
                        open.row.to_rv = rv.clone().or(open.row.to_rv);
                        let end = (open.row.to_rv.clone(), Some(*ts));
                        self.close(open.row, placed.seq, Some(*ts));
                        end
                    }
                    None => self.left.remove(feed).unwrap_or((None, Some(*ts))),
                };
                let observed = *state == CoverageState::Observed;
                let row = Coverage {
                    feed: Some(*feed),
                    epoch: *epoch,
                    session: placed.session,
                    state: *state,
                    cause: *cause,
                    from_rv: rv.clone().or(left.0),
                    to_rv: if observed { rv.clone() } else { None },
                    from_seq: Some(placed.seq),
                    to_seq: None,
                    // What is not observed began when the feed was last heard of.
                    from_ts: if observed { Some(*ts) } else { left.1 },
                    to_ts: None,
                    detail: detail.clone(),
                };
                self.open.insert(
                    *feed,
                    Open {
                        row,
                        heard: Some(*ts),
                    },
                );
            }
            LogRecord::Gap(gap) => self.closed.push(gap.clone()),
            LogRecord::SessionEnd { ts, .. } => self.end_session(placed.seq, Some(*ts)),
            _ => {}
        }
        self.last_ts = placed.record.ts().or(self.last_ts);
    }

    fn close(&mut self, mut row: Coverage, next_seq: u64, ts: Option<Timestamp>) {
        row.to_seq = Some(next_seq.saturating_sub(1));
        row.to_ts = ts;
        self.closed.push(row);
    }

    fn end_session(&mut self, next_seq: u64, ts: Option<Timestamp>) {
        for (feed, open) in std::mem::take(&mut self.open) {
            let end = ts.max(open.heard);
            self.left.insert(feed, (open.row.to_rv.clone(), end));
            self.close(open.row, next_seq, end);
        }
    }
}

/// Gives a gap that was found by damage the times of its neighbours.
fn frame_in_time(gap: &mut Coverage, records: &[&PlacedRecord]) {
    let (Some(from_seq), Some(to_seq)) = (gap.from_seq, gap.to_seq) else {
        return;
    };
    let ts = |record: &&PlacedRecord| record.record.ts();
    let is_gap = |record: &&&PlacedRecord| !matches!(record.record, LogRecord::Gap(_));
    if gap.from_ts.is_none() {
        gap.from_ts = records
            .iter()
            .filter(is_gap)
            .take_while(|record| record.seq <= from_seq)
            .filter_map(ts)
            .last();
    }
    if gap.to_ts.is_none() {
        gap.to_ts = records
            .iter()
            .filter(is_gap)
            .filter(|record| record.seq > to_seq)
            .find_map(ts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: FeedId = FeedId(3);

    fn placed(seq: u64, session: u32, record: LogRecord) -> PlacedRecord {
        PlacedRecord {
            seq,
            session,
            record,
        }
    }

    fn to(state: CoverageState, cause: Cause, ts: i64, rv: Option<&str>) -> LogRecord {
        LogRecord::Transition {
            feed: FEED,
            epoch: 0,
            ts: Timestamp(ts),
            state,
            cause,
            rv: rv.map(Rv::from),
            detail: None,
        }
    }

    fn mark(rv: &str, ts: i64) -> LogRecord {
        LogRecord::Mark {
            feed: FEED,
            rv: rv.into(),
            ts: Timestamp(ts),
        }
    }

    fn summary(rows: &[Coverage]) -> Vec<String> {
        let text = |rv: &Option<Rv>| rv.as_ref().map_or("-".to_owned(), ToString::to_string);
        let ts = |ts: Option<Timestamp>| ts.map_or("-".to_owned(), |ts| ts.0.to_string());
        rows.iter()
            .map(|row| {
                format!(
                    "{} {} rv {}..{} ts {}..{}",
                    row.state,
                    row.cause,
                    text(&row.from_rv),
                    text(&row.to_rv),
                    ts(row.from_ts),
                    ts(row.to_ts)
                )
            })
            .collect()
    }

    #[test]
    fn a_feed_is_in_one_state_after_the_other() {
        use CoverageState::{Observed, Unobserved};
        let records = [
            placed(1, 1, to(Observed, Cause::Start, 10, Some("5"))),
            placed(4, 1, mark("9", 15)),
            placed(4, 1, to(Unobserved, Cause::HistoryExpired, 20, None)),
            placed(4, 1, to(Observed, Cause::Start, 30, Some("50"))),
            placed(9, 1, mark("60", 40)),
        ];
        assert_eq!(
            summary(&fold(&records, [])),
            [
                "observed start rv 5..9 ts 10..20",
                "unobserved history_expired rv 9..50 ts 20..30",
                "observed start rv 50..60 ts 30..-",
            ]
        );
    }

    #[test]
    fn a_restart_that_resumes_leaves_no_hole_in_versions() {
        use CoverageState::Observed;
        let records = [
            placed(1, 1, to(Observed, Cause::Start, 10, Some("5"))),
            placed(4, 1, mark("9", 15)),
            placed(
                4,
                1,
                LogRecord::SessionEnd {
                    ts: Timestamp(20),
                    cause: Cause::Stop,
                },
            ),
            placed(4, 2, to(Observed, Cause::Start, 100, Some("9"))),
        ];
        assert_eq!(
            summary(&fold(&records, [])),
            [
                "observed start rv 5..9 ts 10..20",
                "observed start rv 9..9 ts 100..-"
            ]
        );
    }

    #[test]
    fn what_a_crash_lost_begins_where_the_feed_was_last_heard_of() {
        use CoverageState::{Observed, Unobserved};
        let records = [
            placed(1, 1, to(Observed, Cause::Start, 10, Some("5"))),
            placed(4, 1, mark("9", 15)),
            placed(4, 2, to(Unobserved, Cause::RecorderCrash, 100, None)),
            placed(4, 2, to(Observed, Cause::Start, 110, Some("70"))),
        ];
        assert_eq!(
            summary(&fold(&records, [])),
            [
                "observed start rv 5..9 ts 10..15",
                "unobserved recorder_crash rv 9..70 ts 15..110",
                "observed start rv 70..70 ts 110..-",
            ]
        );
    }

    #[test]
    fn damage_found_now_is_framed_by_what_is_around_it() {
        let records = [placed(2, 1, mark("1", 10)), placed(9, 1, mark("2", 90))];
        let gap = Coverage {
            feed: None,
            epoch: 0,
            session: 1,
            state: CoverageState::Unobserved,
            cause: Cause::Corrupt,
            from_rv: None,
            to_rv: None,
            from_seq: Some(3),
            to_seq: Some(7),
            from_ts: None,
            to_ts: None,
            detail: None,
        };
        let rows = fold(&records, [&gap]);
        assert_eq!(summary(&rows), ["unobserved corrupt rv -..- ts 10..90"]);
    }
}
