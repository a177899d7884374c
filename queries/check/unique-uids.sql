-- Rule:     A uid belongs to one object.
-- Why:      Uids are how objects refer to each other, and what a timeline is made of.
-- Judged:   every event that has a uid.
-- Source:   Kubernetes documentation, Object Names and IDs.
SELECT
  seq,
  ts,
  api_group,
  kind,
  namespace,
  name,
  uid,
  concat('has the uid of ', other_kind, ' ', other_namespace, '/', other_name, ' (event ', other_seq, ')') AS detail
FROM (
  SELECT
    *,
    lag(seq) OVER uids AS other_seq,
    lag(kind) OVER uids AS other_kind,
    lag(namespace) OVER uids AS other_namespace,
    lag(name) OVER uids AS other_name
  FROM (
    -- The same object can be served in two groups, as Events are.
    SELECT min(seq) AS seq, min(ts) AS ts, min(api_group) AS api_group, min(kind) AS kind, namespace, name, uid
    FROM events
    WHERE uid <> ''
    GROUP BY resource, namespace, name, uid
  )
  WINDOW uids AS (PARTITION BY uid ORDER BY seq)
)
WHERE other_seq IS NOT NULL
ORDER BY seq
