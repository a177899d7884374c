-- Question: How often do nodes come and go, and was a node taken away just before one was needed?
-- Columns:  instance_type; added, removed (nodes); p50_life (of nodes of which both was seen); flaps
--           (nodes that were added within ten minutes after one of the same type was removed).
-- Unit:     nodes, seconds. A percentile is the ceil(n * p / 100)-th smallest value.
-- Clock:    the recorder's
-- Source:   scale-ups, scale-downs and lifetimes as Gardener's autoscaler tests compare them.
WITH lives AS (
  SELECT
    uid,
    coalesce(max(instance_type), '') AS instance_type,
    CASE WHEN bool_and(creation_seen) THEN min(valid_from) END AS added,
    max(valid_to) FILTER (WHERE ended_by = 'DELETED') AS removed
  FROM nodes
  GROUP BY uid
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY instance_type ORDER BY seconds NULLS LAST) AS rank,
    count(seconds) OVER (PARTITION BY instance_type) AS n
  FROM (SELECT *, (CAST(removed AS BIGINT) - CAST(added AS BIGINT)) / 1e9 AS seconds FROM lives)
),
flaps AS (
  SELECT a.instance_type, count(DISTINCT a.uid) AS flaps
  FROM lives AS a
  JOIN lives AS r ON r.instance_type = a.instance_type AND r.uid <> a.uid
    AND r.removed < a.added AND a.added <= r.removed + INTERVAL '10 minutes'
  GROUP BY a.instance_type
)
SELECT
  r.instance_type,
  count(r.added) AS added,
  count(r.removed) AS removed,
  min(r.seconds) FILTER (WHERE r.rank * 100 >= r.n * 50) AS p50_life,
  coalesce(max(f.flaps), 0) AS flaps
FROM ranked AS r
LEFT JOIN flaps AS f ON f.instance_type = r.instance_type
GROUP BY r.instance_type
ORDER BY r.instance_type
