-- Question: How fast do pods get a node and become ready, as Karpenter measures it?
-- Columns:  metric; n (pods that made it); mean, p50, p90, p99, max; negative (of these, less than
--           0); waiting (pods that were there at the end and had not); longest_wait (of these, until
--           the end); existed_before (pods left out because their creation was not seen), daemon
--           (pods left out because they are of a DaemonSet or static; Karpenter counts them).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the API's, in whole seconds (`lastTransitionTime` when the condition was first seen
--           true, less `creationTimestamp`); longest_wait ends by the recorder's clock.
-- Source:   Karpenter, pkg/controllers/metrics/pod/controller.go: karpenter_pods_startup_duration_seconds
--           (to Ready) and karpenter_pods_bound_duration_seconds (to PodScheduled). What begins when
--           Karpenter first thought of a pod (karpenter_pods_provisioning_*) is in no object.
WITH lives AS (
  SELECT
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    bool_and(creation_seen) AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    bool_or(valid_to IS NULL AND phase NOT IN ('Succeeded', 'Failed')) AS is_there,
    CAST(min(CASE WHEN scheduled = 'True' THEN scheduled_time END) AS BIGINT) AS bound,
    CAST(min(CASE WHEN ready = 'True' THEN ready_time END) AS BIGINT) AS ready
  FROM pods
  GROUP BY uid
),
measured AS (
  SELECT
    creation_seen,
    daemon,
    is_there,
    created,
    unnest(make_array('bound_duration', 'startup_duration')) AS metric,
    unnest(make_array(
      CASE WHEN creation_seen AND NOT daemon THEN (bound - created) / 1e9 END,
      CASE WHEN creation_seen AND NOT daemon THEN (ready - created) / 1e9 END
    )) AS seconds
  FROM lives
),
ranked AS (
  SELECT
    *,
    is_there AND creation_seen AND NOT daemon AND seconds IS NULL AS waits,
    row_number() OVER (PARTITION BY metric ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY metric) AS n
  FROM measured
)
SELECT
  metric,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE seconds < 0) AS negative,
  count(*) FILTER (WHERE waits) AS waiting,
  max((CAST(at('-0s') AS BIGINT) - created) / 1e9) FILTER (WHERE waits) AS longest_wait,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before,
  count(*) FILTER (WHERE creation_seen AND daemon) AS daemon
FROM ranked
GROUP BY metric
ORDER BY metric
