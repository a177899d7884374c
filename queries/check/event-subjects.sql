-- Rule:     The object that an Event is about is there.
-- Why:      Events are joined to what they are about by its uid.
-- Judged:   Events that name a uid, and were created a minute or more after all objects of that kind
--           were known (`known`): of what was gone by then an Event can still tell. Events of kubelets
--           about their node have its name in place of a uid and are not judged.
-- Source:   Kubernetes API reference, Event (`involvedObject`, `regarding`).
WITH subjects AS (
  SELECT
    min(seq) AS seq,
    min(ts) AS ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    created,
    subject_kind,
    subject_name,
    subject_uid,
    CASE WHEN subject_version LIKE '%/%' THEN split_part(subject_version, '/', 1) ELSE '' END AS subject_group
  FROM (
    SELECT
      *,
      coalesce(json_get_str(object, 'involvedObject', 'uid'), json_get_str(object, 'regarding', 'uid')) AS subject_uid,
      coalesce(json_get_str(object, 'involvedObject', 'kind'), json_get_str(object, 'regarding', 'kind')) AS subject_kind,
      coalesce(json_get_str(object, 'involvedObject', 'name'), json_get_str(object, 'regarding', 'name')) AS subject_name,
      coalesce(json_get_str(object, 'involvedObject', 'apiVersion'), json_get_str(object, 'regarding', 'apiVersion'), '')
        AS subject_version
    FROM events
    WHERE resource = 'events' AND type = 'ADDED' AND certainty = 'seen'
  )
  WHERE subject_uid <> '' AND subject_uid <> subject_name
  GROUP BY api_group, kind, namespace, name, uid, created, subject_kind, subject_name, subject_uid, subject_version
)
SELECT DISTINCT
  s.seq,
  s.ts,
  s.api_group,
  s.kind,
  s.namespace,
  s.name,
  s.uid,
  concat('is about ', s.subject_kind, ' ', s.subject_name, ' (', s.subject_uid, '), which is not there') AS detail
FROM subjects AS s
JOIN known AS k
  ON k.api_group = s.subject_group AND k.kind = s.subject_kind
  AND s.created >= k.from_ts + duration('1m') AND s.ts + duration('5s') <= k.to_ts
  AND (k.namespace IS NULL OR k.namespace = s.namespace)
LEFT ANTI JOIN events AS o ON o.uid = s.subject_uid
ORDER BY s.seq
