-- Question: How long do pods take, as a dashboard over kube-state-metrics would show it?
-- Columns:  metric (what is less kube_pod_created); n (pods that have it); mean, p50, p90, p99, max;
--           negative (of these, less than 0); none (pods without it); existed_before (pods left out
--           because their creation was not seen), daemon (pods left out because they are of a
--           DaemonSet or static).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the API's, in whole seconds. As a last scrape would have it: of the last version of each
--           pod that tells the time, so that a pod that was not ready for a while counts from when
--           it was again (`pod-latency` takes the first time).
-- Source:   kube-state-metrics, docs/metrics/workload/pod-metrics.md: kube_pod_start_time,
--           kube_pod_status_scheduled_time, kube_pod_status_initialized_time,
--           kube_pod_status_container_ready_time, kube_pod_status_ready_time.
WITH versions AS (
  SELECT
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    bool_and(creation_seen) AS creation_seen,
    coalesce(max(owner_kind) IN ('DaemonSet', 'Node'), false) AS daemon,
    last_value(start_time ORDER BY valid_from) FILTER (WHERE start_time IS NOT NULL) AS start,
    last_value(scheduled_time ORDER BY valid_from) FILTER (WHERE scheduled = 'True') AS scheduled,
    last_value(initialized_time ORDER BY valid_from)
      FILTER (WHERE condition(object, 'Initialized')['status'] = 'True') AS initialized,
    last_value(condition(object, 'ContainersReady')['last_transition_time'] ORDER BY valid_from)
      FILTER (WHERE condition(object, 'ContainersReady')['status'] = 'True') AS containers_ready,
    last_value(ready_time ORDER BY valid_from) FILTER (WHERE ready = 'True') AS ready
  FROM pods
  GROUP BY uid
),
lives AS (
  SELECT
    creation_seen,
    daemon,
    unnest(make_array('start_time', 'status_scheduled_time', 'status_initialized_time',
      'status_container_ready_time', 'status_ready_time')) AS metric,
    (CAST(unnest(make_array(start, scheduled, initialized, containers_ready, ready)) AS BIGINT) - created) / 1e9 AS seconds
  FROM versions
),
ranked AS (
  SELECT
    metric,
    creation_seen,
    daemon,
    seconds,
    row_number() OVER (PARTITION BY metric ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY metric) AS n
  FROM (
    SELECT
      metric,
      creation_seen,
      daemon,
      CASE WHEN creation_seen AND NOT daemon THEN seconds END AS seconds
    FROM lives
  )
)
SELECT
  'kube_pod_' || metric AS metric,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE seconds < 0) AS negative,
  count(*) FILTER (WHERE creation_seen AND NOT daemon AND seconds IS NULL) AS none,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before,
  count(*) FILTER (WHERE creation_seen AND daemon) AS daemon
FROM ranked
GROUP BY metric
ORDER BY mean, metric
