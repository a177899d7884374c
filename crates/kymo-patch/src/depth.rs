use serde_json::Value;

use crate::Error;

/// How many lists and objects may lie inside each other: as many as `serde_json` reads.
pub const MAX_DEPTH: usize = 127;

/// Fails where a value, put below `above` others, is nested too deeply.
pub(crate) fn check(value: &Value, above: usize) -> Result<(), Error> {
    if fits(value, MAX_DEPTH.saturating_sub(above)) {
        Ok(())
    } else {
        Err(Error::TooDeep)
    }
}

fn fits(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
        Value::Object(fields) => left > 0 && fields.values().all(|item| fits(item, left - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn the_limit_is_what_the_parser_reads() {
        for (levels, is_ok) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
            let value = nested(levels);
            assert_eq!(check(&value, 0).is_ok(), is_ok);
            assert_eq!(
                serde_json::from_str::<Value>(&value.to_string()).is_ok(),
                is_ok
            );
        }
        assert!(check(&nested(3), MAX_DEPTH - 2).is_err());
    }
}
