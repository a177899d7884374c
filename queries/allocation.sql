-- Question: Which share of what the nodes offer was asked for, on average over the trace?
-- Columns:  resource; requested (of pods that were bound and had not ended, integrated over time);
--           allocatable (of nodes that were Ready and not cordoned, integrated over time); ratio;
--           idle (allocatable less requested).
-- Unit:     core-hours, GiB-hours; the ratio has none. Requests, not usage.
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   the allocation ratio of Karpenter and of FGD, as a mean weighted by time.
WITH bound AS (
  SELECT
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 3600e9 AS hours,
    cpu_request AS cpu,
    memory_request / 1073741824 AS memory
  FROM pods
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
),
offered AS (
  SELECT
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 3600e9 AS hours,
    cpu_allocatable AS cpu,
    memory_allocatable / 1073741824 AS memory
  FROM nodes
  WHERE ready = 'True' AND NOT unschedulable
),
sums AS (
  SELECT 'cpu' AS resource,
    (SELECT sum(cpu * hours) FROM bound) AS requested,
    (SELECT sum(cpu * hours) FROM offered) AS allocatable
  UNION ALL
  SELECT 'memory',
    (SELECT sum(memory * hours) FROM bound),
    (SELECT sum(memory * hours) FROM offered)
)
SELECT
  resource,
  coalesce(requested, 0) AS requested,
  allocatable,
  coalesce(requested, 0) / nullif(allocatable, 0) AS ratio,
  allocatable - coalesce(requested, 0) AS idle
FROM sums
ORDER BY resource
