-- Question: How many pods per second get a node?
-- Columns:  bound (pods); intervals (of five seconds, from the first to the last pod that got one);
--           idle (of these, without a pod); mean, p50, p90, p99, max (over the intervals).
-- Unit:     pods per second. A percentile is the ceil(n * p / 100)-th smallest value, where idle
--           intervals count as 0.
-- Clock:    the recorder's. Pods that existed before the recording are left out.
-- Source:   ClusterLoader2 SchedulingThroughput, which polls every 5 seconds;
--           `scheduling-throughput` lists the intervals.
WITH bound AS (
  SELECT CAST(min(valid_from) AS BIGINT) / 5000000000 AS interval
  FROM pods
  WHERE node <> '' AND creation_seen
  GROUP BY uid
),
busy AS (
  SELECT interval, count(*) AS bound
  FROM bound
  GROUP BY interval
),
ranked AS (
  SELECT
    bound,
    max(interval) OVER () - min(interval) OVER () + 1 AS n,
    max(interval) OVER () - min(interval) OVER () + 1 - count(*) OVER () + row_number() OVER (ORDER BY bound) AS rank
  FROM busy
)
SELECT
  sum(bound) AS bound,
  max(n) AS intervals,
  max(n) - count(*) AS idle,
  sum(bound) / (5.0 * max(n)) AS mean,
  CASE WHEN (max(n) - count(*)) * 100 < max(n) * 50 THEN min(bound) FILTER (WHERE rank * 100 >= n * 50) ELSE 0 END / 5.0 AS p50,
  CASE WHEN (max(n) - count(*)) * 100 < max(n) * 90 THEN min(bound) FILTER (WHERE rank * 100 >= n * 90) ELSE 0 END / 5.0 AS p90,
  CASE WHEN (max(n) - count(*)) * 100 < max(n) * 99 THEN min(bound) FILTER (WHERE rank * 100 >= n * 99) ELSE 0 END / 5.0 AS p99,
  max(bound) / 5.0 AS max
FROM ranked
