//! How a strategic merge treats the fields of the kinds that Kubernetes serves itself.
//!
//! `merge_keys.tsv` is printed by `crates/kymo-testkit/control-plane/merge-keys` from the Go types
//! by which the API server itself goes:
//!
//! ```text
//! kind <apiVersion> <kind> <type>
//! type <type> <field>...
//! field: <name>:<shape>[:<type>[:<strategies>[:<merge key>]]]
//! shape: s an object with fields of its own, m a map, l a list (M, L: written even when empty),
//!        z text, a number or a truth that is left out when it is empty, 0 or false
//! ```
//!
//! Columns are separated by tabs. Types refer to each other, so that a pod template is described
//! once.

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("merge_keys.tsv");

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(TEXT));

/// Finds the schema of a kind that Kubernetes serves itself, such as (`apps/v1`, `Deployment`).
///
/// `None` for custom resources, for which the API server refuses a strategic merge.
pub fn schema(api_version: &str, kind: &str) -> Option<&'static Schema> {
    let name = TABLE.kinds.get(&(api_version, kind))?;
    TABLE.types.get(name)
}

/// Returns what clients that diff custom resources go by: the metadata is that of every object, of
/// the rest lists are replaced and objects are merged.
///
/// The API server takes no strategic merge of custom resources; KWOK records their changes as if it
/// did.
pub fn custom_resource() -> &'static Schema {
    &CUSTOM
}

static CUSTOM: LazyLock<Schema> = LazyLock::new(|| Schema {
    name: "custom resource",
    fields: field("metadata:s:meta.v1.ObjectMeta").into_iter().collect(),
    is_open: true,
});

/// What is in a custom resource below its metadata.
static OPEN: LazyLock<Schema> = LazyLock::new(|| Schema {
    name: "anything",
    fields: HashMap::new(),
    is_open: true,
});

/// The name of `OPEN` in a field.
const ANYTHING: &str = "*";
static OPEN_STRUCT: Field = Field::open(Shape::Struct);
static OPEN_LIST: Field = Field::open(Shape::List);

/// Says which fields of an object are merged, and by which keys.
#[derive(Debug)]
pub struct Schema {
    name: &'static str,
    fields: HashMap<&'static str, Field>,
    /// Whether there may be fields that are not named.
    is_open: bool,
}

impl Schema {
    /// Names the type, such as `apps.v1.Deployment`.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Lists the fields that hold others or are left out when empty, sorted by name.
    pub fn fields(&self) -> Vec<(&str, &Field)> {
        let mut fields: Vec<_> = self
            .fields
            .iter()
            .map(|(name, field)| (*name, field))
            .collect();
        fields.sort_unstable_by_key(|(name, _)| *name);
        fields
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// Finds a field that holds others.
    pub(crate) fn container(&self, name: &str, is_list: bool) -> Option<&Field> {
        match self.fields.get(name) {
            Some(field) => (field.shape != Shape::Scalar).then_some(field),
            None if !self.is_open => None,
            None if is_list => Some(&OPEN_LIST),
            None => Some(&OPEN_STRUCT),
        }
    }
}

/// What can be in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object with fields of its own.
    Struct,
    /// A map of names to values.
    Map,
    /// A list.
    List,
    /// Text, a number or a truth.
    Scalar,
}

/// How a strategic merge treats a field.
#[derive(Debug)]
pub struct Field {
    /// What can be in it.
    pub shape: Shape,
    /// Whether the server leaves it out when it is empty, 0 or false.
    pub is_left_out: bool,
    /// Whether a list is merged.
    pub merges: bool,
    /// Whether an object is replaced as a whole.
    pub replaces: bool,
    /// Whether clients send `$retainKeys` with it.
    pub retains_keys: bool,
    /// The field that tells the elements of a merged list of objects apart.
    pub merge_key: Option<&'static str>,
    of: Option<&'static str>,
}

impl Field {
    const fn open(shape: Shape) -> Self {
        Self {
            shape,
            is_left_out: false,
            merges: false,
            replaces: false,
            retains_keys: false,
            merge_key: None,
            of: Some(ANYTHING),
        }
    }

    /// Finds the schema of the object in the field, or of the list's or map's elements.
    pub fn of(&self) -> Option<&'static Schema> {
        match self.of? {
            ANYTHING => Some(&OPEN),
            name => TABLE.types.get(name),
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    kinds: HashMap<(&'static str, &'static str), &'static str>,
    types: HashMap<&'static str, Schema>,
}

impl Table {
    fn parse(text: &'static str) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let mut columns = line.split('\t');
            match (columns.next(), columns.next(), columns.next()) {
                (Some("kind"), Some(api_version), Some(kind)) => {
                    if let Some(name) = columns.next() {
                        table.kinds.insert((api_version, kind), name);
                    }
                }
                (Some("type"), Some(name), first) => {
                    let fields = first.into_iter().chain(columns).filter_map(field).collect();
                    let schema = Schema {
                        name,
                        fields,
                        is_open: false,
                    };
                    table.types.insert(name, schema);
                }
                _ => {}
            }
        }
        table
    }
}

fn field(text: &'static str) -> Option<(&'static str, Field)> {
    let mut columns = text.split(':');
    let (name, shape) = (columns.next()?, columns.next()?);
    let of = columns.next().filter(|of| !of.is_empty());
    let strategies = columns.next().unwrap_or_default();
    let (shape, is_left_out) = match shape {
        "s" => (Shape::Struct, false),
        "m" => (Shape::Map, true),
        "M" => (Shape::Map, false),
        "l" => (Shape::List, true),
        "L" => (Shape::List, false),
        "z" => (Shape::Scalar, true),
        _ => return None,
    };
    let has = |wanted: &str| strategies.split(',').any(|strategy| strategy == wanted);
    let field = Field {
        shape,
        is_left_out,
        merges: has("merge"),
        replaces: has("replace"),
        retains_keys: has("retainKeys"),
        merge_key: columns.next(),
        of,
    };
    Some((name, field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn every_line_of_the_table_is_read_and_every_type_in_it_described() {
        let kinds = TEXT
            .lines()
            .filter(|line| line.starts_with("kind\t"))
            .count();
        let types = TEXT
            .lines()
            .filter(|line| line.starts_with("type\t"))
            .count();
        let fields: usize = TEXT
            .lines()
            .filter(|line| line.starts_with("type\t"))
            .map(|line| line.split('\t').count() - 2)
            .sum();
        assert_eq!(TABLE.kinds.len(), kinds);
        assert_eq!(TABLE.types.len(), types);
        assert_eq!(
            TABLE
                .types
                .values()
                .map(|schema| schema.fields.len())
                .sum::<usize>(),
            fields
        );
        assert!(
            kinds > 150 && types > 900 && fields > 2000,
            "{kinds} {types} {fields}"
        );
        assert_eq!(TEXT.lines().count(), kinds + types + 1);
        for name in TABLE.kinds.values() {
            assert!(TABLE.types.contains_key(name), "{name}");
        }
        for schema in TABLE.types.values() {
            for (name, field) in &schema.fields {
                let of = field.of.is_none_or(|of| TABLE.types.contains_key(of));
                assert!(of, "{}.{name}", schema.name);
                let is_keyed = field.shape == Shape::List && field.merges && field.of.is_some();
                assert_eq!(
                    field.merge_key.is_some(),
                    is_keyed,
                    "{}.{name}",
                    schema.name
                );
            }
        }
    }

    fn at(api_version: &str, kind: &str, path: &str) -> &'static Field {
        let mut at = schema(api_version, kind).unwrap();
        let mut path: Vec<&str> = path.split('.').collect();
        let last = path.pop().unwrap();
        for name in path {
            at = at.field(name).unwrap().of().unwrap();
        }
        at.field(last).unwrap()
    }

    #[rstest]
    #[case("v1", "Pod", "metadata.ownerReferences", Some("uid"))]
    #[case("v1", "Pod", "metadata.finalizers", None)]
    #[case("v1", "Pod", "spec.containers.ports", Some("containerPort"))]
    #[case(
        "batch/v1",
        "CronJob",
        "spec.jobTemplate.spec.template.spec.volumes",
        Some("name")
    )]
    #[case(
        "extensions/v1beta1",
        "Deployment",
        "spec.template.spec.containers.env",
        Some("name")
    )]
    #[case("v1", "Service", "spec.ports", Some("port"))]
    #[case("v1", "Node", "status.conditions", Some("type"))]
    #[case("v1", "Node", "spec.podCIDRs", None)]
    fn lists_that_are_merged_are_found_through_templates(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] path: &str,
        #[case] merge_key: Option<&str>,
    ) {
        let field = at(api_version, kind, path);
        assert!(field.merges);
        assert_eq!(field.merge_key, merge_key);
    }

    #[test]
    fn other_lists_are_replaced_and_custom_kinds_have_no_schema() {
        assert!(!at("v1", "Pod", "spec.tolerations").merges);
        assert!(at("policy/v1", "PodDisruptionBudget", "spec.selector").replaces);
        assert!(at("apps/v1", "Deployment", "spec.strategy").retains_keys);
        assert!(schema("example.com/v1", "Deployment").is_none());
        assert!(schema("v1", "Deployment").is_none());
    }
}
