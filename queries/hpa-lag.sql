-- Question: For how long did autoscaled workloads have fewer replicas than their autoscaler wanted?
-- Columns:  namespace, name; target; replica_seconds (missing replicas, integrated over time); seconds
--           (in which any was missing); most (that were missing at once); at_max (time in which the
--           autoscaler wanted as many as it may); scalings (times that it wanted another number).
-- Unit:     replica-seconds, seconds, replicas
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   kube_horizontalpodautoscaler_status_desired_replicas less
--           kube_horizontalpodautoscaler_status_current_replicas of kube-state-metrics.
WITH steps AS (
  SELECT
    namespace,
    name,
    uid,
    target_kind || '/' || target_name AS target,
    greatest(desired_replicas - current_replicas, 0) AS missing,
    desired_replicas >= max_replicas AS at_max,
    desired_replicas <> lag(desired_replicas) OVER (PARTITION BY uid ORDER BY valid_from) AS scaled,
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9 AS seconds
  FROM horizontalpodautoscalers
)
SELECT
  namespace,
  name,
  max(target) AS target,
  sum(missing * seconds) AS replica_seconds,
  coalesce(sum(seconds) FILTER (WHERE missing > 0), 0) AS seconds,
  max(missing) AS most,
  coalesce(sum(seconds) FILTER (WHERE at_max), 0) AS at_max,
  count(*) FILTER (WHERE scaled) AS scalings
FROM steps
GROUP BY namespace, name, uid
ORDER BY replica_seconds DESC, namespace, name
