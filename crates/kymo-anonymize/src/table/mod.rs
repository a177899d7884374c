//! Which field is treated how.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::treatment::Treatment;

/// The table as it is documented.
const FILE: &str = include_str!("fields.tsv");
/// What the table calls the object itself.
const ROOT: &str = ".";

/// One line of the table: fields of one name that are treated alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// The name of the field.
    pub field: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// The fields in which it stands; empty text for the object itself, `*` for any key of a map.
    pub parents: Vec<&'static str>,
}

static RULES: LazyLock<Vec<FieldRule>> = LazyLock::new(|| {
    FILE.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(rule)
        .collect()
});

/// For every field the lines in which it is.
static BY_FIELD: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut by_field: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (index, rule) in RULES.iter().enumerate() {
        by_field.entry(rule.field).or_default().push(index);
    }
    by_field
});

/// Returns the lines of the table.
pub fn field_rules() -> &'static [FieldRule] {
    &RULES
}

/// Finds the line for a field that stands in another; array brackets are left out.
pub(crate) fn find(parent: &str, field: &str) -> Option<(usize, Treatment)> {
    BY_FIELD.get(field)?.iter().find_map(|index| {
        let rule = RULES.get(*index)?;
        rule.parents
            .contains(&parent)
            .then_some((*index, rule.treatment))
    })
}

fn rule(line: &'static str) -> Option<FieldRule> {
    let mut columns = line.split('\t');
    let (field, treatment, parents) = (columns.next()?, columns.next()?, columns.next()?);
    Some(FieldRule {
        field,
        treatment: treatment.parse().ok()?,
        parents: parents
            .split(',')
            .map(|parent| if parent == ROOT { "" } else { parent })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_of_the_table_has_a_meaning_and_no_field_two() {
        let lines = FILE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(field_rules().len(), lines);
        let mut seen = BTreeSet::new();
        for rule in field_rules() {
            for parent in &rule.parents {
                assert!(seen.insert((parent, rule.field)), "{parent}.{}", rule.field);
            }
            assert_ne!(rule.treatment, Treatment::Keep, "{}", rule.field);
        }
        assert!(seen.len() > 1000);
    }

    #[test]
    fn a_field_is_found_by_where_it_stands() {
        let treatment = |parent, field| find(parent, field).map(|(_, treatment)| treatment);
        assert_eq!(treatment("metadata", "name"), Some(Treatment::Name));
        assert_eq!(treatment("env", "name"), Some(Treatment::EnvironmentName));
        assert_eq!(treatment("env", "value"), Some(Treatment::Empty));
        assert_eq!(treatment("", "message"), Some(Treatment::Text));
        assert_eq!(treatment("spec", "message"), None);
    }
}
