//! Files that are damaged, too large or something else.

use serde_json::json;

use super::*;

fn reasons(dumped: &Dumped) -> Vec<(u64, &str)> {
    let lines = dumped.report.unreadable_lines.iter();
    lines
        .map(|line| (line.line, line.reason.as_str()))
        .collect()
}

#[test]
fn a_list_that_is_cut_gives_its_first_objects_and_says_where_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let whole = format!(
        "{:#}",
        list(&[pod("a", "x", 1), pod("b", "y", 2), pod("b", "z", 3)])
    );
    let cut = &whole[..whole.rfind("\"containers\"").unwrap()];
    let dumped = import(&[write(folder.path(), "pods.json", cut, 1)]);
    assert_eq!(dumped.told("pods").len(), 2);
    let line = 1
        + whole[..whole.rfind("\n    {").unwrap()]
            .matches('\n')
            .count() as u64
        + 1;
    assert_eq!(reasons(&dumped), [(line, "the list ends inside an item")]);
    let yaml = yaml(&list(&[pod("a", "x", 1), pod("b", "y", 2)]));
    let cut = &yaml[..yaml.rfind("image: 'shop").unwrap() + 10];
    let dumped = import(&[write(folder.path(), "pods.yaml", cut, 1)]);
    assert_eq!(dumped.told("pods").len(), 1);
    assert!(
        reasons(&dumped)[0].1.starts_with("not YAML"),
        "{:?}",
        reasons(&dumped)
    );
}

#[test]
fn what_cannot_be_read_is_told_and_costs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let good = yaml(&pod("shop", "web-0", 7));
    let bomb = "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n\
        d: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e]\n\
        g: [*f, *f, *f, *f, *f, *f, *f, *f]\n";
    let text =
        format!("a: b: c\n---\n{bomb}---\nkind: Pod\nmetadata:\n  name: no-version\n---\n{good}");
    let dumped = import(&[write(folder.path(), "x.yaml", text, 1)]);
    assert_eq!(dumped.told("pods").len(), 1);
    let told = reasons(&dumped);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].0 == 1 && told[0].1.starts_with("not YAML"),
        "{told:?}"
    );
    assert!(
        (5..=9).contains(&told[1].0) && told[1].1.contains("aliases"),
        "{told:?}"
    );
    assert_eq!(told[2], (11, "an object without kind or apiVersion"));
}

#[test]
fn other_encodings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(
        folder.path(),
        "good.yaml",
        yaml(&pod("shop", "web-0", 7)),
        1,
    );
    let utf16: Vec<u8> = std::iter::once(0xfeff_u16)
        .chain(yaml(&pod("shop", "web-1", 8)).encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let utf16 = write(folder.path(), "utf16.yaml", utf16, 1);
    let binary = write(folder.path(), "pod.json", b"k8s\0\x0a\x09\x0a\x02v1", 1);
    let latin = write(
        folder.path(),
        "latin.yaml",
        b"kind: Pod\nname: caf\xe9\n",
        1,
    );
    let dumped = import(&[good, utf16, binary, latin]);
    assert_eq!(dumped.told("pods").len(), 1);
    let mut told = reasons(&dumped);
    told.sort_unstable();
    assert_eq!(told[..2], [(1, "UTF-16, not UTF-8"), (1, "not a text")]);
    assert!(
        told[2].0 == 2 && told[2].1.starts_with("not UTF-8"),
        "{told:?}"
    );
}

#[test]
fn an_object_longer_than_the_limit_is_left_out_and_its_list_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut long = pod("shop", "long", 1);
    long["metadata"]["annotations"] = json!({"x": "y".repeat(5000)});
    let pods = list(&[long.clone(), pod("shop", "web-0", 2), pod("a", "b", 3)]);
    for (name, text) in [
        ("a.json", pods.to_string()),
        ("b.yaml", yaml(&pods)),
        ("c.json", format!("{pods:#}")),
    ] {
        let path = write(folder.path(), name, text, 1);
        let trace = tempfile::tempdir().unwrap();
        let mut options = ImportOptions::new(
            Some(Format::Dump),
            vec![path],
            trace.path().join("out.kymo"),
        );
        options.limits.value_bytes = 2000;
        let report = run(&options).unwrap();
        assert_eq!(report.resources["pods"].added, 2, "{name}");
        assert!(
            report.unreadable_lines[0]
                .reason
                .contains("longer than 2000 bytes"),
            "{name}"
        );
    }
}

#[test]
fn files_that_are_no_dumps_are_skipped_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "pod.yaml", yaml(&pod("shop", "web-0", 7)), 1);
    for (name, text, reason) in [
        (
            "values.yaml",
            "image: x\nreplicas: 3\n",
            "a mapping without kind and metadata",
        ),
        ("text.json", "404 page not found\n", "a text"),
        (
            "status.json",
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":403}"#,
            "an answer of the API server that something failed",
        ),
        (
            "options.yaml",
            "kind: DeleteOptions\napiVersion: v1\n",
            "`DeleteOptions` without a name",
        ),
        ("empty.yaml", "# nothing\n", "empty"),
        ("pod.pb", "k8s", "protobuf"),
        ("README.md", "hello", "not .json, .yaml or .yml"),
        (".cache/pod.json", "{}", "hidden"),
    ] {
        write(folder.path(), name, text, 1);
        let dumped = import(&[folder.path().to_owned()]);
        let skipped = &dumped.report.skipped_files;
        let found = skipped.iter().find(|skipped| skipped.path.ends_with(name));
        assert!(
            found.unwrap().reason.contains(reason),
            "{name}: {skipped:?}"
        );
        assert_eq!(dumped.report.unreadable, 0, "{name}");
    }
}

#[test]
fn nothing_is_left_of_an_import_that_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let values = write(folder.path(), "values.yaml", "image: x\n", 1);
    let error = refused(&[values]);
    assert!(matches!(error, Error::NoEvent { .. }), "{error}");
}

#[test]
fn a_file_full_of_faults_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{}---\n{}",
        "- a: b: c\n".repeat(5000),
        yaml(&pod("shop", "late", 1))
    );
    write(folder.path(), "bad.yaml", text, 1);
    write(folder.path(), "pod.yaml", yaml(&pod("shop", "web-0", 7)), 1);
    let dumped = import(&[folder.path().to_owned()]);
    assert_eq!(dumped.told("pods").len(), 1);
    assert_eq!(dumped.report.unreadable, 1002);
}
