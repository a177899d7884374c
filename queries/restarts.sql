-- Question: Which pods restarted, and how long did they wait in a crash loop?
-- Columns:  namespace, name; restarts (while they were watched); crash_loop (time with the status
--           CrashLoopBackOff); last_status.
-- Unit:     restarts, seconds
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   kube-state-metrics kube_pod_container_status_restarts_total and
--           kube_pod_container_status_waiting_reason.
SELECT
  namespace,
  name,
  max(restarts) - min(restarts) AS restarts,
  coalesce(sum((CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9)
    FILTER (WHERE status = 'CrashLoopBackOff'), 0) AS crash_loop,
  last_value(status ORDER BY valid_from) AS last_status
FROM pods
GROUP BY namespace, name, uid
HAVING max(restarts) > min(restarts) OR bool_or(status = 'CrashLoopBackOff')
ORDER BY restarts DESC, namespace, name
