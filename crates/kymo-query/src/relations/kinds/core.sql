-- The kinds of the core API group. Columns have the names that kubectl and kube-state-metrics use,
-- in snake case; quantities are numbers in base units (cores, bytes).

-- Pods; `status`, `ready_containers` and `restarts` are what `kubectl get pods` shows.
CREATE VIEW pods AS SELECT
  namespace,
  name,
  object->'status'->>'phase' AS phase,
  pod_status(object)['status'] AS status,
  object->'status'->>'reason' AS reason,
  pod_status(object)['ready_containers'] AS ready_containers,
  pod_status(object)['containers'] AS containers,
  pod_status(object)['restarts'] AS restarts,
  object->'spec'->>'nodeName' AS node,
  object->'status'->>'podIP' AS pod_ip,
  object->'status'->>'hostIP' AS host_ip,
  json_path(object, '$.spec.containers[*].image') AS images,
  cpu(object) AS cpu_request,
  memory(object) AS memory_request,
  object->'spec'->>'priorityClassName' AS priority_class,
  json_get_int(object, 'spec', 'priority') AS priority,
  object->'status'->>'qosClass' AS qos_class,
  object->'spec'->>'schedulerName' AS scheduler,
  object->'spec'->>'serviceAccountName' AS service_account,
  object->'spec'->>'restartPolicy' AS restart_policy,
  object->'status'->>'nominatedNodeName' AS nominated_node,
  condition(object, 'PodScheduled')['status'] AS scheduled,
  condition(object, 'PodScheduled')['reason'] AS scheduled_reason,
  condition(object, 'Ready')['status'] AS ready,
  condition(object, 'PodScheduled')['last_transition_time'] AS scheduled_time,
  condition(object, 'Initialized')['last_transition_time'] AS initialized_time,
  condition(object, 'Ready')['last_transition_time'] AS ready_time,
  try_cast(object->'status'->>'startTime' AS TIMESTAMPTZ) AS start_time
FROM events WHERE api_group = '' AND resource = 'pods';

-- Nodes.
CREATE VIEW nodes AS SELECT
  name,
  condition(object, 'Ready')['status'] AS ready,
  condition(object, 'Ready')['reason'] AS ready_reason,
  condition(object, 'Ready')['last_transition_time'] AS ready_time,
  coalesce(json_get_bool(object, 'spec', 'unschedulable'), false) AS unschedulable,
  condition(object, 'MemoryPressure')['status'] AS memory_pressure,
  condition(object, 'DiskPressure')['status'] AS disk_pressure,
  condition(object, 'PIDPressure')['status'] AS pid_pressure,
  condition(object, 'NetworkUnavailable')['status'] AS network_unavailable,
  json_path(object, '$.spec.taints[*].key') AS taints,
  quantity(object->'status'->'capacity'->>'cpu') AS cpu_capacity,
  quantity(object->'status'->'capacity'->>'memory') AS memory_capacity,
  quantity(object->'status'->'capacity'->>'pods') AS pods_capacity,
  quantity(object->'status'->'allocatable'->>'cpu') AS cpu_allocatable,
  quantity(object->'status'->'allocatable'->>'memory') AS memory_allocatable,
  quantity(object->'status'->'allocatable'->>'pods') AS pods_allocatable,
  json_path(object, '$.status.addresses[?@.type == "InternalIP"].address')[1] AS internal_ip,
  json_path(object, '$.status.addresses[?@.type == "ExternalIP"].address')[1] AS external_ip,
  object->'spec'->>'podCIDR' AS pod_cidr,
  object->'spec'->>'providerID' AS provider_id,
  object->'metadata'->'labels'->>'node.kubernetes.io/instance-type' AS instance_type,
  object->'metadata'->'labels'->>'topology.kubernetes.io/region' AS region,
  object->'metadata'->'labels'->>'topology.kubernetes.io/zone' AS zone,
  object->'status'->'nodeInfo'->>'kubeletVersion' AS kubelet_version,
  object->'status'->'nodeInfo'->>'containerRuntimeVersion' AS container_runtime_version,
  object->'status'->'nodeInfo'->>'kernelVersion' AS kernel_version,
  object->'status'->'nodeInfo'->>'osImage' AS os_image,
  object->'status'->'nodeInfo'->>'operatingSystem' AS operating_system,
  object->'status'->'nodeInfo'->>'architecture' AS architecture
FROM events WHERE api_group = '' AND resource = 'nodes';

-- Namespaces.
CREATE VIEW namespaces AS SELECT
  name,
  object->'status'->>'phase' AS phase
FROM events WHERE api_group = '' AND resource = 'namespaces';

-- Services.
CREATE VIEW services AS SELECT
  namespace,
  name,
  object->'spec'->>'type' AS type,
  object->'spec'->>'clusterIP' AS cluster_ip,
  object->'spec'->>'externalName' AS external_name,
  json_path(object, '$.status.loadBalancer.ingress[*].ip') AS load_balancer_ips,
  json_path(object, '$.status.loadBalancer.ingress[*].hostname') AS load_balancer_hostnames,
  json_path(object, '$.spec.ports[*].port') AS ports,
  json_get_json(object, 'spec', 'selector') AS selector,
  object->'spec'->>'externalTrafficPolicy' AS external_traffic_policy,
  object->'spec'->>'sessionAffinity' AS session_affinity
FROM events WHERE api_group = '' AND resource = 'services';

-- Endpoints.
CREATE VIEW endpoints AS SELECT
  namespace,
  name,
  json_path(object, '$.subsets[*].addresses[*].ip') AS addresses,
  json_path(object, '$.subsets[*].notReadyAddresses[*].ip') AS not_ready_addresses,
  json_path(object, '$.subsets[*].ports[*].port') AS ports
FROM events WHERE api_group = '' AND resource = 'endpoints';

-- Claims of volumes.
CREATE VIEW persistentvolumeclaims AS SELECT
  namespace,
  name,
  object->'status'->>'phase' AS phase,
  object->'spec'->>'volumeName' AS volume,
  quantity(object->'spec'->'resources'->'requests'->>'storage') AS storage_request,
  quantity(object->'status'->'capacity'->>'storage') AS capacity,
  json_path(object, '$.spec.accessModes[*]') AS access_modes,
  object->'spec'->>'storageClassName' AS storage_class,
  object->'spec'->>'volumeMode' AS volume_mode
FROM events WHERE api_group = '' AND resource = 'persistentvolumeclaims';

-- Volumes.
CREATE VIEW persistentvolumes AS SELECT
  name,
  object->'status'->>'phase' AS phase,
  quantity(object->'spec'->'capacity'->>'storage') AS capacity,
  json_path(object, '$.spec.accessModes[*]') AS access_modes,
  object->'spec'->>'persistentVolumeReclaimPolicy' AS reclaim_policy,
  object->'spec'->'claimRef'->>'namespace' AS claim_namespace,
  object->'spec'->'claimRef'->>'name' AS claim_name,
  object->'spec'->>'storageClassName' AS storage_class,
  object->'status'->>'reason' AS reason,
  object->'spec'->'csi'->>'driver' AS csi_driver,
  object->'spec'->'csi'->>'volumeHandle' AS csi_volume_handle
FROM events WHERE api_group = '' AND resource = 'persistentvolumes';

-- ConfigMaps; the values are in `object`.
CREATE VIEW configmaps AS SELECT
  namespace,
  name,
  json_object_keys(object, 'data') AS keys,
  json_get_bool(object, 'immutable') AS immutable
FROM events WHERE api_group = '' AND resource = 'configmaps';

-- Secrets, without their payloads.
CREATE VIEW secrets AS SELECT
  namespace,
  name,
  object->>'type' AS type,
  json_get_bool(object, 'immutable') AS immutable
FROM events WHERE api_group = '' AND resource = 'secrets';

-- Service accounts.
CREATE VIEW serviceaccounts AS SELECT
  namespace,
  name,
  json_get_bool(object, 'automountServiceAccountToken') AS automount_token,
  json_path(object, '$.secrets[*].name') AS secrets,
  json_path(object, '$.imagePullSecrets[*].name') AS image_pull_secrets
FROM events WHERE api_group = '' AND resource = 'serviceaccounts';

-- Quotas of resources.
CREATE VIEW resourcequotas AS SELECT
  namespace,
  name,
  json_get_json(object, 'status', 'hard') AS hard,
  json_get_json(object, 'status', 'used') AS used
FROM events WHERE api_group = '' AND resource = 'resourcequotas';

-- Ranges of limits.
CREATE VIEW limitranges AS SELECT
  namespace,
  name,
  json_get_json(object, 'spec', 'limits') AS limits
FROM events WHERE api_group = '' AND resource = 'limitranges';

-- Replication controllers.
CREATE VIEW replicationcontrollers AS SELECT
  namespace,
  name,
  json_get_int(object, 'spec', 'replicas') AS replicas,
  json_get_int(object, 'status', 'replicas') AS status_replicas,
  coalesce(json_get_int(object, 'status', 'readyReplicas'), 0) AS ready_replicas,
  coalesce(json_get_int(object, 'status', 'availableReplicas'), 0) AS available_replicas,
  json_path(object, '$.spec.template.spec.containers[*].image') AS images,
  json_get_json(object, 'spec', 'selector') AS selector
FROM events WHERE api_group = '' AND resource = 'replicationcontrollers';

-- Templates of pods.
CREATE VIEW podtemplates AS SELECT
  namespace,
  name,
  json_path(object, '$.template.spec.containers[*].name') AS containers,
  json_path(object, '$.template.spec.containers[*].image') AS images,
  json_get_json(object, 'template', 'metadata', 'labels') AS pod_labels
FROM events WHERE api_group = '' AND resource = 'podtemplates';

-- Events of Kubernetes, from both API groups that serve them.
CREATE VIEW k8s_events AS SELECT
  namespace,
  name,
  object->>'type' AS type,
  object->>'reason' AS reason,
  coalesce(object->'involvedObject'->>'kind', object->'regarding'->>'kind') AS object_kind,
  coalesce(object->'involvedObject'->>'namespace', object->'regarding'->>'namespace') AS object_namespace,
  coalesce(object->'involvedObject'->>'name', object->'regarding'->>'name') AS object_name,
  coalesce(object->'involvedObject'->>'uid', object->'regarding'->>'uid') AS object_uid,
  coalesce(object->'involvedObject'->>'fieldPath', object->'regarding'->>'fieldPath') AS object_field,
  coalesce(object->>'message', object->>'note') AS message,
  coalesce(nullif(object->>'reportingComponent', ''), object->>'reportingController', object->'source'->>'component', object->'deprecatedSource'->>'component') AS component,
  coalesce(object->'source'->>'host', object->'deprecatedSource'->>'host') AS host,
  coalesce(json_get_int(object, 'series', 'count'), json_get_int(object, 'count'), json_get_int(object, 'deprecatedCount'), 1) AS count,
  try_cast(coalesce(object->>'firstTimestamp', object->>'deprecatedFirstTimestamp', object->>'eventTime') AS TIMESTAMPTZ) AS first_time,
  try_cast(coalesce(object->'series'->>'lastObservedTime', object->>'lastTimestamp', object->>'deprecatedLastTimestamp', object->>'eventTime') AS TIMESTAMPTZ) AS last_time
FROM events WHERE api_group IN ('', 'events.k8s.io') AND resource = 'events';
