-- Question: How long did each Job wait, run, and take in all?
-- Columns:  namespace, name; wait (creation to start); run (start to completion); total (creation to
--           completion); slowdown (total / run); succeeded, failed (pods); failed_reason. Null: not
--           reached while the trace lasts.
-- Unit:     seconds; the slowdown has none.
-- Clock:    the API's, in whole seconds
-- Source:   kube-burner jobLatency; ClusterLoader2 JobLifecycleLatency. A Job that is suspended
--           starts when it no longer is.
SELECT
  namespace,
  name,
  (CAST(start_time AS BIGINT) - CAST(created AS BIGINT) * 1000000000) / 1e9 AS wait,
  (CAST(completion_time AS BIGINT) - CAST(start_time AS BIGINT)) / 1e9 AS run,
  (CAST(completion_time AS BIGINT) - CAST(created AS BIGINT) * 1000000000) / 1e9 AS total,
  (CAST(completion_time AS BIGINT) - CAST(created AS BIGINT) * 1000000000)
    / nullif(CAST(CAST(completion_time AS BIGINT) - CAST(start_time AS BIGINT) AS DOUBLE), 0) AS slowdown,
  succeeded,
  failed,
  failed_reason
FROM jobs
WHERE valid_to IS NULL OR ended_by = 'DELETED'
ORDER BY namespace, name
