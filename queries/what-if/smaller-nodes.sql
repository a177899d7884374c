-- Question:   What if all nodes had half of the CPU?
-- Assumes:    Pods stay where they are, also on nodes that would be too full for them.
-- Read with:  `packing` and `allocation`: nodes whose utilization is above 1 could not have taken their pods.
-- Parameters: share (of what they have now)
UPDATE EVENTS SET object = json_set(
  object,
  '/status/capacity/cpu', CAST(quantity(object -> 'status' -> 'capacity' ->> 'cpu') * $share * 1000 AS BIGINT) || 'm',
  '/status/allocatable/cpu', CAST(quantity(object -> 'status' -> 'allocatable' ->> 'cpu') * $share * 1000 AS BIGINT) || 'm')
WHERE kind = 'Node' AND object -> 'status' -> 'capacity' ? 'cpu' AND object -> 'status' -> 'allocatable' ? 'cpu';
