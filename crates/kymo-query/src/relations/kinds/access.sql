-- The kinds of the groups rbac.authorization.k8s.io, certificates.k8s.io and
-- flowcontrol.apiserver.k8s.io.

-- Roles.
CREATE VIEW roles AS SELECT
  namespace,
  name,
  json_get_json(object, 'rules') AS rules
FROM events WHERE api_group = 'rbac.authorization.k8s.io' AND resource = 'roles';

-- Roles of the whole cluster.
CREATE VIEW clusterroles AS SELECT
  name,
  json_get_json(object, 'rules') AS rules,
  json_get_json(object, 'aggregationRule') AS aggregation_rule
FROM events WHERE api_group = 'rbac.authorization.k8s.io' AND resource = 'clusterroles';

-- Who has which role.
CREATE VIEW rolebindings AS SELECT
  namespace,
  name,
  object->'roleRef'->>'kind' AS role_kind,
  object->'roleRef'->>'name' AS role_name,
  json_get_json(object, 'subjects') AS subjects
FROM events WHERE api_group = 'rbac.authorization.k8s.io' AND resource = 'rolebindings';

-- Who has which role in the whole cluster.
CREATE VIEW clusterrolebindings AS SELECT
  name,
  object->'roleRef'->>'kind' AS role_kind,
  object->'roleRef'->>'name' AS role_name,
  json_get_json(object, 'subjects') AS subjects
FROM events WHERE api_group = 'rbac.authorization.k8s.io' AND resource = 'clusterrolebindings';

-- Requests of certificates.
CREATE VIEW certificatesigningrequests AS SELECT
  name,
  object->'spec'->>'signerName' AS signer,
  object->'spec'->>'username' AS requestor,
  json_get_int(object, 'spec', 'expirationSeconds') AS expiration_seconds,
  condition(object, 'Approved')['status'] AS approved,
  condition(object, 'Denied')['status'] AS denied,
  condition(object, 'Failed')['status'] AS failed
FROM events WHERE api_group = 'certificates.k8s.io' AND resource = 'certificatesigningrequests';

-- Which requests belong together.
CREATE VIEW flowschemas AS SELECT
  name,
  object->'spec'->'priorityLevelConfiguration'->>'name' AS priority_level,
  json_get_int(object, 'spec', 'matchingPrecedence') AS matching_precedence,
  object->'spec'->'distinguisherMethod'->>'type' AS distinguisher_method
FROM events WHERE api_group = 'flowcontrol.apiserver.k8s.io' AND resource = 'flowschemas';

-- How many requests are served at a time.
CREATE VIEW prioritylevelconfigurations AS SELECT
  name,
  object->'spec'->>'type' AS type,
  coalesce(json_get_int(object, 'spec', 'limited', 'nominalConcurrencyShares'), json_get_int(object, 'spec', 'exempt', 'nominalConcurrencyShares')) AS nominal_concurrency_shares,
  json_get_int(object, 'spec', 'limited', 'limitResponse', 'queuing', 'queues') AS queues
FROM events WHERE api_group = 'flowcontrol.apiserver.k8s.io' AND resource = 'prioritylevelconfigurations';
