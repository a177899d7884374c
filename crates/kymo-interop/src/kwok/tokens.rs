//! Times that KWOK replaces, everywhere in its text, by their distance from the zero.

use kymo_model::Timestamp;
use serde_json::Value;

/// How what stands for a time begins; a number and `)` follow.
pub(super) const TOKEN: &str = "$(time-offset-nanosecond ";

/// Members that Kubernetes writes with six digits behind the second, even where they are 0.
const MICROS: [&str; 5] = [
    "renewTime",
    "acquireTime",
    "eventTime",
    "lastObservedTime",
    "pingTime",
];

/// Reads the distance at the beginning of a text behind [`TOKEN`], and what follows it.
pub(super) fn distance(text: &str) -> Option<(i64, &str)> {
    let (number, rest) = text.split_once(')')?;
    Some((number.parse().ok()?, rest))
}

/// Puts times back into a value; returns how many.
pub(super) fn restore(value: &mut Value, zero: Timestamp) -> u64 {
    restore_member(value, "", zero)
}

fn restore_member(value: &mut Value, name: &str, zero: Timestamp) -> u64 {
    match value {
        Value::String(text) => match restored(text, name, zero) {
            Some((back, count)) => {
                *text = back;
                count
            }
            None => 0,
        },
        Value::Array(items) => {
            let counts = items
                .iter_mut()
                .map(|item| restore_member(item, name, zero));
            counts.sum()
        }
        Value::Object(members) => {
            let mut count = 0;
            if members.keys().any(|name| name.contains(TOKEN)) {
                for (name, value) in std::mem::take(members) {
                    let (name, times) = restored(&name, "", zero).unwrap_or((name, 0));
                    members.insert(name, value);
                    count += times;
                }
            }
            for (name, value) in members.iter_mut() {
                count += restore_member(value, name, zero);
            }
            count
        }
        _ => 0,
    }
}

/// Puts times back into a text; `None` if it has none.
fn restored(text: &str, member: &str, zero: Timestamp) -> Option<(String, u64)> {
    let mut rest = text;
    let mut back = String::new();
    let mut count = 0;
    while let Some((before, behind)) = rest.split_once(TOKEN) {
        back.push_str(before);
        rest = behind;
        if let Some((offset, behind)) = distance(behind) {
            let time = Timestamp(zero.0.saturating_add(offset));
            back.push_str(&written(time, MICROS.contains(&member)));
            rest = behind;
            count += 1;
        } else {
            back.push_str(TOKEN);
        }
    }
    (count > 0).then(|| {
        back.push_str(rest);
        (back, count)
    })
}

/// Writes a time with no more digits than it needs: none, six or nine.
fn written(time: Timestamp, is_micro: bool) -> String {
    // Of nine digits and a Z.
    let mut text = time.to_string();
    let digits = match time.0.rem_euclid(1_000_000_000) {
        0 if !is_micro => 0,
        nanos if nanos % 1000 == 0 => 6,
        _ => 9,
    };
    let left_out = if digits == 0 { 10 } else { 9 - digits };
    text.truncate(text.len().saturating_sub(left_out + 1));
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const ZERO: &str = "2021-01-01T00:00:00Z";

    fn back(mut value: Value) -> Value {
        restore(&mut value, ZERO.parse().unwrap());
        value
    }

    #[rstest]
    #[case("$(time-offset-nanosecond 1000000000)", "2021-01-01T00:00:01Z")]
    #[case("$(time-offset-nanosecond 1100000000)", "2021-01-01T00:00:01.100000Z")]
    #[case("$(time-offset-nanosecond -1)", "2020-12-31T23:59:59.999999999Z")]
    #[case("a $(time-offset-nanosecond 0) b", "a 2021-01-01T00:00:00Z b")]
    #[case(
        r#"{"at":"$(time-offset-nanosecond 0)","to":"$(time-offset-nanosecond 60000000000)"}"#,
        r#"{"at":"2021-01-01T00:00:00Z","to":"2021-01-01T00:01:00Z"}"#
    )]
    #[case(
        "$(time-offset-nanosecond x) $(time-offset-nanosecond ",
        "$(time-offset-nanosecond x) $(time-offset-nanosecond "
    )]
    #[case(
        "$(time-offset-nanosecond 99999999999999999999)",
        "$(time-offset-nanosecond 99999999999999999999)"
    )]
    #[case("é$(time-offset-nanosecond 0)é", "é2021-01-01T00:00:00Zé")]
    fn times_come_back_in_texts(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(back(json!(text)), expected);
    }

    #[test]
    fn times_come_back_at_any_depth_in_names_and_with_the_digits_of_their_member() {
        let token = "$(time-offset-nanosecond 0)";
        let mut value = json!({
            "spec": { "renewTime": token, "list": [{ "at": [token] }] },
            "data": { token: 1, "a": true },
        });
        assert_eq!(restore(&mut value, ZERO.parse().unwrap()), 3);
        assert_eq!(
            value,
            json!({
                "spec": { "renewTime": "2021-01-01T00:00:00.000000Z", "list": [{ "at": [ZERO] }] },
                "data": { ZERO: 1, "a": true },
            }),
        );
    }

    #[test]
    fn the_farthest_offsets_give_some_time() {
        for offset in [i64::MIN, i64::MAX] {
            let text = back(json!(format!("{TOKEN}{offset})")));
            assert!(text.as_str().unwrap().ends_with('Z'), "{text}");
        }
    }
}
