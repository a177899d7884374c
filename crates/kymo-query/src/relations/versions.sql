-- One row for each version of an object: the time from which it held, and until when.
SELECT
  seq,
  api_group,
  api_version,
  kind,
  resource,
  namespace,
  name,
  uid,
  valid_from,
  valid_to,
  ended_by,
  certainty,
  not_before,
  resource_version,
  generation,
  created,
  deleted,
  owner_kind,
  owner_name,
  owner_uid,
  labels,
  annotations,
  verb,
  subresource,
  username,
  groups,
  impersonated_username,
  user_agent,
  source_ips,
  audit_id,
  object,
  patch,
  session,
  epoch,
  cluster
FROM (
  SELECT
    *,
    ts AS valid_from,
    lead(ts) OVER life AS valid_to,
    lead(type) OVER life AS ended_by
  FROM events
  WINDOW life AS (PARTITION BY api_group, resource, kind, namespace, name, uid ORDER BY seq)
)
WHERE type <> 'DELETED'
