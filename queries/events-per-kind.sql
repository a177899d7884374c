-- Question: How much was recorded of each kind, and of how many objects?
-- Columns:  kind; api_group; events; objects (by uid); added, modified, deleted (events of that
--           type); first and last (receive time of the first and last event).
-- Unit:     events and objects.
-- Clock:    the recorder's (`events.ts`).
-- Source:   `events`.
SELECT
  kind,
  api_group,
  count(*) AS events,
  count(DISTINCT uid) AS objects,
  count(*) FILTER (WHERE type = 'ADDED') AS added,
  count(*) FILTER (WHERE type = 'MODIFIED') AS modified,
  count(*) FILTER (WHERE type = 'DELETED') AS deleted,
  min(ts) AS first,
  max(ts) AS last
FROM events
GROUP BY kind, api_group
ORDER BY events DESC, kind, api_group
