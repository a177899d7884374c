-- Question:   What if three times the load came in half the time?
-- Assumes:    Load is pods: three for each that was recorded. Everything is twice as fast, start-ups too.
-- Read with:  `scheduling-rate`: six times as many pods get a node in a second.
-- Parameters: workload (namespace/name)
SCALE Deployment $workload BY 3;
STRETCH TIME BY 1/2;
