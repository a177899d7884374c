-- Question: How well are the nodes filled at a time, and how much of what is free is of no use?
-- Columns:  resource; nodes (Ready and not cordoned); empty (of these, nodes without a pod but those of
--           DaemonSets and static ones); empty_share; allocatable, requested, free (over all of
--           them); utilization (requested / allocatable); density (requested / allocatable on the
--           nodes that are not empty); stranded (share of what is free that lies on nodes where
--           another resource is too short for the reference pod); waiting (what pods ask for that
--           are Unschedulable then); dead (whether that would fit into what is free if it were in one
--           piece).
-- Parameters: at (a time, such as `10m` after the start or `-0s` for the end); cpu, memory (quantities
--           that the reference pod asks for)
-- Example:  at=20s cpu=500m memory=1Gi
-- Unit:     cores, GiB, pieces; the shares have none. Requests, not usage.
-- Clock:    the recorder's
-- Source:   aggregate utilization as in the literature on cluster packing, empty hosts as in LAVA,
--           density as in Protean, stranding as Borg and LAVA use the word. Taints are not looked at.
WITH used AS (
  SELECT
    node,
    sum(cpu_request) AS cpu,
    sum(memory_request) AS memory,
    count(*) AS pods,
    count(*) FILTER (WHERE coalesce(owner_kind, '') NOT IN ('DaemonSet', 'Node')) AS workload
  FROM pods AS OF $at
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
  GROUP BY node
),
waiting AS (
  SELECT sum(cpu_request) AS cpu, sum(memory_request) AS memory, CAST(count(*) AS DOUBLE) AS pods
  FROM pods AS OF $at
  WHERE scheduled = 'False' AND scheduled_reason = 'Unschedulable'
),
per_node AS (
  SELECT
    coalesce(u.workload, 0) = 0 AS empty,
    n.cpu_allocatable AS cpu,
    n.memory_allocatable AS memory,
    n.pods_allocatable AS pods,
    coalesce(u.cpu, 0) AS cpu_used,
    coalesce(u.memory, 0) AS memory_used,
    CAST(coalesce(u.pods, 0) AS DOUBLE) AS pods_used,
    n.cpu_allocatable - coalesce(u.cpu, 0) >= quantity(CAST($cpu AS TEXT)) AS cpu_fits,
    n.memory_allocatable - coalesce(u.memory, 0) >= quantity(CAST($memory AS TEXT)) AS memory_fits,
    n.pods_allocatable - coalesce(u.pods, 0) >= 1 AS pods_fit
  FROM nodes AS OF $at AS n
  LEFT JOIN used AS u ON u.node = n.name
  WHERE n.ready = 'True' AND NOT n.unschedulable
),
shares AS (
  SELECT
    empty,
    unnest(make_array('cpu', 'memory', 'pods')) AS resource,
    unnest(make_array(1.0, 1073741824.0, 1.0)) AS unit,
    unnest(make_array(cpu, memory, pods)) AS allocatable,
    unnest(make_array(cpu_used, memory_used, pods_used)) AS requested,
    unnest(make_array(memory_fits AND pods_fit, cpu_fits AND pods_fit, cpu_fits AND memory_fits)) AS others_fit
  FROM per_node
),
sums AS (
  SELECT
    resource,
    max(unit) AS unit,
    count(*) AS nodes,
    count(*) FILTER (WHERE empty) AS empty,
    sum(allocatable) AS allocatable,
    sum(requested) AS requested,
    sum(allocatable - requested) AS free,
    sum(requested) FILTER (WHERE NOT empty) / nullif(sum(allocatable) FILTER (WHERE NOT empty), 0) AS density,
    coalesce(sum(allocatable - requested) FILTER (WHERE NOT others_fit), 0)
      / nullif(sum(allocatable - requested), 0) AS stranded
  FROM shares
  GROUP BY resource
)
SELECT
  s.resource,
  s.nodes,
  s.empty,
  s.empty / CAST(s.nodes AS DOUBLE) AS empty_share,
  s.allocatable / s.unit AS allocatable,
  s.requested / s.unit AS requested,
  s.free / s.unit AS free,
  s.requested / nullif(s.allocatable, 0) AS utilization,
  s.density,
  s.stranded,
  coalesce(w.amount, 0) / s.unit AS waiting,
  coalesce(w.amount, 0) > 0 AND w.amount <= s.free AS dead
FROM sums AS s
JOIN (
  SELECT
    unnest(make_array('cpu', 'memory', 'pods')) AS resource,
    unnest(make_array(cpu, memory, pods)) AS amount
  FROM waiting
) AS w ON w.resource = s.resource
ORDER BY s.resource
