-- Question: When did nodes stop being ready, and what happened to their pods?
-- Columns:  node; failed (Ready was no longer True); reason; seconds (until it was again, or until
--           the node or the trace ended); ended (ready, deleted or still failed); pods (bound to it
--           and not ended then); lost (of these, pods that were deleted, or to be deleted, by the
--           time that it ended); disrupted (of these, for the failure: with the condition
--           DisruptionTarget).
-- Unit:     seconds, pods
-- Clock:    the recorder's
-- Source:   none
WITH steps AS (
  SELECT
    name,
    ready,
    ready_reason,
    valid_from,
    lag(ready) OVER life AS before,
    min(CASE WHEN ready = 'True' THEN valid_from END) OVER later AS again,
    max(CASE WHEN ended_by = 'DELETED' THEN valid_to END) OVER (PARTITION BY uid) AS removed
  FROM nodes
  WINDOW
    life AS (PARTITION BY uid ORDER BY valid_from),
    later AS (PARTITION BY uid ORDER BY valid_from ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
),
failures AS (
  SELECT
    name,
    ready_reason,
    valid_from AS failed,
    coalesce(again, removed, at('-0s')) AS over,
    CASE WHEN again IS NOT NULL THEN 'ready' WHEN removed IS NOT NULL THEN 'deleted' ELSE 'still failed' END AS ended
  FROM steps
  WHERE before = 'True' AND ready <> 'True'
),
placed AS (
  SELECT
    uid,
    node,
    min(valid_from) FILTER (WHERE phase NOT IN ('Succeeded', 'Failed')) AS placed,
    least(min(valid_from) FILTER (WHERE phase IN ('Succeeded', 'Failed')),
      max(valid_to) FILTER (WHERE ended_by = 'DELETED')) AS done,
    least(min(valid_from) FILTER (WHERE deleted IS NOT NULL),
      max(valid_to) FILTER (WHERE ended_by = 'DELETED')) AS deleted,
    min(valid_from) FILTER (WHERE condition(object, 'DisruptionTarget')['status'] = 'True') AS disrupted
  FROM pods
  WHERE node <> ''
  GROUP BY uid, node
)
SELECT
  f.name AS node,
  f.failed,
  f.ready_reason AS reason,
  (CAST(f.over AS BIGINT) - CAST(f.failed AS BIGINT)) / 1e9 AS seconds,
  f.ended,
  count(p.uid) AS pods,
  count(*) FILTER (WHERE p.deleted >= f.failed AND p.deleted <= f.over) AS lost,
  count(*) FILTER (WHERE p.disrupted >= f.failed AND p.disrupted <= f.over) AS disrupted
FROM failures AS f
LEFT JOIN placed AS p ON p.node = f.name AND p.placed <= f.failed AND (p.done IS NULL OR p.done > f.failed)
GROUP BY f.name, f.failed, f.over, f.ready_reason, f.ended
ORDER BY f.failed, f.name
