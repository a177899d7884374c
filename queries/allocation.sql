-- Question: Which share of what the nodes offer was asked for, on average over the trace?
-- Columns:  resource; requested (of pods that were bound and had not ended, integrated over time);
--           allocatable (of nodes that were Ready and not cordoned, integrated over time); ratio;
--           idle (allocatable less requested: what was provided and not asked for).
-- Unit:     core-hours, GiB-hours, GPU-hours, pod-hours; the ratio has none. Requests, not usage.
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   the allocation ratio of Karpenter and of FGD, as a mean weighted by time. A GPU is
--           `nvidia.com/gpu`.
WITH bound AS (
  SELECT
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 3600e9 AS hours,
    cpu_request AS cpu,
    memory_request / 1073741824 AS memory,
    requests(object, 'nvidia.com/gpu') AS gpu
  FROM pods
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
),
offered AS (
  SELECT
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 3600e9 AS hours,
    cpu_allocatable AS cpu,
    memory_allocatable / 1073741824 AS memory,
    quantity(object->'status'->'allocatable'->>'nvidia.com/gpu') AS gpu,
    pods_allocatable AS pods
  FROM nodes
  WHERE ready = 'True' AND NOT unschedulable
),
asked AS (
  SELECT
    sum(cpu * hours) AS cpu,
    sum(memory * hours) AS memory,
    sum(gpu * hours) AS gpu,
    sum(hours) AS pods
  FROM bound
),
provided AS (
  SELECT
    sum(cpu * hours) AS cpu,
    sum(memory * hours) AS memory,
    sum(gpu * hours) AS gpu,
    sum(pods * hours) AS pods
  FROM offered
),
sums AS (
  SELECT
    unnest(make_array('cpu', 'memory', 'gpu', 'pods')) AS resource,
    unnest(make_array(a.cpu, a.memory, a.gpu, a.pods)) AS requested,
    unnest(make_array(p.cpu, p.memory, p.gpu, p.pods)) AS allocatable
  FROM asked AS a
  CROSS JOIN provided AS p
)
SELECT
  resource,
  coalesce(requested, 0) AS requested,
  allocatable,
  coalesce(requested, 0) / nullif(allocatable, 0) AS ratio,
  allocatable - coalesce(requested, 0) AS idle
FROM sums
WHERE requested > 0 OR allocatable > 0
ORDER BY resource
