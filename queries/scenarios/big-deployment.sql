-- Scenario:   A Deployment of 10,000 pods comes up on 1,000 nodes, 50 pods a second, and is deleted.
-- Parameters: nodes=1000 pods=10000 rate=50 until=10m
SYNTHESIZE NODES $nodes NAMED 'sim-{i:04}' FROM 'manifests/node.yaml'
  LABELS {'topology.kubernetes.io/zone': cycle('a', 'b', 'c'), 'topology.kubernetes.io/region': 'sim'};
SYNTHESIZE Deployment 'load/web' FROM 'manifests/web.yaml' REPLICAS $pods AT '10s' UNTIL $until
  ARRIVAL poisson(rate => $rate)
  STARTUP lognormal(p50 => '2s', p99 => '9s')
  PLACEMENT SPREAD;
