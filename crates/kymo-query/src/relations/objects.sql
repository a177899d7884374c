-- One row for each object: its whole timeline, and what it was at the end of it.
SELECT
  api_group,
  api_version,
  kind,
  resource,
  namespace,
  name,
  uid,
  first_seen,
  last_seen,
  CASE WHEN type = 'DELETED' THEN ts END AS deleted_at,
  versions,
  first_type = 'ADDED' AND first_certainty = 'seen' AS creation_seen,
  first_certainty,
  certainty AS last_certainty,
  created,
  deleted,
  resource_version,
  generation,
  owner_kind,
  owner_name,
  owner_uid,
  labels,
  annotations,
  object,
  session,
  epoch,
  cluster
FROM (
  SELECT
    *,
    first_value(ts) OVER life AS first_seen,
    first_value(type) OVER life AS first_type,
    first_value(certainty) OVER life AS first_certainty,
    ts AS last_seen,
    count(nullif(type, 'DELETED')) OVER life AS versions,
    lead(seq) OVER life AS next
  FROM events
  WINDOW life AS (PARTITION BY api_group, resource, kind, namespace, name, uid ORDER BY seq)
)
WHERE next IS NULL
