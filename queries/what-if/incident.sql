-- Question:   What is the smallest trace that shows an incident, to be a regression test?
-- Assumes:    The incident is in one namespace, on the nodes. What was alive when it begins is listed then.
-- Read with:  `what-changed`, `warnings` and `restarts`: what they say of the incident they say of this trace.
-- Parameters: namespace, from, to (times, such as 10m after the start or -5m before the end)
SLICE FROM $from TO $to;
KEEP OBJECTS WHERE namespace = $namespace OR kind IN ('Node', 'Namespace') WITH OWNERS;
DELETE FROM EVENTS WHERE kind = 'Lease';
SHIFT TIME TO '2026-01-01T00:00:00Z';
