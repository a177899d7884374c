-- Rule:     A name belongs to one living object of its resource and namespace.
-- Why:      The API server refuses to create an object whose name is taken.
-- Judged:   events of watches; where an object's end was not seen, only in a stretch in which all
--           objects of the resource are known (`known`). Requests of audit logs are not: their order
--           is that of the answers.
-- Source:   Kubernetes documentation, Object Names and IDs.
WITH lives AS (
  SELECT
    api_group,
    resource,
    min(kind) AS kind,
    namespace,
    name,
    uid,
    min(seq) AS seq,
    min(ts) AS ts,
    -- An inferred delete is known only after the list that shows the next object of the name.
    max(seq) FILTER (WHERE certainty <> 'inferred') AS last_seq,
    max(ts) AS last_ts,
    bool_or(type = 'DELETED') AS has_ended
  FROM events
  WHERE uid <> '' AND name <> '' AND verb IS NULL
  -- The order of a trace: no group has to wait for its end.
  GROUP BY resource, namespace, name, uid, api_group
),
neighbours AS (
  SELECT
    *,
    lag(uid) OVER names AS other_uid,
    lag(last_seq) OVER names AS other_last_seq,
    lag(last_ts) OVER names AS other_last_ts,
    lag(has_ended) OVER names AS other_has_ended
  FROM lives
  WINDOW names AS (PARTITION BY api_group, resource, namespace, name ORDER BY seq)
)
SELECT DISTINCT
  n.seq,
  n.ts,
  n.api_group,
  n.kind,
  n.namespace,
  n.name,
  n.uid,
  CASE
    WHEN n.other_last_seq > n.seq
      THEN concat('has the name of ', n.other_uid, ', which lives until event ', n.other_last_seq)
    ELSE concat('has the name of ', n.other_uid, ', which was not deleted (event ', n.other_last_seq, ')')
  END AS detail
FROM (SELECT * FROM neighbours WHERE other_uid IS NOT NULL) AS n
LEFT JOIN known AS k
  ON k.api_group = n.api_group AND k.resource = n.resource
  AND k.from_ts <= n.other_last_ts AND n.ts <= k.to_ts
  AND (k.namespace IS NULL OR k.namespace = n.namespace)
WHERE n.other_last_seq > n.seq OR (NOT n.other_has_ended AND k.resource IS NOT NULL)
ORDER BY n.seq
