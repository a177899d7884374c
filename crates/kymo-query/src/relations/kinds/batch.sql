-- The kinds of the group batch.

-- Jobs.
CREATE VIEW jobs AS SELECT
  namespace,
  name,
  coalesce(json_get_int(object, 'spec', 'parallelism'), 1) AS parallelism,
  json_get_int(object, 'spec', 'completions') AS completions,
  coalesce(json_get_int(object, 'status', 'active'), 0) AS active,
  coalesce(json_get_int(object, 'status', 'ready'), 0) AS ready,
  coalesce(json_get_int(object, 'status', 'succeeded'), 0) AS succeeded,
  coalesce(json_get_int(object, 'status', 'failed'), 0) AS failed,
  condition(object, 'Complete')['status'] AS complete,
  condition(object, 'Failed')['reason'] AS failed_reason,
  coalesce(json_get_bool(object, 'spec', 'suspend'), false) AS suspend,
  coalesce(json_get_int(object, 'spec', 'backoffLimit'), 6) AS backoff_limit,
  json_get_int(object, 'spec', 'activeDeadlineSeconds') AS active_deadline_seconds,
  try_cast(object->'status'->>'startTime' AS TIMESTAMPTZ) AS start_time,
  try_cast(object->'status'->>'completionTime' AS TIMESTAMPTZ) AS completion_time,
  json_path(object, '$.spec.template.spec.containers[*].image') AS images
FROM events WHERE api_group = 'batch' AND resource = 'jobs';

-- CronJobs.
CREATE VIEW cronjobs AS SELECT
  namespace,
  name,
  object->'spec'->>'schedule' AS schedule,
  object->'spec'->>'timeZone' AS time_zone,
  coalesce(json_get_bool(object, 'spec', 'suspend'), false) AS suspend,
  coalesce(json_length(object, 'status', 'active'), 0) AS active,
  object->'spec'->>'concurrencyPolicy' AS concurrency_policy,
  try_cast(object->'status'->>'lastScheduleTime' AS TIMESTAMPTZ) AS last_schedule_time,
  try_cast(object->'status'->>'lastSuccessfulTime' AS TIMESTAMPTZ) AS last_successful_time,
  json_path(object, '$.spec.jobTemplate.spec.template.spec.containers[*].image') AS images
FROM events WHERE api_group = 'batch' AND resource = 'cronjobs';
