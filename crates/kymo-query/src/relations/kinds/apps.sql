-- The kinds of the group apps.

-- Deployments.
CREATE VIEW deployments AS SELECT
  namespace,
  name,
  json_get_int(object, 'spec', 'replicas') AS replicas,
  coalesce(json_get_int(object, 'status', 'replicas'), 0) AS status_replicas,
  coalesce(json_get_int(object, 'status', 'readyReplicas'), 0) AS ready_replicas,
  coalesce(json_get_int(object, 'status', 'updatedReplicas'), 0) AS updated_replicas,
  coalesce(json_get_int(object, 'status', 'availableReplicas'), 0) AS available_replicas,
  coalesce(json_get_int(object, 'status', 'unavailableReplicas'), 0) AS unavailable_replicas,
  json_get_int(object, 'status', 'observedGeneration') AS observed_generation,
  condition(object, 'Available')['status'] AS available,
  condition(object, 'Progressing')['status'] AS progressing,
  condition(object, 'Progressing')['reason'] AS progressing_reason,
  coalesce(json_get_bool(object, 'spec', 'paused'), false) AS paused,
  object->'spec'->'strategy'->>'type' AS strategy,
  json_as_text(object, 'spec', 'strategy', 'rollingUpdate', 'maxSurge') AS max_surge,
  json_as_text(object, 'spec', 'strategy', 'rollingUpdate', 'maxUnavailable') AS max_unavailable,
  object->'metadata'->'annotations'->>'deployment.kubernetes.io/revision' AS revision,
  json_path(object, '$.spec.template.spec.containers[*].image') AS images,
  json_get_json(object, 'spec', 'selector') AS selector
FROM events WHERE api_group = 'apps' AND resource = 'deployments';

-- ReplicaSets.
CREATE VIEW replicasets AS SELECT
  namespace,
  name,
  json_get_int(object, 'spec', 'replicas') AS replicas,
  coalesce(json_get_int(object, 'status', 'replicas'), 0) AS status_replicas,
  coalesce(json_get_int(object, 'status', 'readyReplicas'), 0) AS ready_replicas,
  coalesce(json_get_int(object, 'status', 'availableReplicas'), 0) AS available_replicas,
  coalesce(json_get_int(object, 'status', 'fullyLabeledReplicas'), 0) AS fully_labeled_replicas,
  json_get_int(object, 'status', 'observedGeneration') AS observed_generation,
  object->'metadata'->'annotations'->>'deployment.kubernetes.io/revision' AS revision,
  json_path(object, '$.spec.template.spec.containers[*].image') AS images,
  json_get_json(object, 'spec', 'selector') AS selector
FROM events WHERE api_group = 'apps' AND resource = 'replicasets';

-- StatefulSets.
CREATE VIEW statefulsets AS SELECT
  namespace,
  name,
  json_get_int(object, 'spec', 'replicas') AS replicas,
  coalesce(json_get_int(object, 'status', 'replicas'), 0) AS status_replicas,
  coalesce(json_get_int(object, 'status', 'readyReplicas'), 0) AS ready_replicas,
  coalesce(json_get_int(object, 'status', 'currentReplicas'), 0) AS current_replicas,
  coalesce(json_get_int(object, 'status', 'updatedReplicas'), 0) AS updated_replicas,
  coalesce(json_get_int(object, 'status', 'availableReplicas'), 0) AS available_replicas,
  json_get_int(object, 'status', 'observedGeneration') AS observed_generation,
  object->'status'->>'currentRevision' AS current_revision,
  object->'status'->>'updateRevision' AS update_revision,
  object->'spec'->>'serviceName' AS service,
  object->'spec'->'updateStrategy'->>'type' AS update_strategy,
  object->'spec'->>'podManagementPolicy' AS pod_management_policy,
  json_path(object, '$.spec.template.spec.containers[*].image') AS images
FROM events WHERE api_group = 'apps' AND resource = 'statefulsets';

-- DaemonSets.
CREATE VIEW daemonsets AS SELECT
  namespace,
  name,
  json_get_int(object, 'status', 'desiredNumberScheduled') AS desired_number_scheduled,
  json_get_int(object, 'status', 'currentNumberScheduled') AS current_number_scheduled,
  json_get_int(object, 'status', 'numberReady') AS number_ready,
  coalesce(json_get_int(object, 'status', 'updatedNumberScheduled'), 0) AS updated_number_scheduled,
  coalesce(json_get_int(object, 'status', 'numberAvailable'), 0) AS number_available,
  coalesce(json_get_int(object, 'status', 'numberUnavailable'), 0) AS number_unavailable,
  coalesce(json_get_int(object, 'status', 'numberMisscheduled'), 0) AS number_misscheduled,
  json_get_int(object, 'status', 'observedGeneration') AS observed_generation,
  object->'spec'->'updateStrategy'->>'type' AS update_strategy,
  json_get_json(object, 'spec', 'template', 'spec', 'nodeSelector') AS node_selector,
  json_path(object, '$.spec.template.spec.containers[*].image') AS images
FROM events WHERE api_group = 'apps' AND resource = 'daemonsets';

-- Revisions of DaemonSets and StatefulSets.
CREATE VIEW controllerrevisions AS SELECT
  namespace,
  name,
  json_get_int(object, 'revision') AS revision
FROM events WHERE api_group = 'apps' AND resource = 'controllerrevisions';
