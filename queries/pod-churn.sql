-- Question: How often are pods disrupted or replaced, for the time that they run?
-- Columns:  namespace; pod_hours (of pods with a node that had not ended); deleted (pods that had a
--           node, had not ended and were deleted); disrupted (with the condition DisruptionTarget,
--           or evicted); evicted, preempted (of these, by the eviction API or the kubelet; by the
--           scheduler); rescheduled (pods created less than ten seconds after one of the same owner
--           was disrupted or began to be deleted); per_pod_hour (disrupted / pod_hours).
-- Unit:     pods, hours
-- Clock:    the recorder's. Pods of DaemonSets and static ones are left out.
-- Source:   the reasons of Kubernetes' condition DisruptionTarget (KEP-3329).
WITH versions AS (
  SELECT
    namespace,
    uid,
    owner_uid,
    creation_seen,
    deleted IS NOT NULL AS going,
    valid_from,
    valid_to,
    ended_by,
    node <> '' AND phase NOT IN ('Succeeded', 'Failed') AS placed,
    CASE
      WHEN condition(object, 'DisruptionTarget')['status'] = 'True' THEN condition(object, 'DisruptionTarget')['reason']
      WHEN reason IN ('Evicted', 'Preempting', 'NodeLost') THEN reason
    END AS disruption
  FROM pods
  WHERE coalesce(owner_kind, '') NOT IN ('DaemonSet', 'Node')
),
lives AS (
  SELECT
    namespace,
    uid,
    owner_uid,
    bool_and(creation_seen) AS creation_seen,
    min(valid_from) AS first_seen,
    bool_or(placed AND ended_by = 'DELETED') AS deleted,
    max(disruption) AS disruption,
    coalesce(min(valid_from) FILTER (WHERE disruption IS NOT NULL OR going),
      max(valid_to) FILTER (WHERE ended_by = 'DELETED')) AS left_at,
    coalesce(sum(CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) FILTER (WHERE placed), 0) / 3600e9 AS hours
  FROM versions
  GROUP BY namespace, uid, owner_uid
),
replaced AS (
  SELECT n.namespace, count(DISTINCT n.uid) AS rescheduled
  FROM lives AS n
  JOIN lives AS o ON o.owner_uid = n.owner_uid AND o.uid <> n.uid
    AND n.first_seen >= o.left_at AND n.first_seen <= o.left_at + INTERVAL '10 seconds'
  WHERE n.creation_seen
  GROUP BY n.namespace
)
SELECT
  l.namespace,
  sum(l.hours) AS pod_hours,
  count(*) FILTER (WHERE l.deleted) AS deleted,
  count(l.disruption) AS disrupted,
  count(*) FILTER (WHERE l.disruption IN ('EvictionByEvictionAPI', 'TerminationByKubelet', 'Evicted')) AS evicted,
  count(*) FILTER (WHERE l.disruption IN ('PreemptionByScheduler', 'Preempting')) AS preempted,
  coalesce(max(r.rescheduled), 0) AS rescheduled,
  count(l.disruption) / nullif(sum(l.hours), 0) AS per_pod_hour
FROM lives AS l
LEFT JOIN replaced AS r ON r.namespace = l.namespace
GROUP BY l.namespace
ORDER BY disrupted DESC, l.namespace
