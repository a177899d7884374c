-- Rule:     The owners of an object exist, are what the reference says, are older than it, lie in its
--           namespace or in none, and one of them at most is its controller; nobody owns itself, nor
--           its owners.
-- Why:      Owner references are what garbage collection, scaling and every tree of workloads use.
-- Judged:   the references that an object has when it is first seen, as ADDED. That an owner is there,
--           for objects that were created five seconds or more after all objects of the owner's
--           resource were known (`known`). Circles are looked for among controllers, up to four around.
-- Source:   Kubernetes documentation, Owners and Dependents.
WITH firsts AS (
  SELECT *
  FROM (
    SELECT
      seq,
      ts,
      type,
      certainty,
      api_group,
      resource,
      kind,
      namespace,
      name,
      uid,
      created,
      json_path(object, '$.metadata.ownerReferences[*]') AS refs,
      row_number() OVER (PARTITION BY api_group, resource, uid ORDER BY seq) AS number
    FROM events
    WHERE uid <> '' AND certainty <> 'reported'
  )
  WHERE number = 1 AND type = 'ADDED' AND certainty = 'seen' AND cardinality(refs) > 0
),
refs AS (
  SELECT
    *,
    count(*) FILTER (WHERE json_get_bool(ref, 'controller')) OVER (PARTITION BY seq) AS controllers,
    json_get_str(ref, 'uid') AS ref_uid,
    json_get_str(ref, 'kind') AS ref_kind,
    json_get_str(ref, 'name') AS ref_name,
    CASE
      WHEN json_get_str(ref, 'apiVersion') LIKE '%/%' THEN split_part(json_get_str(ref, 'apiVersion'), '/', 1)
      ELSE ''
    END AS ref_group
  FROM (SELECT *, unnest(refs) AS ref FROM firsts)
),
objects AS (
  SELECT uid, min(kind) AS kind, namespace, name, min(created) AS created
  FROM events
  WHERE uid <> ''
  -- The order of a trace: no group has to wait for its end.
  GROUP BY resource, namespace, name, uid, api_group
),
links AS (
  SELECT DISTINCT uid, owner_uid FROM events WHERE owner_uid <> uid
),
circles AS (
  SELECT DISTINCT a.uid
  FROM links AS a
  JOIN links AS b ON b.uid = a.owner_uid
  LEFT JOIN links AS c ON c.uid = b.owner_uid
  LEFT JOIN links AS d ON d.uid = c.owner_uid
  WHERE b.owner_uid = a.uid OR c.owner_uid = a.uid OR d.owner_uid = a.uid
),
found AS (
  SELECT
    r.*,
    CASE
      WHEN r.ref_uid = r.uid THEN 'owns itself'
      WHEN i.uid IS NOT NULL THEN concat('is owned by ', r.ref_kind, ' ', r.ref_name, ', which it owns itself')
      WHEN o.uid IS NULL AND k.resource IS NOT NULL
        THEN concat('is owned by ', r.ref_kind, ' ', r.ref_name, ' (', r.ref_uid, '), which is not there')
      WHEN o.kind <> r.ref_kind OR o.name <> r.ref_name
        THEN concat('is owned by ', r.ref_kind, ' ', r.ref_name, ' (', r.ref_uid, '), which is ', o.kind, ' ', o.name)
      WHEN o.namespace <> '' AND o.namespace <> r.namespace
        THEN concat('is owned by ', r.ref_kind, ' ', r.ref_name, ' of another namespace, ', o.namespace)
      WHEN o.created > r.created
        THEN concat('is older than its owner ', r.ref_kind, ' ', r.ref_name, ' of ', o.created)
      WHEN r.controllers > 1 THEN 'has more than one controller'
    END AS detail
  FROM refs AS r
  LEFT JOIN objects AS o ON o.uid = r.ref_uid
  LEFT JOIN circles AS i ON i.uid = r.uid
  LEFT JOIN known AS k
    ON k.api_group = r.ref_group AND k.kind = r.ref_kind
    AND r.created >= k.from_ts + duration('5s') AND r.ts + duration('5s') <= k.to_ts
    AND (k.namespace IS NULL OR k.namespace = r.namespace)
)
SELECT DISTINCT seq, ts, api_group, kind, namespace, name, uid, detail
FROM found
WHERE detail IS NOT NULL
ORDER BY seq
