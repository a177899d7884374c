-- Question:   What if a Deployment had 10,000 replicas, and nodes that have room for them?
-- Assumes:    Nodes are like the recorded ones. Each new pod lives as one that was recorded, and is on the node
--             with the fewest pods that has room for it when it comes; recorded pods stay where they are.
-- Read with:  `node-balance` and `allocation`: how full the nodes are.
-- Parameters: nodes (a number), workload (namespace/name), replicas (a number), ramp (how long the new pods
--             take to arrive)
SCALE NODES TO $nodes;
SCALE Deployment $workload TO $replicas REPLICAS RAMP $ramp PLACEMENT SPREAD;
