//! Reads YAML as the tools of Kubernetes write it.

use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Options};

/// How deep objects may be nested; JSON has the same bound.
const DEPTH: usize = 128;
/// The shortest node of a document: a byte and the end of its line.
const NODE_BYTES: usize = 2;

/// Why a document is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The line, from 0.
    pub(super) line: u64,
    /// What is wrong.
    pub(super) reason: String,
}

/// Reads one document, which is at most `limit` bytes long.
///
/// Scalars mean what they mean to Kubernetes where that is clear: `0644` is octal, the last of
/// two equal keys holds, `<<` merges, times stay strings. `yes` and `on` stay strings too: what
/// writes objects of an API server writes `true`. Aliases are followed as long as what they stand
/// for is not longer than a document may be.
pub(super) fn parse(text: &[u8], limit: usize) -> Result<Value, Broken> {
    let mut options = Options::default();
    options.strict_booleans = true;
    options.legacy_octal_numbers = true;
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options.non_finite_float_policy = NonFiniteFloatPolicy::Reject;
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        budget.max_reader_input_bytes = Some(limit);
        budget.max_depth = DEPTH;
        budget.flow_nesting_limit = DEPTH;
        budget.max_nodes = limit / NODE_BYTES;
        budget.max_events = limit;
        budget.max_total_scalar_bytes = limit;
        budget.max_recorded_anchor_bytes = limit;
    }
    serde_saphyr::from_slice_with_options(text, options).map_err(|error| broken(&error))
}

fn broken(error: &Error) -> Broken {
    let line = error.location().map_or(0, |location| location.line());
    // The place in the document is of no use to whoever looks into the file.
    let reason = format!("not YAML: {}", error.without_snippet());
    let end = reason.rfind(" at line ").unwrap_or(reason.len());
    Broken {
        line: line.saturating_sub(1),
        reason: reason.get(..end).unwrap_or(&reason).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, Broken> {
        parse(text.as_bytes(), 100_000)
    }

    #[test]
    fn scalars_mean_what_they_mean_to_kubernetes() {
        for (yaml, value) in [
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("y", json!("y")),
            ("true", json!(true)),
            ("False", json!(false)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("''", json!("")),
            ("'true'", json!("true")),
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("0x1F", json!(31)),
            ("089", json!(89.0)),
            ("-7", json!(-7)),
            ("1_000", json!(1000)),
            ("9223372036854775807", json!(i64::MAX)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.50", json!(1.5)),
            ("1.0.0", json!("1.0.0")),
            ("1e3", json!(1000.0)),
            ("100m", json!("100m")),
            ("22:22", json!("22:22")),
            ("2026-11-21", json!("2026-11-21")),
            ("2026-11-21T02:07:16Z", json!("2026-11-21T02:07:16Z")),
            ("\"2026-11-21T02:07:16Z\"", json!("2026-11-21T02:07:16Z")),
            ("|-\n  a: [\n  b", json!("a: [\nb")),
            (">\n  a\n  b\n", json!("a b\n")),
            ("{a: [1, {b: c}]}", json!({"a": [1, {"b": "c"}]})),
        ] {
            let text = format!("k: {yaml}\n");
            assert_eq!(read(&text).unwrap()["k"], value, "{yaml}");
        }
    }

    #[test]
    fn keys_keep_their_order_and_the_last_of_two_equal_ones_holds() {
        let value = read("z: 1\na: 2\n1: x\nz: 3\ntrue: y\n").unwrap();
        assert_eq!(value.to_string(), r#"{"z":3,"a":2,"1":"x","true":"y"}"#);
    }

    #[test]
    fn anchors_are_followed_and_keys_merged() {
        let value = read("a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  y: 3\n").unwrap();
        assert_eq!(value["b"], json!({"x": 1, "y": 2}));
        assert_eq!(value["c"], json!({"x": 1, "y": 3}));
    }

    #[test]
    fn an_alias_bomb_is_not_followed() {
        let mut nested = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 9].join(", ");
            nested = format!("{nested}a{level}: &a{level} [{below}]\n");
        }
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(50_000),
            "*a, ".repeat(10_000)
        );
        for bomb in [nested, long] {
            let broken = read(&bomb).unwrap_err();
            assert!(broken.reason.starts_with("not YAML: "), "{broken:?}");
        }
    }

    #[test]
    fn depth_is_bounded_and_what_is_broken_is_told_with_its_line() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(deep.as_bytes(), 1 << 20).is_err());
        let fine = format!("k: {}1{}", "[".repeat(100), "]".repeat(100));
        assert!(read(&fine).is_ok());
        let broken = read("a: 1\nb: c: d\n").unwrap_err();
        assert_eq!(broken.line, 1);
        assert!(!broken.reason.contains("line"), "{broken:?}");
        assert_eq!(read("a: 1\nb: *none\n").unwrap_err().line, 1);
        assert!(parse(b"a: \xff\n", 100).is_err());
        assert!(read("a: .inf\n").is_err());
    }
}
