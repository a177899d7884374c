-- Question: How long do pods take from creation to Running, as ClusterLoader2 measures it?
-- Columns:  transition (pod_startup: first seen to phase Running; create_to_schedule: first seen to
--           a node name; schedule_to_run: node name to phase Running); n (pods that made it);
--           mean, p50, p90, p99, max; not_reached (pods that did not make it while it was recorded);
--           existed_before (pods left out because their creation was not seen).
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
    object->'status'->>'phase' AS phase,
    object->'spec'->>'nodeName' AS node
  FROM events
  WHERE resource = 'pods' AND api_group = '' AND type <> 'DELETED'
),
pods AS (
  SELECT
    uid,
    bool_or(type = 'ADDED' AND certainty = 'seen') AS creation_seen,
    CAST(min(ts) AS BIGINT) AS first_seen,
    CAST(min(ts) FILTER (WHERE node <> '') AS BIGINT) AS scheduled,
    CAST(min(ts) FILTER (WHERE phase = 'Running') AS BIGINT) AS running
  FROM pod_events
  GROUP BY uid
),
transitions AS (
  SELECT 1 AS place, 'pod_startup' AS transition, creation_seen, (running - first_seen) / 1e9 AS seconds
  FROM pods
  UNION ALL
  SELECT 2, 'create_to_schedule', creation_seen, (scheduled - first_seen) / 1e9
  FROM pods
  UNION ALL
  SELECT 3, 'schedule_to_run', creation_seen, (running - scheduled) / 1e9
  FROM pods
),
ranked AS (
  SELECT
    transition,
    seconds,
    row_number() OVER (PARTITION BY transition ORDER BY seconds) AS rank,
    count(*) OVER (PARTITION BY transition) AS n
  FROM transitions
  WHERE creation_seen AND seconds IS NOT NULL
),
summary AS (
  SELECT
    transition,
    max(n) AS n,
    avg(seconds) AS mean,
    min(seconds) FILTER (WHERE rank >= n * 0.50) AS p50,
    min(seconds) FILTER (WHERE rank >= n * 0.90) AS p90,
    min(seconds) FILTER (WHERE rank >= n * 0.99) AS p99,
    max(seconds) AS max
  FROM ranked
  GROUP BY transition
),
counted AS (
  SELECT
    place,
    transition,
    count(*) FILTER (WHERE creation_seen AND seconds IS NULL) AS not_reached,
    count(*) FILTER (WHERE NOT creation_seen) AS existed_before
  FROM transitions
  GROUP BY place, transition
)
SELECT
  counted.transition,
  coalesce(summary.n, 0) AS n,
  summary.mean,
  summary.p50,
  summary.p90,
  summary.p99,
  summary.max,
  counted.not_reached,
  counted.existed_before
FROM counted
LEFT JOIN summary ON counted.transition = summary.transition
ORDER BY counted.place
