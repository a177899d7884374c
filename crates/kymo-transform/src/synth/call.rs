//! Calls such as `exponential(mean => '2h')` become distributions and arrivals.

use std::path::Path;
use std::sync::Arc;

use kymo_model::parse_duration;
use kymo_synth::{Arrival, Distribution, column};

use crate::Error;
use crate::language::{Argument, ArgumentValue, Call, LanguageError, Place};

const DISTRIBUTIONS: &str =
    "write constant, uniform, exponential, lognormal, pareto, empirical, measured or dealt";
const ARRIVALS: &str = "write uniform, poisson, burst, diurnal, times, at or empirical";

/// What a call asks for: something, or a column of a file that has to be read for it.
enum Asked<T> {
    Made(T),
    Column { path: String, name: String },
}

/// Fails for what is no distribution.
pub(crate) fn check_distribution(call: &Call) -> Result<(), LanguageError> {
    asked_distribution(call).map(|_| ())
}

/// Fails for what is no arrival.
pub(crate) fn check_arrival(call: &Call) -> Result<(), LanguageError> {
    asked_arrival(call).map(|_| ())
}

/// Makes a distribution; paths are from `base`.
pub(super) fn distribution(call: &Call, base: &Path) -> Result<Distribution, Error> {
    match asked_distribution(call).map_err(|error| misread(&error, call.place))? {
        Asked::Made(distribution) => Ok(distribution),
        Asked::Column { path, name } => {
            let mut values = seconds(call, base, &path, &name)?;
            values.sort_by(f64::total_cmp);
            Ok(Distribution::Empirical(values.into()))
        }
    }
}

/// Makes an arrival; paths are from `base`.
pub(super) fn arrival(call: &Call, base: &Path) -> Result<Arrival, Error> {
    match asked_arrival(call).map_err(|error| misread(&error, call.place))? {
        Asked::Made(arrival) => Ok(arrival),
        Asked::Column { path, name } => {
            let mut values = seconds(call, base, &path, &name)?;
            values.sort_by(f64::total_cmp);
            let first = values.first().copied().unwrap_or_default();
            let times: Arc<[i64]> = values.iter().map(|at| (at - first) as i64).collect();
            Ok(Arrival::Times(times))
        }
    }
}

/// Reads a column of seconds, as nanoseconds.
fn seconds(call: &Call, base: &Path, path: &str, name: &str) -> Result<Vec<f64>, Error> {
    let values = column(&base.join(path), name).map_err(|error| Error::Statement {
        message: error.to_string(),
        place: call.place,
        hint: None,
    })?;
    Ok(values.into_iter().map(|seconds| seconds * 1e9).collect())
}

fn misread(error: &LanguageError, place: Place) -> Error {
    Error::Statement {
        message: error.to_string(),
        place: error.place().unwrap_or(place),
        hint: error.hint().map(|hint| hint.to_string()),
    }
}

fn asked_distribution(call: &Call) -> Result<Asked<Distribution>, LanguageError> {
    let arguments = Arguments { call };
    Ok(Asked::Made(match call.name.as_str() {
        "constant" => {
            let [value] = arguments.positional()?;
            Distribution::Constant(duration(value)?)
        }
        "uniform" => {
            let [min, max] = arguments.named(["min", "max"])?;
            let (least, most) = (duration(min)?, duration(max)?);
            if most < least {
                return Err(refused("`max` is below `min`", max.place));
            }
            Distribution::Uniform {
                min: least,
                max: most,
            }
        }
        "exponential" => {
            let [mean] = arguments.named(["mean"])?;
            Distribution::Exponential {
                mean: above_zero(duration(mean)?, mean)?,
            }
        }
        "lognormal" => {
            let [p50, p99] = arguments.named(["p50", "p99"])?;
            let (median, high) = (above_zero(duration(p50)?, p50)?, duration(p99)?);
            if high < median {
                return Err(refused("`p99` is below `p50`", p99.place));
            }
            Distribution::Lognormal {
                p50: median,
                p99: high,
            }
        }
        "pareto" => {
            let [min, shape] = arguments.named(["min", "shape"])?;
            Distribution::Pareto {
                min: above_zero(duration(min)?, min)?,
                shape: above_zero(number(shape)?, shape)?,
            }
        }
        "empirical" => {
            let mut values = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                arguments.unnamed(argument)?;
                values.push(duration(argument)?);
            }
            values.sort_by(f64::total_cmp);
            Distribution::Empirical(values.into())
        }
        "dealt" => {
            let mut values = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                arguments.unnamed(argument)?;
                values.push(match &argument.value {
                    ArgumentValue::Text(text) if text == "never" => f64::INFINITY,
                    _ => duration(argument)?,
                });
            }
            Distribution::Dealt(values.into())
        }
        "measured" => {
            let [path, name] = arguments.positional()?;
            return Ok(Asked::Column {
                path: text(path)?,
                name: text(name)?,
            });
        }
        _ => return Err(unknown(call, "distribution", DISTRIBUTIONS)),
    }))
}

fn asked_arrival(call: &Call) -> Result<Asked<Arrival>, LanguageError> {
    let arguments = Arguments { call };
    Ok(Asked::Made(match call.name.as_str() {
        "uniform" => {
            let [rate] = arguments.named(["rate"])?;
            Arrival::Uniform {
                rate: above_zero(number(rate)?, rate)?,
            }
        }
        "poisson" => {
            let [rate] = arguments.named(["rate"])?;
            Arrival::Poisson {
                rate: above_zero(number(rate)?, rate)?,
            }
        }
        "burst" => {
            let [size, every] = arguments.named(["size", "every"])?;
            let many = number(size)?;
            if many < 1.0 || many > u64::from(u32::MAX) as f64 {
                return Err(refused("a burst has at least one", size.place));
            }
            Arrival::Burst {
                size: many as u64,
                every: duration(every)?,
            }
        }
        "diurnal" => {
            let [rate, peak, period] = arguments.named(["rate", "peak", "period"])?;
            let ratio = number(peak)?;
            if ratio < 1.0 {
                return Err(refused(
                    "the highest rate is at least as high as the lowest",
                    peak.place,
                ));
            }
            Arrival::Diurnal {
                rate: above_zero(number(rate)?, rate)?,
                peak: ratio,
                period: above_zero(duration(period)?, period)?,
            }
        }
        "at" => {
            let mut times = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                arguments.unnamed(argument)?;
                times.push(duration(argument)? as i64);
            }
            times.sort_unstable();
            Arrival::Times(times.into())
        }
        "empirical" => {
            let mut times = Vec::with_capacity(call.arguments.len());
            for argument in &call.arguments {
                arguments.unnamed(argument)?;
                times.push(duration(argument)?);
            }
            times.sort_by(f64::total_cmp);
            Arrival::Empirical(times.into())
        }
        "times" => {
            let [path, name] = arguments.positional()?;
            return Ok(Asked::Column {
                path: text(path)?,
                name: text(name)?,
            });
        }
        _ => return Err(unknown(call, "arrival", ARRIVALS)),
    }))
}

struct Arguments<'a> {
    call: &'a Call,
}

impl<'a> Arguments<'a> {
    fn unnamed(&self, argument: &Argument) -> Result<(), LanguageError> {
        match argument.name {
            Some(_) => Err(refused(
                format!("the arguments of `{}` have no names", self.call.name),
                argument.place,
            )),
            None => Ok(()),
        }
    }

    fn positional<const N: usize>(&self) -> Result<[&'a Argument; N], LanguageError> {
        for argument in &self.call.arguments {
            self.unnamed(argument)?;
        }
        let all: Vec<&Argument> = self.call.arguments.iter().collect();
        all.try_into().map_err(|_| {
            let name = &self.call.name;
            refused(
                format!(
                    "`{name}` has {N} {}",
                    if N == 1 { "argument" } else { "arguments" }
                ),
                self.call.place,
            )
        })
    }

    fn named<const N: usize>(&self, names: [&str; N]) -> Result<[&'a Argument; N], LanguageError> {
        let call = self.call;
        for argument in &call.arguments {
            let name = argument.name.as_deref();
            let is_known = name.is_some_and(|name| names.contains(&name));
            let same = call
                .arguments
                .iter()
                .filter(|other| other.name == argument.name);
            if !is_known || same.count() > 1 {
                return Err(refused(Self::usage(call, &names), argument.place));
            }
        }
        let mut found = Vec::with_capacity(N);
        for name in names {
            let argument = call
                .arguments
                .iter()
                .find(|argument| argument.name.as_deref() == Some(name));
            found.push(argument.ok_or_else(|| refused(Self::usage(call, &names), call.place))?);
        }
        found
            .try_into()
            .map_err(|_| refused(Self::usage(call, &names), call.place))
    }

    fn usage(call: &Call, names: &[&str]) -> String {
        let named: Vec<String> = names.iter().map(|name| format!("{name} => …")).collect();
        format!(
            "`{}` is written `{}({})`",
            call.name,
            call.name,
            named.join(", ")
        )
    }
}

fn refused(message: impl Into<String>, place: Place) -> LanguageError {
    LanguageError::Value {
        message: message.into(),
        hint: None,
        place,
    }
}

fn unknown(call: &Call, what: &str, hint: &'static str) -> LanguageError {
    LanguageError::Value {
        message: format!("there is no {what} `{}`", call.name),
        hint: Some(hint),
        place: call.place,
    }
}

/// Reads a duration in nanoseconds.
fn duration(argument: &Argument) -> Result<f64, LanguageError> {
    let ArgumentValue::Text(text) = &argument.value else {
        return Err(refused(
            "a duration stands in quotes, such as '2s'",
            argument.place,
        ));
    };
    match parse_duration(text) {
        Ok(duration) if duration >= 0 => Ok(duration as f64),
        Ok(_) => Err(refused("a duration must not be negative", argument.place)),
        Err(error) => Err(refused(error.to_string(), argument.place)),
    }
}

fn number(argument: &Argument) -> Result<f64, LanguageError> {
    match &argument.value {
        ArgumentValue::Number(number) => Ok(number.value),
        ArgumentValue::Text(_) => Err(refused("a number stands without quotes", argument.place)),
    }
}

fn text(argument: &Argument) -> Result<String, LanguageError> {
    match &argument.value {
        ArgumentValue::Text(text) if !text.is_empty() && !text.contains('\0') => Ok(text.clone()),
        _ => Err(refused("a text in quotes belongs here", argument.place)),
    }
}

fn above_zero(value: f64, argument: &Argument) -> Result<f64, LanguageError> {
    if value > 0.0 {
        Ok(value)
    } else {
        Err(refused("this must be above zero", argument.place))
    }
}
