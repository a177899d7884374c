//! The two clocks of a recording and their zeros.
//!
//! | clock | counts from |
//! |---|---|
//! | times in objects, `$(time-offset-nanosecond N)` | the start of the command |
//! | `durationNanosecond` | later: the end of the snapshot, or the first change, by the program |
//!
//! Neither zero is in the file. The first is given by the user, or told by names that hold a time:
//! those of Events, and of Jobs that a `CronJob` made. It is moved by less than a second so that
//! objects were created at whole seconds, as Kubernetes says. The second is as early as it can be
//! so that no object comes before it was created and no field before it was set.

use std::io;

use kymo_model::Timestamp;

use super::tokens::{TOKEN, distance};
use crate::Error;
use crate::import::{Context, MissingTimes};
use crate::input::{Budget, Entry, Text};

const SECOND: i64 = 1_000_000_000;
/// Lines that matter are short.
const LINE_BYTES: usize = 4096;
/// The annotation that says for which minute a Job was made.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// No recording is older than Kubernetes.
const FIRST_YEAR: i64 = 1_388_534_400 * SECOND;

/// The clocks of one recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clocks {
    /// The zero of the times in objects: when the command was started.
    pub(super) zero: Timestamp,
    /// The zero of durations.
    pub(super) durations: Timestamp,
    /// Whether names in the file told the first zero.
    pub(super) is_told: bool,
    /// Whether there is a change and a time in it, so that the zeros could be compared.
    pub(super) is_compared: bool,
}

impl Clocks {
    /// Looks through a recording for its times.
    pub(super) fn read(entry: &Entry, context: &Context) -> Result<Self, Error> {
        // The bounds hold for the second, complete reading.
        let mut text = entry.open(&Budget::new(context.limits))?;
        let found = Found::read(&mut text);
        let told = found.told.map(Timestamp);
        let start = match (&context.missing_times, told) {
            (MissingTimes::Counted { start, .. }, _) => *start,
            (_, Some(told)) => told,
            (MissingTimes::Now, None) => context.clock.now(),
            (MissingTimes::Refuse, None) => {
                return Err(Error::NoTime {
                    path: entry.name.clone(),
                });
            }
        };
        let is_given = matches!(context.missing_times, MissingTimes::Counted { .. });
        let zero = found
            .second
            .map_or(start.0, |second| aligned(start.0, second));
        Ok(Self {
            zero: Timestamp(zero),
            durations: Timestamp(zero.saturating_add(found.lead.unwrap_or(0).max(0))),
            is_told: !is_given && told.is_some(),
            is_compared: found.lead.is_some(),
        })
    }

    /// Returns when a change came.
    pub(super) fn at(&self, duration: i64) -> Timestamp {
        Timestamp(self.durations.0.saturating_add(duration))
    }
}

/// Moves a zero to the nearest time from which `second` is a whole second away.
fn aligned(zero: i64, second: i64) -> i64 {
    let off = zero.wrapping_add(second).rem_euclid(SECOND);
    let by = if off > SECOND / 2 { SECOND - off } else { -off };
    zero.saturating_add(by)
}

/// What the lines of a recording tell of its clocks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// The distance of some whole second from the first zero.
    second: Option<i64>,
    /// How much later the zero of durations must be.
    lead: Option<i64>,
    /// The first zero, as names tell it.
    told: Option<i64>,
}

/// What was read of the present document.
#[derive(Debug, Default)]
struct Document {
    duration: Option<i64>,
    /// When a Job was to be made.
    scheduled: Option<i64>,
    /// When an Event was made, and how many nanoseconds its time is cut to.
    happened: Option<(i64, i64)>,
    /// What its names end with.
    minutes: Vec<i64>,
    nanos: Vec<i64>,
}

impl Found {
    /// Reads until the end or until reading fails, which the second reading tells.
    fn read(text: &mut Text<'static>) -> Self {
        let mut found = Self::default();
        let mut document = Document::default();
        let mut line = Vec::new();
        let mut before = String::new();
        while let Ok(true) = read_line(text, &mut line) {
            let Ok(line) = std::str::from_utf8(&line) else {
                continue;
            };
            if line.trim_end() == "---" {
                found.end(&std::mem::take(&mut document));
                continue;
            }
            let line = line.trim();
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            let key = key.trim_start_matches("- ");
            found.line(&mut document, key, value.trim_matches(['"', '\'']), &before);
            key.clone_into(&mut before);
        }
        found.end(&document);
        found
    }

    fn line(&mut self, document: &mut Document, key: &str, value: &str, before: &str) {
        if key == "durationNanosecond" {
            document.duration = value.parse().ok();
            return;
        }
        if key == "name" {
            document.name(value);
            return;
        }
        let Some((offset, "")) = value.strip_prefix(TOKEN).and_then(distance) else {
            return;
        };
        match key {
            "creationTimestamp" => {
                self.second.get_or_insert(offset);
                self.stamp(document, offset);
            }
            // Of managedFields.
            "time" if before == "operation" || before == "subresource" => {
                self.stamp(document, offset);
            }
            "firstTimestamp" => document.happened = Some((offset, SECOND)),
            "eventTime" => document.happened = Some((offset, 1000)),
            SCHEDULED => document.scheduled = Some(offset),
            _ => {}
        }
    }

    /// Takes the time of something that had happened when a change came.
    fn stamp(&mut self, document: &Document, offset: i64) {
        if let Some(duration) = document.duration {
            let lead = offset.saturating_sub(duration);
            self.lead = Some(self.lead.map_or(lead, |known| known.max(lead)));
        }
    }

    fn end(&mut self, document: &Document) {
        if self.told.is_some() {
            return;
        }
        let by_job = document.scheduled.and_then(|offset| {
            let minutes = document.minutes.first()?;
            minutes.checked_mul(60 * SECOND)?.checked_sub(offset)
        });
        let by_event = document.happened.and_then(|(offset, unit)| {
            let nanos = document.nanos.first()?;
            (nanos - nanos.rem_euclid(unit)).checked_sub(offset)
        });
        self.told = by_job.or(by_event).filter(|zero| *zero > FIRST_YEAR);
    }
}

impl Document {
    /// Reads what the name of a Job or an Event may end with: minutes, or nanoseconds.
    fn name(&mut self, name: &str) {
        if let Some((_, minutes)) = name.rsplit_once('-')
            && minutes.len() >= 8
        {
            self.minutes.extend(minutes.parse::<i64>().ok());
        }
        if let Some((_, nanos)) = name.rsplit_once('.')
            && nanos.len() == 16
        {
            self.nanos.extend(i64::from_str_radix(nanos, 16).ok());
        }
    }
}

/// Reads a line, or the beginning of a long one; `false` at the end.
fn read_line(text: &mut Text<'static>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if !text.read_line(line, LINE_BYTES)? {
        return Ok(false);
    }
    if !line.ends_with(b"\n") && line.len() >= LINE_BYTES {
        text.skip_line()?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn found(text: &str) -> Found {
        let text = text.as_bytes().to_vec();
        Found::read(&mut Text::new(Box::new(io::Cursor::new(text))))
    }

    fn token(offset: i64) -> String {
        format!("\"{TOKEN}{offset})\"")
    }

    #[test]
    fn the_second_zero_is_after_all_that_had_happened_when_changes_came() {
        let (created, changed) = (token(2_500_000_000), token(4_500_000_000));
        let found = found(&format!(
            "kind: Namespace\nmetadata:\n  creationTimestamp: {}\n---\ndurationNanosecond: 0\ntemplate:\n  metadata:\n    creationTimestamp: {created}\n---\ndurationNanosecond: 1000000000\ntemplate:\n  metadata:\n    managedFields:\n    - manager: m\n      operation: Update\n      time: {changed}\n  spec:\n    time: {}\n",
            token(-9_500_000_000),
            token(99_500_000_000),
        ));
        assert_eq!(
            found,
            Found {
                second: Some(-9_500_000_000),
                lead: Some(3_500_000_000),
                told: None,
            }
        );
    }

    #[rstest]
    #[case::job(
        "metadata:\n  annotations:\n    batch.kubernetes.io/cronjob-scheduled-timestamp: @\n  name: tick-28800000\n",
        60_000_000_000,
        1_728_000_000_000_000_000 - 60_000_000_000
    )]
    #[case::event(
        "firstTimestamp: @\ninvolvedObject:\n  name: web\nkind: Event\nmetadata:\n  name: web.17f0c2d51f2a3b4c\n",
        -5,
        0x17f0_c2d5_1f2a_3b4c / 1_000_000_000 * 1_000_000_000 + 5
    )]
    #[case::event_of_micros(
        "eventTime: @\nmetadata:\n  name: web.17f0c2d51f2a3b4c\n",
        7,
        0x17f0_c2d5_1f2a_3b4c / 1000 * 1000 - 7
    )]
    fn names_tell_the_first_zero(#[case] document: &str, #[case] offset: i64, #[case] zero: i64) {
        let text = document.replace('@', &token(offset));
        assert_eq!(found(&format!("{text}---\nkind: Pod\n")).told, Some(zero));
    }

    #[test]
    fn names_that_hold_no_time_tell_nothing() {
        for text in [
            "firstTimestamp: X\nmetadata:\n  name: web.abc\n",
            "metadata:\n  name: tick-28800000\n",
            "metadata:\n  name: web.00000000000000ff\nfirstTimestamp: X\n",
        ] {
            assert_eq!(found(&text.replace('X', &token(5))).told, None);
        }
    }

    #[rstest]
    #[case(10_300_000_000, -4_200_000_000, 10_200_000_000)]
    #[case(10_900_000_000, -4_200_000_000, 11_200_000_000)]
    #[case(10_000_000_000, 0, 10_000_000_000)]
    fn the_first_zero_is_moved_to_where_objects_are_made_at_whole_seconds(
        #[case] given: i64,
        #[case] second: i64,
        #[case] zero: i64,
    ) {
        assert_eq!(aligned(given, second), zero);
        assert_eq!((zero + second) % SECOND, 0);
    }
}
