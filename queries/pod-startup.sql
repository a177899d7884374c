-- Question: How long do pods take from creation to Running, as ClusterLoader2 measures it?
-- Columns:  transition (pod_startup: first seen to phase Running; create_to_schedule: first seen to
--           a node name; schedule_to_run: node name to phase Running); n (pods that made it);
--           mean, p50, p90, p99, max; not_reached (pods that did not make it while it was recorded);
--           existed_before (pods left out because their creation was not seen), daemon (pods left out
--           because they are of a DaemonSet or static).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the recorder's (`events.ts`). Image pulls and init containers are part of it. A change
--           that fell into a gap counts from the time at which it was noticed.
-- Source:   ClusterLoader2, slos/pod_startup_latency.go (`pod_startup`).
WITH pod_events AS (
  SELECT
    uid,
    ts,
    type,
    certainty,
    owner_kind,
    object->'status'->>'phase' AS phase,
    object->'spec'->>'nodeName' AS node
  FROM events
  WHERE resource = 'pods' AND api_group = '' AND type <> 'DELETED'
),
pods AS (
  SELECT
    uid,
    bool_or(type = 'ADDED' AND certainty = 'seen') AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    CAST(min(ts) AS BIGINT) AS first_seen,
    CAST(min(ts) FILTER (WHERE node <> '') AS BIGINT) AS scheduled,
    CAST(min(ts) FILTER (WHERE phase = 'Running') AS BIGINT) AS running
  FROM pod_events
  GROUP BY uid
),
transitions AS (
  SELECT
    creation_seen,
    daemon,
    unnest(make_array(1, 2, 3)) AS place,
    unnest(make_array('pod_startup', 'create_to_schedule', 'schedule_to_run')) AS transition,
    unnest(make_array(
      (running - first_seen) / 1e9,
      (scheduled - first_seen) / 1e9,
      (running - scheduled) / 1e9
    )) AS seconds
  FROM pods
),
measured AS (
  SELECT
    place,
    transition,
    creation_seen,
    daemon,
    CASE WHEN creation_seen AND NOT daemon THEN seconds END AS seconds
  FROM transitions
),
ranked AS (
  SELECT
    place,
    transition,
    creation_seen,
    daemon,
    seconds,
    row_number() OVER (PARTITION BY transition ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY transition) AS n
  FROM measured
)
SELECT
  transition,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE creation_seen AND NOT daemon AND seconds IS NULL) AS not_reached,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before,
  count(*) FILTER (WHERE creation_seen AND daemon) AS daemon
FROM ranked
GROUP BY place, transition
ORDER BY place
