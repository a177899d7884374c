-- One row for each stretch of time in which every object of a resource is in the trace: from its
-- first list to the first gap. A resource of which a transform left a part, of which a feed asks for
-- some labels, or whose source had no list has none. Of several feeds of one scope, as after a merge,
-- all must know their objects.
WITH begins AS (
  SELECT feed, min(from_ts) AS ts
  FROM coverage
  WHERE state = 'observed'
  GROUP BY feed
  HAVING count(detail) FILTER (WHERE cause = 'start') = 0
),
ends AS (
  SELECT feed, min(from_ts) AS ts
  FROM coverage
  WHERE state <> 'observed'
  GROUP BY feed
)
SELECT
  f.api_group,
  f.resource,
  f.kind,
  f.namespace,
  max(begins.ts) AS from_ts,
  min(coalesce(least(ends.ts, everywhere.ts), last.ts)) AS to_ts
FROM feeds AS f
LEFT JOIN begins ON begins.feed = f.feed
LEFT JOIN ends ON ends.feed = f.feed
LEFT JOIN ends AS everywhere ON everywhere.feed IS NULL
CROSS JOIN (SELECT max(ts) AS ts FROM events) AS last
LEFT ANTI JOIN partial AS p ON p.api_group = f.api_group AND p.resource = f.resource
WHERE f.label_selector IS NULL
GROUP BY f.api_group, f.resource, f.kind, f.namespace
HAVING count(begins.ts) = count(*)
  AND min(coalesce(least(ends.ts, everywhere.ts), last.ts)) > max(begins.ts)
