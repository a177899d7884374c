-- Question: How long do pods wait for a node?
-- Columns:  scheduler; clock (recorder: from first seen to first seen with a node name; event: to the
--           time of the Event Scheduled, from creation; api: to `lastTransitionTime` of PodScheduled,
--           from creation); n (pods that got one while they were watched); mean, p50, p90, p99, max;
--           negative (of these, less than 0); waiting (pods that are there at the end and have none);
--           existed_before (left out: their creation was not seen), daemon (left out: they are of a
--           DaemonSet or static).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    as the column tells, best first. In a trace of an audit log the recorder's is that of the
--           API server, in microseconds, and the node name comes with the request `pods/binding`. The
--           Event has microseconds but creation whole seconds; the API's has whole seconds.
-- Source:   ClusterLoader2 create_to_schedule (recorder), kube-burner (event), audit logs. Time in
--           which a pod is gated counts: `scheduling-sli` leaves it out.
WITH told AS (
  SELECT object_uid AS uid, CAST(min(first_time) AS BIGINT) AS at
  FROM k8s_events
  WHERE reason = 'Scheduled' AND object_kind = 'Pod'
  GROUP BY object_uid
),
lives AS (
  SELECT
    uid,
    max(scheduler) AS scheduler,
    bool_and(creation_seen) AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    bool_or(valid_to IS NULL AND coalesce(node, '') = '') AS is_there,
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    CAST(min(valid_from) AS BIGINT) AS first_seen,
    CAST(min(valid_from) FILTER (WHERE node <> '') AS BIGINT) AS bound,
    CAST(min(scheduled_time) FILTER (WHERE scheduled = 'True') AS BIGINT) AS scheduled
  FROM pods
  GROUP BY uid
),
measured AS (
  SELECT
    l.scheduler,
    l.creation_seen,
    l.daemon,
    l.is_there AND l.creation_seen AND NOT l.daemon AS waits,
    unnest(make_array(1, 2, 3)) AS place,
    unnest(make_array('recorder', 'event', 'api')) AS clock,
    CASE WHEN l.creation_seen AND NOT l.daemon THEN unnest(make_array(
      l.bound - l.first_seen,
      t.at - l.created,
      l.scheduled - l.created
    )) / 1e9 END AS seconds
  FROM lives AS l
  LEFT JOIN told AS t ON t.uid = l.uid
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY scheduler, clock ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY scheduler, clock) AS n
  FROM measured
)
SELECT
  scheduler,
  clock,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE seconds < 0) AS negative,
  count(*) FILTER (WHERE waits) AS waiting,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before,
  count(*) FILTER (WHERE creation_seen AND daemon) AS daemon
FROM ranked
GROUP BY scheduler, place, clock
ORDER BY scheduler, place
