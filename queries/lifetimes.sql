-- Question: Which objects came and went while it was recorded, and how long did they live?
-- Columns:  kind; namespace; name; uid; added (receive time); deleted (receive time); seconds;
--           certainty of the delete (`inferred`: it happened no later than `deleted`).
-- Unit:     seconds.
-- Clock:    the recorder's (`events.ts`). Objects that existed before the recording are left out.
-- Source:   `events`.
WITH added AS (
  SELECT uid, kind, namespace, name, min(ts) AS ts
  FROM events
  WHERE type = 'ADDED' AND certainty = 'seen'
  GROUP BY uid, kind, namespace, name
),
deleted AS (
  SELECT uid, kind, ts, certainty
  FROM events
  WHERE type = 'DELETED'
)
SELECT
  added.kind,
  added.namespace,
  added.name,
  added.uid,
  added.ts AS added,
  deleted.ts AS deleted,
  (CAST(deleted.ts AS BIGINT) - CAST(added.ts AS BIGINT)) / 1e9 AS seconds,
  deleted.certainty
FROM added
JOIN deleted ON added.uid = deleted.uid AND added.kind = deleted.kind
ORDER BY added.ts, added.kind, added.namespace, added.name
