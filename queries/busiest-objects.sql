-- Question: Which objects changed most often?
-- Columns:  kind; namespace; name; uid; changes (MODIFIED events); first and last (receive time of
--           its first and last event); per_minute (changes over the time between them; empty where
--           there is none).
-- Unit:     changes, changes per minute.
-- Clock:    the recorder's (`events.ts`).
-- Source:   `events`.
SELECT
  kind,
  namespace,
  name,
  uid,
  count(*) FILTER (WHERE type = 'MODIFIED') AS changes,
  min(ts) AS first,
  max(ts) AS last,
  count(*) FILTER (WHERE type = 'MODIFIED') * 60e9
    / nullif(CAST(max(ts) AS BIGINT) - CAST(min(ts) AS BIGINT), 0) AS per_minute
FROM events
GROUP BY kind, namespace, name, uid
HAVING count(*) FILTER (WHERE type = 'MODIFIED') > 0
ORDER BY changes DESC, kind, namespace, name
LIMIT 50
