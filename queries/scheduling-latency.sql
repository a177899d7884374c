-- Question: How long do pods wait for a node?
-- Columns:  scheduler; n (pods that got one while they were watched); mean, p50, p90, p99, max;
--           waiting (pods that had none at the end); existed_before (left out: they were there when
--           the recording began).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the recorder's: from first seen to first seen with a node name.
-- Source:   ClusterLoader2 create_to_schedule; the scheduler's own
--           scheduler_pod_scheduling_sli_duration_seconds leaves out time in which a pod is gated,
--           this does not.
WITH started AS (
  SELECT
    uid,
    max(scheduler) AS scheduler,
    bool_or(certainty = 'listed') AS existed_before,
    CAST(min(valid_from) AS BIGINT) AS first_seen,
    CAST(min(valid_from) FILTER (WHERE node <> '') AS BIGINT) AS bound
  FROM pods
  GROUP BY uid
),
ranked AS (
  SELECT
    scheduler,
    existed_before,
    bound,
    seconds,
    row_number() OVER (PARTITION BY scheduler ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY scheduler) AS n
  FROM (
    SELECT *, CASE WHEN NOT existed_before THEN (bound - first_seen) / 1e9 END AS seconds
    FROM started
  )
)
SELECT
  scheduler,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank >= n * 0.50) AS p50,
  min(seconds) FILTER (WHERE rank >= n * 0.90) AS p90,
  min(seconds) FILTER (WHERE rank >= n * 0.99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE bound IS NULL) AS waiting,
  count(*) FILTER (WHERE existed_before) AS existed_before
FROM ranked
GROUP BY scheduler
ORDER BY scheduler
