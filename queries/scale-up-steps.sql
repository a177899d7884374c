-- Question: Of pods that had to wait for a new node, where did the time go?
-- Columns:  namespace, name; node (that was made for it: first seen after the pod was Unschedulable);
--           decision (from Unschedulable to the first sign of a decision: the Event TriggeredScaleUp
--           about it, or the NodeClaim of the node; null: neither was seen); node_made (from there,
--           or from Unschedulable, to the node); node_ready (to Ready); bound (from there to a node
--           name, with the time in which taints still kept the pod off); ready (from there to the
--           pod's Ready); total (from Unschedulable to the pod's Ready).
-- Unit:     seconds
-- Clock:    the recorder's, so that the steps add up.
-- Source:   none; demand, decision, node, Ready, bound, Ready.
WITH waited AS (
  SELECT
    namespace,
    name,
    uid,
    max(node) AS node,
    min(valid_from) FILTER (WHERE scheduled = 'False' AND scheduled_reason = 'Unschedulable') AS unschedulable,
    min(valid_from) FILTER (WHERE node <> '') AS bound,
    min(valid_from) FILTER (WHERE ready = 'True') AS ready
  FROM pods
  GROUP BY namespace, name, uid
),
made AS (
  SELECT
    name,
    uid,
    min(valid_from) AS first_seen,
    min(valid_from) FILTER (WHERE ready = 'True') AS ready,
    max(coalesce(valid_to, at('-0s'))) AS last_seen
  FROM nodes
  WHERE creation_seen
  GROUP BY name, uid
),
decided AS (
  SELECT object_uid AS uid, '' AS node, min(valid_from) AS at
  FROM k8s_events
  WHERE reason = 'TriggeredScaleUp'
  GROUP BY object_uid
  UNION ALL
  SELECT '', max(object->'status'->>'nodeName'), min(ts)
  FROM events
  WHERE api_group = 'karpenter.sh' AND resource = 'nodeclaims'
  GROUP BY uid
),
steps AS (
  SELECT
    w.namespace,
    w.name,
    w.node,
    CAST(w.unschedulable AS BIGINT) AS unschedulable,
    CAST(min(d.at) AS BIGINT) AS decided,
    CAST(n.first_seen AS BIGINT) AS made,
    CAST(n.ready AS BIGINT) AS node_ready,
    CAST(w.bound AS BIGINT) AS bound,
    CAST(w.ready AS BIGINT) AS ready
  FROM waited AS w
  JOIN made AS n ON n.name = w.node AND n.first_seen > w.unschedulable AND n.first_seen <= w.bound AND n.last_seen >= w.bound
  LEFT JOIN decided AS d ON (d.uid = w.uid OR d.node = w.node) AND d.at >= w.unschedulable AND d.at <= n.first_seen
  GROUP BY w.namespace, w.name, w.uid, w.node, w.unschedulable, w.bound, w.ready, n.uid, n.first_seen, n.ready
)
SELECT
  namespace,
  name,
  node,
  (decided - unschedulable) / 1e9 AS decision,
  (made - coalesce(decided, unschedulable)) / 1e9 AS node_made,
  (node_ready - made) / 1e9 AS node_ready,
  (bound - node_ready) / 1e9 AS bound,
  (ready - bound) / 1e9 AS ready,
  (ready - unschedulable) / 1e9 AS total
FROM steps
ORDER BY total DESC NULLS LAST, namespace, name
