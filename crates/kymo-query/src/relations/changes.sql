-- One row for each value that a version of an object changed: where, from what to what, and who.
SELECT
  seq,
  ts,
  certainty,
  api_group,
  kind,
  resource,
  namespace,
  name,
  uid,
  resource_version,
  change['path'] AS path,
  change['op'] AS op,
  change['old'] AS old,
  change['new'] AS new,
  change['manager'] AS manager,
  verb,
  subresource,
  username,
  impersonated_username,
  user_agent,
  session,
  epoch,
  cluster
FROM (
  SELECT *, unnest(object_changes(previous, object)) AS change
  FROM (
    SELECT *, lag(object) IGNORE NULLS OVER life AS previous
    FROM events
    WINDOW life AS (PARTITION BY api_group, resource, kind, namespace, name, uid ORDER BY seq)
  )
)
