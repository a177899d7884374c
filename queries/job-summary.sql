-- Question: How long do Jobs wait, run and take, and how long did all of them take together?
-- Columns:  namespace; measure (wait: creation to start; run: start to completion; total: creation to
--           completion; slowdown: total / run; makespan: first creation to last completion, of what
--           was completed); n (Jobs that reached it); mean, p50, p90, p99, max; not_reached (Jobs that
--           did not while they were watched).
-- Unit:     seconds; the slowdown has none. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the API's, in whole seconds
-- Source:   kube-burner jobLatency; ClusterLoader2 JobLifecycleLatency; job completion time and
--           makespan of the literature on batch scheduling.
WITH last AS (
  SELECT
    namespace,
    CAST(created AS BIGINT) * 1000000000 AS created,
    CAST(start_time AS BIGINT) AS started,
    CAST(completion_time AS BIGINT) AS completed
  FROM jobs
  WHERE valid_to IS NULL OR ended_by = 'DELETED'
),
measured AS (
  SELECT
    namespace,
    unnest(make_array(1, 2, 3, 4)) AS place,
    unnest(make_array('wait', 'run', 'total', 'slowdown')) AS measure,
    unnest(make_array(
      (started - created) / 1e9,
      (completed - started) / 1e9,
      (completed - created) / 1e9,
      (completed - created) / nullif(CAST(completed - started AS DOUBLE), 0)
    )) AS value
  FROM last
  UNION ALL
  SELECT namespace, 5, 'makespan', (max(completed) - min(created)) / 1e9
  FROM last
  GROUP BY namespace
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY namespace, measure ORDER BY value NULLS LAST) AS rank,
    count(value) OVER (PARTITION BY namespace, measure) AS n
  FROM measured
)
SELECT
  namespace,
  measure,
  max(n) AS n,
  avg(value) AS mean,
  min(value) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(value) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(value) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(value) AS max,
  count(*) - max(n) AS not_reached
FROM ranked
GROUP BY namespace, place, measure
ORDER BY namespace, place
