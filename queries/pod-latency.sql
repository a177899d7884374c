-- Question: How fast do pods reach each condition, as kube-burner measures it?
-- Columns:  condition (ContainersStarted: the last Event Started; Scheduled: the Event Scheduled);
--           n (pods that reached it); mean, p50, p90, p99, max; negative (of these, less than 0);
--           never (pods that did not while they were watched); existed_before (pods left out because
--           their creation was not seen), daemon (pods left out because they are of a DaemonSet or
--           static).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the API's, in whole seconds: `lastTransitionTime` when the condition was first seen
--           true, less `creationTimestamp`. ContainersStarted is to the nanosecond and Scheduled to
--           the microsecond, so that they are up to 1 s too long. Clocks of nodes that differ make
--           negative values, which are kept.
-- Source:   kube-burner, pkg/measurements/pod_latency.go, which takes negative ones as 0. The time of
--           ContainersStarted is what ends the Event's name.
WITH versions AS (
  SELECT
    uid,
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    bool_and(creation_seen) AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    min(scheduled_time) FILTER (WHERE scheduled = 'True') AS scheduled,
    min(condition(object, 'PodReadyToStartContainers')['last_transition_time'])
      FILTER (WHERE condition(object, 'PodReadyToStartContainers')['status'] = 'True') AS to_start,
    min(initialized_time) FILTER (WHERE condition(object, 'Initialized')['status'] = 'True') AS initialized,
    min(condition(object, 'ContainersReady')['last_transition_time'])
      FILTER (WHERE condition(object, 'ContainersReady')['status'] = 'True') AS containers_ready,
    min(ready_time) FILTER (WHERE ready = 'True') AS ready
  FROM pods
  GROUP BY uid
),
lives AS (
  SELECT
    uid,
    created,
    creation_seen,
    daemon,
    unnest(make_array('PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready')) AS condition,
    CAST(unnest(make_array(scheduled, to_start, initialized, containers_ready, ready)) AS BIGINT) AS at
  FROM versions
),
told AS (
  SELECT object_uid AS uid, 'Scheduled' AS condition, CAST(min(first_time) AS BIGINT) AS at
  FROM k8s_events
  WHERE object_kind = 'Pod' AND reason = 'Scheduled'
  GROUP BY object_uid
  UNION ALL
  SELECT uid, 'ContainersStarted', max(nanoseconds)
  FROM (
    SELECT e.uid, e.event, sum(CAST(strpos('123456789abcdef', substr(e.suffix, d.digit, 1)) AS BIGINT) << (64 - 4 * d.digit)) AS nanoseconds
    FROM (
      SELECT DISTINCT object_uid AS uid, uid AS event, split_part(name, '.', -1) AS suffix
      FROM k8s_events
      WHERE object_kind = 'Pod' AND reason = 'Started'
    ) AS e
    CROSS JOIN (SELECT unnest(make_array(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)) AS digit) AS d
    WHERE length(e.suffix) = 16
    GROUP BY e.uid, e.event
  )
  GROUP BY uid
),
reached AS (
  SELECT condition, creation_seen, daemon, (at - created) / 1e9 AS seconds FROM lives
  UNION ALL
  SELECT c.condition, l.creation_seen, l.daemon, (t.at - l.created) / 1e9
  FROM lives AS l
  CROSS JOIN (SELECT unnest(make_array('Scheduled', 'ContainersStarted')) AS condition) AS c
  LEFT JOIN told AS t ON t.uid = l.uid AND t.condition = c.condition
  WHERE l.condition = 'Ready'
),
measured AS (
  SELECT
    condition,
    creation_seen,
    daemon,
    CASE WHEN creation_seen AND NOT daemon THEN seconds END AS seconds
  FROM reached
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
  count(*) FILTER (WHERE creation_seen AND NOT daemon AND seconds IS NULL) AS never,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before,
  count(*) FILTER (WHERE creation_seen AND daemon) AS daemon
FROM ranked
GROUP BY condition
ORDER BY mean, condition
