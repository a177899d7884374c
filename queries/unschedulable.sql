-- Question: Which pods could not be scheduled, why, and for how long?
-- Columns:  reason (of the condition PodScheduled); what (what the scheduler said, without the count
--           of nodes at its beginning); pods; seconds (summed over the pods); longest (of one
--           version of one pod).
-- Unit:     seconds
-- Clock:    the recorder's; a time that lasts to the end of the trace ends there.
-- Source:   the sum of the times with the condition PodScheduled False; SchedulingGated is a reason
--           of its own.
WITH waits AS (
  SELECT
    uid,
    condition(object, 'PodScheduled')['reason'] AS reason,
    regexp_replace(condition(object, 'PodScheduled')['message'], '^[0-9]+/[0-9]+ nodes are available: ', '')
      AS what,
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9 AS seconds
  FROM pods
  WHERE scheduled = 'False'
)
SELECT reason, what, count(DISTINCT uid) AS pods, sum(seconds) AS seconds, max(seconds) AS longest
FROM waits
GROUP BY reason, what
ORDER BY seconds DESC, what
