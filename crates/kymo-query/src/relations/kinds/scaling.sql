-- The kinds of the groups autoscaling and policy, and the classes of scheduling.k8s.io and
-- node.k8s.io.

-- Horizontal autoscalers of pods.
CREATE VIEW horizontalpodautoscalers AS SELECT
  namespace,
  name,
  object->'spec'->'scaleTargetRef'->>'kind' AS target_kind,
  object->'spec'->'scaleTargetRef'->>'name' AS target_name,
  coalesce(json_get_int(object, 'spec', 'minReplicas'), 1) AS min_replicas,
  json_get_int(object, 'spec', 'maxReplicas') AS max_replicas,
  json_get_int(object, 'status', 'currentReplicas') AS current_replicas,
  json_get_int(object, 'status', 'desiredReplicas') AS desired_replicas,
  condition(object, 'ScalingActive')['status'] AS scaling_active,
  condition(object, 'ScalingLimited')['status'] AS scaling_limited,
  condition(object, 'AbleToScale')['status'] AS able_to_scale,
  try_cast(object->'status'->>'lastScaleTime' AS TIMESTAMPTZ) AS last_scale_time
FROM events WHERE api_group = 'autoscaling' AND resource = 'horizontalpodautoscalers';

-- Budgets of disruption.
CREATE VIEW poddisruptionbudgets AS SELECT
  namespace,
  name,
  json_as_text(object, 'spec', 'minAvailable') AS min_available,
  json_as_text(object, 'spec', 'maxUnavailable') AS max_unavailable,
  json_get_int(object, 'status', 'disruptionsAllowed') AS disruptions_allowed,
  json_get_int(object, 'status', 'currentHealthy') AS current_healthy,
  json_get_int(object, 'status', 'desiredHealthy') AS desired_healthy,
  json_get_int(object, 'status', 'expectedPods') AS expected_pods
FROM events WHERE api_group = 'policy' AND resource = 'poddisruptionbudgets';

-- Classes of priority.
CREATE VIEW priorityclasses AS SELECT
  name,
  json_get_int(object, 'value') AS value,
  coalesce(json_get_bool(object, 'globalDefault'), false) AS global_default,
  object->>'preemptionPolicy' AS preemption_policy
FROM events WHERE api_group = 'scheduling.k8s.io' AND resource = 'priorityclasses';

-- Classes of runtimes.
CREATE VIEW runtimeclasses AS SELECT
  name,
  object->>'handler' AS handler
FROM events WHERE api_group = 'node.k8s.io' AND resource = 'runtimeclasses';

-- Leases.
CREATE VIEW leases AS SELECT
  namespace,
  name,
  object->'spec'->>'holderIdentity' AS holder,
  json_get_int(object, 'spec', 'leaseDurationSeconds') AS lease_duration_seconds,
  json_get_int(object, 'spec', 'leaseTransitions') AS lease_transitions,
  try_cast(object->'spec'->>'acquireTime' AS TIMESTAMPTZ) AS acquire_time,
  try_cast(object->'spec'->>'renewTime' AS TIMESTAMPTZ) AS renew_time
FROM events WHERE api_group = 'coordination.k8s.io' AND resource = 'leases';
