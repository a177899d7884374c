-- Question:   What if every pod asked for 20 % less CPU?
-- Assumes:    Pods stay where they are, and need no more than they then ask for. Of each pod the first two
--             containers are changed, of templates none.
-- Read with:  `allocation`: what is asked for of what there is; `packing`: what would become free.
-- Parameters: share (of what they ask for now, 0.8 for 20 % less)
UPDATE EVENTS SET object = json_set(
  object, '/spec/containers/0/resources/requests/cpu',
  CAST(ceil(quantity(object -> 'spec' -> 'containers' -> 0 -> 'resources' -> 'requests' ->> 'cpu') * $share * 1000) AS BIGINT) || 'm')
WHERE kind = 'Pod' AND object -> 'spec' -> 'containers' -> 0 -> 'resources' -> 'requests' ? 'cpu';
UPDATE EVENTS SET object = json_set(
  object, '/spec/containers/1/resources/requests/cpu',
  CAST(ceil(quantity(object -> 'spec' -> 'containers' -> 1 -> 'resources' -> 'requests' ->> 'cpu') * $share * 1000) AS BIGINT) || 'm')
WHERE kind = 'Pod' AND object -> 'spec' -> 'containers' -> 1 -> 'resources' -> 'requests' ? 'cpu';
