//! `$name` in a script stands for a value.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::tokenizer::Token;

use super::tokens::Tokens;
use crate::language::{LanguageError, Place};

/// What begins a comment with values of parameters.
const HEADER: &str = "-- Parameters:";

/// Puts values into the places of parameters.
pub(super) fn fill(
    tokens: &mut Tokens<'_>,
    given: &BTreeMap<String, String>,
) -> Result<(), LanguageError> {
    let mut values = defaults(tokens.text);
    values.extend(given.clone());
    let mut used = BTreeSet::new();
    for index in 0..tokens.all.len() {
        let Some(token) = tokens.all.get(index) else {
            break;
        };
        let Token::Placeholder(name) = &token.token else {
            continue;
        };
        let Some(name) = name.strip_prefix('$') else {
            continue;
        };
        let Some(value) = values.get(name) else {
            return Err(LanguageError::Value {
                message: format!("the parameter `${name}` has no value"),
                hint: Some("give it one with `-p NAME=VALUE`"),
                place: tokens.place(token),
            });
        };
        used.insert(name.to_owned());
        let filled = match value.parse::<f64>() {
            Ok(number) if number >= 0.0 && number.is_finite() => {
                Token::Number(value.clone(), false)
            }
            _ => Token::SingleQuotedString(value.clone()),
        };
        if let Some(token) = tokens.all.get_mut(index) {
            token.token = filled;
        }
    }
    match given.keys().find(|name| !used.contains(*name)) {
        Some(name) => Err(LanguageError::Value {
            message: format!("no statement has a parameter `${name}`"),
            hint: None,
            place: Place {
                start: 0,
                end: tokens.text.chars().next().map_or(0, char::len_utf8),
            },
        }),
        None => Ok(()),
    }
}

/// Reads what comments say of parameters.
fn defaults(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.strip_prefix(HEADER))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::language::Script;

    const TEXT: &str = "-- Parameters: n=5 at=1m\nSYNTHESIZE NODES $n AT $at";

    fn read(pairs: &[(&str, &str)]) -> Result<String, String> {
        let values = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Script::parse_with(TEXT, &values.collect())
            .map(|script| script.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_parameter_has_the_value_that_is_given_or_that_of_the_script() {
        assert_eq!(read(&[]).unwrap(), "SYNTHESIZE NODES 5 AT '1m';\n");
        assert_eq!(
            read(&[("n", "7")]).unwrap(),
            "SYNTHESIZE NODES 7 AT '1m';\n"
        );
    }

    #[test]
    fn a_parameter_without_a_value_and_a_value_without_a_parameter_are_refused() {
        assert_eq!(
            read(&[("x", "1")]).unwrap_err(),
            "no statement has a parameter `$x`"
        );
        let error = Script::parse("SYNTHESIZE NODES $m").unwrap_err();
        assert_eq!(error.to_string(), "the parameter `$m` has no value");
        assert!(
            read(&[("n", "many")])
                .unwrap_err()
                .starts_with("expected a number")
        );
    }
}
