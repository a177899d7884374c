use std::collections::BTreeMap;

use kymo_store::segment::{JsonPath, Step};

/// What stands at a name in a cut object.
enum Part<'a> {
    Value(&'a str),
    Object(BTreeMap<&'a str, Part<'a>>),
}

/// Puts an object together that has only the values at some paths of names. A path below another
/// adds nothing; a value that is not there is left out, with the objects that would hold only it.
pub(crate) fn cut<'a>(
    values: impl IntoIterator<Item = (&'a JsonPath, Option<&'a str>)>,
    out: &mut String,
) {
    let mut root = BTreeMap::new();
    for (path, value) in values {
        if let Some(value) = value {
            place(&mut root, path.steps(), value);
        }
    }
    write(&root, out);
}

fn place<'a>(object: &mut BTreeMap<&'a str, Part<'a>>, steps: &'a [Step], value: &'a str) {
    let Some((Step::Name(name), rest)) = steps.split_first() else {
        return;
    };
    if rest.is_empty() {
        object.insert(name, Part::Value(value));
        return;
    }
    let part = object
        .entry(name)
        .or_insert_with(|| Part::Object(BTreeMap::new()));
    if let Part::Object(inner) = part {
        place(inner, rest, value);
    }
}

fn write(object: &BTreeMap<&str, Part<'_>>, out: &mut String) {
    out.push('{');
    for (index, (name, part)) in object.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(*name).to_string());
        out.push(':');
        match part {
            Part::Value(value) => out.push_str(value),
            Part::Object(inner) => write(inner, out),
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_of(values: &[(&[&str], Option<&str>)]) -> String {
        let paths: Vec<JsonPath> = values
            .iter()
            .map(|(names, _)| JsonPath::of_names(names.iter().copied()))
            .collect();
        let mut out = String::new();
        cut(
            paths
                .iter()
                .zip(values)
                .map(|(path, (_, value))| (path, *value)),
            &mut out,
        );
        out
    }

    #[test]
    fn values_stand_where_they_stood() {
        assert_eq!(cut_of(&[]), "{}");
        assert_eq!(
            cut_of(&[
                (&["spec", "containers"], Some("[1]")),
                (&["status", "x\"y"], Some("null")),
                (&["spec", "overhead"], None),
                (&["spec", "hostname"], Some("\"h\"")),
            ]),
            r#"{"spec":{"containers":[1],"hostname":"h"},"status":{"x\"y":null}}"#
        );
    }

    #[test]
    fn a_path_below_another_adds_nothing() {
        let spec: (&[&str], _) = (&["spec"], Some(r#"{"a":1}"#));
        let below: (&[&str], _) = (&["spec", "a"], Some("1"));
        assert_eq!(cut_of(&[spec, below]), r#"{"spec":{"a":1}}"#);
        assert_eq!(cut_of(&[below, spec]), r#"{"spec":{"a":1}}"#);
    }
}
