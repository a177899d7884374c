-- Question: How long did Jobs wait, run, and take in all?
-- Columns:  namespace, name; wait (creation to start); run (start to completion); total (creation
--           to completion); succeeded, failed (pods). Null: not reached while the trace lasts.
-- Unit:     seconds
-- Clock:    the API's, in whole seconds
-- Source:   kube-burner jobLatency; ClusterLoader2 JobLifecycleLatency.
SELECT
  namespace,
  name,
  (CAST(start_time AS BIGINT) - CAST(created AS BIGINT) * 1000000000) / 1e9 AS wait,
  (CAST(completion_time AS BIGINT) - CAST(start_time AS BIGINT)) / 1e9 AS run,
  (CAST(completion_time AS BIGINT) - CAST(created AS BIGINT) * 1000000000) / 1e9 AS total,
  succeeded,
  failed
FROM jobs
WHERE valid_to IS NULL OR ended_by = 'DELETED'
ORDER BY namespace, name
