-- Scenario:   A cluster of GPUs works off training jobs of one to eight GPUs, packed onto as few nodes as
--             they fit; many wait.
-- Parameters: nodes=32 small=400 large=60
SYNTHESIZE NODES $nodes NAMED 'gpu-{i:03}' FROM 'manifests/gpu-node.yaml'
  LABELS {'topology.kubernetes.io/zone': cycle('a', 'b')};
SYNTHESIZE Job 'ml/small-{i:04}' FROM 'manifests/train-small.yaml' REPLICAS $small
  ARRIVAL poisson(rate => 0.5)
  STARTUP lognormal(p50 => '8s', p99 => '60s')
  RUNTIME lognormal(p50 => '6m', p99 => '90m')
  FAILURES 0.05
  PLACEMENT BINPACK
  EVENTS;
SYNTHESIZE Job 'ml/large-{i:03}' FROM 'manifests/train-large.yaml' REPLICAS $large
  ARRIVAL poisson(rate => 0.05)
  STARTUP lognormal(p50 => '20s', p99 => '2m')
  RUNTIME lognormal(p50 => '30m', p99 => '5h')
  FAILURES 0.1
  PLACEMENT BINPACK
  EVENTS;
