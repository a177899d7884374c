-- Question: Which pods could not be scheduled, why, and for how long?
-- Columns:  reason (of the condition PodScheduled); what (each thing that the scheduler said keeps
--           nodes from taking the pod, without their number); pods; seconds (in which it was said,
--           summed over the pods); longest (of these, for one pod); still (pods of which it is said
--           at the end).
-- Unit:     seconds, pods. The times do not add up: a pod is kept off different nodes by different
--           things at once.
-- Clock:    the recorder's; a time that lasts to the end of the trace ends there.
-- Source:   the sum of the times with the condition PodScheduled False; SchedulingGated is a reason
--           of its own.
WITH said AS (
  SELECT
    uid,
    valid_to IS NULL AS still,
    condition(object, 'PodScheduled')['reason'] AS reason,
    string_to_array(
      split_part(
        regexp_replace(condition(object, 'PodScheduled')['message'], '^[0-9]+/[0-9]+ nodes are available: |\.$', '', 'g'),
        '. ', 1),
      ', ') AS parts,
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9 AS seconds
  FROM pods
  WHERE scheduled = 'False'
),
waits AS (
  SELECT reason, what, uid, sum(seconds) AS seconds, bool_or(still) AS still
  FROM (
    SELECT reason, uid, seconds, still, regexp_replace(unnest(parts), '^[0-9]+ ', '') AS what FROM said
  )
  GROUP BY reason, what, uid
)
SELECT
  reason,
  what,
  count(*) AS pods,
  sum(seconds) AS seconds,
  max(seconds) AS longest,
  count(*) FILTER (WHERE still) AS still
FROM waits
GROUP BY reason, what
ORDER BY seconds DESC, what
