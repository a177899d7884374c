//! Whether a mapping makes sense.

use serde_saphyr::{Location, Spanned};

use super::parts::Part;
use super::{GpuResources, Mapping, Origin, Role, Source, Subject, Table, Times, Zero};
use crate::workload_csv::calendar::Calendar;
use crate::workload_csv::mapping_file::{GpuResourcesFile, MappingFile, PhaseWord, TimesFile};
use crate::workload_csv::units;

/// Where something is wrong, and what.
pub(super) type Refused = (Location, String);

fn refuse<T>(place: Location, reason: impl Into<String>) -> Result<T, Refused> {
    Err((place, reason.into()))
}

impl Mapping {
    pub(super) fn check(file: MappingFile) -> Result<Self, Refused> {
        let times = times(&file.times)?;
        let has_resources = file.gpu_resources.is_some();
        let gpus = file
            .gpu_resources
            .map_or(Ok(GpuResources::default()), gpus)?;
        let mut states: Vec<(String, PhaseWord)> = Vec::new();
        for (phase, words) in file.states {
            for word in words {
                if states.iter().any(|(known, _)| *known == word.value) {
                    return refuse(word.referenced, "this state has a phase already");
                }
                states.push((word.value, phase));
            }
        }
        let mut mapping = Self {
            name: file.name,
            times,
            missing: file.missing,
            gpus,
            states,
            tables: Vec::new(),
        };
        let nodes = file.nodes.map(|nodes| {
            let place = nodes.referenced;
            (Subject::Node, place, nodes.value.parts())
        });
        let pods = file.pods.map(|pods| {
            let place = pods.referenced;
            (Subject::Pod, place, pods.value.parts())
        });
        for (subject, place, parts) in nodes.into_iter().chain(pods) {
            let wanted = parts.iter().find(|part| part.role == Role::Gpus);
            if let Some(part) = wanted.filter(|_| !has_resources) {
                return refuse(part.place, "GPUs need `gpu-resources`");
            }
            let table = mapping.table(subject, place, parts)?;
            mapping.tables.push(table);
        }
        if mapping.tables.is_empty() {
            return refuse(file.times.referenced, "it has neither `nodes` nor `pods`");
        }
        Ok(mapping)
    }

    fn table(&self, subject: Subject, place: Location, parts: Vec<Part>) -> Result<Table, Refused> {
        let has = |role| parts.iter().any(|part| part.role == role);
        if has(Role::GpuShare) && !has(Role::Gpus) {
            return refuse(
                place,
                "`gpu-share` is of each of the `gpus`, which are not there",
            );
        }
        let mut table = Table {
            subject,
            sources: Vec::with_capacity(parts.len()),
        };
        for part in parts {
            let source = self.source(part, &table)?;
            table.sources.push(source);
        }
        if table.columns().all(|(_, is_optional)| is_optional) {
            return refuse(
                place,
                "a table has at least one column that is not optional",
            );
        }
        Ok(table)
    }

    fn source(&self, part: Part, table: &Table) -> Result<Source, Refused> {
        let Part {
            role,
            place,
            factor,
            plain,
        } = part;
        let from = match (plain.column, plain.value) {
            (Some(column), None) => {
                let title = column.value.trim().to_owned();
                if table.columns().any(|(known, _)| known == title) {
                    let reason = format!("the column `{title}` is mapped already");
                    return refuse(column.referenced, reason);
                }
                let is_optional = plain.optional;
                Origin::Column { title, is_optional }
            }
            (None, Some(value)) if !plain.optional => {
                let text = value.value.trim().to_owned();
                self.check_value(role, factor, &text)
                    .map_err(|reason| (value.referenced, format!("`{text}` is {reason}")))?;
                Origin::Value(text)
            }
            (None, Some(_)) => return refuse(place, "a `value` is never `optional`"),
            _ => return refuse(place, "it needs either a `column` or a `value`"),
        };
        Ok(Source { role, from, factor })
    }

    fn check_value(&self, role: Role, factor: u64, text: &str) -> Result<(), String> {
        match role {
            Role::Name | Role::GpuModel | Role::Qos => Ok(()),
            Role::State => self.phase(text).map(|_| ()),
            Role::Created | Role::Scheduled | Role::Deleted => self.time(text).map(|_| ()),
            Role::Cpu | Role::Memory | Role::Gpus | Role::GpuShare => {
                units::amount(text, factor).map(|_| ())
            }
        }
    }
}

fn times(file: &Spanned<TimesFile>) -> Result<Times, Refused> {
    let TimesFile {
        unit,
        zero,
        calendar,
        offset,
    } = &file.value;
    match (unit, zero, calendar) {
        (Some(unit), Some(zero), None) if offset.is_none() => {
            let at = match zero.value.as_str() {
                "start" => Zero::Start,
                "epoch" => Zero::Epoch,
                text => text.parse().map(Zero::At).map_err(|_| {
                    let reason = format!("`{text}` is neither start, epoch nor RFC 3339");
                    (zero.referenced, reason)
                })?,
            };
            Ok(Times::Counted {
                unit: *unit,
                zero: at,
            })
        }
        (None, None, Some(calendar)) => {
            let zone = offset.as_ref().map_or("Z", |offset| &offset.value);
            Calendar::of(&calendar.value, zone)
                .map(Times::Calendar)
                .map_err(|reason| (calendar.referenced, reason))
        }
        _ => refuse(
            file.referenced,
            "times have a `unit` and a `zero`, or a `calendar` and perhaps an `offset`",
        ),
    }
}

fn gpus(file: GpuResourcesFile) -> Result<GpuResources, Refused> {
    let mut names = vec![&file.count];
    names.extend(&file.milli);
    for name in names {
        let is_part = |part: &str| {
            let mut bytes = part.bytes();
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=253).contains(&part.len()) && bytes.all(fits)
        };
        let parts = name.value.split_once('/');
        if !parts.is_some_and(|(domain, name)| is_part(domain) && is_part(name)) {
            let reason = format!(
                "`{}` is no extended resource such as nvidia.com/gpu",
                name.value
            );
            return refuse(name.referenced, reason);
        }
    }
    let milli = file.milli;
    if let Some(milli) = milli
        .as_ref()
        .filter(|milli| milli.value == file.count.value)
    {
        return refuse(
            milli.referenced,
            "devices and thousandths are two resources",
        );
    }
    Ok(GpuResources {
        count: file.count.value,
        milli: milli.map(|milli| milli.value),
    })
}
