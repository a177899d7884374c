-- Question: How long after their creation do pods reach each condition, by the clock of the API?
-- Columns:  condition; n (pods that reached it); mean, p50, p90, p99, max; never (pods that did not
--           while the trace lasts).
-- Unit:     seconds, in whole seconds as the API gives them. A percentile is the
--           ceil(n * p / 100)-th smallest value.
-- Clock:    the API's (`lastTransitionTime` when the condition was first seen true, less
--           `creationTimestamp`), so pods from before the recording count as well.
-- Source:   kube-burner, pkg/measurements/pod_latency.go (PodScheduled, Initialized,
--           ContainersReady, Ready).
WITH reached AS (
  SELECT uid, condition, min(at) AS at, min(created) AS created
  FROM (
    SELECT
      uid,
      created,
      unnest(make_array('PodScheduled', 'Initialized', 'ContainersReady', 'Ready')) AS condition,
      unnest(make_array(
        CASE WHEN condition(object, 'PodScheduled')['status'] = 'True'
          THEN condition(object, 'PodScheduled')['last_transition_time'] END,
        CASE WHEN condition(object, 'Initialized')['status'] = 'True'
          THEN condition(object, 'Initialized')['last_transition_time'] END,
        CASE WHEN condition(object, 'ContainersReady')['status'] = 'True'
          THEN condition(object, 'ContainersReady')['last_transition_time'] END,
        CASE WHEN condition(object, 'Ready')['status'] = 'True'
          THEN condition(object, 'Ready')['last_transition_time'] END
      )) AS at
    FROM pods
  )
  GROUP BY uid, condition
),
measured AS (
  SELECT
    condition,
    (CAST(at AS BIGINT) - CAST(created AS BIGINT) * 1000000000) / 1e9 AS seconds
  FROM reached
),
ranked AS (
  SELECT
    condition,
    seconds,
    row_number() OVER (PARTITION BY condition ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY condition) AS n
  FROM measured
)
SELECT
  condition,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank >= n * 0.50) AS p50,
  min(seconds) FILTER (WHERE rank >= n * 0.90) AS p90,
  min(seconds) FILTER (WHERE rank >= n * 0.99) AS p99,
  max(seconds) AS max,
  count(*) - max(n) AS never
FROM ranked
GROUP BY condition
ORDER BY p50, condition
