use std::fmt::Write as _;

use rstest::rstest;

use super::*;

const WHOLE: &str = "name: own
times: {unit: s, zero: epoch}
gpu-resources: {count: nvidia.com/gpu}
states: {Failed: [lost]}
pods:
  name: {column: id}
  created: {column: at}
  cpu: {value: 1, unit: cores}
  gpus: {column: gpus, unit: count}
  state: {column: state, optional: true}
";

#[test]
fn a_mapping_says_units_zero_and_what_may_be_missing() {
    let mapping = Mapping::parse("own.yaml", WHOLE).unwrap();
    let zero = Zero::Epoch;
    let unit = TimeUnit::Seconds;
    assert_eq!(mapping.times, Times::Counted { unit, zero });
    let table = &mapping.tables[0];
    let columns: Vec<_> = table.columns().collect();
    let expected = [
        ("id", false),
        ("at", false),
        ("gpus", false),
        ("state", true),
    ];
    assert_eq!(columns, expected);
    assert_eq!(table.source(Role::Cpu).unwrap().factor, 1000);
    assert_eq!(mapping.phase("lost").unwrap(), "Failed");
}

#[rstest]
#[case("unit: s,", "unit: h,", (2, 15), "`h`")]
#[case("name: own", "nam: own", (1, 1), "nam")]
#[case("  created: {column: at}\n", "", (9, 3), "created")]
#[case("zero: epoch", "zero: noon", (2, 24), "neither start, epoch nor RFC 3339")]
#[case("zero: epoch", "calendar: '%Y'", (2, 8), "a `unit` and a `zero`")]
#[case("unit: s, zero: epoch", "calendar: '%H'", (2, 19), "a date has")]
#[case("nvidia.com/gpu", "gpu", (3, 24), "no extended resource")]
#[case("gpu-resources: {count: nvidia.com/gpu}\n", "", (8, 9), "GPUs need `gpu-resources`")]
#[case("[lost]", "[lost, lost]", (4, 25), "has a phase already")]
#[case("column: at", "column: id", (7, 21), "`id` is mapped already")]
#[case("value: 1", "value: one", (8, 16), "`one` is no number")]
#[case("value: 1,", "", (8, 8), "either a `column` or a `value`")]
#[case("value: 1,", "value: 1, optional: true,", (8, 8), "never `optional`")]
#[case("value: 1,", "value: 1, column: cpu,", (8, 8), "either a `column` or a `value`")]
#[case("unit: cores", "unit: MiB", (8, 25), "`MiB`")]
#[case("gpus: {", "gpu-share: {", (6, 3), "`gpu-share` is of each")]
#[case("unit: cores", "units: cores", (8, 19), "units")]
#[case("Failed:", "Lost:", (4, 10), "Lost")]
fn what_is_wrong_is_told_with_its_place(
    #[case] old: &str,
    #[case] new: &str,
    #[case] place: (u64, u64),
    #[case] expected: &str,
) {
    assert!(WHOLE.contains(old));
    let text = WHOLE.replace(old, new);
    let error = Mapping::parse("own.yaml", &text).unwrap_err();
    assert!(error.is_bad_request());
    let Error::Mapping {
        line,
        column,
        reason,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(reason.contains(expected), "{reason}");
    assert_eq!((line, column), place, "{reason}");
}

#[test]
fn a_table_that_fits_every_file_is_refused() {
    let text = "name: x\ntimes: {unit: s, zero: start}\nnodes: {name: {value: a}}\n";
    let error = Mapping::parse("own.yaml", text).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && error.contains("at least one column"),
        "{error}"
    );
    let text = "name: x\ntimes: {unit: s, zero: start}\n";
    let error = Mapping::parse("own.yaml", text).unwrap_err().to_string();
    assert!(error.contains("neither `nodes` nor `pods`"), "{error}");
}

#[test]
fn hostile_files_are_refused_and_not_followed() {
    let deep = format!("name: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{list}]").unwrap();
    }
    let twice = WHOLE.replace("name: own", "name: own\nname: again");
    let two = format!("{WHOLE}---\n{WHOLE}");
    for text in [
        &deep,
        &bomb,
        &twice,
        &two,
        "",
        "\0",
        "- a",
        "name: !!binary x",
    ] {
        let error = Mapping::parse("own.yaml", text).unwrap_err();
        assert!(matches!(error, Error::Mapping { .. }), "{error}");
        assert!(error.to_string().len() < 500, "{error}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read_to_its_end() {
    let error = Mapping::read(Path::new("/dev/zero")).unwrap_err();
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    let error = Mapping::read(Path::new("/nowhere.yaml")).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
}
