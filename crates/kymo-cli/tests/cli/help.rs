use crate::environment::{TestEnv, snapshot};

#[cfg(feature = "query")]
#[test]
fn the_help_of_kymo_is_known() {
    snapshot!(TestEnv::new(), ["--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Records the timeline of every object of a Kubernetes cluster, and answers questions about it.

    A TRACE is a directory or one `.parquet` file. Results go to stdout, messages to stderr.

    Exit status: 0 done; 1 the answer is no; 2 the command line or a statement is wrong; 3 the cluster,
    the disk or a permission is in the way; 4 the data is damaged; 70 a bug in kymo.

    Usage: kymo [OPTIONS] <COMMAND>

    Commands:
      record       Record a cluster into a trace
      import       Make a trace out of what another tool recorded
      export       Write a trace in another format
      inspect      Show what is in a trace
      query        Answer a question about a trace in SQL
      transform    Make a new trace out of a trace with a script
      anonymize    Make a copy of a trace that tells nothing of where it came from
      synth        Make a trace of a cluster that never was
      check        Read every byte of a trace and say what is wrong
      repair       Copy all that is readable of a damaged trace into a new one
      rbac         Print the least role that recording needs, or check what you may do
      completions  Print a script that completes kymo's command line in a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
}

#[test]
fn the_help_of_every_command_is_known() {
    let env = TestEnv::new();
    snapshot!(env, ["record", "--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Record a cluster into a trace

    Lists and watches every resource that may be listed and watched, or the ones asked for, and writes
    each change to TRACE as it comes. A trace that exists is continued where it ended, if it is of the
    same cluster. Interrupt it to stop: everything received is kept.

    The data of Secrets and the annotation in which kubectl repeats an object are never written. With
    --anonymize no name is either: pseudonyms are, as `kymo anonymize` makes them, and such a trace is
    not continued. docs/anonymize.md tells what becomes of each field.

    Usage: kymo record [OPTIONS]

    Options:
          --context <CONTEXT>
              The context of the kubeconfig [default: its current one]

          --kubeconfig <FILE>
              The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]

      -n, --namespace <NAMESPACE>
              Only this namespace; may be given more than once

      -A, --all-namespaces
              All namespaces, and what is in none; the default

          --resources <LIST>
              Only these resources, by the names that kubectl takes, such as `pods,deployments.apps`

      -l, --selector <SELECTOR>
              Only objects with these labels, such as `app=web`

          --for <DURATION>
              Stop after this time, such as `10m`; without it, when interrupted

      -o, --output <TRACE>
              The trace: a directory, made if it does not exist [default: recording-TIME.kymo]

          --memory-budget <SIZE>
              Memory to stay under
              
              [default: 256MiB]

          --metrics <ADDRESS>
              Serve Prometheus metrics and health on this loopback address, such as `127.0.0.1:9464`

          --no-managed-fields
              Drop metadata.managedFields, which say who changed a field

          --secrets-metadata
              Record Secrets too: their metadata, never their data

          --anonymize
              Write pseudonyms in place of everything that identifies; into a new trace

          --key-file <FILE>
              The secret on which pseudonyms depend, as `kymo anonymize` reads and makes it

          --policy <POLICY>
              What is kept: `share`, `vendor`, `internal`, or a YAML file [default: share]

          --assume-same-cluster
              Append to a trace although it cannot be shown to be of this cluster

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
    snapshot!(env, ["import", "watch", "--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Import raw watch streams

    Reads JSON values, a line each or pretty-printed, of the forms `{"recv": TIME, "event": …}`,
    `{"recv": TIME, "list": …}`, `{"type": …, "object": …}` (what `kubectl get RES --watch
    --output-watch-events -o json` prints) and lists. A file name such as `apps_v1_deployments.ndjson`
    tells the resource.

    Usage: kymo import watch [OPTIONS] --output <TRACE> <PATH>...

    Arguments:
      <PATH>...
              Files, folders, archives or `-`
              
              A folder is walked. An archive is tar or zip. All of them may be compressed with gzip,
              zstd or xz, which the content tells and not the name. `-` is standard input.

    Options:
      -o, --output <TRACE>
              The trace to make: a directory, or one file if the name ends in `.parquet`

          --loss-report <FILE>
              Write what came over and what was lost to this file, as JSON (`-`: to stdout)

          --no-managed-fields
              Drop metadata.managedFields, which say who changed a field

          --start <TIME>
              The first time, where the input does not tell it (RFC 3339)

          --interval <DURATION>
              The time between two events, with --start
              
              [default: 1ms]

          --live
              Take the time at which each event is read, for a stream that is just being written

      -h, --help
              Print help (see a summary with '-h')

    Limits:
          --max-value <SIZE>
              The longest line, document or item of a list; longer ones are reported and left out
              
              [default: 8MiB]

          --max-decoded <SIZE>
              How much the input may decompress to
              
              [default: 256GiB]

          --max-ratio <N>
              How many times its size an input may decompress to
              
              [default: 2000]

          --max-entries <N>
              How many entries an archive may have
              
              [default: 100000]

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
    snapshot!(env, ["check", "--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Read every byte of a trace and say what is wrong

    Then the rules of a legal trace are judged: unique uids, whole timelines, references that resolve,
    counts and times that agree. docs/check.md explains them.

    Exit status: 0 all is well, or only what a crash leaves behind; 1 something is odd but everything
    can be read, or a rule is broken; 4 something cannot be read.

    Usage: kymo check [OPTIONS] [TRACE]

    Arguments:
      [TRACE]
              The trace

    Options:
          --rules <NAME>
              Judge these rules alone

          --no-rules
              Judge no rules

          --list-rules
              List the rules

          --show <N>
              How many events are told that break a rule
              
              [default: 5]

          --memory-limit <SIZE>
              Memory for judging rules to stay under; what does not fit goes to temporary files
              
              [default: 128MiB]

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
    #[cfg(feature = "query")]
    snapshot!(env, ["query", "--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Answer a question about a trace in SQL

    Tables are `events` (one row for each observed change), `versions`, `objects`, `changes`, a view for
    each kind (`pods`, `nodes`, …), `coverage` (what was observed and what not) and more; `SHOW TABLES`
    and `DESCRIBE events` tell them. `FROM pods AS OF '10m'` is as it stood then. The dialect is that of
    Postgres: `object -> 'spec' ->> 'nodeName'` reaches into objects. Several traces are named, and
    their tables are `prod.events` and so on. A query can only read.

    Without a statement there is a prompt: statements end with `;`, Tab completes, `\?` is help. If
    standard input is no terminal, statements are read from there.

    Usage: kymo query [OPTIONS] <TRACE> [SQL]
           kymo query [OPTIONS] <NAME=TRACE>... [SQL]

    Arguments:
      [TRACE> <SQL]...
              The trace, or several as NAME=TRACE; and then the statement, or several with `;` between
              them, if they are not to be read from elsewhere

    Options:
      -f, --file <FILE>
              Read statements from this file; `-` is standard input

          --query <NAME>
              Ask a query that kymo ships

          --list
              List the queries that kymo ships, with their questions

      -p, --param <NAME=VALUE>
              The value of `$NAME` in the statement

          --format <FORMAT>
              How to write the answer; the ending of --output says it too [default: table]

              Possible values:
              - table:    A table for people, cut to the width of the terminal
              - expanded: A line for each value, with the name of its column
              - csv:      Comma-separated values with a header
              - json:     One JSON array of objects
              - ndjson:   One JSON object a line
              - parquet:  A Parquet file
              - arrow:    An Arrow IPC file

      -o, --output <FILE>
              Write the answer to this new file

          --wide
              Do not cut a table to the width of the terminal

          --raw
              Write control characters and, in CSV, formulas as they are

          --memory-limit <SIZE>
              Memory to stay under; what does not fit goes to temporary files

          --timeout <DURATION>
              Stop a query that takes longer

          --unsafe-sql
              For experts: allow CREATE VIEW, CREATE TABLE, CREATE EXTERNAL TABLE and DROP within the
              session, SET, and COPY to new files
              
              A statement can then read any file that you can read, write new ones, and use more memory
              than its limit. Traces are never changed. Do not run statements of others with it.

          --no-history
              Do not keep what is typed at the prompt

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
    snapshot!(env, ["export", "parquet", "--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Write a trace as one Parquet file

    The file is a trace itself, as small as kymo can make it: keyframes and patches in documented
    columns. With --full it is the table `events` as SQL shows it, one whole object a row, for tools
    that do not know kymo.

    Usage: kymo export parquet [OPTIONS] --output <FILE> <TRACE>

    Arguments:
      <TRACE>
              The trace

    Options:
      -o, --output <FILE>
              The file to make; must not exist

          --full
              One whole object a row

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
    snapshot!(env, ["rbac", "--help"], @r#"
    success: true
    exit_code: 0
    ----- stdout -----
    Print the least role that recording needs, or check what you may do

    Asks the cluster what it serves and prints a cluster role (or a role for each namespace) with `list`
    and `watch` on just that: never Secrets unless asked for, never anything that writes.

    Usage: kymo rbac [OPTIONS]

    Options:
          --context <CONTEXT>
              The context of the kubeconfig [default: its current one]

          --kubeconfig <FILE>
              The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]

      -n, --namespace <NAMESPACE>
              Only this namespace; may be given more than once

      -A, --all-namespaces
              All namespaces, and what is in none; the default

          --resources <LIST>
              Only these resources, by the names that kubectl takes, such as `pods,deployments.apps`

          --secrets-metadata
              Include Secrets, as `kymo record --secrets-metadata` needs

          --name <NAME>
              The name of the role
              
              [default: kymo-recorder]

          --check
              Compare with what you may do: exit status 1 if something is missing

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --color <WHEN>
              When to colour messages

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never
              
              [default: auto]

      -q, --quiet
              Say only what is wrong

      -v, --verbose...
              Say more of what happens; twice: still more

    ----- stderr -----
    "#);
}

#[test]
fn a_plugin_of_kubectl_goes_by_its_name() {
    let env = TestEnv::new();
    let plugin = env.path("kubectl-kymo");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kymo"), &plugin).unwrap();
    let output = std::process::Command::new(&plugin)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Usage: kubectl kymo "), "{help}");
    let verbs = [
        "record",
        "import auto",
        "export parquet",
        "inspect",
        #[cfg(feature = "query")]
        "query",
        "check",
        "repair",
        "rbac",
        "completions",
    ];
    for verb in verbs {
        let output = std::process::Command::new(&plugin)
            .args(verb.split(' '))
            .arg("--help")
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let usage: Vec<&str> = help
            .lines()
            .skip_while(|line| !line.starts_with("Usage: "))
            .take_while(|line| !line.is_empty())
            .map(|line| line.trim_start_matches("Usage: ").trim_start())
            .collect();
        assert!(!usage.is_empty(), "{help}");
        for line in usage {
            let start = format!("kubectl kymo {verb} [OPTIONS]");
            assert!(line.starts_with(&start), "{line}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_told_and_exits_with_2() {
    let env = TestEnv::new();
    snapshot!(env, ["recrod"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: unrecognized subcommand 'recrod'

      tip: a similar subcommand exists: 'record'

    Usage: kymo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    "#);
    snapshot!(env, ["inspect"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: the following required arguments were not provided:
      <TRACE>

    Usage: kymo inspect <TRACE>

    For more information, try '--help'.
    "#);
    snapshot!(env, ["inspect", "--format", "json"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    {"error":{"kind":"usage","exit_code":2,"message":"the following required arguments were not provided: <TRACE>","causes":[],"hints":[]}}
    "#);
    snapshot!(env, ["record", "--for", "soon"], @r#"
    success: false
    exit_code: 2
    ----- stdout -----

    ----- stderr -----
    error: invalid value 'soon' for '--for <DURATION>': `soon` is not a duration such as `10m` or `1h30m`

    For more information, try '--help'.
    "#);
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
    env.settings().bind(|| {
        insta_cmd::assert_cmd_snapshot!(command, @r#"
        success: false
        exit_code: 2
        ----- stdout -----

        ----- stderr -----
        error: cannot use the time of KYMO_NOW
          caused by: `yesterday` is not an RFC 3339 time such as 2026-11-21T02:07:16Z
          caused by: premature end of input
        "#);
    });
}
