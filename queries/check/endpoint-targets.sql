-- Rule:     The pods behind an EndpointSlice or Endpoints are there, and so is the Service of a slice.
-- Why:      Traffic is sent to these addresses; clones of a workload must be in them under their uids.
-- Judged:   targets that are pods, in slices and Endpoints that were created five seconds or more after
--           all pods, or all Services, were known (`known`).
-- Source:   Kubernetes API reference, EndpointSlice (`endpoints[].targetRef`) and Endpoints.
WITH slices AS (
  SELECT
    seq,
    ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    type,
    owner_kind,
    owner_name,
    unnest(
      CASE
        WHEN resource = 'endpointslices' THEN json_path(object, '$.endpoints[*].targetRef')
        ELSE array_concat(
          json_path(object, '$.subsets[*].addresses[*].targetRef'),
          json_path(object, '$.subsets[*].notReadyAddresses[*].targetRef')
        )
      END
    ) AS target
  FROM events
  WHERE resource IN ('endpointslices', 'endpoints') AND type <> 'DELETED' AND certainty = 'seen'
),
targets AS (
  SELECT
    min(seq) AS seq,
    min(ts) AS ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    json_get_str(target, 'name') AS target_name,
    json_get_str(target, 'uid') AS target_uid
  FROM slices
  WHERE json_get_str(target, 'kind') = 'Pod'
  GROUP BY api_group, kind, namespace, name, uid, created, json_get_str(target, 'name'), json_get_str(target, 'uid')
),
pods AS (
  SELECT DISTINCT namespace, name, uid FROM events WHERE api_group = '' AND resource = 'pods'
),
services AS (
  SELECT DISTINCT namespace, name FROM events WHERE api_group = '' AND resource = 'services'
),
owned AS (
  SELECT
    min(seq) AS seq,
    min(ts) AS ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    element_at(labels, 'kubernetes.io/service-name')[1] AS service
  FROM events
  WHERE resource = 'endpointslices' AND type <> 'DELETED' AND certainty = 'seen'
  GROUP BY api_group, kind, namespace, name, uid, created, element_at(labels, 'kubernetes.io/service-name')[1]
)
SELECT DISTINCT
  t.seq,
  t.ts,
  t.api_group,
  t.kind,
  t.namespace,
  t.name,
  t.uid,
  concat('sends to the pod ', t.target_name, ' (', t.target_uid, '), which is not there') AS detail
FROM targets AS t
JOIN known AS k
  ON k.api_group = '' AND k.resource = 'pods'
  AND t.created >= k.from_ts + duration('5s') AND t.ts + duration('5s') <= k.to_ts
  AND (k.namespace IS NULL OR k.namespace = t.namespace)
LEFT ANTI JOIN pods AS p ON p.uid = t.target_uid AND p.namespace = t.namespace AND p.name = t.target_name
UNION ALL
SELECT DISTINCT
  o.seq,
  o.ts,
  o.api_group,
  o.kind,
  o.namespace,
  o.name,
  o.uid,
  concat('belongs to the Service ', o.service, ', which is not there') AS detail
FROM owned AS o
JOIN known AS k
  ON k.api_group = '' AND k.resource = 'services'
  AND o.created >= k.from_ts + duration('5s') AND o.ts + duration('5s') <= k.to_ts
  AND (k.namespace IS NULL OR k.namespace = o.namespace)
LEFT ANTI JOIN services AS s ON s.namespace = o.namespace AND s.name = o.service
WHERE o.service <> ''
ORDER BY seq
