-- The kinds that extend the API: apiextensions.k8s.io, apiregistration.k8s.io,
-- admissionregistration.k8s.io.

-- Kinds that were added.
CREATE VIEW customresourcedefinitions AS SELECT
  name,
  object->'spec'->>'group' AS group_name,
  object->'spec'->'names'->>'kind' AS defined_kind,
  object->'spec'->>'scope' AS scope,
  json_path(object, '$.spec.versions[*].name') AS versions,
  condition(object, 'Established')['status'] AS established
FROM events WHERE api_group = 'apiextensions.k8s.io' AND resource = 'customresourcedefinitions';

-- Servers of API groups.
CREATE VIEW apiservices AS SELECT
  name,
  object->'spec'->'service'->>'namespace' AS service_namespace,
  object->'spec'->'service'->>'name' AS service_name,
  condition(object, 'Available')['status'] AS available,
  condition(object, 'Available')['reason'] AS available_reason
FROM events WHERE api_group = 'apiregistration.k8s.io' AND resource = 'apiservices';

-- Webhooks that change requests.
CREATE VIEW mutatingwebhookconfigurations AS SELECT
  name,
  json_path(object, '$.webhooks[*].name') AS webhooks,
  json_path(object, '$.webhooks[*].failurePolicy') AS failure_policies
FROM events WHERE api_group = 'admissionregistration.k8s.io' AND resource = 'mutatingwebhookconfigurations';

-- Webhooks that refuse requests.
CREATE VIEW validatingwebhookconfigurations AS SELECT
  name,
  json_path(object, '$.webhooks[*].name') AS webhooks,
  json_path(object, '$.webhooks[*].failurePolicy') AS failure_policies
FROM events WHERE api_group = 'admissionregistration.k8s.io' AND resource = 'validatingwebhookconfigurations';

-- Expressions that refuse requests.
CREATE VIEW validatingadmissionpolicies AS SELECT
  name,
  object->'spec'->>'failurePolicy' AS failure_policy,
  cardinality(json_path(object, '$.spec.validations[*]')) AS validations,
  object->'spec'->'paramKind'->>'kind' AS param_kind
FROM events WHERE api_group = 'admissionregistration.k8s.io' AND resource = 'validatingadmissionpolicies';

-- Where expressions refuse requests.
CREATE VIEW validatingadmissionpolicybindings AS SELECT
  name,
  object->'spec'->>'policyName' AS policy,
  json_path(object, '$.spec.validationActions[*]') AS validation_actions
FROM events WHERE api_group = 'admissionregistration.k8s.io' AND resource = 'validatingadmissionpolicybindings';

-- Expressions that change requests.
CREATE VIEW mutatingadmissionpolicies AS SELECT
  name,
  object->'spec'->>'failurePolicy' AS failure_policy,
  cardinality(json_path(object, '$.spec.mutations[*]')) AS mutations,
  object->'spec'->>'reinvocationPolicy' AS reinvocation_policy
FROM events WHERE api_group = 'admissionregistration.k8s.io' AND resource = 'mutatingadmissionpolicies';

-- Where expressions change requests.
CREATE VIEW mutatingadmissionpolicybindings AS SELECT
  name,
  object->'spec'->>'policyName' AS policy
FROM events WHERE api_group = 'admissionregistration.k8s.io' AND resource = 'mutatingadmissionpolicybindings';
