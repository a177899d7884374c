-- Question: Which workloads have many of their pods in one place?
-- Columns:  namespace; owner_kind, owner_name (the controller at the end of the chain of owners); pods;
--           nodes, zones (that they are on); node_share, zone_share (the largest share of the pods
--           that is on one node, in one zone; null: the nodes have no zones).
-- Parameters: at (a time, such as `10m` after the start or `-0s` for the end)
-- Example:  at=20s
-- Unit:     share of the pods that have a node and have not ended. Workloads of one pod and DaemonSets
--           are left out.
-- Clock:    the recorder's
-- Source:   herding
WITH placed AS (
  SELECT
    p.namespace,
    coalesce(o.root_kind, p.owner_kind) AS owner_kind,
    coalesce(o.root_name, p.owner_name) AS owner_name,
    p.node,
    n.zone
  FROM pods AS OF $at AS p
  LEFT JOIN (SELECT uid, root_kind, root_name FROM owners WHERE kind = 'Pod') AS o ON o.uid = p.uid
  LEFT JOIN nodes AS OF $at AS n ON n.name = p.node
  WHERE p.node <> '' AND p.phase NOT IN ('Succeeded', 'Failed')
    AND p.owner_kind NOT IN ('DaemonSet', 'Node')
),
nodes_of AS (
  SELECT namespace, owner_kind, owner_name, node, zone, count(*) AS pods
  FROM placed
  GROUP BY namespace, owner_kind, owner_name, node, zone
),
zones_of AS (
  SELECT namespace, owner_kind, owner_name, zone, sum(pods) AS pods, count(*) AS nodes, max(pods) AS most
  FROM nodes_of
  GROUP BY namespace, owner_kind, owner_name, zone
)
SELECT
  namespace,
  owner_kind,
  owner_name,
  sum(pods) AS pods,
  sum(nodes) AS nodes,
  count(zone) AS zones,
  max(most) / CAST(sum(pods) AS DOUBLE) AS node_share,
  max(pods) FILTER (WHERE zone IS NOT NULL) / CAST(sum(pods) AS DOUBLE) AS zone_share
FROM zones_of
GROUP BY namespace, owner_kind, owner_name
HAVING sum(pods) > 1
ORDER BY node_share DESC, pods DESC, namespace, owner_kind, owner_name
