//! A trace that breaks a rule names the object, the event and the rule; one that nearly does is legal.

use kymo_model::Certainty;
use kymo_query::rules::Rule;
use rstest::rstest;
use serde_json::json;

use super::shop::{Shop, bound, clock, counting, deployment, object, pod, replica_set, running};

type Change = fn(&mut Shop);

#[test]
fn the_shop_is_legal() {
    for rule in Rule::all() {
        assert_eq!(Shop::new().broken(rule.name), Vec::<String>::new());
    }
}

#[rstest]
#[case::two_objects_of_one_uid(
    |shop: &mut Shop| shop.added(20_000, object("v1", "Service", "shop/other", "s1", 20)),
    "unique-uids: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/other (s1) has the uid of Service shop/web (event 12)"
)]
#[case::a_name_that_is_taken(
    |shop: &mut Shop| shop.added(20_000, object("v1", "Service", "shop/web", "s2", 20)),
    "unique-names: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/web (s2) has the name of s1, which was not deleted (event 12)"
)]
#[case::an_object_that_lives_on_after_its_end(
    |shop: &mut Shop| {
        let service = shop.object("Service", 0).clone();
        shop.deleted(20_000, service.clone());
        shop.modified(21_000, service);
    },
    "life-cycle: event 15 at 2026-11-21T02:00:21.000000000Z: Service shop/web (s1) comes after the object was DELETED (event 14)"
)]
#[case::an_object_that_is_added_twice(
    |shop: &mut Shop| {
        let service = shop.object("Service", 0).clone();
        shop.added(20_000, service);
    },
    "life-cycle: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/web (s1) is ADDED while the object is there (event 12)"
)]
#[case::an_object_that_is_modified_before_it_is_added(
    |shop: &mut Shop| shop.modified(20_000, object("v1", "Service", "shop/late", "s2", 20)),
    "life-cycle: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/late (s2) is the first event of the object and MODIFIED"
)]
#[case::a_version_that_goes_back(
    |shop: &mut Shop| shop.object("Pod", 1)["metadata"]["resourceVersion"] = json!("100"),
    "resource-versions: event 8 at 2026-11-21T02:00:11.000000000Z: Pod shop/web-1-a (p1) has the resourceVersion 100 after 107 (event 7)"
)]
#[case::a_version_of_two_objects(
    |shop: &mut Shop| {
        let mut other = object("v1", "Service", "shop/other", "s2", 20);
        other["metadata"]["resourceVersion"] = json!("112");
        shop.added(20_000, other);
    },
    "resource-versions: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/other (s2) has the resourceVersion 112 of shop/web (event 12)"
)]
#[case::an_owner_that_is_not_there(
    |shop: &mut Shop| shop.without("Deployment"),
    "owners: event 2 at 2026-11-21T02:00:10.100000000Z: ReplicaSet shop/web-1 (r1) is owned by Deployment web (d1), which is not there"
)]
#[case::an_owner_of_another_name(
    |shop: &mut Shop| shop.each("Pod", |pod| pod["metadata"]["ownerReferences"][0]["name"] = json!("web-2")),
    "owners: event 7 at 2026-11-21T02:00:10.500000000Z: Pod shop/web-1-a (p1) is owned by ReplicaSet web-2 (r1), which is ReplicaSet web-1"
)]
#[case::an_owner_of_another_namespace(
    |shop: &mut Shop| shop.added(20_000, {
        let mut other = object("apps/v1", "ReplicaSet", "other/set", "r2", 20);
        other["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d1"}]);
        other
    }),
    "owners: event 14 at 2026-11-21T02:00:20.000000000Z: ReplicaSet other/set (r2) is owned by Deployment web of another namespace, shop"
)]
#[case::an_owner_that_is_younger(
    |shop: &mut Shop| shop.each("Deployment", |web| web["metadata"]["creationTimestamp"] = json!(clock(11))),
    "owners: event 3 at 2026-11-21T02:00:10.100000000Z: ReplicaSet shop/web-1 (r1) is older than its owner Deployment web of 2026-11-21T02:00:11Z"
)]
#[case::an_object_that_owns_itself(
    |shop: &mut Shop| shop.added(20_000, {
        let mut own = object("v1", "Service", "shop/own", "s2", 20);
        own["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Service", "name": "own", "uid": "s2"}]);
        own
    }),
    "owners: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/own (s2) owns itself"
)]
#[case::two_controllers(
    |shop: &mut Shop| shop.added(20_000, {
        let mut torn = object("v1", "Service", "shop/torn", "s2", 20);
        torn["metadata"]["ownerReferences"] = json!([
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d1", "controller": true},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r1", "controller": true},
        ]);
        torn
    }),
    "owners: event 14 at 2026-11-21T02:00:20.000000000Z: Service shop/torn (s2) has more than one controller"
)]
#[case::a_node_that_is_not_there(
    |shop: &mut Shop| shop.each("Node", |node| node["metadata"]["name"] = json!("node-b")),
    "pod-nodes: event 8 at 2026-11-21T02:00:11.000000000Z: Pod shop/web-1-a (p1) is bound to node node-a, which is not there"
)]
#[case::a_pod_that_moves(
    |shop: &mut Shop| shop.object("Pod", 2)["spec"]["nodeName"] = json!("node-b"),
    "pod-nodes: event 9 at 2026-11-21T02:00:12.000000000Z: Pod shop/web-1-a (p1) moves from node node-a to node-b"
)]
#[case::a_claim_that_is_not_there(
    |shop: &mut Shop| shop.without("PersistentVolumeClaim"),
    "pod-claims: event 7 at 2026-11-21T02:00:12.000000000Z: Pod shop/web-1-a (p1) runs with the claim data, which is not there"
)]
#[case::a_volume_that_is_not_there(
    |shop: &mut Shop| shop.without("PersistentVolume"),
    "pod-claims: event 5 at 2026-11-21T02:00:10.400000000Z: PersistentVolumeClaim shop/data (c1) is bound to the volume volume, which is not there"
)]
#[case::an_event_about_nothing(
    |shop: &mut Shop| shop.object("Event", 0)["involvedObject"]["uid"] = json!("p9"),
    "event-subjects: event 14 at 2026-11-21T02:01:10.000000000Z: Event shop/web-1-a.1 (v1) is about Pod web-1-a (p9), which is not there"
)]
#[case::a_target_that_is_not_there(
    |shop: &mut Shop| shop.object("EndpointSlice", 0)["endpoints"][0]["targetRef"]["uid"] = json!("p9"),
    "endpoint-targets: event 13 at 2026-11-21T02:00:13.100000000Z: EndpointSlice shop/web-x (e1) sends to the pod web-1-a (p9), which is not there"
)]
#[case::a_target_that_is_neither_ready_nor_there(
    |shop: &mut Shop| shop.added(20_000, {
        let mut endpoints = object("v1", "Endpoints", "shop/web", "e2", 20);
        endpoints["subsets"] = json!([{"notReadyAddresses":
            [{"ip": "10.0.0.9", "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-1-b", "uid": "p9"}}]}]);
        endpoints
    }),
    "endpoint-targets: event 14 at 2026-11-21T02:00:20.000000000Z: Endpoints shop/web (e2) sends to the pod web-1-b (p9), which is not there"
)]
#[case::a_service_that_is_not_there(
    |shop: &mut Shop| shop.without("Service"),
    "endpoint-targets: event 12 at 2026-11-21T02:00:13.100000000Z: EndpointSlice shop/web-x (e1) belongs to the Service web, which is not there"
)]
#[case::a_pod_that_its_set_does_not_select(
    |shop: &mut Shop| shop.object("Pod", 0)["metadata"]["labels"]["hash"] = json!("2"),
    "workload-selectors: event 7 at 2026-11-21T02:00:10.500000000Z: Pod shop/web-1-a (p1) has the label hash=2, but ReplicaSet web-1 selects hash=1"
)]
#[case::a_set_that_its_deployment_does_not_select(
    |shop: &mut Shop| shop.object("ReplicaSet", 0)["metadata"]["labels"] = json!({"hash": "1"}),
    "workload-selectors: event 3 at 2026-11-21T02:00:10.100000000Z: ReplicaSet shop/web-1 (r1) has no label app, but Deployment web selects app=web"
)]
#[case::a_status_that_counts_one_too_many(
    |shop: &mut Shop| *shop.object("ReplicaSet", 1) = counting(replica_set(), 2, 1),
    "replica-counts: event 10 at 2026-11-21T02:00:12.200000000Z: ReplicaSet shop/web-1 (r1) counts 2 in its status; pods that are there: 1"
)]
#[case::a_status_that_counts_a_pod_as_ready_that_is_not(
    |shop: &mut Shop| shop.object("Pod", 2)["status"]["conditions"][0]["status"] = json!("False"),
    "replica-counts: event 10 at 2026-11-21T02:00:12.200000000Z: ReplicaSet shop/web-1 (r1) counts 1 ready in its status; pods that are ready: 0\n\
     replica-counts: event 11 at 2026-11-21T02:00:12.300000000Z: Deployment shop/web (d1) counts 1 ready in its status; pods that are ready: 0"
)]
#[case::an_object_that_is_received_before_it_is_created(
    |shop: &mut Shop| shop.object("Service", 0)["metadata"]["creationTimestamp"] = json!(clock(15)),
    "times: event 12 at 2026-11-21T02:00:13.000000000Z: Service shop/web (s1) was received before it was created, at 2026-11-21T02:00:15Z"
)]
#[case::an_object_that_is_created_again(
    |shop: &mut Shop| shop.object("Deployment", 1)["metadata"]["creationTimestamp"] = json!(clock(9)),
    "times: event 11 at 2026-11-21T02:00:12.300000000Z: Deployment shop/web (d1) was created at 2026-11-21T02:00:09Z, and before that at 2026-11-21T02:00:10Z"
)]
#[case::a_condition_of_the_future(
    |shop: &mut Shop| shop.object("Pod", 2)["status"]["conditions"][0]["lastTransitionTime"] = json!(clock(16)),
    "times: event 9 at 2026-11-21T02:00:12.000000000Z: Pod shop/web-1-a (p1) was received before 2026-11-21T02:00:16Z, the time of a condition or container"
)]
#[case::a_container_from_before_its_pod(
    |shop: &mut Shop| shop.object("Pod", 2)["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = json!(clock(6)),
    "times: event 9 at 2026-11-21T02:00:12.000000000Z: Pod shop/web-1-a (p1) was created after 2026-11-21T02:00:06Z, the time of a condition or container"
)]
#[case::a_delete_of_the_future(
    |shop: &mut Shop| {
        let mut going = running(bound(pod("web-1-a", "p1", 10), "node-a"), 12);
        going["metadata"]["deletionTimestamp"] = json!(clock(59));
        going["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        shop.modified(20_000, going);
    },
    "times: event 14 at 2026-11-21T02:00:20.000000000Z: Pod shop/web-1-a (p1) was received before it was deleted, at 2026-11-21T02:00:59Z less 30 s of grace"
)]
fn a_broken_trace_names_the_object_the_event_and_the_rule(
    #[case] change: Change,
    #[case] expected: &str,
) {
    let mut shop = Shop::new();
    change(&mut shop);
    let (rule, _) = expected.split_once(':').unwrap();
    assert_eq!(shop.broken(rule).join("\n"), expected);
}

#[rstest]
#[case::a_name_that_is_free_again("unique-names", |shop: &mut Shop| {
    let service = shop.object("Service", 0).clone();
    shop.deleted(20_000, service);
    shop.added(20_000, object("v1", "Service", "shop/web", "s2", 20));
})]
#[case::a_name_in_another_namespace("unique-names", |shop: &mut Shop| shop.added(20_000, object("v1", "Service", "other/web", "s2", 20)))]
#[case::a_delete_that_a_list_shows_after_the_namesake("unique-names", |shop: &mut Shop| {
    let service = shop.object("Service", 0).clone();
    shop.added(20_000, object("v1", "Service", "shop/web", "s2", 20));
    shop.deleted(20_000, service);
    shop.steps.last_mut().unwrap().certainty = Certainty::Inferred;
})]
#[case::an_end_that_a_gap_hides("unique-names", |shop: &mut Shop| {
    shop.added(20_000, object("v1", "Service", "shop/web", "s2", 20));
    shop.gaps.push(("services", 14_000, 19_000));
})]
#[case::a_beginning_that_no_list_shows("life-cycle", |shop: &mut Shop| {
    shop.modified(20_000, object("v1", "Service", "shop/late", "s2", 20));
    shop.unlisted.push("services");
})]
#[case::a_list_of_an_older_version("resource-versions", |shop: &mut Shop| {
    let mut old = object("v1", "Service", "shop/old", "s2", 0);
    old["metadata"]["resourceVersion"] = json!("7");
    shop.added(20_000, old);
    shop.steps.last_mut().unwrap().certainty = Certainty::Listed;
})]
#[case::owners_of_which_a_part_was_left_out("owners", |shop: &mut Shop| {
    shop.without("Deployment");
    shop.lineage.push(json!({"partial": [{"api_group": "apps", "resource": "deployments"}]}));
})]
#[case::owners_from_before_the_recording("owners", |shop: &mut Shop| {
    shop.without("Deployment");
    shop.each("ReplicaSet", |set| set["metadata"]["creationTimestamp"] = json!(clock(1)));
})]
#[case::owners_behind_a_gap("owners", |shop: &mut Shop| {
    shop.without("Deployment");
    shop.gaps.push(("deployments", 9_000, 11_000));
})]
#[case::nodes_of_which_a_part_was_left_out("pod-nodes", |shop: &mut Shop| {
    shop.without("Node");
    shop.lineage.push(json!({"partial": [{"api_group": "", "resource": "nodes"}]}));
})]
#[case::a_node_that_comes_a_moment_later("pod-nodes", |shop: &mut Shop| {
    shop.without("Node");
    shop.added(15_000, object("v1", "Node", "node-a", "n1", 10));
})]
#[case::a_pod_that_waits_for_its_claim("pod-claims", |shop: &mut Shop| {
    shop.without("PersistentVolumeClaim");
    shop.object("Pod", 2)["status"]["phase"] = json!("Pending");
})]
#[case::an_event_about_what_was_gone("event-subjects", |shop: &mut Shop| {
    let event = shop.step("Event", 0);
    event.milliseconds = 50_000;
    event.object["metadata"]["creationTimestamp"] = json!(clock(50));
    event.object["involvedObject"]["uid"] = json!("p9");
})]
#[case::an_event_about_a_node("event-subjects", |shop: &mut Shop| shop.object("Event", 0)["involvedObject"] =
    json!({"apiVersion": "v1", "kind": "Node", "name": "node-z", "uid": "node-z"}))]
#[case::a_label_that_changes_later("workload-selectors", |shop: &mut Shop| shop.object("Pod", 1)["metadata"]["labels"] = json!({}))]
#[case::counts_that_are_behind_for_a_moment("replica-counts", |shop: &mut Shop| {
    let set = shop.step("ReplicaSet", 1);
    set.object = counting(replica_set(), 2, 1);
    shop.modified(30_000, counting(replica_set(), 1, 1));
    shop.modified(30_000, counting(deployment(), 1, 1));
})]
#[case::counts_of_pods_of_which_a_part_was_left_out("replica-counts", |shop: &mut Shop| {
    *shop.object("ReplicaSet", 1) = counting(replica_set(), 5, 5);
    shop.lineage.push(json!({"partial": [{"api_group": "", "resource": "pods"}]}));
})]
#[case::counts_of_a_deployment_whose_sets_were_left_out("replica-counts", |shop: &mut Shop| {
    shop.without("ReplicaSet");
    shop.lineage.push(json!({"partial": [{"api_group": "apps", "resource": "replicasets"}]}));
})]
#[case::counts_of_another_generation("replica-counts", |shop: &mut Shop| {
    let mut set = counting(replica_set(), 5, 5);
    set["metadata"]["generation"] = json!(2);
    *shop.object("ReplicaSet", 1) = set;
})]
#[case::clocks_that_are_a_second_apart("times", |shop: &mut Shop| shop.object("Service", 0)["metadata"]["creationTimestamp"] = json!(clock(14)))]
#[case::a_delete_with_its_grace("times", |shop: &mut Shop| {
    let mut going = running(bound(pod("web-1-a", "p1", 10), "node-a"), 12);
    going["metadata"]["deletionTimestamp"] = json!(clock(50));
    going["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    shop.modified(20_000, going);
    shop.modified(21_000, counting(replica_set(), 0, 0));
    shop.modified(21_000, counting(deployment(), 0, 0));
})]
fn what_nearly_breaks_a_rule_is_legal(#[case] rule: &str, #[case] change: Change) {
    let mut shop = Shop::new();
    change(&mut shop);
    assert_eq!(shop.broken(rule), Vec::<String>::new());
}
