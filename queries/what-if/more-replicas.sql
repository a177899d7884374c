-- Question:   What if a Deployment had 10,000 replicas?
-- Assumes:    Each new pod lives as one that was recorded and starts as a sibling of it did. It stays on the
--             node of the pod that it is made of, whatever fits there.
-- Read with:  `scheduling-rate` and `allocation`: what the scheduler would have to do, and what the nodes
--             would have to offer.
-- Parameters: workload (namespace/name), replicas (a number), ramp (how long the new pods take to arrive)
SCALE Deployment $workload TO $replicas REPLICAS RAMP $ramp;
