-- The kinds of the groups networking.k8s.io and discovery.k8s.io.

-- Ingresses.
CREATE VIEW ingresses AS SELECT
  namespace,
  name,
  object->'spec'->>'ingressClassName' AS class,
  json_path(object, '$.spec.rules[*].host') AS hosts,
  json_path(object, '$.status.loadBalancer.ingress[*].ip') AS load_balancer_ips,
  json_path(object, '$.status.loadBalancer.ingress[*].hostname') AS load_balancer_hostnames,
  json_path(object, '$.spec.tls[*].secretName') AS tls_secrets,
  json_path(object, '$.spec.rules[*].http.paths[*].backend.service.name') AS services
FROM events WHERE api_group = 'networking.k8s.io' AND resource = 'ingresses';

-- Classes of ingresses.
CREATE VIEW ingressclasses AS SELECT
  name,
  object->'spec'->>'controller' AS controller
FROM events WHERE api_group = 'networking.k8s.io' AND resource = 'ingressclasses';

-- Network policies.
CREATE VIEW networkpolicies AS SELECT
  namespace,
  name,
  json_get_json(object, 'spec', 'podSelector') AS pod_selector,
  json_path(object, '$.spec.policyTypes[*]') AS policy_types,
  json_length(object, 'spec', 'ingress') AS ingress_rules,
  json_length(object, 'spec', 'egress') AS egress_rules
FROM events WHERE api_group = 'networking.k8s.io' AND resource = 'networkpolicies';

-- Addresses of Services.
CREATE VIEW ipaddresses AS SELECT
  name,
  object->'spec'->'parentRef'->>'resource' AS parent_resource,
  object->'spec'->'parentRef'->>'namespace' AS parent_namespace,
  object->'spec'->'parentRef'->>'name' AS parent_name
FROM events WHERE api_group = 'networking.k8s.io' AND resource = 'ipaddresses';

-- Ranges of the addresses of Services.
CREATE VIEW servicecidrs AS SELECT
  name,
  json_path(object, '$.spec.cidrs[*]') AS cidrs,
  condition(object, 'Ready')['status'] AS ready
FROM events WHERE api_group = 'networking.k8s.io' AND resource = 'servicecidrs';

-- Slices of endpoints.
CREATE VIEW endpointslices AS SELECT
  namespace,
  name,
  object->>'addressType' AS address_type,
  object->'metadata'->'labels'->>'kubernetes.io/service-name' AS service,
  json_path(object, '$.endpoints[*].addresses[*]') AS addresses,
  cardinality(json_path(object, '$.endpoints[*]')) AS endpoints,
  cardinality(json_path(object, '$.endpoints[?@.conditions.ready == true]')) AS ready_endpoints,
  json_path(object, '$.ports[*].port') AS ports
FROM events WHERE api_group = 'discovery.k8s.io' AND resource = 'endpointslices';
