-- Question: How fast does an autoscaler react to pods that do not fit?
-- Columns:  signal (TriggeredScaleUp: the Event of the Cluster Autoscaler about the pod; next node:
--           the next node that was created); n (pods that were followed by it); mean, p50, p90, p99,
--           max; over_30, over_60 (of these, pods that waited longer); none (pods that were not).
-- Unit:     seconds. A percentile is the ceil(n * p / 100)-th smallest value. The promise is 30 s (5
--           on average) with less than 100 nodes, 60 s (15 on average) with up to 1000.
-- Clock:    the API's, in whole seconds: from when the pod was first marked Unschedulable to the
--           Event, or to the creation of the node. Of any node: a node that was on its way already
--           counts as well. Pods marked before the recording are left out.
-- Source:   the promises in the FAQ of the Cluster Autoscaler.
WITH marked AS (
  SELECT uid, CAST(min(scheduled_time) AS BIGINT) AS at
  FROM pods
  WHERE scheduled = 'False' AND scheduled_reason = 'Unschedulable' AND creation_seen
    AND coalesce(owner_kind, '') <> 'DaemonSet'
  GROUP BY uid
),
told AS (
  SELECT object_uid AS uid, CAST(min(first_time) AS BIGINT) AS at
  FROM k8s_events
  WHERE reason = 'TriggeredScaleUp'
  GROUP BY object_uid
),
made AS (
  SELECT DISTINCT CAST(created AS BIGINT) * 1000000000 AS at
  FROM nodes
),
followed AS (
  SELECT 'TriggeredScaleUp' AS signal, (t.at - m.at) / 1e9 AS seconds
  FROM marked AS m
  LEFT JOIN told AS t ON t.uid = m.uid
  UNION ALL
  SELECT 'next node', (min(n.at) - max(m.at)) / 1e9
  FROM marked AS m
  LEFT JOIN made AS n ON n.at >= m.at
  GROUP BY m.uid
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY signal ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY signal) AS n
  FROM followed
)
SELECT
  signal,
  max(n) AS n,
  avg(seconds) AS mean,
  min(seconds) FILTER (WHERE rank * 100 >= n * 50) AS p50,
  min(seconds) FILTER (WHERE rank * 100 >= n * 90) AS p90,
  min(seconds) FILTER (WHERE rank * 100 >= n * 99) AS p99,
  max(seconds) AS max,
  count(*) FILTER (WHERE seconds > 30) AS over_30,
  count(*) FILTER (WHERE seconds > 60) AS over_60,
  count(*) - max(n) AS none
FROM ranked
GROUP BY signal
ORDER BY signal
