-- Question: How long does each node take until it is Ready, takes pods, and runs one?
-- Columns:  name; instance_type; created; ready_after (API clock: first time Ready became True, less
--           creation); ready_seen_after (from first seen to first seen Ready); schedulable_after
--           (from first seen to first seen Ready, not cordoned, with something to offer and without
--           a taint that keeps pods off while a node starts); first_pod_after (from creation to the
--           first pod, not of a DaemonSet and not static, that was seen running on it). Null: not
--           reached. Nodes that existed before the recording have no row.
-- Unit:     seconds
-- Clock:    ready_after the API's, in whole seconds; ready_seen_after and schedulable_after the
--           recorder's; first_pod_after the recorder's less the API's, so that it has the skew
--           between them.
-- Source:   kube-burner nodeLatency; ClusterLoader2 measures by the watch as well. The taints are
--           those of Kubernetes itself, of cloud providers, Karpenter and the Cluster Autoscaler
--           for nodes that start, and any `…/agent-not-ready`.
WITH lives AS (
  SELECT
    name,
    uid,
    max(instance_type) AS instance_type,
    min(created) AS created,
    min(valid_from) AS first_seen,
    max(coalesce(valid_to, at('-0s'))) AS last_seen,
    min(valid_from) FILTER (WHERE ready = 'True') AS ready_seen,
    min(ready_time) FILTER (WHERE ready = 'True') AS ready_at,
    min(valid_from) FILTER (
      WHERE ready = 'True' AND NOT unschedulable AND cpu_allocatable > 0
        AND NOT coalesce(regexp_like(array_to_string(taints, ' '),
          '(^| )(node\.kubernetes\.io/(not-ready|unreachable|network-unavailable)|node\.cloudprovider\.kubernetes\.io/uninitialized|karpenter\.sh/unregistered|(startup|ignore)-taint\.cluster-autoscaler\.kubernetes\.io/[^ ]*|[^ ]*/agent-not-ready)( |$)'), false)
    ) AS schedulable_seen
  FROM nodes
  WHERE creation_seen
  GROUP BY name, uid
),
used AS (
  SELECT l.uid, min(p.first_seen) AS first_pod
  FROM lives AS l
  JOIN (
    SELECT uid, node, min(valid_from) AS first_seen
    FROM pods
    WHERE phase = 'Running' AND coalesce(owner_kind, '') NOT IN ('DaemonSet', 'Node')
    GROUP BY uid, node
  ) AS p ON p.node = l.name AND p.first_seen >= l.first_seen AND p.first_seen <= l.last_seen
  GROUP BY l.uid
)
SELECT
  l.name,
  l.instance_type,
  l.created,
  (CAST(l.ready_at AS BIGINT) - CAST(l.created AS BIGINT) * 1000000000) / 1e9 AS ready_after,
  (CAST(l.ready_seen AS BIGINT) - CAST(l.first_seen AS BIGINT)) / 1e9 AS ready_seen_after,
  (CAST(l.schedulable_seen AS BIGINT) - CAST(l.first_seen AS BIGINT)) / 1e9 AS schedulable_after,
  (CAST(u.first_pod AS BIGINT) - CAST(l.created AS BIGINT) * 1000000000) / 1e9 AS first_pod_after
FROM lives AS l
LEFT JOIN used AS u ON u.uid = l.uid
ORDER BY l.created, l.name
