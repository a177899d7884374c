-- Question: How long did each rollout of a Deployment take?
-- Columns:  namespace, name, generation; images; replicas; started (the version with the new
--           generation was first seen); seconds (until the status had observed it and all replicas
--           were updated and available, none left over); null if that was not seen before the next
--           generation or the end. What was rolled out before the recording has no row.
-- Unit:     seconds
-- Clock:    the recorder's
-- Source:   the rule of `kubectl rollout status` for Deployments.
WITH generations AS (
  SELECT
    namespace,
    name,
    uid,
    generation,
    images,
    replicas,
    valid_from,
    observed_generation >= generation
      AND updated_replicas >= replicas
      AND status_replicas <= updated_replicas
      AND available_replicas >= updated_replicas AS done,
    creation_seen OR generation <> first_value(generation) OVER (PARTITION BY uid ORDER BY valid_from) AS start_seen
  FROM deployments
)
SELECT
  namespace,
  name,
  generation,
  first_value(images ORDER BY valid_from) AS images,
  first_value(replicas ORDER BY valid_from) AS replicas,
  min(valid_from) AS started,
  (CAST(min(valid_from) FILTER (WHERE done) AS BIGINT) - CAST(min(valid_from) AS BIGINT)) / 1e9 AS seconds
FROM generations
WHERE start_seen
GROUP BY namespace, name, uid, generation
ORDER BY namespace, name, started
