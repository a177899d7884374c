-- Scenario:   A day of a mid-size cluster: services that follow the sun, a database, an agent on each
--             node, batch jobs that come and fail now and then, a job every quarter of an hour.
-- Parameters: nodes=100 span=24h low=40 high=160 jobs=2000 rate=0.023
SYNTHESIZE TIME $span;
SYNTHESIZE NODES $nodes NAMED 'node-{i:03}' FROM 'manifests/node.yaml'
  LABELS {'topology.kubernetes.io/zone': cycle('a', 'b', 'c'), 'topology.kubernetes.io/region': 'sim'}
  HEARTBEATS;
SYNTHESIZE DaemonSet 'kube-system/agent' FROM 'manifests/agent.yaml';
SYNTHESIZE Deployment 'shop/web' FROM 'manifests/web.yaml' REPLICAS $low AT '1m'
  STARTUP lognormal(p50 => '2s', p99 => '12s')
  LIFETIME exponential(mean => '20h')
  RESTARTS exponential(mean => '200h')
  SCALE TO $high AT '6h' SCALE TO $low AT '20h'
  ROLLOUT AT '9h' ROLLOUT AT '15h'
  EVENTS;
SYNTHESIZE StatefulSet 'shop/db' FROM 'manifests/db.yaml' AT '30s';
SYNTHESIZE CronJob 'shop/settle' FROM 'manifests/settle.yaml' RUNTIME lognormal(p50 => '40s', p99 => '5m');
SYNTHESIZE Job 'batch/etl-{i:04}' FROM 'manifests/etl.yaml' REPLICAS $jobs AT '2m'
  ARRIVAL diurnal(rate => $rate, peak => 6, period => '24h')
  RUNTIME pareto(min => '20s', shape => 1.3)
  FAILURES 0.03
  PLACEMENT BINPACK;
