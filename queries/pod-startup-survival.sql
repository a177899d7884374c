-- Question: How many pods are still not ready some time after they were created?
-- Columns:  after (seconds since it was first seen); ready (pods that were Ready by then); at_risk
--           (pods that were not, and were watched for longer); censored (pods that were not, and
--           that were deleted or ended, or when the trace ended); not_ready (share that is not Ready
--           then). Times that no pod was watched for have no row.
-- Unit:     seconds, pods; the share has none.
-- Clock:    the recorder's. Pods that existed before the recording, of DaemonSets and static ones
--           are left out.
-- Source:   the estimator of Kaplan and Meier, so that pods that never became Ready count for as
--           long as they were watched.
WITH lives AS (
  SELECT
    (CAST(coalesce(min(valid_from) FILTER (WHERE ready = 'True'),
      min(valid_from) FILTER (WHERE phase IN ('Succeeded', 'Failed')),
      max(coalesce(valid_to, at('-0s')))) AS BIGINT) - CAST(min(valid_from) AS BIGINT)) / 1e9 AS seconds,
    coalesce(bool_or(ready = 'True'), false) AS is_ready
  FROM pods
  WHERE creation_seen AND coalesce(owner_kind, '') NOT IN ('DaemonSet', 'Node')
  GROUP BY uid
),
steps AS (
  SELECT
    seconds,
    count(*) AS ended,
    count(*) FILTER (WHERE is_ready) AS ready
  FROM lives
  GROUP BY seconds
),
risks AS (
  SELECT
    seconds,
    ended,
    ready,
    sum(ended) OVER (ORDER BY seconds DESC) AS at_risk
  FROM steps
),
survival AS (
  SELECT
    seconds,
    ended,
    ready,
    CASE WHEN max(CASE WHEN ready = at_risk THEN 1 ELSE 0 END) OVER earlier = 1 THEN 0
      ELSE exp(sum(CASE WHEN ready < at_risk THEN ln(1 - ready / CAST(at_risk AS DOUBLE)) END) OVER earlier)
    END AS not_ready
  FROM risks
  WINDOW earlier AS (ORDER BY seconds)
),
bounds AS (
  SELECT unnest(make_array(1, 2, 5, 10, 30, 60, 120, 300, 600)) AS after
)
SELECT
  b.after,
  coalesce(sum(s.ready) FILTER (WHERE s.seconds <= b.after), 0) AS ready,
  coalesce(sum(s.ended) FILTER (WHERE s.seconds > b.after), 0) AS at_risk,
  coalesce(sum(s.ended - s.ready) FILTER (WHERE s.seconds <= b.after), 0) AS censored,
  coalesce(min(s.not_ready) FILTER (WHERE s.seconds <= b.after), 1) AS not_ready
FROM bounds AS b
CROSS JOIN survival AS s
GROUP BY b.after
HAVING max(s.seconds) >= b.after
ORDER BY b.after
