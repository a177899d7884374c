-- Rule:     A pod is bound to a node that is there, and never to another one.
-- Why:      Placement, utilization and failures are read from `spec.nodeName`, which is set once.
-- Judged:   that a pod stays where it is, always. That its node is there, for pods that were created
--           while all nodes were known (`known`), and within ten seconds of the node's life.
-- Source:   Kubernetes API reference, PodSpec and Binding.
WITH pods AS (
  SELECT
    seq,
    ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    certainty,
    node,
    lag(node) OVER life AS before_node
  FROM (
    SELECT *, object -> 'spec' ->> 'nodeName' AS node
    FROM events
    WHERE api_group = '' AND resource = 'pods' AND uid <> ''
  )
  WHERE node IS NOT NULL AND node <> ''
  WINDOW life AS (PARTITION BY uid ORDER BY seq)
),
nodes AS (
  SELECT name, uid, min(ts) AS from_ts, max(ts) AS last_ts, bool_or(type = 'DELETED') AS has_ended
  FROM events
  WHERE api_group = '' AND resource = 'nodes'
  GROUP BY name, uid
),
bound AS (
  SELECT p.*
  FROM pods AS p
  JOIN known AS k
    ON k.api_group = '' AND k.resource = 'nodes'
    AND p.created >= k.from_ts AND p.ts + duration('10s') <= k.to_ts
  WHERE p.before_node IS NULL AND p.certainty = 'seen'
)
SELECT seq, ts, api_group, kind, namespace, name, uid, concat('moves from node ', before_node, ' to ', node) AS detail
FROM pods
WHERE node <> before_node
UNION ALL
SELECT b.seq, b.ts, b.api_group, b.kind, b.namespace, b.name, b.uid, concat('is bound to node ', b.node, ', which is not there') AS detail
FROM bound AS b
LEFT ANTI JOIN nodes AS n
  ON n.name = b.node
  AND n.from_ts <= b.ts + duration('10s')
  AND (NOT n.has_ended OR b.ts <= n.last_ts + duration('10s'))
ORDER BY seq
