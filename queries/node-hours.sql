-- Question: What did the nodes cost, by instance type?
-- Columns:  instance_type, zone; nodes; node_hours; price (of a node for an hour, as given; null: it
--           is not); cost; core_hours (that pods on them asked for); cost_per_core_hour.
-- Parameters: prices (a JSON object of instance types with the price of an hour)
-- Example:  prices={"m5.xlarge":0.192,"g5.12xlarge":5.672}
-- Unit:     hours; the currency of the prices.
-- Clock:    the recorder's. A node counts from when it was first seen, Ready or not, until it was
--           deleted, or to the end; not from before the recording.
-- Source:   the price comparison of Gardener's autoscaler tests; requests, not usage.
WITH lives AS (
  SELECT
    coalesce(instance_type, '') AS instance_type,
    coalesce(zone, '') AS zone,
    name,
    uid,
    min(valid_from) AS first_seen,
    max(coalesce(valid_to, at('-0s'))) AS last_seen
  FROM nodes
  GROUP BY instance_type, zone, name, uid
),
bound AS (
  SELECT
    node,
    uid,
    min(valid_from) AS first_seen,
    sum(cpu_request * (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT))) / 3600e9 AS core_hours
  FROM pods
  WHERE node <> '' AND phase NOT IN ('Succeeded', 'Failed')
  GROUP BY node, uid
),
used AS (
  SELECT l.uid, sum(b.core_hours) AS core_hours
  FROM lives AS l
  JOIN bound AS b ON b.node = l.name AND b.first_seen >= l.first_seen AND b.first_seen <= l.last_seen
  GROUP BY l.uid
),
types AS (
  SELECT
    l.instance_type,
    l.zone,
    count(DISTINCT l.uid) AS nodes,
    sum(CAST(l.last_seen AS BIGINT) - CAST(l.first_seen AS BIGINT)) / 3600e9 AS node_hours,
    json_get_float($prices, l.instance_type) AS price,
    sum(u.core_hours) AS core_hours
  FROM lives AS l
  LEFT JOIN used AS u ON u.uid = l.uid
  GROUP BY l.instance_type, l.zone
)
SELECT
  instance_type,
  zone,
  nodes,
  node_hours,
  price,
  node_hours * price AS cost,
  core_hours,
  node_hours * price / nullif(core_hours, 0) AS cost_per_core_hour
FROM types
ORDER BY cost DESC NULLS LAST, instance_type, zone
