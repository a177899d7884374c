use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

/// A text that is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a label selector: {reason} at character {}", position + 1)]
pub struct SelectorError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
    /// Where, counted from 0.
    pub position: usize,
}

/// A selector of an object has an operator that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no operator of a selector")]
pub struct UnknownOperator(pub String);

/// A label selector, such as `app=web,tier in (a,b),!canary`.
///
/// An empty one matches everything. Syntax and meaning are those of kubectl's `-l`; source:
/// `k8s.io/apimachinery/pkg/labels`, `selector.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl LabelSelector {
    /// Reads a selector as objects have it: `matchLabels` and `matchExpressions`. What it says in
    /// another form than the API has is left out.
    ///
    /// The terms of a node affinity have this form too, and `Gt` and `Lt` besides. Source:
    /// `LabelSelector` of meta/v1 and `NodeSelectorTerm` of core/v1.
    ///
    /// # Errors
    ///
    /// An operator that is not known.
    pub fn of_object(selector: &Value) -> Result<Self, UnknownOperator> {
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        let mut requirements: Vec<Requirement> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In(vec![value.as_str().unwrap_or_default().to_owned()]),
            })
            .collect();
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            let text = |field: &str| expression.get(field).and_then(Value::as_str);
            let values = expression.get("values").and_then(Value::as_array);
            let values = values.into_iter().flatten().filter_map(Value::as_str);
            let values: Vec<String> = values.map(str::to_owned).collect();
            let number = || values.first().and_then(|value| value.parse().ok());
            let operator = match text("operator").unwrap_or_default() {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                // Nothing is greater or less than what is no number.
                "Gt" => number().map_or(Operator::In(Vec::new()), Operator::GreaterThan),
                "Lt" => number().map_or(Operator::In(Vec::new()), Operator::LessThan),
                other => return Err(UnknownOperator(other.to_owned())),
            };
            requirements.push(Requirement {
                key: text("key").unwrap_or_default().to_owned(),
                operator,
            });
        }
        Ok(Self { requirements })
    }

    /// Tells whether labels match; `label` finds the value of a key.
    ///
    /// `!=` and `notin` also match labels without the key.
    pub fn matches<'a>(&self, mut label: impl FnMut(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = label(&requirement.key);
            let is_in = |values: &[String]| {
                value.is_some_and(|value| values.iter().any(|known| known == value))
            };
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.operator {
                Operator::In(values) => is_in(values),
                Operator::NotIn(values) => !is_in(values),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
                Operator::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
                Operator::LessThan(bound) => number().is_some_and(|number| number < *bound),
            }
        })
    }
}

/// Writes it as one would on a command line.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, operator }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match operator {
                Operator::In(values) => match values.as_slice() {
                    [value] => write!(f, "{key}={value}")?,
                    values => write!(f, "{key} in ({})", values.join(","))?,
                },
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Exists => f.write_str(key)?,
                Operator::DoesNotExist => write!(f, "!{key}")?,
                Operator::GreaterThan(bound) => write!(f, "{key}>{bound}")?,
                Operator::LessThan(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { text, position: 0 };
        let mut requirements = Vec::new();
        reader.skip_blanks();
        while !reader.is_at_end() {
            requirements.push(reader.requirement()?);
            reader.skip_blanks();
            if !reader.is_at_end() {
                reader.expect(',', "a comma is missing")?;
                reader.skip_blanks();
                if reader.is_at_end() {
                    return Err(reader.error("a requirement is missing"));
                }
            }
        }
        Ok(Self { requirements })
    }
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn error(&self, reason: &'static str) -> SelectorError {
        let before = self.text.get(..self.position).unwrap_or_default();
        SelectorError {
            text: self.text.to_owned(),
            reason,
            position: before.chars().count(),
        }
    }

    fn skip_blanks(&mut self) {
        self.position += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.position += token.len();
        }
        is_next
    }

    fn expect(&mut self, token: char, reason: &'static str) -> Result<(), SelectorError> {
        self.skip_blanks();
        if self.rest().starts_with(token) {
            self.position += token.len_utf8();
            return Ok(());
        }
        Err(self.error(reason))
    }

    /// Takes what stands in front of the next blank or sign.
    fn word(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || "=!<>(),".contains(c))
            .unwrap_or(rest.len());
        self.position += end;
        rest.get(..end).unwrap_or_default()
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let is_absent = self.take("!");
        let key = self.key()?;
        if is_absent {
            return Ok(Requirement {
                key,
                operator: Operator::DoesNotExist,
            });
        }
        self.skip_blanks();
        let operator = if self.take("==") || self.take("=") {
            Operator::In(vec![self.value()?])
        } else if self.take("!=") {
            Operator::NotIn(vec![self.value()?])
        } else if self.take(">") {
            Operator::GreaterThan(self.number()?)
        } else if self.take("<") {
            Operator::LessThan(self.number()?)
        } else if self.is_at_end() || self.rest().starts_with(',') {
            Operator::Exists
        } else {
            match self.word() {
                "in" => Operator::In(self.values()?),
                "notin" => Operator::NotIn(self.values()?),
                _ => return Err(self.error("an operator is missing")),
            }
        };
        Ok(Requirement { key, operator })
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        let at = self.position;
        let key = self.word();
        let (prefix, name) = match key.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key),
        };
        if is_name(name) && !name.is_empty() && prefix.is_none_or(is_subdomain) {
            return Ok(key.to_owned());
        }
        self.position = at;
        self.skip_blanks();
        Err(self.error("a label key is missing or not one"))
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        let at = self.position;
        let value = self.word();
        if is_name(value) {
            return Ok(value.to_owned());
        }
        self.position = at;
        self.skip_blanks();
        Err(self.error("not a label value"))
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let at = self.position;
        self.word().parse().map_err(|_| {
            self.position = at;
            self.error("a whole number is missing")
        })
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        self.expect('(', "an opening parenthesis is missing")?;
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            self.skip_blanks();
            if self.take(")") {
                return Ok(values);
            }
            self.expect(',', "a comma or a closing parenthesis is missing")?;
        }
    }
}

/// A label value, or the name of a key: empty, or up to 63 of `[A-Za-z0-9_.-]` that begin and end
/// with a letter or digit.
fn is_name(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
}

/// A DNS subdomain, RFC 1123.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LABELS: [(&str, &str); 4] = [
        ("app", "web"),
        ("tier", "front"),
        ("example.com/rank", "7"),
        ("empty", ""),
    ];

    fn matches(selector: &str) -> bool {
        let selector: LabelSelector = selector.parse().unwrap();
        selector.matches(|key| {
            LABELS
                .iter()
                .find(|label| label.0 == key)
                .map(|label| label.1)
        })
    }

    /// After the examples of the Kubernetes documentation, "Labels and Selectors".
    #[test]
    fn selectors_match_as_kubectl_matches() {
        for selector in [
            "",
            "  ",
            "app",
            "app=web",
            "app==web",
            "app = web , tier",
            "app in (web, db)",
            "app in (db,web),tier notin (back)",
            "!canary",
            "canary!=yes",
            "canary notin (yes)",
            "app!=db",
            "example.com/rank>6",
            "example.com/rank<8",
            "empty=",
            "empty in (,x)",
            "empty",
        ] {
            assert!(matches(selector), "{selector}");
        }
        for selector in [
            "app=db",
            "!app",
            "canary",
            "canary=yes",
            "canary in (yes)",
            "app!=web",
            "app notin (web,db)",
            "example.com/rank>7",
            "app>1",
            "app=",
            "app=web,tier=back",
            "App=web",
        ] {
            assert!(!matches(selector), "{selector}");
        }
    }

    #[test]
    fn selectors_of_objects_are_written_as_texts() {
        let selector = json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "env", "operator": "NotIn", "values": ["test"]},
                {"key": "team", "operator": "Exists"},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "rank", "operator": "Gt", "values": ["6"]},
                {"key": "rank", "operator": "Lt", "values": ["8"]},
            ],
        });
        let read = LabelSelector::of_object(&selector).unwrap();
        let text = "app=web,tier in (a,b),env notin (test),team,!old,rank>6,rank<8";
        assert_eq!(read.to_string(), text);
        assert_eq!(text.parse::<LabelSelector>().unwrap().to_string(), text);
        assert_eq!(
            LabelSelector::of_object(&json!({})),
            Ok(LabelSelector::default())
        );
        let unknown = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
        let error = LabelSelector::of_object(&unknown).unwrap_err();
        assert_eq!(error.to_string(), "`Like` is no operator of a selector");
    }

    #[test]
    fn what_is_no_selector_says_where() {
        for (text, position) in [
            ("app=web,", 8),
            (",", 0),
            ("app=web tier=x", 8),
            ("app in web", 7),
            ("app in (web", 11),
            ("app like web", 8),
            ("app>x", 4),
            ("-app", 0),
            ("app=we b=x", 7),
            ("app=!", 4),
            ("a/b/c=1", 0),
        ] {
            let error = text.parse::<LabelSelector>().unwrap_err();
            assert_eq!(error.position, position, "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<LabelSelector>().is_ok();
        }
    }
}
