-- Rule:     What an object says of its past lies in the past and after its creation: it was created and
--           deleted, its conditions and containers changed, before it was received. When it was
--           created does not change.
-- Why:      Latencies are differences of these times and of receive times.
-- Judged:   every event that has an object, by the clock of the server where the recorder knows how
--           far its own is off, with a second for rounding, and with two more where clocks of nodes and
--           controllers set the time. Conditions and containers only of pods that are not a node's own.
-- Source:   Kubernetes API conventions, Metadata and typical status properties.
WITH versions AS (
  SELECT
    e.seq,
    e.ts,
    e.api_group,
    e.resource,
    e.kind,
    e.namespace,
    e.name,
    e.uid,
    e.created,
    e.deleted,
    e.owner_kind,
    e.object,
    CAST(e.ts AS BIGINT) / 1000000000 + greatest(coalesce(s.clock_offset_ns, 0), 0) / 1000000000 AS second
  FROM events AS e
  LEFT JOIN sessions AS s ON s.session = e.session
  WHERE e.uid <> '' AND e.certainty <> 'reported'
),
meta AS (
  SELECT *, lag(created) OVER (PARTITION BY api_group, resource, uid ORDER BY seq) AS before_created
  FROM (
    -- What is sorted has no whole objects in it.
    SELECT
      seq,
      ts,
      api_group,
      resource,
      kind,
      namespace,
      name,
      uid,
      created,
      deleted,
      second,
      coalesce(json_get_int(object, 'metadata', 'deletionGracePeriodSeconds'), 0) AS grace,
      array_max(json_path(object, '$.metadata.managedFields[*].time')) AS managed
    FROM versions
  )
),
pods AS (
  SELECT
    *,
    unnest(array_concat(
      json_path(object, '$.status.conditions[*].lastTransitionTime'),
      json_path(object, '$.status.containerStatuses[*].state.*.startedAt'),
      json_path(object, '$.status.containerStatuses[*].state.*.finishedAt')
    )) AS time
  FROM versions
  WHERE api_group = '' AND resource = 'pods' AND coalesce(owner_kind, '') <> 'Node'
),
said AS (
  SELECT *, CAST(TRY_CAST(time AS TIMESTAMP) AS BIGINT) / 1000000000 AS said FROM pods
)
SELECT *
FROM (
  SELECT
    seq,
    ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    CASE
      WHEN created <> before_created THEN concat('was created at ', created, ', and before that at ', before_created)
      WHEN CAST(created AS BIGINT) > second + 1 THEN concat('was received before it was created, at ', created)
      WHEN deleted < created THEN concat('was deleted at ', deleted, ', before it was created, at ', created)
      WHEN CAST(deleted AS BIGINT) - grace > second + 1
        THEN concat('was received before it was deleted, at ', deleted, ' less ', grace, ' s of grace')
      WHEN CAST(TRY_CAST(managed AS TIMESTAMP) AS BIGINT) / 1000000000 > second + 1
        THEN concat('was received before a manager had set its fields, at ', managed)
    END AS detail
  FROM meta
  UNION ALL
  SELECT
    seq,
    ts,
    api_group,
    kind,
    namespace,
    name,
    uid,
    CASE
      WHEN said > second + 3 THEN concat('was received before ', time, ', the time of a condition or container')
      WHEN said < CAST(created AS BIGINT) - 3
        THEN concat('was created after ', time, ', the time of a condition or container')
    END AS detail
  FROM said
)
WHERE detail IS NOT NULL
ORDER BY seq
