-- Question: How long do workloads wait in Kueue's queues?
-- Columns:  namespace; queue; step (quota: creation to QuotaReserved; admission: creation to
--           Admitted); n (workloads that reached it); mean, p50, p90, p99, max; waiting (workloads
--           that did not while they were watched).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the API's, in whole seconds: `lastTransitionTime` when the condition was first seen true.
-- Source:   kueue_quota_reserved_wait_time_seconds and kueue_admission_wait_time_seconds of Kueue,
--           which begin again when a workload is put back into its queue: this does not.
WITH lives AS (
  SELECT
    namespace,
    max(object->'spec'->>'queueName') AS queue,
    CAST(min(created) AS BIGINT) * 1000000000 AS created,
    CAST(min(condition(object, 'QuotaReserved')['last_transition_time'])
      FILTER (WHERE condition(object, 'QuotaReserved')['status'] = 'True') AS BIGINT) AS reserved,
    CAST(min(condition(object, 'Admitted')['last_transition_time'])
      FILTER (WHERE condition(object, 'Admitted')['status'] = 'True') AS BIGINT) AS admitted
  FROM events
  WHERE api_group = 'kueue.x-k8s.io' AND resource = 'workloads' AND type <> 'DELETED'
  GROUP BY namespace, uid
),
measured AS (
  SELECT
    namespace,
    queue,
    unnest(make_array('quota', 'admission')) AS step,
    unnest(make_array(reserved - created, admitted - created)) / 1e9 AS seconds
  FROM lives
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY namespace, queue, step ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY namespace, queue, step) AS n
  FROM measured
)
SELECT
  namespace,
  queue,
  step,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) - max(n) AS waiting
FROM ranked
GROUP BY namespace, queue, step
ORDER BY namespace, queue, step DESC
