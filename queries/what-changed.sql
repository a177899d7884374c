-- Question: What is different between two times?
-- Columns:  kind, namespace, name; change (created, deleted or changed); changes (values that
--           changed, without managedFields and resource versions); who (field managers of them).
-- Parameters: from, to (times, such as `10m` after the start or `-0s` for the end)
-- Example:  from=10s to=20s
-- Unit:     objects
-- Clock:    the recorder's
-- Source:   none; Events and Leases are left out, because they change all the time.
WITH different AS (
  SELECT
    coalesce(b.kind, a.kind) AS kind,
    coalesce(b.namespace, a.namespace) AS namespace,
    coalesce(b.name, a.name) AS name,
    CASE WHEN a.seq IS NULL THEN 'created' WHEN b.seq IS NULL THEN 'deleted' ELSE 'changed' END AS change,
    CASE WHEN a.seq <> b.seq THEN object_changes(a.object, b.object) END AS changes
  FROM (SELECT * FROM versions AS OF $from WHERE kind NOT IN ('Event', 'Lease')) AS a
  FULL JOIN (SELECT * FROM versions AS OF $to WHERE kind NOT IN ('Event', 'Lease')) AS b
    ON a.api_group = b.api_group AND a.resource = b.resource AND a.uid = b.uid
      AND a.namespace = b.namespace AND a.name = b.name
  WHERE a.seq IS DISTINCT FROM b.seq
)
SELECT kind, namespace, name, change, coalesce(cardinality(changes), 0) AS changes
FROM different
WHERE change <> 'changed' OR cardinality(changes) > 0
ORDER BY kind, namespace, name
