-- Question: How many more pods of one size would fit at a time?
-- Columns:  fits (pods that fit); nodes (that could take one); all_nodes (that take pods at all); most
--           (on one node).
-- Parameters: at (a time, such as `10m` after the start or `-0s` for the end); cpu, memory (quantities
--           that the pod asks for)
-- Example:  at=20s cpu=1 memory=1Gi
-- Unit:     pods
-- Clock:    the recorder's
-- Source:   hole filling of Verma and others (CLUSTER 2014); what cluster-capacity counts for a pod
--           without affinity and tolerations. Nodes that take pods are Ready, not cordoned and without
--           a taint NoSchedule or NoExecute; the number of pods that a node takes is a limit too.
WITH used AS (
  SELECT node, sum(cpu_request) AS cpu, sum(memory_request) AS memory, count(*) AS pods
  FROM pods AS OF $at
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
  GROUP BY node
),
fits AS (
  SELECT
    greatest(0, least(
      floor((n.cpu_allocatable - coalesce(u.cpu, 0)) / nullif(quantity(CAST($cpu AS TEXT)), 0)),
      floor((n.memory_allocatable - coalesce(u.memory, 0)) / nullif(quantity(CAST($memory AS TEXT)), 0)),
      n.pods_allocatable - coalesce(u.pods, 0)
    )) AS fits
  FROM nodes AS OF $at AS n
  LEFT JOIN used AS u ON u.node = n.name
  WHERE n.ready = 'True' AND NOT n.unschedulable
    AND cardinality(json_path(n.object, '$.spec.taints[?@.effect == "NoSchedule" || @.effect == "NoExecute"].key')) = 0
)
SELECT
  CAST(coalesce(sum(fits), 0) AS BIGINT) AS fits,
  count(*) FILTER (WHERE fits > 0) AS nodes,
  count(*) AS all_nodes,
  CAST(max(fits) AS BIGINT) AS most
FROM fits
