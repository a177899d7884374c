//! How each statement is written.

/// How a statement is written.
///
/// Words in capitals and signs stand as they are, words in small letters for something of that
/// name. `[ ]` can be left out, of `{ | }` one is taken, `...` repeats what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The word that it begins with.
    pub word: &'static str,
    /// How it is written.
    pub text: &'static str,
}

/// The forms of `SYNTHESIZE`, each without the word itself.
macro_rules! synthesize {
    (time) => {
        "TIME duration [FROM instant] [AFTER duration]"
    };
    (updates) => {
        "UPDATES shares | MANAGEDFIELDS"
    };
    (nodes) => {
        "NODES count [NAMED pattern] [FROM file | AS manifest] [LABELS labels | AT start | UNTIL start | ARRIVAL arrival | STARTUP distribution | LEASES [EVERY duration] | HEARTBEATS | UPDATES count arrival]..."
    };
    (outage) => {
        "{FAILURE | DRAIN | REMOVAL} OF NODES names AT start [FOR duration]"
    };
    (workload) => {
        "kind object {FROM file | AS manifest} [REPLICAS count | AT start | UNTIL start | ARRIVAL arrival | STARTUP distribution | RUNTIME distribution | LIFETIME distribution | RESTARTS distribution [REASON {ERROR | OOMKILLED | COMPLETED}] | FAILURES share | EVICTIONS share | NAMESPACES namespaces | PLACEMENT {NONE | SPREAD | BINPACK | LIKE path} | SCALE TO count AT start | ROLLOUT AT start [WITH document] | PODS count | STAGE {ACCEPTED | READY | STOPPED | RELEASED} share | UPDATES count arrival [WITH documents] | EVENTS [OF reasons] | ENDPOINTSLICES]..."
    };
}

/// How `SYNTHESIZE` is written for the span of a trace.
pub(super) const TIME_FORM: &str = concat!("SYNTHESIZE ", synthesize!(time));
/// How `SYNTHESIZE` is written for what is said of all objects.
pub(super) const UPDATES_FORM: &str = concat!("SYNTHESIZE ", synthesize!(updates));
/// How `SYNTHESIZE` is written for nodes.
pub(super) const NODES_FORM: &str = concat!("SYNTHESIZE ", synthesize!(nodes));
/// How `SYNTHESIZE` is written for what happens to nodes.
pub(super) const OUTAGE_FORM: &str = concat!("SYNTHESIZE ", synthesize!(outage));
/// How `SYNTHESIZE` is written for objects.
pub(super) const WORKLOAD_FORM: &str = concat!("SYNTHESIZE ", synthesize!(workload));

/// The statements, in the order of the reference.
pub const FORMS: &[Form] = &[
    Form {
        word: "DELETE",
        text: "DELETE FROM {EVENTS [WHERE condition] | OBJECTS [WHERE condition] [CASCADE]}",
    },
    Form {
        word: "KEEP",
        text: "KEEP {EVENTS [WHERE condition] | OBJECTS [WHERE condition] [WITH {OWNERS [AND OWNED] | OWNED}]}",
    },
    Form {
        word: "SLICE",
        text: "SLICE {FROM time [TO time] | TO time}",
    },
    Form {
        word: "PATCH",
        text: "PATCH {EVENTS | OBJECTS} WITH {JSON operations | {MERGE | STRATEGIC} document} [WHERE condition] [FROM time] [TO time]",
    },
    Form {
        word: "UPDATE",
        text: "UPDATE {EVENTS | OBJECTS} SET column = expression [, column = expression]... [WHERE condition]",
    },
    Form {
        word: "SCALE",
        text: "SCALE {NAMESPACE name {TO count | BY factor} | NODES {TO count | BY factor} [WHERE condition] | EVERYTHING BY factor | kind workload {TO count REPLICAS | BY factor} [RAMP duration] [PLACEMENT {SPREAD | BINPACK}]}",
    },
    Form {
        word: "STRETCH",
        text: "STRETCH {TIME BY factor | {ARRIVALS | LIFETIMES} BY factor [WHERE condition]}",
    },
    Form {
        word: "SHIFT",
        text: "SHIFT TIME {TO instant | BY duration}",
    },
    Form {
        word: "MERGE",
        text: "MERGE TRACE path [AT time] [PREFIX NAMESPACES prefix]",
    },
    Form {
        word: "REPEAT",
        text: "REPEAT count TIMES [EVERY duration]",
    },
    Form {
        word: "SYNTHESIZE",
        text: concat!(
            "SYNTHESIZE {",
            synthesize!(time),
            " | ",
            synthesize!(updates),
            " | ",
            synthesize!(nodes),
            " | ",
            synthesize!(outage),
            " | ",
            synthesize!(workload),
            "}"
        ),
    },
    Form {
        word: "ANONYMIZE",
        text: "ANONYMIZE [WITH POLICY policy]",
    },
    Form {
        word: "INSERT",
        text: "INSERT INTO EVENTS [(column [, column]...)] query",
    },
];

/// What a word in small letters in a form stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The word.
    pub name: &'static str,
    /// What it is made of.
    pub is: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Some of it.
    pub examples: &'static [&'static str],
}

/// What the words in small letters stand for.
pub const LEAVES: &[Leaf] = &[
    Leaf {
        name: "condition",
        is: "expression",
        meaning: "true for what is meant; without one, all is meant",
        examples: &[
            "kind = 'Pod'",
            "matches(labels, 'app=web')",
            "ts >= at('10m') AND object->'spec'->>'nodeName' IS NOT NULL",
            "uid IN (SELECT uid FROM versions AS OF '10m' WHERE kind = 'Job')",
        ],
    },
    Leaf {
        name: "expression",
        is: "expression",
        meaning: "of SQL, over the columns of events",
        examples: &[
            "json_merge(object, '{\"spec\":{\"priority\":1000}}')",
            "ts + INTERVAL '1 second'",
        ],
    },
    Leaf {
        name: "query",
        is: "query",
        meaning: "of SQL, over the tables of the trace",
        examples: &[
            "SELECT * FROM events",
            "WITH x AS (SELECT 1) SELECT * FROM x",
        ],
    },
    Leaf {
        name: "column",
        is: "identifier",
        meaning: "object or ts to be set, any column of events to be inserted",
        examples: &["object", "ts"],
    },
    Leaf {
        name: "operations",
        is: "text",
        meaning: "a list of operations in JSON, as RFC 6902 has them",
        examples: &[
            "'[]'",
            "'[{\"op\":\"add\",\"path\":\"/spec/it''s\",\"value\":[1.5,null]}]'",
            "$$[{\"op\": \"remove\", \"path\": \"/spec/paused\"}]$$",
        ],
    },
    Leaf {
        name: "document",
        is: "text",
        meaning: "an object in JSON",
        examples: &["'{}'", "'{ \"spec\": {\"paused\": null} }'"],
    },
    Leaf {
        name: "time",
        is: "text",
        meaning: "so long after the start, with a minus before the end, or an RFC 3339 time",
        examples: &["'0'", "'10m'", "'1h30m'", "'-5m'", "'2026-11-21T02:07:16Z'"],
    },
    Leaf {
        name: "instant",
        is: "text",
        meaning: "an RFC 3339 time",
        examples: &["'2027-01-01T00:00:00Z'"],
    },
    Leaf {
        name: "duration",
        is: "text",
        meaning: "as Go writes it, d is a day",
        examples: &["'1h'", "'90s'", "'2d'", "'1m30.5s'"],
    },
    Leaf {
        name: "factor",
        is: "number | number '/' number",
        meaning: "above zero",
        examples: &["2", "0.25", "1/3", "1.50"],
    },
    Leaf {
        name: "count",
        is: "number",
        meaning: "a whole number",
        examples: &["1", "24", "10_000"],
    },
    Leaf {
        name: "kind",
        is: "identifier",
        meaning: "of a workload, such as Deployment",
        examples: &["Deployment", "statefulset", "Job", "\"RayCluster\""],
    },
    Leaf {
        name: "workload",
        is: "text",
        meaning: "its namespace and its name, with a slash between",
        examples: &["'shop/checkout'"],
    },
    Leaf {
        name: "name",
        is: "text",
        meaning: "of a namespace",
        examples: &["'shop'"],
    },
    Leaf {
        name: "path",
        is: "text",
        meaning: "of a trace",
        examples: &["'other.parquet'", "'it''s.kymo'"],
    },
    Leaf {
        name: "policy",
        is: "text",
        meaning: "share, vendor, internal, or the path of a YAML file",
        examples: &["'share'", "'ours.yaml'"],
    },
    Leaf {
        name: "start",
        is: "text",
        meaning: "so long after the start, or an RFC 3339 time",
        examples: &["'0'", "'10m'", "'1h30m'"],
    },
    Leaf {
        name: "object",
        is: "text",
        meaning: "a namespace and a name with a slash between; in the name {i} stands for a number",
        examples: &["'load/web'", "'ml/train-{i:03}'"],
    },
    Leaf {
        name: "pattern",
        is: "text",
        meaning: "names of nodes; {i} stands for a number, {i:04} for one of four digits",
        examples: &["'sim-{i:04}'", "'node-{i}'"],
    },
    Leaf {
        name: "names",
        is: "text",
        meaning: "names of nodes; a star stands for any characters",
        examples: &["'pool-a-*'", "'sim-0007'"],
    },
    Leaf {
        name: "file",
        is: "text",
        meaning: "the path of a manifest, from where the script is",
        examples: &["'web.yaml'", "'manifests/train.yaml'"],
    },
    Leaf {
        name: "manifest",
        is: "text",
        meaning: "objects in YAML",
        examples: &["$$ {kind: Pod, apiVersion: v1} $$"],
    },
    Leaf {
        name: "labels",
        is: "'{' text ':' ( text | 'cycle' '(' text ( ',' text )* ')' ) ( ',' text ':' ( text | 'cycle' '(' text ( ',' text )* ')' ) )* '}'",
        meaning: "labels of nodes; of a cycle each node gets the next value",
        examples: &["{'pool': 'a'}", "{'zone': cycle('a', 'b'), 'pool': 'b'}"],
    },
    Leaf {
        name: "arrival",
        is: "identifier '(' argument ( ',' argument )* ')'",
        meaning: "uniform, poisson, burst, diurnal, times, at or empirical",
        examples: &[
            "uniform(rate => 10)",
            "poisson(rate => 0.5)",
            "burst(size => 100, every => '10s')",
            "diurnal(rate => 2, peak => 5, period => '24h')",
            "times('arrivals.csv', 'submitted')",
            "at('0s', '1.5s', '20s')",
            "empirical('0s', '2s', '30s')",
        ],
    },
    Leaf {
        name: "distribution",
        is: "identifier '(' argument ( ',' argument )* ')'",
        meaning: "constant, uniform, exponential, lognormal, pareto, empirical, measured or dealt",
        examples: &[
            "constant('2s')",
            "uniform(min => '1s', max => '3s')",
            "exponential(mean => '2h')",
            "lognormal(p50 => '2s', p99 => '9s')",
            "pareto(min => '1s', shape => 1.5)",
            "empirical('1s', '1.5s', '4s')",
            "measured('runs.csv', 'seconds')",
            "dealt('2s', '1s', 'never')",
        ],
    },
    Leaf {
        name: "share",
        is: "number",
        meaning: "between 0 and 1",
        examples: &["0", "0.05", "1"],
    },
    Leaf {
        name: "shares",
        is: "'{' text ':' number ( ',' text ':' number )* '}'",
        meaning: "kinds, each with a number between 0 and 1",
        examples: &["{'Deployment': 0.8}", "{'Job': 1, 'ReplicaSet': 0.95}"],
    },
    Leaf {
        name: "documents",
        is: "text | 'cycle' '(' text ( ',' text )* ')'",
        meaning: "objects in JSON; in their texts {now} stands for the time, {now:6} for one with microseconds",
        examples: &[
            "'{\"spec\":{\"renewTime\":\"{now:6}\"}}'",
            "cycle('{\"status\":{\"ready\":1}}', '{\"status\":{\"ready\":2}}')",
        ],
    },
    Leaf {
        name: "reasons",
        is: "'(' text ( ',' text )* ')'",
        meaning: "reasons of Events",
        examples: &["('Scheduled')", "('Scheduled', 'Killing')"],
    },
    Leaf {
        name: "namespaces",
        is: "'(' text ( ',' text )* ')'",
        meaning: "names of namespaces",
        examples: &["('a')", "('team-a', 'team-b', 'team-a')"],
    },
    Leaf {
        name: "prefix",
        is: "text",
        meaning: "small letters, digits and minus",
        examples: &["'b-'"],
    },
];

/// The kinds of workloads that the API serves itself, in its spelling.
pub(super) const KINDS: [&str; 7] = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
];

/// The words that a query begins with, in small letters.
pub(super) const QUERY_WORDS: [&str; 3] = ["select", "values", "with"];

impl Form {
    /// Finds a statement by the word that it begins with, in capitals.
    pub fn find(word: &str) -> Option<&'static Self> {
        FORMS.iter().find(|form| form.word == word)
    }
}
