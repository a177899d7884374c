//! Things that went on before the trace begins.

use kymo_model::{Certainty, EventType};
use kymo_synth::{Crash, Distribution, Plan, Synthesis, Unwatched};

use crate::workbench::{DEPLOYMENT, SECOND, make, nodes, workload};

fn web() -> kymo_synth::WorkloadOrder {
    let mut order = workload("Deployment", "web", DEPLOYMENT);
    order.replicas = Some(6);
    order
}

fn plan(lead: i64) -> Plan {
    Plan {
        nodes: vec![nodes(4)],
        workloads: vec![web()],
        lead,
        span: Some(60 * SECOND),
        ..Plan::default()
    }
}

#[test]
fn a_trace_begins_with_a_list_of_what_is_there() {
    let (whole, late) = (make(&plan(0)), make(&plan(30 * SECOND)));
    let begin = Plan::default().start.0 + 30 * SECOND;
    let mut listed = 0;
    for row in &late.rows {
        if row.event.certainty == Certainty::Listed {
            assert_eq!(row.event.ts.0, begin);
            assert_eq!(row.event.event_type, EventType::Added);
            listed += 1;
        } else {
            assert!(row.event.ts.0 >= begin);
        }
    }
    // Six pods, four nodes, a Deployment, its ReplicaSet and the namespace.
    assert_eq!(listed, 13);
    // Each is as it stands then where it was seen from its beginning.
    for (name, life) in late.lives("Pod") {
        let (_, last) = whole.lives("Pod")[&name].last().unwrap().clone();
        assert_eq!(life.first().unwrap().1, last);
    }
    let seen = |made: &crate::workbench::Made| {
        let after = made.rows.iter().filter(|row| row.event.ts.0 > begin);
        after
            .map(|row| (row.event.ts, row.event.body.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&whole), seen(&late));
}

#[test]
fn a_tally_counts_what_the_trace_shows() {
    let mut plan = plan(10 * SECOND);
    plan.workloads[0].with.events = true;
    plan.workloads[0].lifetime = Some(Distribution::Constant(4e9));
    let synthesis = Synthesis::new(&plan, &Unwatched).unwrap();
    let made = make(&plan);
    for (kind, tally) in synthesis.tally().unwrap() {
        let of_kind =
            |row: &&kymo_store::segment::Row| made.feeds[&row.event.feed].resource.kind == kind;
        let rows = made.rows.iter().filter(of_kind).count();
        assert_eq!(tally.events, rows as u64, "{kind}");
    }
}

#[test]
fn objects_are_dealt_to_namespaces() {
    let map = "{kind: ConfigMap, apiVersion: v1, data: {a: b}}";
    let mut order = workload("ConfigMap", "settings", map);
    order.replicas = Some(5);
    order.namespaces = ["a".to_owned(), "b".to_owned(), "a".to_owned()].into();
    let plan = Plan {
        workloads: vec![order.clone()],
        span: Some(60 * SECOND),
        ..Plan::default()
    };
    let made = make(&plan);
    let lives = made.lives("ConfigMap").into_values();
    let mut found: Vec<String> = lives
        .map(|life| {
            life[0].1["metadata"]["namespace"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    found.sort();
    assert_eq!(found, ["a", "a", "a", "b", "b"]);
    let mut twice = order.clone();
    twice.namespaces = ["b".to_owned()].into();
    let plan = Plan {
        workloads: vec![order, twice],
        ..plan
    };
    let error = Synthesis::new(&plan, &Unwatched).err().unwrap();
    assert!(
        error
            .to_string()
            .ends_with("ConfigMap `b/settings` is made twice"),
        "{error}"
    );
    let mut wrong = web();
    wrong.namespaces = ["a".to_owned()].into();
    let plan = Plan {
        nodes: vec![nodes(1)],
        workloads: vec![wrong],
        ..Plan::default()
    };
    assert!(Synthesis::new(&plan, &Unwatched).is_err());
}

#[test]
fn containers_crash_for_the_reason_that_is_given() {
    for (crash, reason, code) in [
        (Crash::Error, "Error", 1),
        (Crash::OutOfMemory, "OOMKilled", 137),
        (Crash::Completed, "Completed", 0),
    ] {
        let mut order = web();
        order.restarts = Some(Distribution::Dealt([5e9, f64::INFINITY].into()));
        order.crash = crash;
        let plan = Plan {
            nodes: vec![nodes(4)],
            workloads: vec![order],
            span: Some(60 * SECOND),
            ..Plan::default()
        };
        let made = make(&plan);
        let crashed = made.lives("Pod").into_values().filter(|life| {
            life.iter().any(|(_, pod)| {
                let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
                ended["reason"] == reason && ended["exitCode"] == code
            })
        });
        // Every other spell of being ready ends with a crash.
        assert_eq!(crashed.count(), 3, "{reason}");
    }
}
