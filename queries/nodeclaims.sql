-- Question: How long does Karpenter take to bring up each node?
-- Columns:  name; nodepool; node; created; launched_after, registered_after, initialized_after (from
--           creation to the first time the condition became True; null: it did not while it was
--           watched); lived (from first to last seen; null: it was there at the end).
-- Unit:     seconds
-- Clock:    the API's, in whole seconds; lived the recorder's.
-- Source:   the conditions of Karpenter's NodeClaims. NodeClaims that existed before the recording
--           have no row.
SELECT
  name,
  max(nodepool) AS nodepool,
  max(node) AS node,
  min(created) AS created,
  (CAST(min(launched) AS BIGINT) - CAST(min(created) AS BIGINT) * 1000000000) / 1e9 AS launched_after,
  (CAST(min(registered) AS BIGINT) - CAST(min(created) AS BIGINT) * 1000000000) / 1e9 AS registered_after,
  (CAST(min(initialized) AS BIGINT) - CAST(min(created) AS BIGINT) * 1000000000) / 1e9 AS initialized_after,
  (CAST(max(CASE WHEN type = 'DELETED' THEN ts END) AS BIGINT) - CAST(min(ts) AS BIGINT)) / 1e9 AS lived
FROM (
  SELECT
    uid,
    name,
    ts,
    type,
    certainty,
    created,
    labels['karpenter.sh/nodepool'] AS nodepool,
    object->'status'->>'nodeName' AS node,
    CASE WHEN condition(object, 'Launched')['status'] = 'True'
      THEN condition(object, 'Launched')['last_transition_time'] END AS launched,
    CASE WHEN condition(object, 'Registered')['status'] = 'True'
      THEN condition(object, 'Registered')['last_transition_time'] END AS registered,
    CASE WHEN condition(object, 'Initialized')['status'] = 'True'
      THEN condition(object, 'Initialized')['last_transition_time'] END AS initialized
  FROM events
  WHERE api_group = 'karpenter.sh' AND resource = 'nodeclaims'
)
GROUP BY name, uid
HAVING bool_or(type = 'ADDED' AND certainty = 'seen')
ORDER BY created, name
