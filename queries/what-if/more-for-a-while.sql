-- Question:   What if someone had asked for 50 replicas, for a while?
-- Assumes:    Only what is asked for changes; no controller acts on it in a trace. A replay into a cluster does.
-- Read with:  `under-provisioning` and `field-history`: for how long less was there than was asked for.
-- Parameters: namespace, name (of the Deployment), replicas, from, to (times)
PATCH OBJECTS WITH MERGE '{"metadata":{"annotations":{"what-if":"more-for-a-while"}}}'
WHERE kind = 'Deployment' AND namespace = $namespace AND name = $name FROM $from TO $to;
UPDATE EVENTS SET object = json_set(object, '/spec/replicas', $replicas)
WHERE kind = 'Deployment' AND namespace = $namespace AND name = $name
  AND object -> 'metadata' -> 'annotations' ->> 'what-if' = 'more-for-a-while';
