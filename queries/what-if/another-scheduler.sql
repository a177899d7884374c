-- Question:   How would another scheduler place the same pods?
-- Assumes:    A simulator answers that, from this trace: pods ask for the other scheduler by name. Where they
--             were bound is kept, to compare with.
-- Read with:  `pod-spread`, `node-balance` and `packing`, of the trace as it was and of what was replayed.
-- Parameters: scheduler (its name)
UPDATE EVENTS SET object = json_set(object, '/spec/schedulerName', $scheduler) WHERE kind = 'Pod';
