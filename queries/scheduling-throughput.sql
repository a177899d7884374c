-- Question: How many pods get a node in each interval?
-- Columns:  interval_start; bound (pods first seen with a node in it).
-- Unit:     pods per interval of 5 seconds; intervals without a pod have no row.
-- Clock:    the recorder's. Pods that existed before the recording are left out.
-- Source:   ClusterLoader2 SchedulingThroughput, which polls every 5 seconds; `scheduling-rate` has
--           its percentiles.
SELECT date_bin(INTERVAL '5 seconds', bound) AS interval_start, count(*) AS bound
FROM (
  SELECT uid, min(valid_from) AS bound
  FROM pods
  WHERE node <> '' AND creation_seen
  GROUP BY uid
)
GROUP BY interval_start
ORDER BY interval_start
