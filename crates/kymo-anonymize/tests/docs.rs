//! What is documented is what is done.

#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kymo_anonymize::{AnonymizationPolicy, Treatment, field_rules, policy_schema};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

/// Compares what a file has with what it should have; `KYMO_WRITE_DOCS=1` writes it.
fn assert_written(path: &Path, expected: &str) {
    if std::env::var_os("KYMO_WRITE_DOCS").is_some() {
        fs::write(path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(path).unwrap();
    assert!(
        found == expected,
        "{} is out of date: run this test with KYMO_WRITE_DOCS=1",
        path.display()
    );
}

/// Puts a text between two marks.
fn between(page: &str, name: &str, text: &str) -> String {
    let begin = page.find(&format!("<!-- {name}")).unwrap();
    let begin = begin + page[begin..].find('\n').unwrap() + 1;
    let end = page.find(&format!("<!-- end of {name}")).unwrap();
    format!("{}{text}{}", &page[..begin], &page[end..])
}

#[test]
fn the_page_lists_every_treatment_and_every_field() {
    let path = file("docs/anonymize.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut treatments = "| treatment | what becomes of a text |\n|---|---|\n".to_owned();
    let mut fields = "| treatment | fields |\n|---|---|\n".to_owned();
    for treatment in Treatment::ALL {
        writeln!(
            treatments,
            "| `{}` | {} |",
            treatment.as_str(),
            treatment.meaning()
        )
        .unwrap();
        let listed: Vec<String> = field_rules()
            .iter()
            .filter(|rule| rule.treatment == *treatment)
            .map(|rule| {
                let places: Vec<&str> = rule
                    .parents
                    .iter()
                    .map(|parent| if parent.is_empty() { "." } else { *parent })
                    .collect();
                format!("`{}` ({})", rule.field, places.join(", "))
            })
            .collect();
        if !listed.is_empty() {
            writeln!(
                fields,
                "| `{}` | {} |",
                treatment.as_str(),
                listed.join("; ")
            )
            .unwrap();
        }
    }
    let page = between(&page, "treatments", &treatments);
    assert_written(&path, &between(&page, "fields", &fields));
}

#[test]
fn the_schema_of_policies_is_the_one_that_is_shipped() {
    let schema = serde_json::to_string_pretty(&policy_schema()).unwrap() + "\n";
    assert_written(&file("schema/anonymize-policy.json"), &schema);
}

#[test]
fn the_policy_of_the_page_is_one() {
    let page = fs::read_to_string(file("docs/anonymize.md")).unwrap();
    let begin = page.find("```yaml\n").unwrap() + "```yaml\n".len();
    let end = begin + page[begin..].find("```").unwrap();
    let policy = AnonymizationPolicy::parse("page", &page[begin..end]).unwrap();
    assert_ne!(policy, AnonymizationPolicy::share());
}
