-- Rule:     The claims that a running pod mounts are there, and so is the volume of a bound claim.
-- Why:      A pod is not scheduled before its claims are bound.
-- Judged:   pods that run, and claims that are bound, and were created five seconds or more after all
--           claims, or all volumes, were known (`known`).
-- Source:   Kubernetes documentation, Persistent Volumes.
WITH pods AS (
  SELECT
    min(seq) AS seq,
    min(ts) AS ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    claim
  FROM (
    SELECT *, unnest(json_path(object, '$.spec.volumes[*].persistentVolumeClaim.claimName')) AS claim
    FROM events
    WHERE api_group = '' AND resource = 'pods' AND type <> 'DELETED' AND certainty = 'seen'
      AND object -> 'status' ->> 'phase' = 'Running'
  )
  GROUP BY api_group, kind, namespace, name, uid, created, claim
),
bound AS (
  SELECT
    min(seq) AS seq,
    min(ts) AS ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    volume
  FROM (
    SELECT *, object -> 'spec' ->> 'volumeName' AS volume
    FROM events
    WHERE api_group = '' AND resource = 'persistentvolumeclaims' AND type <> 'DELETED' AND certainty = 'seen'
      AND object -> 'status' ->> 'phase' = 'Bound'
  )
  WHERE volume <> ''
  GROUP BY api_group, kind, namespace, name, uid, created, volume
),
claims AS (
  SELECT DISTINCT namespace, name FROM events WHERE api_group = '' AND resource = 'persistentvolumeclaims'
),
volumes AS (
  SELECT DISTINCT name FROM events WHERE api_group = '' AND resource = 'persistentvolumes'
)
SELECT DISTINCT
  p.seq,
  p.ts,
  p.api_group,
  p.kind,
  p.namespace,
  p.name,
  p.uid,
  concat('runs with the claim ', p.claim, ', which is not there') AS detail
FROM pods AS p
JOIN known AS k
  ON k.api_group = '' AND k.resource = 'persistentvolumeclaims'
  AND p.created >= k.from_ts + duration('5s') AND p.ts + duration('5s') <= k.to_ts
  AND (k.namespace IS NULL OR k.namespace = p.namespace)
LEFT ANTI JOIN claims AS c ON c.namespace = p.namespace AND c.name = p.claim
UNION ALL
SELECT DISTINCT
  b.seq,
  b.ts,
  b.api_group,
  b.kind,
  b.namespace,
  b.name,
  b.uid,
  concat('is bound to the volume ', b.volume, ', which is not there') AS detail
FROM bound AS b
JOIN known AS k
  ON k.api_group = '' AND k.resource = 'persistentvolumes'
  AND b.created >= k.from_ts + duration('5s') AND b.ts + duration('5s') <= k.to_ts
LEFT ANTI JOIN volumes AS v ON v.name = b.volume
ORDER BY seq
