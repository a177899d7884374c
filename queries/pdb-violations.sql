-- Question: For how long did disruption budgets have fewer healthy pods than they want?
-- Columns:  namespace, name; seconds (below the wanted number); blocked (no disruption was allowed);
--           lowest (healthy pods at the least).
-- Unit:     seconds, pods
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   kube_poddisruptionbudget_status_current_healthy and _desired_healthy of
--           kube-state-metrics.
SELECT
  namespace,
  name,
  coalesce(sum(seconds) FILTER (WHERE current_healthy < desired_healthy), 0) AS seconds,
  coalesce(sum(seconds) FILTER (WHERE disruptions_allowed = 0), 0) AS blocked,
  min(current_healthy) AS lowest
FROM (
  SELECT
    *,
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9 AS seconds
  FROM poddisruptionbudgets
)
GROUP BY namespace, name, uid
ORDER BY seconds DESC, blocked DESC, namespace, name
