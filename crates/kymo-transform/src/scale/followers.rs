//! Objects that follow the pods of a workload without owning them: `PodDisruptionBudgets` and
//! autoscalers.

use std::collections::HashSet;

use kymo_model::{LabelSelector, Timestamp};
use kymo_query::{QuerySession, Span};
use serde_json::{Map, Value, json};

use super::backends::second;
use super::counts::{Change, REPORT_AFTER, Surplus, get};
use super::fleet::{Fleet, Kind, Owner, Role, strings};
use super::life::Life;
use crate::Error;
use crate::language::Workload;
use crate::rows::{each_batch, literal, texts};

/// How often an autoscaler looks, in nanoseconds. Source: the flag
/// `horizontal-pod-autoscaler-sync-period` of kube-controller-manager, by default.
const LOOK_AFTER: i64 = 15_000_000_000;

/// Finds what follows the pods of a workload. What the workload itself counts is known by then.
pub(super) async fn add_followers(
    fleet: &mut Fleet,
    workload: &Workload,
    lives: &[Life],
    span: Span,
    session: &QuerySession,
) -> Result<(), Error> {
    if fleet
        .pods
        .iter()
        .all(|pod| pod.stays && pod.clones.is_empty())
    {
        return Ok(());
    }
    let namespace = literal(&workload.namespace);
    for (uid, selector) in budgets(&namespace, session).await? {
        let sql = format!(
            "SELECT DISTINCT uid FROM events WHERE kind = 'Pod' AND namespace = {namespace} \
             AND matches(labels, {})",
            literal(&selector)
        );
        let selected: HashSet<String> = strings(session, &sql).await?.into_iter().collect();
        let surplus = Surplus::of(standing(fleet, lives, &selected));
        if surplus.is_empty() {
            continue;
        }
        let budget = Owner {
            reports: surplus.reports(REPORT_AFTER, span.end),
            surplus,
            scale: fleet.total.scale.clone(),
            kind: Kind::Budget,
            ..Owner::default()
        };
        fleet.follow(uid, budget);
    }
    let sql = format!(
        "SELECT DISTINCT uid FROM events WHERE kind = 'HorizontalPodAutoscaler' AND namespace = {namespace} \
         AND json_get_str(object, 'spec', 'scaleTargetRef', 'kind') = {} \
         AND json_get_str(object, 'spec', 'scaleTargetRef', 'name') = {} ORDER BY uid",
        literal(&workload.kind),
        literal(&workload.name)
    );
    for uid in strings(session, &sql).await? {
        let total = &fleet.total;
        let autoscaler = Owner {
            reports: total.surplus.reports(LOOK_AFTER, span.end),
            surplus: total.surplus.clone(),
            desired: total.desired.clone(),
            ratio: total.ratio,
            kind: Kind::Autoscaler,
            ..Owner::default()
        };
        fleet.follow(uid, autoscaler);
    }
    Ok(())
}

impl Fleet {
    fn follow(&mut self, uid: String, follower: Owner) {
        self.roles.insert(uid, Role::Owner(self.owners.len()));
        self.owners.push(follower);
    }
}

/// Finds the budgets of a namespace and what they select, as the last version says.
async fn budgets(namespace: &str, session: &QuerySession) -> Result<Vec<(String, String)>, Error> {
    let sql = format!(
        "SELECT uid, last_value(json_get_json(object, 'spec', 'selector') ORDER BY seq) FROM events \
         WHERE api_group = 'policy' AND kind = 'PodDisruptionBudget' AND namespace = {namespace} \
         AND object IS NOT NULL GROUP BY uid ORDER BY uid"
    );
    let mut found = Vec::new();
    each_batch(session, &sql, |batch| {
        let (uids, selectors) = (texts(batch, 0)?, texts(batch, 1)?);
        for (uid, selector) in uids.iter().zip(selectors.iter()) {
            let selector = selector.and_then(|text| serde_json::from_str(text).ok());
            // One that the API would not have taken selects nothing.
            let selector = selector.and_then(|selector| LabelSelector::of_object(&selector).ok());
            if let (Some(uid), Some(selector)) = (uid, selector) {
                found.push((uid.to_owned(), selector.to_string()));
            }
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Returns how many pods more are there, until they are gone, and are ready.
fn standing(fleet: &Fleet, lives: &[Life], selected: &HashSet<String>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (life, pod) in lives.iter().zip(&fleet.pods) {
        if !selected.contains(life.uid()) {
            continue;
        }
        if !pod.stays {
            changes.extend(life.standing(|ts| ts).map(|change| Change {
                replicas: -change.replicas,
                ready: -change.ready,
                ..change
            }));
        }
        for clone in &pod.clones {
            changes.extend(life.standing(|ts| clone.warp.apply(ts)));
        }
    }
    changes.sort_by_key(|change| change.ts);
    changes
}

/// Since when a budget allows disruptions, or does not.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    is_allowed: bool,
    since: String,
}

impl Owner {
    /// Lets a budget count the pods that are there.
    pub(super) fn budget(
        &self,
        object: &mut Map<String, Value>,
        ts: Timestamp,
        before: &mut Option<Allowed>,
    ) {
        let spec = object.get("spec").cloned().unwrap_or_default();
        let Some(Value::Object(status)) = object.get_mut("status") else {
            return;
        };
        let is_new = get(status, "expectedPods") == 0 && get(status, "desiredHealthy") == 0;
        if is_new && !status.contains_key("observedGeneration") {
            return;
        }
        let (pods, ready) = self.surplus.at(ts);
        let (scale, _) = self.scale.at(ts);
        let (least, most) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
        let counts_pods = least.is_some_and(Value::is_number);
        let more = if counts_pods { pods } else { scale };
        if more != 0 || ready != 0 {
            let expected = (get(status, "expectedPods") + more).max(0);
            let healthy = (get(status, "currentHealthy") + ready).max(0);
            let desired = match (least, most) {
                (Some(Value::String(share)), _) => share_of(share, expected),
                (None, Some(Value::String(share))) => expected - share_of(share, expected),
                (None, Some(Value::Number(count))) => expected - count.as_i64().unwrap_or(0),
                _ => get(status, "desiredHealthy"),
            };
            let desired = desired.max(0);
            let allowed = if expected > 0 { healthy - desired } else { 0 };
            for (field, count) in [
                ("expectedPods", expected),
                ("currentHealthy", healthy),
                ("desiredHealthy", desired),
                ("disruptionsAllowed", allowed.max(0)),
            ] {
                status.insert(field.to_owned(), json!(count));
            }
        }
        let is_allowed = get(status, "disruptionsAllowed") > 0;
        let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
        let condition = conditions.into_iter().flatten().find(|condition| {
            condition.get("type").and_then(Value::as_str) == Some("DisruptionAllowed")
        });
        if let Some(Value::Object(condition)) = condition {
            *before = Some(transition(condition, is_allowed, ts, before.as_ref()));
        }
    }

    /// Lets an autoscaler follow the counts of its workload, inside of limits that are as much wider.
    pub(super) fn autoscaler(&self, object: &mut Map<String, Value>, ts: Timestamp) {
        let becomes = |count: u64| {
            let becomes = self.desired.at(ts, count);
            becomes.or_else(|| self.ratio.map(|ratio| ratio.of(count)))
        };
        if let Some(Value::Object(spec)) = object.get_mut("spec")
            && let Some(ratio) = self.ratio
        {
            let steps = || self.desired.steps.iter();
            if let Some(most) = spec.get("maxReplicas").and_then(Value::as_u64) {
                let highest = steps().map(|(.., becomes)| *becomes).max();
                let most = ratio.of(most).max(highest.unwrap_or(0)).max(1);
                spec.insert("maxReplicas".to_owned(), json!(most));
            }
            if let Some(least) = spec.get("minReplicas").and_then(Value::as_u64) {
                let others = steps().filter(|(_, found, _)| *found >= least);
                let lowest = others.map(|(.., becomes)| *becomes).min();
                let scaled = ratio.of(least).min(lowest.unwrap_or(u64::MAX));
                spec.insert("minReplicas".to_owned(), json!(scaled.max(least.min(1))));
            }
        }
        if let Some(Value::Object(status)) = object.get_mut("status") {
            let (replicas, _) = self.surplus.at(ts);
            if replicas != 0 && status.contains_key("currentReplicas") {
                let count = (get(status, "currentReplicas") + replicas).max(0);
                status.insert("currentReplicas".to_owned(), json!(count));
            }
            let desired = status.get("desiredReplicas").and_then(Value::as_u64);
            if let Some(becomes) = desired.filter(|count| *count > 0).and_then(becomes) {
                status.insert("desiredReplicas".to_owned(), json!(becomes));
            }
        }
    }
}

/// Writes the condition of a budget, and says since when it is so.
fn transition(
    condition: &mut Map<String, Value>,
    is_allowed: bool,
    ts: Timestamp,
    before: Option<&Allowed>,
) -> Allowed {
    let text = |field: &str| condition.get(field).and_then(Value::as_str);
    let recorded = text("lastTransitionTime").unwrap_or_default().to_owned();
    let was_recorded = text("status") == Some(if is_allowed { "True" } else { "False" });
    let since = match before {
        Some(before) if before.is_allowed == is_allowed => before.since.clone(),
        Some(before) if !was_recorded || recorded < before.since => second(ts.0),
        None if !was_recorded => second(ts.0),
        _ => recorded,
    };
    if !was_recorded {
        let (status, reason) = if is_allowed {
            ("True", "SufficientPods")
        } else {
            ("False", "InsufficientPods")
        };
        condition.insert("status".to_owned(), json!(status));
        condition.insert("reason".to_owned(), json!(reason));
    }
    if condition.contains_key("lastTransitionTime") {
        condition.insert("lastTransitionTime".to_owned(), json!(since));
    }
    Allowed { is_allowed, since }
}

/// Returns a share such as `34%` of a number, rounded up.
fn share_of(share: &str, count: i64) -> i64 {
    let percent = share.strip_suffix('%').and_then(|text| text.parse().ok());
    let percent: i64 = percent.unwrap_or(0);
    let total = i128::from(percent) * i128::from(count);
    i64::try_from((total + 99).div_euclid(100)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(spec: &Value, recorded: i64) -> Value {
        let change = |ts, replicas, ready| Change {
            ts,
            owner: 0,
            replicas,
            ready,
        };
        let budget = Owner {
            surplus: Surplus::of([change(0, 20, 18)]),
            scale: Surplus::of([change(0, 20, 0)]),
            kind: Kind::Budget,
            ..Owner::default()
        };
        let mut object = json!({"spec": spec, "status": {
            "expectedPods": 10, "currentHealthy": 10, "desiredHealthy": recorded,
            "disruptionsAllowed": 10 - recorded, "observedGeneration": 1,
            "conditions": [{"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods",
                            "lastTransitionTime": "1970-01-01T00:00:00Z"}],
        }});
        let ts = Timestamp(5_000_000_000);
        budget.budget(object.as_object_mut().unwrap(), ts, &mut None);
        object["status"].take()
    }

    #[test]
    fn a_budget_counts_by_what_it_asks_for() {
        for (spec, recorded, desired) in [
            (json!({"minAvailable": 4}), 4, 4),
            (json!({"minAvailable": "55%"}), 6, 17),
            (json!({"maxUnavailable": 3}), 7, 27),
            (json!({"maxUnavailable": "34%"}), 6, 19),
        ] {
            let status = budget(&spec, recorded);
            assert_eq!(status["expectedPods"], 30);
            assert_eq!(status["currentHealthy"], 28);
            assert_eq!(status["desiredHealthy"], desired);
            assert_eq!(status["disruptionsAllowed"], 28 - desired);
            let condition = &status["conditions"][0];
            assert_eq!(condition["status"], "True");
            assert_eq!(condition["lastTransitionTime"], "1970-01-01T00:00:05Z");
        }
    }
}
