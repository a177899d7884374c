-- Question: When did nodes stop being ready, and what happened to their pods?
-- Columns:  node; failed (Ready was no longer True); reason; seconds (until it was again, or until
--           the node or the trace ended); pods (bound to it and not ended then); lost (of these,
--           deleted before it was ready again).
-- Unit:     seconds, pods
-- Clock:    the recorder's
-- Source:   none
WITH steps AS (
  SELECT
    name,
    ready,
    ready_reason,
    valid_from,
    valid_to,
    lag(ready) OVER (PARTITION BY uid ORDER BY valid_from) AS before,
    min(CASE WHEN ready = 'True' THEN valid_from END)
      OVER (PARTITION BY uid ORDER BY valid_from ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS again,
    max(coalesce(valid_to, at('-0s'))) OVER (PARTITION BY uid) AS ended
  FROM nodes
),
failures AS (
  SELECT name, ready_reason, valid_from AS failed, coalesce(again, ended) AS over
  FROM steps
  WHERE before = 'True' AND ready <> 'True'
)
SELECT
  f.name AS node,
  f.failed,
  f.ready_reason AS reason,
  (CAST(f.over AS BIGINT) - CAST(f.failed AS BIGINT)) / 1e9 AS seconds,
  count(DISTINCT p.uid) AS pods,
  count(DISTINCT o.uid) FILTER (WHERE o.deleted_at <= f.over) AS lost
FROM failures AS f
LEFT JOIN pods AS p
  ON p.node = f.name AND p.phase NOT IN ('Succeeded', 'Failed')
    AND p.valid_from <= f.failed AND (p.valid_to IS NULL OR p.valid_to > f.failed)
LEFT JOIN objects AS o ON o.uid = p.uid AND o.resource = 'pods'
GROUP BY f.name, f.failed, f.over, f.ready_reason
ORDER BY f.failed, f.name
