//! Texts of which nothing is known but what they look like.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kymo_model::{parse_duration, parse_quantity};
use serde_json::Value;

use super::label::is_small_number;
use super::name::is_uuid;
use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::names::Known;
use crate::policy::Quantities;
use crate::tokens::{Domain, TOKEN};
use crate::vocabulary;

/// How deep text inside of text is followed.
const DEPTH: usize = 5;

impl Anonymizer {
    /// Replaces a text by what it looks like; a text that looks like nothing becomes a pseudonym.
    pub(crate) fn opaque(&mut self, text: &str) -> Result<String, Failure> {
        if let Some(replaced) = self.by_form(text)? {
            return Ok(replaced);
        }
        if vocabulary::WORDS.has(text) || vocabulary::API.has(text) || vocabulary::NAMES.has(text) {
            return Ok(text.to_owned());
        }
        self.tokens.token(Domain::Opaque, text, TOKEN)
    }

    /// Replaces numbers, times, addresses, ids and known names; `None` for anything else.
    pub(crate) fn by_form(&mut self, text: &str) -> Result<Option<String>, Failure> {
        if text.is_empty()
            || matches!(text, "true" | "false" | "yes" | "no")
            || is_small_number(text)
            || is_small_quantity(text)
        {
            return Ok(Some(text.to_owned()));
        }
        if let Some(moved) = self.shift.text(text) {
            return Ok(Some(moved));
        }
        if is_uuid(text) {
            return self.uid(text).map(Some);
        }
        if let Some(address) = self.address(text) {
            return Ok(Some(address));
        }
        match self.names.known(text) {
            Some(known) => self.known_text(known, text).map(Some),
            None => Ok(None),
        }
    }

    /// Replaces a text that is known to be something.
    pub(crate) fn known_text(&mut self, known: Known, text: &str) -> Result<String, Failure> {
        match known {
            Known::Name => self.name(text),
            Known::Namespace => self.namespace(text),
            Known::Image => self.image(text),
            Known::Actor => self.actor(text),
            Known::Host => self.host(text),
            Known::LabelKey => self.label_key(text),
            Known::Api => self.api(text),
        }
    }

    /// Keeps a quantity, or rounds it up; what is none is treated as any text.
    pub(crate) fn quantity(&mut self, text: &str) -> Result<String, Failure> {
        let is_share = text.strip_suffix('%').is_some_and(is_small_number);
        if is_share || is_small_number(text) {
            return Ok(text.to_owned());
        }
        if text.len() > 24 || parse_quantity(text).is_err() {
            return self.opaque(text);
        }
        if self.policy.quantities == Quantities::Bucket {
            return Ok(bucket(text));
        }
        Ok(text.to_owned())
    }

    /// Keeps the first two numbers of a version.
    pub(crate) fn version_text(&mut self, text: &str) -> Result<String, Failure> {
        // `containerd://1.7.2`, `v1.36.2-acme.3`, `6.1.0-17-amd64`
        let (runtime, version) = match text.split_once("://") {
            Some((runtime, version)) => (self.word(runtime)? + "://", version),
            None => (String::new(), text),
        };
        let (prefix, numbers) = match version.strip_prefix('v') {
            Some(numbers) => ("v", numbers),
            None => ("", version),
        };
        let mut parts = numbers.split('.');
        let is_number = |part: &&str| is_small_number(part) && part.len() <= 3;
        match (
            parts.next().filter(is_number),
            parts
                .next()
                .map(|part| part.trim_end_matches('+'))
                .filter(is_number),
        ) {
            (Some(major), Some(minor)) => Ok(format!("{runtime}{prefix}{major}.{minor}")),
            _ => Ok(runtime + &self.tokens.token(Domain::Opaque, version, TOKEN)?),
        }
    }

    /// Keeps a schedule of cron.
    pub(crate) fn schedule(&mut self, text: &str) -> Result<String, Failure> {
        if is_schedule(text) {
            return Ok(text.to_owned());
        }
        self.opaque(text)
    }

    /// Follows JSON inside of a text, and base64 around it.
    pub(crate) fn json(&mut self, text: &str) -> Result<String, Failure> {
        self.json_at(text, DEPTH)
    }

    fn json_at(&mut self, text: &str, depth: usize) -> Result<String, Failure> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(String::new());
        };
        let begins = text.trim_start();
        if begins.starts_with(['{', '['])
            && let Ok(mut value) = serde_json::from_str::<Value>(text)
        {
            self.unknown(&mut value, depth)?;
            return serde_json::to_string(&value).map_err(|source| Failure::Json { source });
        }
        if text.len() >= 16
            && let Ok(bytes) = STANDARD.decode(text)
            && let Ok(inner) = std::str::from_utf8(&bytes)
            && !inner.contains(char::is_control)
        {
            let inner = self.json_at(inner, depth)?;
            return Ok(STANDARD.encode(inner));
        }
        self.opaque(text)
    }

    /// Replaces every text and every key of a value of which nothing is known.
    fn unknown(&mut self, value: &mut Value, depth: usize) -> Result<(), Failure> {
        match value {
            Value::String(text) => *text = self.json_at(text, depth)?,
            Value::Array(items) => {
                for item in items {
                    self.unknown(item, depth)?;
                }
            }
            Value::Object(members) => {
                for (key, mut member) in std::mem::take(members) {
                    self.unknown(&mut member, depth)?;
                    let key = self.field_name(&key)?;
                    members.insert(key, member);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    /// Keeps a field that the API knows.
    pub(crate) fn field_name(&mut self, field: &str) -> Result<String, Failure> {
        if vocabulary::FIELDS.has(field) {
            return Ok(field.to_owned());
        }
        self.tokens.token(Domain::Field, field, TOKEN)
    }
}

/// Tells whether a text is a quantity, a duration or a share that is too short to identify.
fn is_small_quantity(text: &str) -> bool {
    text.len() <= 8
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().filter(u8::is_ascii_digit).count() <= 6
        && !text.bytes().all(|byte| byte.is_ascii_digit())
        && (parse_quantity(text).is_ok()
            || parse_duration(text).is_ok()
            || text.strip_suffix('%').is_some_and(is_small_number))
}

/// Tells whether a text is a schedule of cron: five fields of numbers and marks.
fn is_schedule(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "APR", "AUG", "DEC", "FEB", "FRI", "JAN", "JUL", "JUN", "MAR", "MAY", "MON", "NOV", "OCT",
        "SAT", "SEP", "SUN", "THU", "TUE", "WED",
    ];
    if let Some(name) = text.strip_prefix('@') {
        return matches!(
            name,
            "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly"
        );
    }
    let is_value = |value: &str| {
        matches!(value, "" | "*" | "?" | "L" | "W")
            || (value.len() <= 2 && value.bytes().all(|byte| byte.is_ascii_digit()))
            || NAMES.contains(&value.to_ascii_uppercase().as_str())
    };
    let mut fields = text.split_whitespace();
    fields.clone().count() == 5 && fields.all(|field| field.split([',', '-', '/']).all(is_value))
}

/// Rounds the number of a quantity up to one or one and a half times a power of two.
fn bucket(text: &str) -> String {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let Ok(number) = number.parse::<u64>() else {
        return text.to_owned();
    };
    // A fraction counts as one more.
    let unit_at = unit
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(unit.len());
    let (fraction, unit) = unit.split_at(unit_at);
    let number = number + u64::from(fraction.bytes().any(|byte| (b'1'..=b'9').contains(&byte)));
    let power = number.checked_next_power_of_two().unwrap_or(number);
    let middle = power / 4 * 3;
    let rounded = if number <= middle { middle } else { power };
    format!("{}{unit}", if number == 0 { 0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", "0")]
    #[case("1", "1")]
    #[case("3", "3")]
    #[case("5", "6")]
    #[case("7", "8")]
    #[case("100m", "128m")]
    #[case("1.5", "2")]
    #[case("65Gi", "96Gi")]
    fn quantities_are_rounded_up_to_few_values(#[case] text: &str, #[case] rounded: &str) {
        assert_eq!(bucket(text), rounded);
    }

    #[rstest]
    #[case("*/5 * * * *", true)]
    #[case("0 3,15 1-7 * MON-fri", true)]
    #[case("@hourly", true)]
    #[case("@acme", false)]
    #[case("0 3 * *", false)]
    #[case("0 3 * * acme", false)]
    #[case("0 12345 * * *", false)]
    fn schedules_are_known_by_their_form(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(is_schedule(text), is_one);
    }

    #[rstest]
    #[case("100m", true)]
    #[case("1h30m", true)]
    #[case("97%", true)]
    #[case("12345678", false)]
    #[case("acme", false)]
    #[case("1acme", false)]
    fn small_quantities_are_known_by_their_form(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(is_small_quantity(text), is_one);
    }
}
