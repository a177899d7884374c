use chrono::{DateTime, Datelike as _, Timelike as _};
use serde_json::{Value, json};

use super::object::Draft;
use super::queue::Action;
use super::{NONE, Story};
use crate::Error;
use crate::clock::{SECOND, seconds};
use crate::defaults::as_object;
use crate::order::WorkloadOrder;
use crate::pod::controller;

/// The schedule of a `CronJob`: minutes, hours, days, months and days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    fields: [u64; 5],
    /// Whether a day must be both of the month and of the week.
    both_days: bool,
}

const BOUNDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];

impl Schedule {
    /// Reads five fields, or `@hourly` and the like.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let refused = || format!("`{text}` is no schedule");
        let parts: Vec<&str> = text.split_whitespace().collect();
        let mut fields = [0; 5];
        if parts.len() != fields.len() {
            return Err(refused());
        }
        for ((field, part), bounds) in fields.iter_mut().zip(&parts).zip(BOUNDS) {
            *field = read(part, bounds).ok_or_else(refused)?;
        }
        if let Some(days) = fields.get_mut(4)
            && *days & (1 << 7) != 0
        {
            // Sunday is both 0 and 7.
            *days |= 1;
        }
        let is_any = |place: usize| parts.get(place).is_some_and(|part| part.starts_with('*'));
        Ok(Self {
            fields,
            both_days: is_any(2) || is_any(4),
        })
    }

    /// Returns the first minute after a time, in nanoseconds; `None` if none comes within five years.
    fn next(&self, after: i64) -> Option<i64> {
        const MINUTE: i64 = 60 * SECOND;
        const DAY: i64 = 1440 * MINUTE;
        let [minutes, hours, days, months, weekdays] = self.fields;
        let has = |field: u64, number: u32| field & (1 << number) != 0;
        let mut at = (after.div_euclid(MINUTE) + 1) * MINUTE;
        let end = after.saturating_add(5 * 366 * DAY);
        while at < end {
            let time = DateTime::from_timestamp_nanos(at);
            let of_month = has(days, time.day());
            let of_week = has(weekdays, time.weekday().num_days_from_sunday());
            let is_day = has(months, time.month())
                && if self.both_days {
                    of_month && of_week
                } else {
                    of_month || of_week
                };
            if !is_day {
                at = (at.div_euclid(DAY) + 1) * DAY;
            } else if !has(hours, time.hour()) {
                at = (at.div_euclid(60 * MINUTE) + 1) * 60 * MINUTE;
            } else if has(minutes, time.minute()) {
                return Some(at);
            } else {
                at += MINUTE;
            }
        }
        None
    }
}

/// Reads a field as a set of bits.
fn read(text: &str, (low, high): (u32, u32)) -> Option<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => {
                let from = range.parse().ok()?;
                (from, if part.contains('/') { high } else { from })
            }
        };
        if from < low || to > high || from > to {
            return None;
        }
        for number in (from..=to).step_by(step as usize) {
            bits |= 1 << number;
        }
    }
    Some(bits)
}

/// What goes on with a `CronJob`.
#[derive(Clone, Debug)]
pub(super) struct CronState {
    order: u32,
    plain: u32,
    base: u32,
    name: String,
    schedule: Schedule,
    body: Value,
    active: Vec<u32>,
    /// Jobs that ended well, and those that did not.
    ended: [Vec<u32>; 2],
    keeps: [usize; 2],
    last_scheduled: Option<i64>,
    last_successful: Option<i64>,
}

impl Story<'_> {
    pub(super) fn create_cron(
        &mut self,
        number: u32,
        order: &WorkloadOrder,
        name: &str,
    ) -> Result<(), Error> {
        let body = self.body_of(number);
        let schedule = body.pointer("/spec/schedule").and_then(Value::as_str);
        let Ok(schedule) = Schedule::parse(schedule.unwrap_or_default()) else {
            return Ok(());
        };
        let keeps = |field: &str| {
            let number = body
                .pointer(&format!("/spec/{field}"))
                .and_then(Value::as_u64);
            number.unwrap_or(1) as usize
        };
        let keeps = [
            keeps("successfulJobsHistoryLimit"),
            keeps("failedJobsHistoryLimit"),
        ];
        let draft = Draft {
            api_version: "batch/v1",
            kind: "CronJob",
            namespace: &order.namespace,
            name,
            body: body.clone(),
            generation: Some(1),
            has_status: true,
        };
        let plain = self.create(&draft, "{}")?;
        let base = self.versions.last().map_or(0, |version| version.base);
        let cron = self.crons.len() as u32;
        self.crons.push(CronState {
            order: number,
            plain,
            base,
            name: name.to_owned(),
            schedule,
            body,
            active: Vec::new(),
            ended: [Vec::new(), Vec::new()],
            keeps,
            last_scheduled: None,
            last_successful: None,
        });
        if let Some(prepared) = self.prepared.get_mut(number as usize) {
            prepared.plains.push(plain);
        }
        self.next_tick(cron);
        Ok(())
    }

    fn next_tick(&mut self, cron: u32) {
        let next = self
            .crons
            .get(cron as usize)
            .and_then(|own| own.schedule.next(self.now));
        if let Some(next) = next {
            self.after(next - self.now, Action::Cron(cron));
        }
    }

    /// A `CronJob` is due.
    pub(super) fn cron_tick(&mut self, cron: u32) -> Result<(), Error> {
        let plan = self.plan;
        let Some(own) = self.crons.get(cron as usize).cloned() else {
            return Ok(());
        };
        let is_over = self
            .prepared
            .get(own.order as usize)
            .is_none_or(|prepared| prepared.is_over);
        let Some(order) = plan.workloads.get(own.order as usize) else {
            return Ok(());
        };
        if is_over {
            return Ok(());
        }
        self.next_tick(cron);
        let policy = own.body.pointer("/spec/concurrencyPolicy");
        let forbids = policy.is_some_and(|policy| policy == "Forbid");
        let is_suspended = own.body.pointer("/spec/suspend") == Some(&Value::Bool(true));
        if is_suspended || (forbids && !own.active.is_empty()) {
            return Ok(());
        }
        let minute = self.now.div_euclid(60 * SECOND);
        let name = format!("{}-{minute}", own.name);
        let mut body = own
            .body
            .pointer("/spec/jobTemplate")
            .cloned()
            .unwrap_or_default();
        let metadata = crate::defaults::object(as_object(&mut body), "metadata");
        crate::defaults::object(metadata, "annotations").insert(
            "batch.kubernetes.io/cronjob-scheduled-timestamp".to_owned(),
            json!(seconds(self.now)),
        );
        let owner = controller("batch/v1", "CronJob", &own.name, &self.uid_of(own.plain));
        let set = self.create_job(own.order, order, &name, body, Some(&(cron, owner)))?;
        let now = self.now;
        if let Some(own) = self.crons.get_mut(cron as usize) {
            own.active.push(set);
            own.last_scheduled = Some(now);
        }
        self.write_cron(cron)
    }

    fn write_cron(&mut self, cron: u32) -> Result<(), Error> {
        let plan = self.plan;
        let Some(own) = self.crons.get(cron as usize) else {
            return Ok(());
        };
        let namespace = plan
            .workloads
            .get(own.order as usize)
            .map(|order| order.namespace.as_str())
            .unwrap_or_default();
        let mut status = serde_json::Map::new();
        let active: Vec<Value> = own
            .active
            .iter()
            .map(|set| self.job_reference(*set, namespace))
            .collect();
        if !active.is_empty() {
            status.insert("active".to_owned(), Value::Array(active));
        }
        for (name, at) in [
            ("lastScheduleTime", own.last_scheduled),
            ("lastSuccessfulTime", own.last_successful),
        ] {
            if let Some(at) = at {
                status.insert(name.to_owned(), json!(seconds(at)));
            }
        }
        let (plain, base) = (own.plain, own.base);
        self.write_version(plain, base, &Value::Object(status).to_string())
    }

    /// A Job of a `CronJob` has ended; the oldest ones are deleted.
    pub(super) fn job_of_cron_ended(
        &mut self,
        cron: u32,
        set: u32,
        is_success: bool,
    ) -> Result<(), Error> {
        let now = self.now;
        let Some(own) = self.crons.get_mut(cron as usize) else {
            return Ok(());
        };
        own.active.retain(|active| *active != set);
        if is_success {
            own.last_successful = Some(now);
        }
        let [good, bad] = &mut own.ended;
        let [keep_good, keep_bad] = own.keeps;
        let (list, keep) = if is_success {
            (good, keep_good)
        } else {
            (bad, keep_bad)
        };
        list.push(set);
        let old = if list.len() > keep {
            list.remove(0)
        } else {
            NONE
        };
        self.write_cron(cron)?;
        if old != NONE {
            self.delete_set(old)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 2026-01-01T00:00:00Z, a Thursday.
    const START: i64 = 1_767_225_600 * SECOND;

    #[rstest]
    #[case("* * * * *", "2026-01-01T00:01:00Z")]
    #[case("*/15 * * * *", "2026-01-01T00:15:00Z")]
    #[case("0 3 * * *", "2026-01-01T03:00:00Z")]
    #[case("30 1 * * 1", "2026-01-05T01:30:00Z")]
    #[case("0 0 13 * 5", "2026-01-02T00:00:00Z")]
    #[case("0 0 29 2 *", "2028-02-29T00:00:00Z")]
    #[case("0 0 * * 7", "2026-01-04T00:00:00Z")]
    #[case("5,10-12 2 * * *", "2026-01-01T02:05:00Z")]
    #[case("@hourly", "2026-01-01T01:00:00Z")]
    fn a_schedule_finds_its_next_time(#[case] text: &str, #[case] expected: &str) {
        let next = Schedule::parse(text).unwrap().next(START).unwrap();
        assert_eq!(seconds(next), expected);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "x * * * *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
        assert_eq!(Schedule::parse("0 0 31 2 *").unwrap().next(START), None);
    }
}
