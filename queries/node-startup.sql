-- Question: How long do nodes take until they are Ready, and until a pod runs on them?
-- Columns:  name; created; ready_after (API clock: first time Ready became True, less creation);
--           ready_seen_after (from first seen to first seen Ready; null if the node was there when
--           the recording began); first_pod_after (from creation to the first pod, not of a
--           DaemonSet, that was seen running on it; null if there was none).
-- Unit:     seconds
-- Clock:    ready_after the API's, in whole seconds; ready_seen_after the recorder's;
--           first_pod_after the recorder's less the API's, so that it has the skew between them.
-- Source:   kube-burner nodeLatency; ClusterLoader2 measures by the watch as well.
WITH started AS (
  SELECT
    name,
    uid,
    min(created) AS created,
    min(valid_from) AS first_seen,
    min(valid_from) FILTER (WHERE ready = 'True') AS ready_seen,
    min(ready_time) FILTER (WHERE ready = 'True') AS ready_at,
    bool_or(certainty = 'listed') AS existed_before
  FROM nodes
  GROUP BY name, uid
),
used AS (
  SELECT node, min(valid_from) AS first_pod
  FROM pods
  WHERE phase = 'Running' AND coalesce(owner_kind, '') <> 'DaemonSet'
  GROUP BY node
)
SELECT
  s.name,
  s.created,
  (CAST(s.ready_at AS BIGINT) - CAST(s.created AS BIGINT) * 1000000000) / 1e9 AS ready_after,
  CASE WHEN NOT s.existed_before
    THEN (CAST(s.ready_seen AS BIGINT) - CAST(s.first_seen AS BIGINT)) / 1e9 END AS ready_seen_after,
  (CAST(u.first_pod AS BIGINT) - CAST(s.created AS BIGINT) * 1000000000) / 1e9 AS first_pod_after
FROM started s
LEFT JOIN used u ON u.node = s.name
ORDER BY s.created, s.name
