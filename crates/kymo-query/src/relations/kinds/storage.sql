-- The kinds of the groups storage.k8s.io and resource.k8s.io.

-- Classes of storage.
CREATE VIEW storageclasses AS SELECT
  name,
  object->>'provisioner' AS provisioner,
  object->>'reclaimPolicy' AS reclaim_policy,
  object->>'volumeBindingMode' AS volume_binding_mode,
  coalesce(json_get_bool(object, 'allowVolumeExpansion'), false) AS allow_volume_expansion
FROM events WHERE api_group = 'storage.k8s.io' AND resource = 'storageclasses';

-- Volumes attached to nodes.
CREATE VIEW volumeattachments AS SELECT
  name,
  object->'spec'->>'attacher' AS attacher,
  object->'spec'->'source'->>'persistentVolumeName' AS volume,
  object->'spec'->>'nodeName' AS node,
  json_get_bool(object, 'status', 'attached') AS attached
FROM events WHERE api_group = 'storage.k8s.io' AND resource = 'volumeattachments';

-- Drivers of storage.
CREATE VIEW csidrivers AS SELECT
  name,
  json_get_bool(object, 'spec', 'attachRequired') AS attach_required,
  json_get_bool(object, 'spec', 'podInfoOnMount') AS pod_info_on_mount,
  json_get_bool(object, 'spec', 'storageCapacity') AS storage_capacity
FROM events WHERE api_group = 'storage.k8s.io' AND resource = 'csidrivers';

-- Drivers of storage on a node.
CREATE VIEW csinodes AS SELECT
  name,
  json_path(object, '$.spec.drivers[*].name') AS drivers
FROM events WHERE api_group = 'storage.k8s.io' AND resource = 'csinodes';

-- Storage that is left.
CREATE VIEW csistoragecapacities AS SELECT
  namespace,
  name,
  object->>'storageClassName' AS storage_class,
  quantity(object->>'capacity') AS capacity
FROM events WHERE api_group = 'storage.k8s.io' AND resource = 'csistoragecapacities';

-- Classes of attributes of volumes.
CREATE VIEW volumeattributesclasses AS SELECT
  name,
  object->>'driverName' AS driver
FROM events WHERE api_group = 'storage.k8s.io' AND resource = 'volumeattributesclasses';

-- Claims of devices.
CREATE VIEW resourceclaims AS SELECT
  namespace,
  name,
  json_path(object, '$.spec.devices.requests[*].name') AS requests,
  json_path(object, '$.status.allocation.devices.results[*].driver') AS drivers,
  json_path(object, '$.status.allocation.devices.results[*].pool') AS pools,
  json_path(object, '$.status.allocation.devices.results[*].device') AS devices,
  json_path(object, '$.status.reservedFor[*].name') AS reserved_for
FROM events WHERE api_group = 'resource.k8s.io' AND resource = 'resourceclaims';

-- Templates of claims of devices.
CREATE VIEW resourceclaimtemplates AS SELECT
  namespace,
  name,
  json_path(object, '$.spec.spec.devices.requests[*].name') AS requests
FROM events WHERE api_group = 'resource.k8s.io' AND resource = 'resourceclaimtemplates';

-- Classes of devices.
CREATE VIEW deviceclasses AS SELECT
  name,
  object->'spec'->>'extendedResourceName' AS extended_resource
FROM events WHERE api_group = 'resource.k8s.io' AND resource = 'deviceclasses';

-- Devices of a node or pool.
CREATE VIEW resourceslices AS SELECT
  name,
  object->'spec'->>'driver' AS driver,
  object->'spec'->>'nodeName' AS node,
  object->'spec'->'pool'->>'name' AS pool,
  json_path(object, '$.spec.devices[*].name') AS devices
FROM events WHERE api_group = 'resource.k8s.io' AND resource = 'resourceslices';
