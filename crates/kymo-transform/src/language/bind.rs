//! Values for the `$name`s of a script.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::Token;
use kymo_query::{Parameter, Parameters, nearest};

use super::{LanguageError, Script};
use crate::language::parser::tokens_of;

impl Script {
    /// Puts values in the places of `$name`s, as literals that are never read as anything else, and
    /// returns the script and the names that it has. What is in quotes or in a comment is no name.
    /// What is not given has the value that a comment `-- Parameters: name=value …` of the script
    /// says.
    ///
    /// The text that is returned is what runs and what a lineage keeps.
    pub fn bind(
        text: &str,
        parameters: &Parameters,
    ) -> Result<(String, BTreeSet<String>), LanguageError> {
        let tokens = tokens_of(text)?;
        let mut values = defaults(text);
        values.extend(parameters.clone());
        let mut bound = String::with_capacity(text.len());
        let mut copied = 0;
        let mut used = BTreeSet::new();
        for token in &tokens.all {
            let Token::Placeholder(placeholder) = &token.token else {
                continue;
            };
            let Some(name) = placeholder.strip_prefix('$') else {
                continue;
            };
            let place = tokens.place(token);
            let Some(value) = values.get(name) else {
                let meant = nearest(name, values.keys().map(String::as_str));
                let meant =
                    meant.map_or_else(String::new, |name| format!("; did you mean `${name}`?"));
                return Err(LanguageError::Value {
                    message: format!("no value for the parameter `{placeholder}`{meant}"),
                    hint: Some("give one with `-p name=value`"),
                    place,
                });
            };
            used.insert(name.to_owned());
            bound.push_str(text.get(copied..place.start).unwrap_or_default());
            bound.push_str(&literal(value));
            copied = place.end;
        }
        bound.push_str(text.get(copied..).unwrap_or_default());
        Ok((bound, used))
    }
}

/// Reads what comments say of parameters.
fn defaults(text: &str) -> Parameters {
    text.lines()
        .filter_map(|line| line.strip_prefix("-- Parameters:"))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), Parameter::read(value)))
        .collect()
}

fn literal(value: &Parameter) -> String {
    match value {
        Parameter::Null => "NULL".to_owned(),
        Parameter::Boolean(value) => value.to_string(),
        // Two minus signs would begin a comment.
        Parameter::Number(number) if number.starts_with('-') => format!(" {number}"),
        Parameter::Number(number) => number.clone(),
        Parameter::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let values: Parameters = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Parameter::read(value)))
            .collect();
        let bound = Script::bind(text, &values);
        bound
            .map(|(text, _)| text)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_a_literal_wherever_it_stands() {
        let script = "SCALE Deployment $workload TO $n REPLICAS; -- $comment\nKEEP EVENTS WHERE name = '$quoted' AND x -$n < 0";
        let values = [("workload", "shop/it's"), ("n", "-5")];
        assert_eq!(
            bound(script, &values).unwrap(),
            "SCALE Deployment 'shop/it''s' TO  -5 REPLICAS; -- $comment\nKEEP EVENTS WHERE name = '$quoted' AND x - -5 < 0"
        );
    }

    #[test]
    fn a_name_has_the_value_that_is_given_or_that_of_the_script() {
        let script = "-- Parameters: n=5 at=1m\nSYNTHESIZE NODES $n AT $at";
        let shown = |values: &[(&str, &str)]| {
            let script = bound(script, values)?;
            Script::parse(&script)
                .map(|script| script.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(shown(&[]).unwrap(), "SYNTHESIZE NODES 5 AT '1m';\n");
        assert_eq!(
            shown(&[("n", "7")]).unwrap(),
            "SYNTHESIZE NODES 7 AT '1m';\n"
        );
        assert!(
            shown(&[("n", "many")])
                .unwrap_err()
                .starts_with("expected a number")
        );
    }

    #[test]
    fn a_name_without_a_value_is_told_with_the_nearest() {
        let error = bound("STRETCH TIME BY $factr", &[("factor", "2")]).unwrap_err();
        assert_eq!(
            error,
            "no value for the parameter `$factr`; did you mean `$factor`?"
        );
    }

    #[test]
    fn the_names_of_a_script_are_told() {
        let values = Parameters::from([
            ("b".to_owned(), Parameter::Null),
            ("c".to_owned(), Parameter::Null),
        ]);
        let (_, used) = Script::bind("KEEP EVENTS WHERE a = $b AND b = $b", &values).unwrap();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
