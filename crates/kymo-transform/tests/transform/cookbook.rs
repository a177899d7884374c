//! The scripts of `queries/what-if/` and the page that tells of them, `docs/cookbook.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kymo_query::{NamedQuery, Parameter, Parameters};
use kymo_transform::language::Script;

use crate::workbench::{ask_all, make, rollout, violations};

/// A script, values for its parameters, and what is asked of the recorded rollout (`a`) and of what
/// the script makes of it (`b`).
struct Recipe {
    name: &'static str,
    values: &'static [(&'static str, &'static str)],
    asked: &'static str,
    answer: &'static str,
}

/// In the order of the page.
const RECIPES: &[Recipe] = &[
    Recipe {
        name: "more-replicas",
        values: &[("workload", "shop/checkout"), ("replicas", "40"), ("ramp", "2s")],
        asked: "SELECT (SELECT max(replicas) FROM a.deployments), (SELECT max(replicas) FROM b.deployments),
            (SELECT count(DISTINCT uid) FROM b.pods WHERE name LIKE 'checkout-%')
              = 5 * (SELECT count(DISTINCT uid) FROM a.pods WHERE name LIKE 'checkout-%')",
        answer: "8 | 40 | true",
    },
    Recipe {
        name: "room-for-replicas",
        values: &[("nodes", "20"), ("workload", "shop/checkout"), ("replicas", "200"), ("ramp", "2s")],
        asked: "SELECT (SELECT max(replicas) FROM b.deployments), count(*), max(pods) - min(pods) < 5 FROM
            (SELECT node, count(*) AS pods FROM b.pods AS OF '-5s' WHERE node IS NOT NULL GROUP BY node)",
        answer: "200 | 20 | true",
    },
    Recipe {
        name: "black-friday",
        values: &[("workload", "shop/checkout")],
        asked: "SELECT (SELECT max(replicas) FROM b.deployments),
            abs(CAST(at('-0s', 'b') - at('0s', 'b') AS BIGINT) * 2 - CAST(at('-0s', 'a') - at('0s', 'a') AS BIGINT)) < 10",
        answer: "24 | true",
    },
    Recipe {
        name: "more-tenants",
        values: &[("namespace", "shop"), ("count", "3")],
        asked: "SELECT count(*), bool_and(pods = (SELECT count(DISTINCT uid) FROM a.pods WHERE namespace = 'shop'))
            FROM (SELECT count(DISTINCT uid) AS pods FROM b.pods WHERE namespace LIKE 'shop%' GROUP BY namespace)",
        answer: "3 | true",
    },
    Recipe {
        name: "two-clusters",
        values: &[("other", "fixtures/rollout.parquet"), ("prefix", "b-")],
        asked: "SELECT (SELECT count(DISTINCT name) FROM b.nodes) = 2 * (SELECT count(DISTINCT name) FROM a.nodes) AS nodes,
            (SELECT count(*) FROM b.pods WHERE namespace = 'b-shop') = (SELECT count(*) FROM a.pods WHERE namespace = 'shop') AS theirs,
            (SELECT count(*) FROM b.pods WHERE namespace = 'shop') = (SELECT count(*) FROM a.pods WHERE namespace = 'shop') AS ours",
        answer: "true | true | true",
    },
    Recipe {
        name: "again-and-again",
        values: &[("times", "7")],
        asked: "SELECT (SELECT count(DISTINCT uid) FROM b.pods) = 7 * (SELECT count(DISTINCT uid) FROM a.pods)",
        answer: "true",
    },
    Recipe {
        name: "same-day-faster",
        values: &[("factor", "0.1")],
        asked: "SELECT (SELECT count(*) FROM a.events) = (SELECT count(*) FROM b.events),
            abs(CAST(at('-0s', 'b') - at('0s', 'b') AS BIGINT) * 10 - CAST(at('-0s', 'a') - at('0s', 'a') AS BIGINT)) < 100",
        answer: "true | true",
    },
    Recipe {
        name: "more-jobs-at-once",
        values: &[("factor", "0.25")],
        asked: "SELECT CAST((SELECT min(ts) FROM b.events WHERE kind = 'Job') - at('0s', 'b') AS BIGINT)
              = CAST((SELECT min(ts) FROM a.events WHERE kind = 'Job') - at('0s', 'a') AS BIGINT) / 4,
            (SELECT max(ts) - min(ts) FROM b.events WHERE kind = 'Job')
              = (SELECT max(ts) - min(ts) FROM a.events WHERE kind = 'Job')",
        answer: "true | true",
    },
    Recipe {
        name: "slower-jobs",
        values: &[("factor", "2")],
        asked: "SELECT CAST((SELECT max(ts) - min(ts) FROM b.events WHERE kind = 'Job') AS BIGINT)
              = 2 * CAST((SELECT max(ts) - min(ts) FROM a.events WHERE kind = 'Job') AS BIGINT)",
        answer: "true",
    },
    Recipe {
        name: "without-batch",
        values: &[("namespace", "shop")],
        asked: "SELECT (SELECT count(*) FROM b.events WHERE name LIKE 'settle-accounts%'),
            (SELECT count(*) FROM a.events WHERE name LIKE 'settle-accounts%') > 10,
            (SELECT count(*) FROM a.events WHERE name NOT LIKE 'settle-accounts%') = (SELECT count(*) FROM b.events)",
        answer: "0 | true | true",
    },
    Recipe {
        name: "one-team",
        values: &[("selector", "app=checkout")],
        asked: "SELECT (SELECT count(*) FROM b.events WHERE kind IN ('Pod', 'ReplicaSet', 'Deployment') AND NOT matches(labels, 'app=checkout')),
            (SELECT count(DISTINCT uid) FROM b.events WHERE kind = 'Pod')
              = (SELECT count(DISTINCT uid) FROM a.events WHERE kind = 'Pod' AND matches(labels, 'app=checkout')),
            (SELECT count(DISTINCT uid) FROM b.events WHERE kind = 'Node')",
        answer: "0 | true | 10",
    },
    Recipe {
        name: "smaller-requests",
        values: &[("share", "0.8")],
        asked: "SELECT (SELECT max(cpu_request) FROM a.pods), (SELECT max(cpu_request) FROM b.pods)",
        answer: "0.01 | 0.008",
    },
    Recipe {
        name: "smaller-nodes",
        values: &[("share", "0.5")],
        asked: "SELECT (SELECT max(cpu_allocatable) FROM a.nodes), (SELECT max(cpu_allocatable) FROM b.nodes),
            (SELECT max(cpu_capacity) FROM b.nodes), (SELECT max(memory_capacity) FROM b.nodes) = (SELECT max(memory_capacity) FROM a.nodes)",
        answer: "32.0 | 16.0 | 16.0 | true",
    },
    Recipe {
        name: "another-scheduler",
        values: &[("scheduler", "volcano")],
        asked: "SELECT DISTINCT scheduler FROM b.pods",
        answer: "volcano",
    },
    Recipe {
        name: "without-node",
        values: &[("node", "node-0")],
        asked: "SELECT (SELECT count(*) FROM b.pods WHERE node = 'node-0'), (SELECT count(DISTINCT name) FROM b.nodes),
            (SELECT count(*) FROM a.pods WHERE node = 'node-0') > 0",
        answer: "0 | 9 | true",
    },
    Recipe {
        name: "more-for-a-while",
        values: &[
            ("namespace", "shop"),
            ("name", "checkout"),
            ("replicas", "50"),
            ("from", "14s"),
            ("to", "20s"),
        ],
        asked: "SELECT DISTINCT replicas FROM b.deployments
            WHERE valid_from < at('20s', 'a') AND coalesce(valid_to, at('-0s', 'a')) > at('14s', 'a')",
        answer: "50",
    },
    Recipe {
        name: "incident",
        values: &[("namespace", "shop"), ("from", "10s"), ("to", "20s")],
        asked: "SELECT at('0s', 'b') = TIMESTAMP '2026-01-01T00:00:00Z',
            (SELECT max(ts) - min(ts) FROM b.events) < duration('10s'),
            (SELECT count(*) FROM b.events WHERE certainty = 'seen')
              = (SELECT count(*) FROM a.events WHERE ts >= at('10s', 'a') AND ts < at('20s', 'a') AND kind <> 'Lease'
                 AND (namespace = 'shop' OR kind IN ('Node', 'Namespace')))",
        answer: "true | true | true",
    },
    Recipe {
        name: "without-noise",
        values: &[],
        asked: "SELECT (SELECT count(*) FROM b.events)
              = (SELECT count(*) FROM a.events WHERE kind NOT IN ('Lease', 'Event')),
            (SELECT count(*) FROM b.events WHERE kind IN ('Lease', 'Event'))",
        answer: "true | 0",
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../queries/what-if")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.sql"))).unwrap()
}

/// Returns a field of the header of a script as one line.
fn header(text: &str, field: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut is_inside = false;
    for line in text.lines().map_while(|line| line.strip_prefix("-- ")) {
        let (name, rest) = match line.split_once(':') {
            Some((name, rest)) if !line.starts_with(' ') => (Some(name), rest),
            _ => (None, line),
        };
        is_inside = name.map_or(is_inside, |name| name == field);
        if is_inside {
            words.extend(rest.split_whitespace());
        }
    }
    words.join(" ")
}

fn bound(recipe: &Recipe) -> String {
    let values: Parameters = recipe
        .values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Parameter::read(value)))
        .collect();
    let (script, used) = Script::bind(&text(recipe.name), &values).unwrap();
    assert_eq!(used.len(), values.len(), "{}", recipe.name);
    script
}

fn check(name: &str) {
    let recipe = RECIPES.iter().find(|recipe| recipe.name == name).unwrap();
    let made = make(&rollout(), &bound(recipe));
    for (statement, named) in made.report.named.iter().enumerate() {
        // The pods of the rollout have one container each.
        let is_second_container = name == "smaller-requests" && statement == 1;
        assert_eq!(
            *named == Some(0),
            is_second_container,
            "statement {statement}"
        );
    }
    let answer = ask_all(&[("a", &rollout()), ("b", &made.path)], recipe.asked);
    assert_eq!(answer, [recipe.answer]);
    assert_eq!(violations(&made.path), [""; 0]);
}

macro_rules! recipes {
    ($($test:ident $name:literal)+) => {
        $(
            #[test]
            fn $test() {
                check($name);
            }
        )+

        #[test]
        fn every_recipe_is_run() {
            let run = [$($name),+];
            let listed: Vec<_> = RECIPES.iter().map(|recipe| recipe.name).collect();
            assert_eq!(listed, run);
            let mut files: Vec<_> = std::fs::read_dir(folder())
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            files.sort();
            let mut sorted = listed;
            sorted.sort_unstable();
            assert_eq!(files, sorted);
        }
    };
}

recipes! {
    more_replicas "more-replicas"
    room_for_replicas "room-for-replicas"
    black_friday "black-friday"
    more_tenants "more-tenants"
    two_clusters "two-clusters"
    again_and_again "again-and-again"
    same_day_faster "same-day-faster"
    more_jobs_at_once "more-jobs-at-once"
    slower_jobs "slower-jobs"
    without_batch "without-batch"
    one_team "one-team"
    smaller_requests "smaller-requests"
    smaller_nodes "smaller-nodes"
    another_scheduler "another-scheduler"
    without_node "without-node"
    more_for_a_while "more-for-a-while"
    incident "incident"
    without_noise "without-noise"
}

#[test]
fn every_recipe_says_what_it_answers_and_which_queries_read_it() {
    for recipe in RECIPES {
        let text = text(recipe.name);
        assert!(header(&text, "Question").ends_with('?'), "{}", recipe.name);
        assert!(header(&text, "Assumes").ends_with('.'), "{}", recipe.name);
        let parameters = header(&text, "Parameters");
        for (name, _) in recipe.values {
            assert!(parameters.contains(name), "{}: {name}", recipe.name);
        }
        let read = header(&text, "Read with");
        let queries: Vec<&str> = read.split('`').skip(1).step_by(2).collect();
        assert!(!queries.is_empty(), "{}", recipe.name);
        for query in queries.iter().filter(|query| !query.contains(' ')) {
            assert!(
                NamedQuery::find(query).is_some(),
                "{}: {query}",
                recipe.name
            );
        }
    }
}

/// The trace of the examples; commands of documents are run.
const TRACE: &str = "fixtures/rollout.parquet";
const BEGIN: &str = "<!-- recipes -->\n";
const END: &str = "<!-- end of recipes -->";

#[test]
fn the_page_shows_every_recipe() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cookbook.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut shown = String::new();
    for recipe in RECIPES {
        let text = text(recipe.name);
        let file = format!("queries/what-if/{}.sql", recipe.name);
        // Paths begin at the script.
        let has_path = text.contains("MERGE TRACE");
        let script: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect();
        write!(
            shown,
            "\n## {}\n\n{}\n\n```sql\n{}\n```\n```console\n$ kymo transform {TRACE} -f {}",
            header(&text, "Question"),
            header(&text, "Assumes"),
            script.join("\n"),
            if has_path {
                "-".to_owned()
            } else {
                file.clone()
            },
        )
        .unwrap();
        for (name, value) in recipe.values {
            write!(shown, " -p {name}={value}").unwrap();
        }
        let from = if has_path {
            format!(" < {file}")
        } else {
            String::new()
        };
        let read = header(&text, "Read with");
        write!(
            shown,
            " -o {}.parquet{from}\n```\n\nRead it with {read}\n",
            recipe.name
        )
        .unwrap();
    }
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{shown}\n{END}{after}");
    if std::env::var_os("KYMO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
}
