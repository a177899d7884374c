-- Question: How long do pods wait for a node, without the time in which they are gated?
-- Columns:  scheduler; n (pods that got one while they were watched); gated (of these, pods that had
--           been gated); mean, p50, p90, p99, max; waiting (pods that are there at the end, are not
--           gated and have none); existed_before (left out: their creation was not seen), daemon
--           (left out: they are of a DaemonSet or static).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the recorder's: from first seen without scheduling gates to first seen with a node name.
-- Source:   close to the scheduler's own scheduler_pod_scheduling_sli_duration_seconds, which begins
--           when the pod enters its queue: that moment is in no object.
WITH lives AS (
  SELECT
    max(scheduler) AS scheduler,
    bool_and(creation_seen) AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    bool_or(gates > 0) AS gated,
    bool_or(valid_to IS NULL AND coalesce(node, '') = '' AND gates = 0) AS waits,
    CAST(min(valid_from) FILTER (WHERE gates = 0) AS BIGINT) AS queued,
    CAST(min(valid_from) FILTER (WHERE node <> '') AS BIGINT) AS bound
  FROM (SELECT *, cardinality(json_path(object, '$.spec.schedulingGates[*].name')) AS gates FROM pods)
  GROUP BY uid
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY scheduler ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY scheduler) AS n
  FROM (
    SELECT *, CASE WHEN creation_seen AND NOT daemon THEN (bound - queued) / 1e9 END AS seconds
    FROM lives
  )
)
SELECT
  scheduler,
  max(n) AS n,
  count(*) FILTER (WHERE gated AND seconds IS NOT NULL) AS gated,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE waits AND creation_seen AND NOT daemon) AS waiting,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before,
  count(*) FILTER (WHERE creation_seen AND daemon) AS daemon
FROM ranked
GROUP BY scheduler
ORDER BY scheduler
