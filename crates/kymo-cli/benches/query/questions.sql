-- Questions that are asked of kymo and of DuckDB, of the same events. A line `--- NAME` begins one, with `[json]` behind
-- the name if it looks into objects; `--- duckdb` begins how DuckDB says it, if it says it otherwise. Words in braces stand for
-- values of the trace that is asked: {uid} of the pod with most versions, {at} and {from} to {to} in the middle.

--- count by kind and type
SELECT kind, type, count(*) AS n FROM events GROUP BY kind, type ORDER BY kind, type

--- events per ten seconds
SELECT CAST(ts AS BIGINT) / 10000000000 AS slot, count(*) AS n FROM events GROUP BY slot ORDER BY slot
--- duckdb
SELECT epoch_ns(ts) // 10000000000 AS slot, count(*) AS n FROM events GROUP BY slot ORDER BY slot

--- busiest objects
SELECT kind, namespace, name, uid, count(*) AS n FROM events GROUP BY kind, namespace, name, uid
ORDER BY n DESC, kind, namespace, name, uid LIMIT 20

--- pod startup percentiles [json]
WITH pods AS (
  SELECT uid, min(CAST(ts AS BIGINT) / 1000) AS first,
    min(CAST(ts AS BIGINT) / 1000) FILTER (WHERE object->'status'->>'phase' = 'Running') AS running
  FROM events WHERE resource = 'pods' AND api_group = '' AND type <> 'DELETED' GROUP BY uid
),
ranked AS (
  SELECT running - first AS took, row_number() OVER (ORDER BY running - first) AS place, count(*) OVER () AS n
  FROM pods WHERE running IS NOT NULL
)
SELECT max(n) AS n, min(took) FILTER (WHERE place >= n * 0.50) AS p50, min(took) FILTER (WHERE place >= n * 0.90) AS p90,
  min(took) FILTER (WHERE place >= n * 0.99) AS p99 FROM ranked
--- duckdb
WITH pods AS (
  SELECT uid, min(epoch_ns(ts) // 1000) AS first,
    min(epoch_ns(ts) // 1000) FILTER (WHERE json_extract_string(object, '$.status.phase') = 'Running') AS running
  FROM events WHERE resource = 'pods' AND api_group = '' AND type <> 'DELETED' GROUP BY uid
),
ranked AS (
  SELECT running - first AS took, row_number() OVER (ORDER BY running - first) AS place, count(*) OVER () AS n
  FROM pods WHERE running IS NOT NULL
)
SELECT max(n) AS n, min(took) FILTER (WHERE place >= n * 0.50) AS p50, min(took) FILTER (WHERE place >= n * 0.90) AS p90,
  min(took) FILTER (WHERE place >= n * 0.99) AS p99 FROM ranked

--- group by a path [json]
SELECT object->'spec'->>'nodeName' AS node, count(*) AS n FROM events WHERE kind = 'Pod' GROUP BY node ORDER BY node NULLS FIRST
--- duckdb
SELECT json_extract_string(object, '$.spec.nodeName') AS node, count(*) AS n FROM events WHERE kind = 'Pod' GROUP BY node
ORDER BY node NULLS FIRST

--- state at a time, one path [json]
SELECT phase, count(*) AS n FROM pods AS OF TIMESTAMPTZ '{at}' GROUP BY phase ORDER BY phase
--- duckdb
SELECT json_extract_string(object, '$.status.phase') AS phase, count(*) AS n
FROM (
  SELECT type, object, row_number() OVER (PARTITION BY namespace, name, uid ORDER BY seq DESC) AS place
  FROM events WHERE resource = 'pods' AND api_group = '' AND ts <= TIMESTAMPTZ_NS '{at}'
) WHERE place = 1 AND type <> 'DELETED' GROUP BY phase ORDER BY phase

--- state at a time, whole objects
SELECT namespace, name, uid, object FROM pods AS OF TIMESTAMPTZ '{at}' ORDER BY namespace, name, uid
--- duckdb
SELECT namespace, name, uid, object
FROM (
  SELECT type, namespace, name, uid, object, row_number() OVER (PARTITION BY namespace, name, uid ORDER BY seq DESC) AS place
  FROM events WHERE resource = 'pods' AND api_group = '' AND ts <= TIMESTAMPTZ_NS '{at}'
) WHERE place = 1 AND type <> 'DELETED' ORDER BY namespace, name, uid

--- history of one object
SELECT seq, type, CAST(ts AS BIGINT) / 1000 AS us, object FROM events WHERE uid = '{uid}' ORDER BY seq
--- duckdb
SELECT seq, type, epoch_ns(ts) // 1000 AS us, object FROM events WHERE uid = '{uid}' ORDER BY seq

--- condition transitions [json]
SELECT before, after, count(*) AS n FROM (
  SELECT condition(object, 'Ready')['status'] AS after,
    lag(condition(object, 'Ready')['status']) OVER (PARTITION BY uid ORDER BY seq) AS before
  FROM events WHERE resource = 'pods' AND api_group = ''
) WHERE before IS DISTINCT FROM after GROUP BY before, after ORDER BY before NULLS FIRST, after NULLS FIRST
--- duckdb
SELECT before, after, count(*) AS n FROM (
  SELECT after, lag(after) OVER (PARTITION BY uid ORDER BY seq) AS before
  FROM (
    SELECT uid, seq, list_filter(
      from_json(json_extract(object, '$.status.conditions'), '[{"type":"VARCHAR","status":"VARCHAR"}]'),
      lambda condition: condition.type = 'Ready')[1].status AS after
    FROM events WHERE resource = 'pods' AND api_group = ''
  )
) WHERE before IS DISTINCT FROM after GROUP BY before, after ORDER BY before NULLS FIRST, after NULLS FIRST

--- requests per node at a time [json]
SELECT node, round(sum(cpu), 6) AS cores FROM (
  SELECT node, quantity(unnest(json_path(object, '$.spec.containers[*].resources.requests.cpu'))) AS cpu
  FROM pods AS OF TIMESTAMPTZ '{at}'
) GROUP BY node ORDER BY node NULLS FIRST
--- duckdb
SELECT node, round(sum(CASE WHEN cpu LIKE '%m' THEN CAST(rtrim(cpu, 'm') AS DOUBLE) / 1000 ELSE CAST(cpu AS DOUBLE) END), 6) AS cores
FROM (
  SELECT json_extract_string(object, '$.spec.nodeName') AS node,
    unnest(json_extract_string(object, '$.spec.containers[*].resources.requests.cpu')) AS cpu
  FROM (
    SELECT type, object, row_number() OVER (PARTITION BY namespace, name, uid ORDER BY seq DESC) AS place
    FROM events WHERE resource = 'pods' AND api_group = '' AND ts <= TIMESTAMPTZ_NS '{at}'
  ) WHERE place = 1 AND type <> 'DELETED'
) GROUP BY node ORDER BY node NULLS FIRST

--- label selection
SELECT count(*) AS n, count(DISTINCT uid) AS pods FROM events
WHERE kind = 'Pod' AND matches(labels, 'team in (payments, ledger),!batch.kubernetes.io/controller-uid')
--- duckdb
SELECT count(*) AS n, count(DISTINCT uid) AS pods FROM events
WHERE kind = 'Pod' AND labels['team'] IN ('payments', 'ledger') AND labels['batch.kubernetes.io/controller-uid'] IS NULL

--- changes of a field [json]
SELECT namespace, name, us, before, after FROM (
  SELECT namespace, name, seq, CAST(ts AS BIGINT) / 1000 AS us, object->'spec'->>'replicas' AS after,
    lag(object->'spec'->>'replicas') OVER (PARTITION BY uid ORDER BY seq) AS before
  FROM events WHERE resource = 'deployments' AND api_group = 'apps'
) WHERE before <> after ORDER BY us, namespace, name, seq
--- duckdb
SELECT namespace, name, us, before, after FROM (
  SELECT namespace, name, seq, epoch_ns(ts) // 1000 AS us, json_extract_string(object, '$.spec.replicas') AS after,
    lag(json_extract_string(object, '$.spec.replicas')) OVER (PARTITION BY uid ORDER BY seq) AS before
  FROM events WHERE resource = 'deployments' AND api_group = 'apps'
) WHERE before <> after ORDER BY us, namespace, name, seq

--- events around a time [json]
SELECT object->>'reason' AS reason, object->'involvedObject'->>'kind' AS kind, count(*) AS n FROM events
WHERE resource = 'events' AND api_group = '' AND ts >= TIMESTAMPTZ '{from}' AND ts < TIMESTAMPTZ '{to}'
GROUP BY reason, object->'involvedObject'->>'kind' ORDER BY n DESC, reason, object->'involvedObject'->>'kind'
--- duckdb
SELECT json_extract_string(object, '$.reason') AS reason, json_extract_string(object, '$.involvedObject.kind') AS kind, count(*) AS n
FROM events WHERE resource = 'events' AND api_group = '' AND ts >= TIMESTAMPTZ_NS '{from}' AND ts < TIMESTAMPTZ_NS '{to}'
GROUP BY reason, json_extract_string(object, '$.involvedObject.kind') ORDER BY n DESC, reason, json_extract_string(object, '$.involvedObject.kind')
