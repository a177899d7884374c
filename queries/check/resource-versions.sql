-- Rule:     The resourceVersions of a resource grow with every event, and none belongs to two objects.
-- Why:      Each write gets the next version of the server; a watch gives them in order.
-- Judged:   versions that a watch delivered (`seen`) and that are numbers, inside a session and an
--           epoch; object by object where a resource has several feeds. Requests of audit logs are not:
--           their order is that of the answers. What a list shows may be older.
-- Source:   Kubernetes API concepts, Resource versions (in v1.35 and later numbers that grow).
WITH several AS (
  SELECT api_group, resource FROM feeds GROUP BY api_group, resource HAVING count(*) > 1
),
versions AS (
  SELECT
    e.seq,
    e.ts,
    e.api_group,
    e.resource,
    e.kind,
    e.namespace,
    e.name,
    e.uid,
    e.session,
    e.epoch,
    e.resource_version,
    TRY_CAST(e.resource_version AS BIGINT) AS version,
    CASE WHEN s.resource IS NOT NULL THEN e.uid END AS part
  FROM events AS e
  LEFT JOIN several AS s ON s.api_group = e.api_group AND s.resource = e.resource
  WHERE e.certainty = 'seen' AND e.verb IS NULL AND e.resource_version IS NOT NULL
)
SELECT
  seq,
  ts,
  api_group,
  kind,
  namespace,
  name,
  uid,
  CASE
    WHEN version = before
      THEN concat('has the resourceVersion ', version, ' of ', before_namespace, '/', before_name, ' (event ', before_seq, ')')
    ELSE concat('has the resourceVersion ', version, ' after ', before, ' (event ', before_seq, ')')
  END AS detail
FROM (
  SELECT
    *,
    lag(version) OVER history AS before,
    lag(seq) OVER history AS before_seq,
    lag(namespace) OVER history AS before_namespace,
    lag(name) OVER history AS before_name
  FROM versions
  WHERE version IS NOT NULL
  WINDOW history AS (PARTITION BY api_group, resource, session, epoch, part ORDER BY seq)
)
WHERE version <= before
ORDER BY seq
