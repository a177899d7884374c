-- Question: Do stateless pods that fit start as fast as Kubernetes promises?
-- Columns:  created_in (the five minutes in which they were created; null: the whole trace); n (pods
--           measured); mean, p50, p90, p99, max; over (pods that took more than 5 s); pulls (pods
--           whose image pulls are known and taken off); left out, each pod by the first reason that
--           holds: existed_before (their creation was not seen), daemon (of a DaemonSet or static),
--           stateful, init (with init containers), unschedulable (not at once, or gated),
--           not_started (not all containers were seen running).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value. The promise is a p99 of
--           at most 5 s over a day.
-- Clock:    the recorder's: from first seen to first seen with all containers running, less the time
--           from the first Event Pulling to the last Event Pulled. Events can be lost, and then the
--           pull counts.
-- Source:   Kubernetes, sig-scalability/slos/pod_startup_latency.md. Stateless: no volumes but
--           secret, configMap, downwardAPI, emptyDir and projected, which is made of these.
WITH lives AS (
  SELECT
    uid,
    creation_seen,
    owner_kind,
    valid_from,
    cardinality(json_path(object,
      '$.spec.volumes[?!@.secret && !@.configMap && !@.downwardAPI && !@.emptyDir && !@.projected].name')) AS volumes,
    cardinality(json_path(object, '$.spec.initContainers[*].name')) AS init_containers,
    scheduled = 'False' OR nominated_node <> '' AS waits,
    cardinality(json_path(object, '$.status.containerStatuses[?@.state.running].name')) = containers AS running
  FROM pods
),
pulls AS (
  SELECT
    object_uid AS uid,
    (CAST(max(valid_from) FILTER (WHERE reason = 'Pulled') AS BIGINT)
      - CAST(min(valid_from) FILTER (WHERE reason = 'Pulling') AS BIGINT)) / 1e9 AS pull
  FROM (
    SELECT object_uid, reason, min(valid_from) AS valid_from
    FROM k8s_events
    WHERE object_kind = 'Pod' AND reason IN ('Pulling', 'Pulled')
    GROUP BY uid, object_uid, reason
  )
  GROUP BY object_uid
),
started AS (
  SELECT
    uid,
    min(valid_from) AS first_seen,
    min(valid_from) FILTER (WHERE running) AS started,
    CASE
      WHEN NOT bool_and(creation_seen) THEN 'existed_before'
      WHEN max(owner_kind) IN ('DaemonSet', 'Node') THEN 'daemon'
      WHEN max(volumes) > 0 THEN 'stateful'
      WHEN max(init_containers) > 0 THEN 'init'
      WHEN bool_or(waits) THEN 'unschedulable'
      WHEN NOT bool_or(running) THEN 'not_started'
    END AS left_out
  FROM lives
  GROUP BY uid
),
measured AS (
  SELECT
    unnest(make_array(NULL, date_bin(INTERVAL '5 minutes', s.first_seen))) AS created_in,
    s.left_out,
    p.pull,
    CASE WHEN s.left_out IS NULL
      THEN (CAST(s.started AS BIGINT) - CAST(s.first_seen AS BIGINT)) / 1e9 - coalesce(p.pull, 0)
    END AS seconds
  FROM started AS s
  LEFT JOIN pulls AS p ON p.uid = s.uid
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY created_in ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY created_in) AS n
  FROM measured
)
SELECT
  created_in,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE seconds > 5) AS over,
  count(*) FILTER (WHERE seconds IS NOT NULL AND pull IS NOT NULL) AS pulls,
  count(*) FILTER (WHERE left_out = 'existed_before') AS existed_before,
  count(*) FILTER (WHERE left_out = 'daemon') AS daemon,
  count(*) FILTER (WHERE left_out = 'stateful') AS stateful,
  count(*) FILTER (WHERE left_out = 'init') AS init,
  count(*) FILTER (WHERE left_out = 'unschedulable') AS unschedulable,
  count(*) FILTER (WHERE left_out = 'not_started') AS not_started
FROM ranked
GROUP BY created_in
ORDER BY created_in NULLS FIRST
