//! What the columns of tables mean, as a small YAML file says it.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use kymo_model::Timestamp;
use serde_saphyr::{Location, Spanned};

use super::calendar::Calendar;
use super::mapping_file::{
    GpuResourcesFile, MappingFile, Measured, NodesFile, PhaseWord, Plain, PodsFile, TimesFile,
};
use super::units::{self, TimeUnit, Unit};
use crate::Error;

/// The longest mapping file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What something in a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The name of a node or pod.
    Name,
    Cpu,
    Memory,
    /// GPUs of a node, or that a pod wants.
    Gpus,
    /// How much of each of its GPUs a pod wants.
    GpuShare,
    /// The model of a node's GPUs, or those that a pod can use, with `|` between them.
    GpuModel,
    /// The class of service.
    Qos,
    /// The state of a pod when it was last seen.
    State,
    Created,
    /// When a pod was bound to a node.
    Scheduled,
    Deleted,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Node,
    Pod,
}

/// What the times of a mapping are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Counted { unit: TimeUnit, zero: Zero },
    Calendar(Calendar),
}

/// Where times are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    /// No file tells it: it is asked for.
    Start,
    /// 1970 in UTC.
    Epoch,
    At(Timestamp),
}

/// The extended resources that GPUs are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GpuResources {
    /// Whole devices.
    pub(super) count: String,
    /// Thousandths of all devices together, where pods share them.
    pub(super) milli: Option<String>,
}

/// Where something in a row comes from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) role: Role,
    pub(super) from: Origin,
    /// How many of the smallest unit one is.
    pub(super) factor: u64,
}

#[derive(Debug)]
pub(super) enum Origin {
    Column { title: String, is_optional: bool },
    Value(String),
}

/// A kind of file.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) subject: Subject,
    pub(super) sources: Vec<Source>,
}

impl Table {
    /// Returns the titles of its columns, and whether a file may lack them.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        self.sources.iter().filter_map(|source| match &source.from {
            Origin::Column { title, is_optional } => Some((title.as_str(), *is_optional)),
            Origin::Value(_) => None,
        })
    }

    /// Returns where something comes from.
    pub(super) fn source(&self, role: Role) -> Option<&Source> {
        self.sources.iter().find(|source| source.role == role)
    }
}

/// What tables of a data set mean.
#[derive(Debug)]
pub(super) struct Mapping {
    /// The data set.
    pub(super) name: String,
    pub(super) times: Times,
    /// Fields that stand for nothing.
    missing: Vec<String>,
    pub(super) gpus: GpuResources,
    states: Vec<(String, PhaseWord)>,
    pub(super) tables: Vec<Table>,
}

impl Mapping {
    /// Reads a file of at most 1 MiB.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let failed = |source| Error::open(path, source);
        let file = fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut file = file.take(MOST_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(failed)?;
        let refused = |reason: &str| Error::Mapping {
            path: name.clone(),
            line: 1,
            column: 1,
            reason: reason.to_owned(),
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(refused("it is larger than 1 MiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
        Self::parse(&name, &text)
    }

    /// Reads the text of a mapping; `path` is for messages.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let file: MappingFile = serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location();
            let message = error.without_snippet().to_string();
            let reason = message.lines().next().unwrap_or_default();
            // The place is told in front of it.
            let reason = reason.split(" at line ").next().unwrap_or_default();
            Error::Mapping {
                path: path.to_owned(),
                line: place.map_or(1, |place| place.line()),
                column: place.map_or(1, |place| place.column()),
                reason: reason.to_owned(),
            }
        })?;
        Self::check(file).map_err(|(place, reason)| Error::Mapping {
            path: path.to_owned(),
            line: place.line(),
            column: place.column(),
            reason,
        })
    }

    fn check(file: MappingFile) -> Result<Self, Refused> {
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
            (Subject::Node, place, parts_of_nodes(nodes.value))
        });
        let pods = file.pods.map(|pods| {
            let place = pods.referenced;
            (Subject::Pod, place, parts_of_pods(pods.value))
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

    /// Tells whether a field stands for nothing.
    pub(super) fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.missing.iter().any(|missing| missing == text)
    }

    /// Reads a time as nanoseconds from the zero, those of a calendar from 1970; what it is not
    /// otherwise.
    pub(super) fn time(&self, text: &str) -> Result<i64, String> {
        match &self.times {
            Times::Counted { unit, .. } => {
                units::nanos(text, *unit).ok_or_else(|| "no time".to_owned())
            }
            Times::Calendar(calendar) => calendar
                .read(text)
                .map(|at| at.0)
                .ok_or_else(|| "no date with a time of day".to_owned()),
        }
    }

    /// Returns the phase that a state stands for; what it is not otherwise.
    pub(super) fn phase(&self, state: &str) -> Result<&'static str, String> {
        let mut listed = self.states.iter();
        if let Some((_, phase)) = listed.find(|(known, _)| known == state) {
            return Ok(phase.as_str());
        }
        let mut phases = PhaseWord::ALL.into_iter().map(PhaseWord::as_str);
        phases
            .find(|phase| *phase == state)
            .ok_or_else(|| "no phase, and `states` does not have it".to_owned())
    }
}

/// Where something is wrong, and what.
type Refused = (Location, String);

fn refuse<T>(place: Location, reason: impl Into<String>) -> Result<T, Refused> {
    Err((place, reason.into()))
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

/// A part of a table as it is written.
struct Part {
    role: Role,
    place: Location,
    factor: u64,
    plain: Plain,
}

impl Part {
    fn plain(role: Role, plain: Spanned<Plain>) -> Self {
        Self {
            role,
            place: plain.referenced,
            factor: 1,
            plain: plain.value,
        }
    }

    fn measured<U: Unit>(role: Role, measured: Spanned<Measured<U>>) -> Self {
        let place = measured.referenced;
        let Measured {
            column,
            value,
            optional,
            unit,
        } = measured.value;
        Self {
            role,
            place,
            factor: unit.factor(),
            plain: Plain {
                column,
                value,
                optional,
            },
        }
    }
}

fn parts_of_nodes(file: NodesFile) -> Vec<Part> {
    let mut parts = vec![Part::plain(Role::Name, file.name)];
    parts.extend(file.cpu.map(|cpu| Part::measured(Role::Cpu, cpu)));
    parts.extend(
        file.memory
            .map(|memory| Part::measured(Role::Memory, memory)),
    );
    parts.extend(file.gpus.map(|gpus| Part::measured(Role::Gpus, gpus)));
    parts.extend(
        file.gpu_model
            .map(|model| Part::plain(Role::GpuModel, model)),
    );
    parts
}

fn parts_of_pods(file: PodsFile) -> Vec<Part> {
    let mut parts = vec![
        Part::plain(Role::Name, file.name),
        Part::plain(Role::Created, file.created),
    ];
    parts.extend(file.cpu.map(|cpu| Part::measured(Role::Cpu, cpu)));
    parts.extend(
        file.memory
            .map(|memory| Part::measured(Role::Memory, memory)),
    );
    parts.extend(file.gpus.map(|gpus| Part::measured(Role::Gpus, gpus)));
    parts.extend(
        file.gpu_share
            .map(|share| Part::measured(Role::GpuShare, share)),
    );
    for (role, plain) in [
        (Role::GpuModel, file.gpu_model),
        (Role::Qos, file.qos),
        (Role::State, file.state),
        (Role::Scheduled, file.scheduled),
        (Role::Deleted, file.deleted),
    ] {
        parts.extend(plain.map(|plain| Part::plain(role, plain)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use rstest::rstest;

    use super::*;

    const WHOLE: &str = "name: own
times: {unit: s, zero: epoch}
gpu-resources: {count: nvidia.com/gpu}
states: {Failed: [lost]}
pods:
  name: {column: id}
  created: {column: at}
  cpu: {value: 1, unit: cores}
  gpus: {column: gpus, unit: count}
  state: {column: state, optional: true}
";

    #[test]
    fn a_mapping_says_units_zero_and_what_may_be_missing() {
        let mapping = Mapping::parse("own.yaml", WHOLE).unwrap();
        let zero = Zero::Epoch;
        let unit = TimeUnit::Seconds;
        assert_eq!(mapping.times, Times::Counted { unit, zero });
        let table = &mapping.tables[0];
        let columns: Vec<_> = table.columns().collect();
        let expected = [
            ("id", false),
            ("at", false),
            ("gpus", false),
            ("state", true),
        ];
        assert_eq!(columns, expected);
        assert_eq!(table.source(Role::Cpu).unwrap().factor, 1000);
        assert_eq!(mapping.phase("lost").unwrap(), "Failed");
    }

    #[rstest]
    #[case("unit: s,", "unit: h,", (2, 15), "`h`")]
    #[case("name: own", "nam: own", (1, 1), "nam")]
    #[case("  created: {column: at}\n", "", (9, 3), "created")]
    #[case("zero: epoch", "zero: noon", (2, 24), "neither start, epoch nor RFC 3339")]
    #[case("zero: epoch", "calendar: '%Y'", (2, 8), "a `unit` and a `zero`")]
    #[case("unit: s, zero: epoch", "calendar: '%H'", (2, 19), "a date has")]
    #[case("nvidia.com/gpu", "gpu", (3, 24), "no extended resource")]
    #[case("gpu-resources: {count: nvidia.com/gpu}\n", "", (8, 9), "GPUs need `gpu-resources`")]
    #[case("[lost]", "[lost, lost]", (4, 25), "has a phase already")]
    #[case("column: at", "column: id", (7, 21), "`id` is mapped already")]
    #[case("value: 1", "value: one", (8, 16), "`one` is no number")]
    #[case("value: 1,", "", (8, 8), "either a `column` or a `value`")]
    #[case("value: 1,", "value: 1, optional: true,", (8, 8), "never `optional`")]
    #[case("value: 1,", "value: 1, column: cpu,", (8, 8), "either a `column` or a `value`")]
    #[case("unit: cores", "unit: MiB", (8, 25), "`MiB`")]
    #[case("gpus: {", "gpu-share: {", (6, 3), "`gpu-share` is of each")]
    #[case("unit: cores", "units: cores", (8, 19), "units")]
    #[case("Failed:", "Lost:", (4, 10), "Lost")]
    fn what_is_wrong_is_told_with_its_place(
        #[case] old: &str,
        #[case] new: &str,
        #[case] place: (u64, u64),
        #[case] expected: &str,
    ) {
        assert!(WHOLE.contains(old));
        let text = WHOLE.replace(old, new);
        let error = Mapping::parse("own.yaml", &text).unwrap_err();
        assert!(error.is_bad_request());
        let Error::Mapping {
            line,
            column,
            reason,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert!(reason.contains(expected), "{reason}");
        assert_eq!((line, column), place, "{reason}");
    }

    #[test]
    fn a_table_that_fits_every_file_is_refused() {
        let text = "name: x\ntimes: {unit: s, zero: start}\nnodes: {name: {value: a}}\n";
        let error = Mapping::parse("own.yaml", text).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("at least one column"),
            "{error}"
        );
        let text = "name: x\ntimes: {unit: s, zero: start}\n";
        let error = Mapping::parse("own.yaml", text).unwrap_err().to_string();
        assert!(error.contains("neither `nodes` nor `pods`"), "{error}");
    }

    #[test]
    fn hostile_files_are_refused_and_not_followed() {
        let deep = format!("name: {}{}", "[".repeat(100_000), "]".repeat(100_000));
        let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let list = vec![format!("*a{}", level - 1); 9].join(", ");
            writeln!(bomb, "a{level}: &a{level} [{list}]").unwrap();
        }
        let twice = WHOLE.replace("name: own", "name: own\nname: again");
        let two = format!("{WHOLE}---\n{WHOLE}");
        for text in [
            &deep,
            &bomb,
            &twice,
            &two,
            "",
            "\0",
            "- a",
            "name: !!binary x",
        ] {
            let error = Mapping::parse("own.yaml", text).unwrap_err();
            assert!(matches!(error, Error::Mapping { .. }), "{error}");
            assert!(error.to_string().len() < 500, "{error}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let error = Mapping::read(Path::new("/dev/zero")).unwrap_err();
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
        let error = Mapping::read(Path::new("/nowhere.yaml")).unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{error}");
    }
}
