//! `docs/check.md` has the rules that kymo ships.

use std::path::PathBuf;

use kymo_query::rules::Rule;

const BEGIN: &str = "<!-- rules -->\n";
const END: &str = "<!-- end of rules -->";

/// With `KYMO_WRITE_DOCS` in the environment the table is written.
#[test]
fn the_page_has_every_rule() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/check.md"));
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let rows = Rule::all().iter().map(|rule| {
        format!(
            "| `{}` | {} | {} |\n",
            rule.name,
            rule.demand(),
            rule.judged()
        )
    });
    let table: String = ["| rule | what | judged |\n|---|---|---|\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect();
    if std::env::var_os("KYMO_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, table);
}
