-- Rule:     At rest the counts in a workload's status are those of its pods: how many there are, and how
--           many are ready.
-- Why:      Replicas are what a trace is measured and replayed by.
-- Judged:   ReplicaSets, Deployments, StatefulSets, DaemonSets and Jobs (their active pods) while all
--           pods, all objects of the workload's resource and, for Deployments, all ReplicaSets are
--           known (`known`), when neither the workload nor a pod of it changes for 20 s (Jobs: 60 s),
--           its controller has observed its generation and, for StatefulSets and DaemonSets, no pod
--           of it is on its way out. In a recording of a busy control plane counts were behind by up
--           to 9 s (Jobs: 25 s).
-- Source:   the controllers of Kubernetes, pkg/controller (`FilterActivePods`) and pkg/api/v1/pod (`IsPodReady`).
WITH workloads AS (
  SELECT
    seq,
    ts,
    api_group,
    resource,
    kind,
    namespace,
    name,
    uid AS workload,
    type,
    generation,
    CASE WHEN kind = 'Job' THEN generation ELSE json_get_int(object, 'status', 'observedGeneration') END AS observed,
    coalesce(
      CASE kind
        WHEN 'Job' THEN json_get_int(object, 'status', 'active')
        WHEN 'DaemonSet' THEN json_get_int(object, 'status', 'currentNumberScheduled')
        ELSE json_get_int(object, 'status', 'replicas')
      END,
      0
    ) AS replicas,
    coalesce(
      CASE kind
        WHEN 'Job' THEN json_get_int(object, 'status', 'ready')
        WHEN 'DaemonSet' THEN json_get_int(object, 'status', 'numberReady')
        ELSE json_get_int(object, 'status', 'readyReplicas')
      END,
      0
    ) AS ready
  FROM events
  WHERE api_group IN ('apps', 'batch')
    AND resource IN ('replicasets', 'deployments', 'statefulsets', 'daemonsets', 'jobs')
    AND certainty <> 'reported'
),
-- What each version of a pod adds to the counts of its controller.
pods AS (
  SELECT
    seq,
    ts,
    coalesce(owner_uid, lag(owner_uid) OVER life) AS workload,
    active - coalesce(lag(active) OVER life, 0) AS more_pods,
    ready - coalesce(lag(ready) OVER life, 0) AS more_ready,
    leaving - coalesce(lag(leaving) OVER life, 0) AS more_leaving
  FROM (
    SELECT
      seq,
      ts,
      uid,
      owner_uid,
      CAST(is_there AND deleted IS NULL AND NOT has_ended AS BIGINT) AS active,
      CAST(is_there AND deleted IS NULL AND NOT has_ended AND is_ready AS BIGINT) AS ready,
      CAST(is_there AND deleted IS NOT NULL AS BIGINT) AS leaving
    FROM (
      SELECT
        seq,
        ts,
        uid,
        owner_uid,
        deleted,
        type <> 'DELETED' AND owner_uid IS NOT NULL AS is_there,
        coalesce(object -> 'status' ->> 'phase', '') IN ('Succeeded', 'Failed') AS has_ended,
        coalesce(condition(object, 'Ready')['status'], '') = 'True' AS is_ready
      FROM events
      WHERE api_group = '' AND resource = 'pods' AND certainty <> 'reported'
    )
  )
  WINDOW life AS (PARTITION BY uid ORDER BY seq)
),
deployed AS (
  SELECT uid, max(owner_uid) AS workload
  FROM events
  WHERE api_group = 'apps' AND resource = 'replicasets' AND owner_kind = 'Deployment'
  GROUP BY uid
),
stream AS (
  SELECT
    *,
    CAST(0 AS BIGINT) AS more_pods,
    CAST(0 AS BIGINT) AS more_ready,
    CAST(0 AS BIGINT) AS more_leaving
  FROM workloads
  UNION ALL
  SELECT
    seq, ts, NULL, NULL, NULL, NULL, NULL, workload, NULL, NULL, NULL, NULL, NULL, more_pods, more_ready, more_leaving
  FROM pods
  WHERE workload IS NOT NULL
  UNION ALL
  SELECT
    p.seq, p.ts, NULL, NULL, NULL, NULL, NULL, d.workload, NULL, NULL, NULL, NULL, NULL, p.more_pods, p.more_ready, p.more_leaving
  FROM pods AS p
  JOIN deployed AS d ON d.uid = p.workload
),
counted AS (
  SELECT
    seq,
    ts,
    last_value(api_group) IGNORE NULLS OVER past AS api_group,
    last_value(resource) IGNORE NULLS OVER past AS resource,
    last_value(kind) IGNORE NULLS OVER past AS kind,
    last_value(namespace) IGNORE NULLS OVER past AS namespace,
    last_value(name) IGNORE NULLS OVER past AS name,
    workload AS uid,
    last_value(type) IGNORE NULLS OVER past AS type,
    last_value(generation) IGNORE NULLS OVER past AS generation,
    last_value(observed) IGNORE NULLS OVER past AS observed,
    last_value(replicas) IGNORE NULLS OVER past AS replicas,
    last_value(ready) IGNORE NULLS OVER past AS ready,
    sum(more_pods) OVER past AS pods,
    sum(more_ready) OVER past AS ready_pods,
    sum(more_leaving) OVER past AS leaving,
    lead(ts) OVER (PARTITION BY workload ORDER BY seq) AS next_ts
  FROM stream
  WINDOW past AS (PARTITION BY workload ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT DISTINCT
  c.seq,
  c.ts,
  c.api_group,
  c.kind,
  c.namespace,
  c.name,
  c.uid,
  CASE
    WHEN c.replicas <> c.pods THEN concat('counts ', c.replicas, ' in its status; pods that are there: ', c.pods)
    ELSE concat('counts ', c.ready, ' ready in its status; pods that are ready: ', c.ready_pods)
  END AS detail
FROM counted AS c
JOIN known AS w
  ON w.api_group = c.api_group AND w.resource = c.resource AND w.from_ts <= c.ts
  AND (w.namespace IS NULL OR w.namespace = c.namespace)
JOIN known AS p
  ON p.api_group = '' AND p.resource = 'pods' AND p.from_ts <= c.ts
  AND (p.namespace IS NULL OR p.namespace = c.namespace)
LEFT JOIN known AS r
  ON r.api_group = 'apps' AND r.resource = 'replicasets' AND r.from_ts <= c.ts AND c.ts <= r.to_ts
  AND (r.namespace IS NULL OR r.namespace = c.namespace)
WHERE (c.replicas <> c.pods OR c.ready <> c.ready_pods)
  AND c.type <> 'DELETED'
  AND (c.kind <> 'Deployment' OR r.resource IS NOT NULL)
  AND c.observed >= c.generation
  AND (c.leaving = 0 OR c.kind IN ('ReplicaSet', 'Deployment', 'Job'))
  AND c.ts + CASE WHEN c.kind = 'Job' THEN duration('60s') ELSE duration('20s') END
    <= least(c.next_ts, w.to_ts, p.to_ts)
ORDER BY c.seq
