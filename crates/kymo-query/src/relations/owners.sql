-- One row for each object that a controller owns, with the end of the chain of its owners:
-- for a pod of a Deployment the ReplicaSet is the owner, the Deployment is the root.
WITH links AS (
  SELECT uid, max(owner_kind) AS owner_kind, max(owner_name) AS owner_name, max(owner_uid) AS owner_uid
  FROM objects
  WHERE owner_uid IS NOT NULL
  GROUP BY uid
)
SELECT
  o.api_group,
  o.kind,
  o.resource,
  o.namespace,
  o.name,
  o.uid,
  o.owner_kind,
  o.owner_name,
  o.owner_uid,
  coalesce(d.owner_kind, c.owner_kind, b.owner_kind, a.owner_kind, o.owner_kind) AS root_kind,
  coalesce(d.owner_name, c.owner_name, b.owner_name, a.owner_name, o.owner_name) AS root_name,
  coalesce(d.owner_uid, c.owner_uid, b.owner_uid, a.owner_uid, o.owner_uid) AS root_uid,
  CASE
    WHEN d.uid IS NOT NULL THEN 5
    WHEN c.uid IS NOT NULL THEN 4
    WHEN b.uid IS NOT NULL THEN 3
    WHEN a.uid IS NOT NULL THEN 2
    ELSE 1
  END AS depth
FROM objects AS o
LEFT JOIN links AS a ON a.uid = o.owner_uid
LEFT JOIN links AS b ON b.uid = a.owner_uid
LEFT JOIN links AS c ON c.uid = b.owner_uid
LEFT JOIN links AS d ON d.uid = c.owner_uid
WHERE o.owner_uid IS NOT NULL
