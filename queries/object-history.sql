-- Question: What happened to this object and to what it owns?
-- Columns:  ts; kind, name; what (added, changed, deleted, or the reason of an Event); detail (the
--           first paths that changed, or the Event's message).
-- Parameters: kind, namespace, name
-- Example:  kind=Deployment namespace=shop name=checkout
-- Unit:     changes
-- Clock:    the recorder's
-- Source:   none; changes of status alone are left out, because Events and owned objects tell them.
WITH family AS (
  SELECT uid, kind, name FROM objects WHERE kind = $kind AND namespace = $namespace AND name = $name
  UNION
  SELECT uid, kind, name FROM owners
  WHERE namespace = $namespace
    AND ((root_kind = $kind AND root_name = $name) OR (owner_kind = $kind AND owner_name = $name))
),
told AS (
  SELECT e.ts, f.kind, f.name, lower(e.type) AS what, e.certainty AS detail
  FROM events AS e
  JOIN family AS f ON f.uid = e.uid
  WHERE e.type <> 'MODIFIED'
  UNION ALL
  SELECT c.ts, f.kind, f.name, 'changed', string_agg(c.path, ' ' ORDER BY c.path)
  FROM changes AS c
  JOIN family AS f ON f.uid = c.uid
  WHERE c.path NOT LIKE '/status%' AND c.path NOT LIKE '/metadata/%'
  GROUP BY c.ts, c.seq, f.kind, f.name
  UNION ALL
  SELECT k.valid_from, f.kind, f.name, k.reason, k.message
  FROM k8s_events AS k
  JOIN family AS f ON f.uid = k.object_uid
)
SELECT DISTINCT ts, kind, name, what, detail
FROM told
ORDER BY ts, kind, name, what, detail
