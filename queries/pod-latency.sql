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
WITH conditions AS (
  SELECT
    uid,
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    bool_or(type = 'ADDED' AND certainty = 'seen') AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    min(condition(object, 'PodScheduled')['last_transition_time'])
      FILTER (WHERE condition(object, 'PodScheduled')['status'] = 'True') AS scheduled,
    min(condition(object, 'PodReadyToStartContainers')['last_transition_time'])
      FILTER (WHERE condition(object, 'PodReadyToStartContainers')['status'] = 'True') AS to_start,
    min(condition(object, 'Initialized')['last_transition_time'])
      FILTER (WHERE condition(object, 'Initialized')['status'] = 'True') AS initialized,
    min(condition(object, 'ContainersReady')['last_transition_time'])
      FILTER (WHERE condition(object, 'ContainersReady')['status'] = 'True') AS containers_ready,
    min(condition(object, 'Ready')['last_transition_time'])
      FILTER (WHERE condition(object, 'Ready')['status'] = 'True') AS ready
  FROM events
  WHERE resource = 'pods' AND api_group = '' AND type <> 'DELETED'
  GROUP BY uid
),
told AS (
  SELECT DISTINCT object_uid AS uid, uid AS event, reason, first_time, split_part(name, '.', -1) AS suffix
  FROM k8s_events
  WHERE object_kind = 'Pod' AND reason IN ('Scheduled', 'Started')
),
read AS (
  SELECT
    t.uid,
    t.event,
    CAST(min(t.first_time) FILTER (WHERE t.reason = 'Scheduled') AS BIGINT) AS scheduled,
    sum(CAST(strpos('123456789abcdef', substr(t.suffix, d.digit, 1)) AS BIGINT) << (64 - 4 * d.digit))
      FILTER (WHERE t.reason = 'Started' AND length(t.suffix) = 16) AS started
  FROM told AS t
  CROSS JOIN (SELECT unnest(make_array(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)) AS digit) AS d
  GROUP BY t.uid, t.event
),
reached AS (
  SELECT
    c.creation_seen,
    c.daemon,
    unnest(make_array('PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready',
      'Scheduled', 'ContainersStarted')) AS condition,
    (unnest(make_array(CAST(c.scheduled AS BIGINT), CAST(c.to_start AS BIGINT), CAST(c.initialized AS BIGINT),
      CAST(c.containers_ready AS BIGINT), CAST(c.ready AS BIGINT), t.scheduled, t.started)) - c.created) / 1e9 AS seconds
  FROM conditions AS c
  LEFT JOIN (SELECT uid, min(scheduled) AS scheduled, max(started) AS started FROM read GROUP BY uid) AS t
    ON t.uid = c.uid
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
