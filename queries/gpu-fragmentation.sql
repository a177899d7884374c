-- Question: How many idle GPUs are of no use to the pods that usually come?
-- Columns:  node (null: all of them); gpus; idle; fragments (idle GPUs that a pod of the mix cannot
--           use, on average over the mix); ratio (fragments / idle).
-- Parameters: at (a time, such as `10m` after the start or `-0s` for the end)
-- Example:  at=3m
-- Unit:     GPUs; the ratio has none.
-- Clock:    the recorder's
-- Source:   FGD (Weng and others, ATC 2023): where a pod of the mix does not fit, and for pods without
--           GPUs, all idle GPUs are fragments. The mix is every pod of the trace that asks for GPUs,
--           by what it asks for. Whole GPUs (`nvidia.com/gpu`) only: how parts of GPUs are given out
--           is not in the API's objects.
WITH mix AS (
  SELECT cpu, gpu, count(*) / CAST(sum(count(*)) OVER () AS DOUBLE) AS share
  FROM (
    SELECT max(cpu_request) AS cpu, max(requests(object, 'nvidia.com/gpu')) AS gpu
    FROM pods
    GROUP BY uid
  )
  WHERE gpu > 0
  GROUP BY cpu, gpu
),
used AS (
  SELECT node, sum(cpu_request) AS cpu, sum(requests(object, 'nvidia.com/gpu')) AS gpu
  FROM pods AS OF $at
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
  GROUP BY node
),
free AS (
  SELECT
    n.name AS node,
    n.gpus,
    n.gpus - coalesce(u.gpu, 0) AS idle,
    n.cpu_allocatable - coalesce(u.cpu, 0) AS cpu
  FROM (
    SELECT name, cpu_allocatable, quantity(object->'status'->'allocatable'->>'nvidia.com/gpu') AS gpus
    FROM nodes AS OF $at
    WHERE ready = 'True' AND NOT unschedulable
  ) AS n
  LEFT JOIN used AS u ON u.node = n.name
  WHERE n.gpus > 0
),
fragments AS (
  SELECT
    f.node,
    max(f.gpus) AS gpus,
    max(f.idle) AS idle,
    sum(CASE WHEN m.gpu > f.idle OR m.cpu > f.cpu THEN m.share * f.idle ELSE 0 END) AS fragments
  FROM free AS f
  CROSS JOIN mix AS m
  GROUP BY f.node
)
SELECT
  node,
  sum(gpus) AS gpus,
  sum(idle) AS idle,
  sum(fragments) AS fragments,
  sum(fragments) / nullif(sum(idle), 0) AS ratio
FROM fragments
GROUP BY GROUPING SETS ((node), ())
ORDER BY node NULLS FIRST
