//! Views of custom resources: their columns are what the resource's definition tells, if the trace
//! has it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jsonpath_rust::parser::parse_json_path;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::kinds::{Column, METADATA, over_versions};

/// The most columns that a view takes from a definition.
const MOST_COLUMNS: usize = 100;

/// A kind that is not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CustomResource {
    /// Its API group.
    pub(super) group: String,
    /// The plural name.
    pub(super) resource: String,
    /// Whether its objects are in namespaces.
    pub(super) namespaced: bool,
}

impl CustomResource {
    /// Returns the name of the view, which is also that of the definition: `plural.group`.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.resource, self.group)
    }

    /// Returns the query for the last definition.
    pub(super) fn definition_query(&self) -> String {
        format!(
            "SELECT object FROM objects WHERE api_group = 'apiextensions.k8s.io' \
             AND resource = 'customresourcedefinitions' AND name = {} \
             ORDER BY last_seen DESC LIMIT 1",
            literal(&self.name())
        )
    }

    /// Returns the view; without a definition it has the columns of every view.
    pub(super) fn view(&self, definition: Option<&str>) -> String {
        let read = definition.and_then(|text| serde_json::from_str::<Definition>(text).ok());
        let version = read.and_then(Definition::served);
        let mut columns = Columns::new(self.namespaced);
        if let Some(version) = version {
            columns.add_printed(&version.additional_printer_columns);
            columns.add_properties(version.schema.open_api_v3_schema.as_ref());
        }
        let condition = format!(
            "api_group = {} AND resource = {}",
            literal(&self.group),
            literal(&self.resource)
        );
        over_versions(&columns.columns, &condition)
    }
}

#[derive(Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(Deserialize)]
struct DefinitionSpec {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    storage: bool,
    #[serde(default)]
    additional_printer_columns: Vec<PrinterColumn>,
    #[serde(default)]
    schema: Schema,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrinterColumn {
    name: String,
    r#type: String,
    json_path: String,
}

#[derive(Default, Deserialize)]
struct Schema {
    #[serde(rename = "openAPIV3Schema")]
    open_api_v3_schema: Option<Value>,
}

impl Definition {
    /// The version in which objects are stored, else the last one.
    fn served(self) -> Option<Version> {
        let mut versions = self.spec.versions;
        let storage = versions.iter().position(|version| version.storage);
        let place = storage.or_else(|| versions.len().checked_sub(1))?;
        Some(versions.swap_remove(place))
    }
}

struct Columns {
    names: BTreeSet<String>,
    columns: Vec<Column>,
}

impl Columns {
    fn new(namespaced: bool) -> Self {
        let every_view = [
            "valid_from",
            "valid_to",
            "ended_by",
            "creation_seen",
            "seq",
            "event_type",
            "api_group",
        ];
        let every_view = METADATA.iter().chain(&every_view);
        let mut columns = Self {
            names: every_view.map(|name| (*name).to_owned()).collect(),
            columns: Vec::new(),
        };
        if namespaced {
            columns.add("namespace", "namespace".to_owned());
        }
        columns.add("name", "name".to_owned());
        columns
    }

    fn add(&mut self, name: &str, expression: String) {
        let name = identifier(name);
        if self.columns.len() < MOST_COLUMNS && self.names.insert(name.clone()) {
            self.columns.push(Column {
                name: format!("\"{name}\""),
                expression,
            });
        }
    }

    /// Adds what `kubectl get` prints, by the names that it prints.
    fn add_printed(&mut self, printed: &[PrinterColumn]) {
        for column in printed {
            if column.json_path == ".metadata.creationTimestamp" {
                continue;
            }
            let Some(path) = rfc_path(&column.json_path) else {
                continue;
            };
            let found = format!("json_path(object, {})[1]", literal(&path));
            self.add(&column.name, typed(&column.r#type, &found));
        }
    }

    /// Adds what is directly in the spec and the status.
    fn add_properties(&mut self, schema: Option<&Value>) {
        for part in ["spec", "status"] {
            let place = format!("/properties/{part}/properties");
            let properties = schema.and_then(|schema| schema.pointer(&place));
            for (name, property) in properties.and_then(Value::as_object).unwrap_or(&Map::new()) {
                let path = format!("{}, {}", literal(part), literal(name));
                let kind = property.get("type").and_then(Value::as_str);
                let expression = match kind {
                    Some("string") => format!("json_get_str(object, {path})"),
                    Some("integer") => format!("json_get_int(object, {path})"),
                    Some("number") => format!("json_get_float(object, {path})"),
                    Some("boolean") => format!("json_get_bool(object, {path})"),
                    Some(_) => format!("json_get_json(object, {path})"),
                    None => format!("json_as_text(object, {path})"),
                };
                self.add(&format!("{part}_{name}"), expression);
            }
        }
    }
}

fn typed(kind: &str, expression: &str) -> String {
    let data_type = match kind {
        "integer" => "BIGINT",
        "number" => "DOUBLE",
        "boolean" => "BOOLEAN",
        "date" => "TIMESTAMPTZ",
        _ => return expression.to_owned(),
    };
    format!("try_cast({expression} AS {data_type})")
}

/// Makes a `JSONPath` of the RFC of one in the form of Kubernetes, which begins without `$` and has
/// dots in names behind backslashes. Those of other forms give no column.
fn rfc_path(path: &str) -> Option<String> {
    let mut rfc = String::from("$");
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while let Some(after) = rest.strip_prefix('.') {
        let is_escaped = |(index, _): &(usize, char)| after[..*index].ends_with('\\');
        let end = after
            .char_indices()
            .filter(|(_, c)| matches!(c, '.' | '['))
            .find(|place| !is_escaped(place))
            .map_or(after.len(), |(index, _)| index);
        let (name, next) = after.split_at(end);
        let name = name.replace("\\.", ".");
        if name.is_empty() || name.contains(['\'', '\\', '"']) {
            return None;
        }
        if name == "*" {
            rfc.push_str("[*]");
        } else {
            let _infallible = write!(rfc, "['{name}']");
        }
        rest = next;
        if rest.starts_with('[') {
            let end = rest.find(']')? + 1;
            let (bracket, next) = rest.split_at(end);
            rfc.push_str(bracket);
            rest = next;
        }
    }
    let is_whole = rest.is_empty() && !rfc.contains("..");
    (is_whole && parse_json_path(&rfc).is_ok()).then_some(rfc)
}

/// Writes a text of SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Makes a name in snake case: letters, digits and underscores.
fn identifier(name: &str) -> String {
    let mut made = String::new();
    let mut before = None;
    for c in name.chars() {
        let begins_word = c.is_ascii_uppercase()
            && before
                .is_some_and(|before: char| before.is_ascii_lowercase() || before.is_ascii_digit());
        let is_apart = !c.is_ascii_alphanumeric() || begins_word;
        if is_apart && !made.ends_with('_') && !made.is_empty() {
            made.push('_');
        }
        if c.is_ascii_alphanumeric() {
            made.push(c.to_ascii_lowercase());
        }
        before = Some(c);
    }
    let trimmed = made.trim_end_matches('_');
    if trimmed.is_empty() {
        "value".to_owned()
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_kubernetes_become_paths_of_the_rfc() {
        for (path, expected) in [
            (".status.phase", Some("$['status']['phase']")),
            (".spec.ports[0].port", Some("$['spec']['ports'][0]['port']")),
            (
                r#".status.conditions[?(@.type=="Ready")].status"#,
                Some(r#"$['status']['conditions'][?(@.type=="Ready")]['status']"#),
            ),
            (
                r".metadata.labels.app\.kubernetes\.io/name",
                Some("$['metadata']['labels']['app.kubernetes.io/name']"),
            ),
            (".spec.*", Some("$['spec'][*]")),
            ("..phase", None),
            (".a'); DROP", None),
            (".spec[", None),
            ("status", None),
        ] {
            assert_eq!(rfc_path(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn names_are_words_in_snake_case() {
        for (name, expected) in [
            ("Age", "age"),
            ("Secret Name", "secret_name"),
            ("lastBackupTime", "last_backup_time"),
            ("READY", "ready"),
            ("a\"; --", "a"),
            ("état", "tat"),
            ("%%", "value"),
        ] {
            assert_eq!(identifier(name), expected);
        }
    }

    #[test]
    fn a_definition_gives_columns_and_nothing_else() {
        let backups = CustomResource {
            group: "storage.example.com".into(),
            resource: "backups".into(),
            namespaced: true,
        };
        let definition = json!({"spec": {"versions": [
            {"name": "v1beta1", "additionalPrinterColumns": [
                {"name": "Old", "type": "string", "jsonPath": ".old"}]},
            {"name": "v1", "storage": true,
                "additionalPrinterColumns": [
                    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
                    {"name": "Uid", "type": "string", "jsonPath": ".spec.uid"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
                "schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {
                    "x' OR 1=1": {"type": "string"}, "retries": {"type": "integer"}}}}}}},
        ]}});
        let view = backups.view(Some(&definition.to_string()));
        assert!(view.starts_with(
            "SELECT \"namespace\", \"name\", \"phase\", \"spec_x_or_1_1\", \"spec_retries\", valid_from"
        ), "{view}");
        assert!(
            view.contains("json_get_str(object, 'spec', 'x'' OR 1=1')"),
            "{view}"
        );
        let plain = backups.view(None);
        assert!(
            plain.starts_with("SELECT \"namespace\", \"name\", valid_from"),
            "{plain}"
        );
        assert_eq!(backups.view(Some("[]")), plain);
    }
}
