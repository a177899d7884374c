-- Question: How evenly is what pods ask for spread over the nodes at a time?
-- Columns:  resource; nodes (Ready and not cordoned); mean, min, max, stddev (of each node's requested
--           share of what it offers); cv (stddev / mean); jain ((sum x)^2 / (n * sum x^2): 1 is even,
--           1/n is all on one node); skew (how far cpu and memory are apart on a node, on average).
-- Parameters: at (a time, such as `10m` after the start or `-0s` for the end)
-- Example:  at=20s
-- Unit:     share of allocatable; requests, not usage.
-- Clock:    the recorder's
-- Source:   kube-scheduler-simulator#141 (min, max, stddev), Jain's fairness index.
WITH used AS (
  SELECT
    node,
    sum(cpu_request) AS cpu,
    sum(memory_request) AS memory
  FROM pods AS OF $at
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
  GROUP BY node
),
per_node AS (
  SELECT
    coalesce(u.cpu, 0) / n.cpu_allocatable AS cpu,
    coalesce(u.memory, 0) / n.memory_allocatable AS memory
  FROM nodes AS OF $at AS n
  LEFT JOIN used AS u ON u.node = n.name
  WHERE n.ready = 'True' AND NOT n.unschedulable
),
shares AS (
  SELECT
    unnest(make_array('cpu', 'memory')) AS resource,
    unnest(make_array(cpu, memory)) AS share,
    abs(cpu - memory) AS skew
  FROM per_node
)
SELECT
  resource,
  count(*) AS nodes,
  avg(share) AS mean,
  min(share) AS min,
  max(share) AS max,
  stddev_pop(share) AS stddev,
  stddev_pop(share) / nullif(avg(share), 0) AS cv,
  power(sum(share), 2) / nullif(count(*) * sum(share * share), 0) AS jain,
  avg(skew) AS skew
FROM shares
GROUP BY resource
ORDER BY resource
