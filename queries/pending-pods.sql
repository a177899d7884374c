-- Question: How many pods had no node, at most and on average?
-- Columns:  reason (of the condition PodScheduled, such as Unschedulable or SchedulingGated; empty:
--           the scheduler has not spoken); pods (that waited for it at all); mean (waiting at once,
--           weighted by time); peak (waiting at once); peak_at (first time of the peak); at_end
--           (waiting when the trace ends).
-- Unit:     pods
-- Clock:    the recorder's; the mean is over the whole trace.
-- Source:   as scheduler_pending_pods, whose queues are inside of the scheduler.
WITH waits AS (
  SELECT
    uid,
    CASE WHEN scheduled = 'False' THEN coalesce(scheduled_reason, '') ELSE '' END AS reason,
    valid_from,
    valid_to
  FROM pods
  WHERE coalesce(node, '') = '' AND phase = 'Pending'
),
steps AS (
  SELECT reason, at, sum(step) AS step
  FROM (
    SELECT reason, valid_from AS at, 1 AS step FROM waits
    UNION ALL
    SELECT reason, valid_to, -1 FROM waits WHERE valid_to IS NOT NULL
  )
  GROUP BY reason, at
),
counts AS (
  SELECT reason, at, sum(step) OVER (PARTITION BY reason ORDER BY at) AS waiting
  FROM steps
),
peaks AS (
  SELECT reason, max(waiting) AS peak, first_value(at ORDER BY waiting DESC, at) AS peak_at
  FROM counts
  GROUP BY reason
)
SELECT
  w.reason,
  count(DISTINCT w.uid) AS pods,
  sum(CAST(coalesce(w.valid_to, at('-0s')) AS BIGINT) - CAST(w.valid_from AS BIGINT))
    / nullif(CAST(CAST(at('-0s') AS BIGINT) - CAST(at('0s') AS BIGINT) AS DOUBLE), 0) AS mean,
  max(p.peak) AS peak,
  max(p.peak_at) AS peak_at,
  count(*) FILTER (WHERE w.valid_to IS NULL) AS at_end
FROM waits AS w
JOIN peaks AS p ON p.reason = w.reason
GROUP BY w.reason
ORDER BY mean DESC, w.reason
