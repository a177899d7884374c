-- Question: Which Deployments had fewer ready replicas than they wanted, and how much?
-- Columns:  namespace, name; replica_seconds (missing replicas, integrated over time); seconds (in
--           which any was missing); most (that were missing at once).
-- Unit:     replica-seconds, seconds, replicas
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   kube_deployment_spec_replicas less kube_deployment_status_replicas_ready of
--           kube-state-metrics.
WITH missing AS (
  SELECT
    namespace,
    name,
    uid,
    greatest(replicas - ready_replicas, 0) AS missing,
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9 AS seconds
  FROM deployments
)
SELECT
  namespace,
  name,
  sum(missing * seconds) AS replica_seconds,
  sum(seconds) FILTER (WHERE missing > 0) AS seconds,
  max(missing) AS most
FROM missing
GROUP BY namespace, name, uid
HAVING max(missing) > 0
ORDER BY replica_seconds DESC, namespace, name
