-- Scenario:   One of three pools of nodes does not answer for 15 minutes; its pods are evicted and find
--             room elsewhere, as far as there is some.
-- Parameters: nodes=30 pods=900
SYNTHESIZE TIME '40m';
SYNTHESIZE NODES $nodes NAMED 'pool-a-{i}' FROM 'manifests/node.yaml' LABELS {'topology.kubernetes.io/zone': 'a'} LEASES;
SYNTHESIZE NODES $nodes NAMED 'pool-b-{i}' FROM 'manifests/node.yaml' LABELS {'topology.kubernetes.io/zone': 'b'} LEASES;
SYNTHESIZE NODES $nodes NAMED 'pool-c-{i}' FROM 'manifests/node.yaml' LABELS {'topology.kubernetes.io/zone': 'c'} LEASES;
SYNTHESIZE DaemonSet 'kube-system/agent' FROM 'manifests/agent.yaml';
SYNTHESIZE Deployment 'shop/web' FROM 'manifests/web.yaml' REPLICAS $pods AT '30s' EVENTS;
SYNTHESIZE FAILURE OF NODES 'pool-b-*' AT '10m' FOR '15m';
