//! Folds items into the records of a log: what the recorder would have written.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kymo_model::{Cause, Coverage, CoverageState, Feed, FeedId, Timestamp};
use kymo_store::LogRecord;

use super::feed::FeedState;
use super::item::{Item, Named, What};
use super::loss::LossReport;
use super::merge::Timed;
use crate::Error;

/// Unreadable values beyond this many share one gap.
const OWN_GAPS: u64 = 1000;

/// Where records go.
pub(crate) trait Log {
    /// Finds or defines a feed.
    fn feed(&mut self, feed: &Feed) -> Result<FeedId, Error>;
    /// Appends a record.
    fn append(&mut self, record: LogRecord) -> Result<(), Error>;
}

/// What the fold may take for granted of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether a lower resourceVersion than the one before says that history went back.
    pub(crate) versions_grow: bool,
    /// Whether objects get uids because the format has none.
    pub(crate) mints_uids: bool,
    /// Whether the source does not tell when the API server drops old Events.
    pub(crate) events_expire: bool,
    /// Whether what happens between two items is told, as in a watch. Where moments are shown,
    /// nothing is known of an object between two of them.
    pub(crate) is_followed: bool,
}

/// The state of all feeds of an import.
#[derive(Debug)]
pub(crate) struct Fold {
    rules: Rules,
    session: u32,
    feeds: HashMap<Feed, FeedState>,
    report: LossReport,
    /// The stretch of the unreadable values that got no gap of their own.
    more_unreadable: Option<(Timestamp, Timestamp)>,
}

impl Fold {
    /// Starts a session.
    pub(crate) fn new(rules: Rules, session: u32, report: LossReport) -> Self {
        Self {
            rules,
            session,
            feeds: HashMap::new(),
            report,
            more_unreadable: None,
        }
    }

    /// Takes one item.
    pub(crate) fn take(&mut self, timed: Timed, log: &mut impl Log) -> Result<(), Error> {
        let Timed {
            ts,
            is_time_missing,
            item,
        } = timed;
        let Item {
            source,
            line,
            named,
            what,
            ..
        } = item;
        if let What::Unreadable { reason } = &what {
            return self.unreadable(ts, &source, line, reason, named.as_deref(), log);
        }
        if let What::Damaged(damage) = &what {
            self.report.note_damage(&source, damage);
            let detail = format!("{source}: {damage}");
            let gap = self.gap(None, 0, Cause::UnreadableLine, ts, ts, detail);
            return log.append(LogRecord::Gap(gap));
        }
        self.report.missing_times += u64::from(is_time_missing);
        self.report.note_time(ts);
        let Some(named) = named else {
            if let What::Gap { from, detail } = what {
                let from = from.unwrap_or(ts);
                let gap = self.gap(None, 0, Cause::Source, from, ts, detail);
                return log.append(LogRecord::Gap(gap));
            }
            // A bookmark or an error in front of everything that tells the resource.
            self.report
                .note_unreadable(&source, line, "nothing tells its resource");
            return Ok(());
        };
        let is_of_list = what.is_of_list();
        let state = feed_state(
            &mut self.feeds,
            &mut self.report,
            self.rules,
            &named,
            is_of_list,
            ts,
            log,
        )?;
        if let What::Gap { from, detail } = what {
            // It speaks of a stretch before the present.
            let from = from.unwrap_or(state.followed_until);
            let (id, epoch) = (Some(state.id), state.epoch);
            let gap = gap(self.session, id, epoch, Cause::Source, from, ts, detail);
            return log.append(LogRecord::Gap(gap));
        }
        self.report.backward_times += u64::from(ts < state.last_ts);
        state.last_ts = state.last_ts.max(ts);
        let report = &mut self.report;
        let taken = match what {
            What::Object(object) => state.object(ts, &source, object, report, log),
            What::ListEnd {
                rv,
                namespace,
                is_complete,
            } => {
                let scope = namespace.as_deref();
                state.list_end(ts, &source, rv, scope, is_complete, report, log)
            }
            What::Bookmark { rv } => state.bookmark(ts, &source, rv, report, log),
            What::Error { code, message } => {
                report.count(&state.label).errors += 1;
                let cause = match code {
                    410 => Cause::HistoryExpired,
                    _ => Cause::Disconnected,
                };
                let detail = Some(format!("ERROR {code}: {message}"));
                state.transition(ts, CoverageState::Unobserved, cause, detail, log)
            }
            What::Gap { .. } | What::Unreadable { .. } | What::Damaged(_) => Ok(()),
        };
        let is_list_item = is_of_list && state.listed.is_some();
        if !is_list_item {
            state.followed_until = state.last_ts;
        }
        taken
    }

    /// Ends all feeds and returns the report.
    pub(crate) fn finish(mut self, log: &mut impl Log) -> Result<LossReport, Error> {
        if let Some((from, to)) = self.more_unreadable {
            let detail = format!(
                "{} more values could not be read",
                self.report.unreadable - OWN_GAPS
            );
            log.append(LogRecord::Gap(self.gap(
                None,
                0,
                Cause::UnreadableLine,
                from,
                to,
                detail,
            )))?;
        }
        let mut feeds: Vec<FeedState> = std::mem::take(&mut self.feeds).into_values().collect();
        feeds.sort_by_key(|feed| feed.id);
        for mut feed in feeds {
            if let Some((from, to, count)) = feed.starts_inside {
                let detail = format!("{count} objects start with MODIFIED or DELETED");
                let gap = self.gap(Some(feed.id), feed.epoch, Cause::Source, from, to, detail);
                log.append(LogRecord::Gap(gap))?;
            }
            let ts = feed.last_ts;
            feed.transition(ts, CoverageState::Unobserved, Cause::Stop, None, log)?;
        }
        Ok(self.report)
    }

    fn gap(
        &self,
        feed: Option<FeedId>,
        epoch: u32,
        cause: Cause,
        from: Timestamp,
        to: Timestamp,
        detail: String,
    ) -> Coverage {
        gap(self.session, feed, epoch, cause, from, to, detail)
    }

    fn unreadable(
        &mut self,
        ts: Timestamp,
        source: &str,
        line: u64,
        reason: &str,
        named: Option<&Named>,
        log: &mut impl Log,
    ) -> Result<(), Error> {
        self.report.note_unreadable(source, line, reason);
        if self.report.unreadable > OWN_GAPS {
            let (from, to) = self.more_unreadable.unwrap_or((ts, ts));
            self.more_unreadable = Some((from.min(ts), to.max(ts)));
            return Ok(());
        }
        let known = named.and_then(|named| {
            let feed = Feed {
                resource: named.resource.clone(),
                scope: named.scope.clone(),
            };
            self.feeds.get(&feed)
        });
        let (feed, epoch) = (
            known.map(|feed| feed.id),
            known.map_or(0, |feed| feed.epoch),
        );
        let detail = format!("{source}:{line}: {reason}");
        log.append(LogRecord::Gap(self.gap(
            feed,
            epoch,
            Cause::UnreadableLine,
            ts,
            ts,
            detail,
        )))
    }
}

fn gap(
    session: u32,
    feed: Option<FeedId>,
    epoch: u32,
    cause: Cause,
    from: Timestamp,
    to: Timestamp,
    detail: String,
) -> Coverage {
    Coverage {
        feed,
        epoch,
        session,
        state: CoverageState::Uncertain,
        cause,
        from_rv: None,
        to_rv: None,
        from_seq: None,
        to_seq: None,
        from_ts: Some(from),
        to_ts: Some(to),
        detail: Some(detail),
    }
}

/// Finds the state of a resource's feed, or begins it.
fn feed_state<'a>(
    feeds: &'a mut HashMap<Feed, FeedState>,
    report: &mut LossReport,
    rules: Rules,
    named: &Named,
    has_list: bool,
    ts: Timestamp,
    log: &mut impl Log,
) -> Result<&'a mut FeedState, Error> {
    match feeds.entry(Feed {
        resource: named.resource.clone(),
        scope: named.scope.clone(),
    }) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(place) => {
            let id = log.feed(place.key())?;
            let label = named.resource.group_resource().to_string();
            if named.is_guessed {
                report.guessed_plurals.insert(label.clone());
            }
            let state = place.insert(FeedState::new(id, label, rules, ts));
            let detail = (!has_list).then(|| {
                "the source has no list: objects that did not change are missing".to_owned()
            });
            state.transition(ts, CoverageState::Observed, Cause::Start, detail, log)?;
            Ok(state)
        }
    }
}
