use crate::environment::TestEnv;

#[test]
fn what_survives_is_told_with_both_places_and_the_answer_is_no() {
    let env = TestEnv::with_trace();
    let args = ["anonymize", "--verify", "edge.kymo", "edge.kymo"];
    let output = env.run(args.into_iter().chain(["--show", "1"]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains(" survives, as it is, "), "{text}");
    assert!(lines[1].starts_with("  original: "), "{text}");
    assert!(lines[2].starts_with("  output:   "), "{text}");
    assert!(text.contains("more; --show N tells more\n"), "{text}");
    assert!(text.contains(" tokens survived: "), "{text}");
}

#[test]
fn one_trace_alone_cannot_be_verified() {
    let env = TestEnv::with_trace();
    let output = env.run(["anonymize", "--verify", "edge.kymo"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn nothing_survives_of_the_shipped_recording() {
    let env = TestEnv::with_trace();
    let trace = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/rollout.parquet"
    );
    let output = env.run([
        "anonymize",
        trace,
        "-o",
        "shared.parquet",
        "--new-key",
        "key",
    ]);
    assert!(output.status.success(), "{output:?}");
    let output = env.run(["anonymize", "--verify", trace, "shared.parquet"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("nothing survived: "), "{text}");
}
