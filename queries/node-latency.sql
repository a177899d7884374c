-- Question: How fast do nodes reach each condition, as kube-burner measures it?
-- Columns:  condition (Ready to True, the others to False); n (nodes that reached it); mean, p50,
--           p90, p99, max; negative (of these, less than 0); never (nodes that did not while they
--           were watched); existed_before (nodes left out because their creation was not seen).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the API's, in whole seconds (`lastTransitionTime` when the condition was first seen so,
--           less `creationTimestamp`). A simulated kubelet that is always ready gives 0.
-- Source:   kube-burner nodeLatency.
WITH lives AS (
  SELECT
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    bool_and(creation_seen) AS creation_seen,
    min(ready_time) FILTER (WHERE ready = 'True') AS ready,
    min(condition(object, 'MemoryPressure')['last_transition_time']) FILTER (WHERE memory_pressure = 'False') AS memory,
    min(condition(object, 'DiskPressure')['last_transition_time']) FILTER (WHERE disk_pressure = 'False') AS disk,
    min(condition(object, 'PIDPressure')['last_transition_time']) FILTER (WHERE pid_pressure = 'False') AS pid
  FROM nodes
  GROUP BY uid
),
measured AS (
  SELECT
    creation_seen,
    unnest(make_array('Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure')) AS condition,
    CASE WHEN creation_seen
      THEN (CAST(unnest(make_array(ready, memory, disk, pid)) AS BIGINT) - created) / 1e9 END AS seconds
  FROM lives
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY condition ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY condition) AS n
  FROM measured
)
SELECT
  condition,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE seconds < 0) AS negative,
  count(*) FILTER (WHERE creation_seen AND seconds IS NULL) AS never,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before
FROM ranked
GROUP BY condition
ORDER BY condition
