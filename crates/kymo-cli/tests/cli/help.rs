use crate::environment::{TestEnv, snapshot};

#[cfg(feature = "query")]
#[test]
fn the_help_of_kymo_is_known() {
    snapshot!(TestEnv::new(), ["--help"], @"");
}

#[test]
fn the_help_of_every_command_is_known() {
    let env = TestEnv::new();
    snapshot!(env, ["record", "--help"], @"");
    snapshot!(env, ["import", "watch", "--help"], @"");
    snapshot!(env, ["check", "--help"], @"");
    snapshot!(env, ["export", "parquet", "--help"], @"");
    snapshot!(env, ["rbac", "--help"], @"");
}

#[test]
fn a_plugin_of_kubectl_goes_by_its_name() {
    let env = TestEnv::new();
    let plugin = env.path("kubectl-kymo");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kymo"), &plugin).unwrap();
    let output = std::process::Command::new(plugin)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Usage: kubectl kymo "), "{help}");
}

#[test]
fn a_wrong_command_line_is_told_and_exits_with_2() {
    let env = TestEnv::new();
    snapshot!(env, ["recrod"], @"");
    snapshot!(env, ["inspect"], @"");
    snapshot!(env, ["inspect", "--format", "json"], @"");
    snapshot!(env, ["record", "--for", "soon"], @"");
}

#[test]
fn completions_name_the_commands() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = env.run(["completions", shell]);
        assert!(output.status.success());
        assert!(
            String::from_utf8(output.stdout)
                .unwrap()
                .contains("inspect"),
            "{shell}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let env = TestEnv::new();
    let mut child = env
        .command(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_time_that_is_none_is_told() {
    let env = TestEnv::new();
    let mut command = env.command(["rbac"]);
    command.env("KYMO_NOW", "yesterday");
    env.settings()
        .bind(|| insta_cmd::assert_cmd_snapshot!(command, @""));
}
