-- Rule:     What a workload makes has the labels of its selector: the pods of a ReplicaSet,
--           StatefulSet, DaemonSet or Job, and the ReplicaSets of a Deployment.
-- Why:      A controller lets go of what does not match, and makes another one.
-- Judged:   objects as they are when they are first seen, as ADDED, against the `matchLabels` of their
--           controller, if that is in the trace. Labels that change later make an orphan, which is legal.
-- Source:   Kubernetes API reference, the `selector` of each workload.
WITH selectors AS (
  SELECT DISTINCT uid, kind, name, key, json_get_str(labels, key) AS value
  FROM (
    SELECT *, unnest(json_object_keys(labels)) AS key
    FROM (
      SELECT uid, kind, name, json_get_json(object, 'spec', 'selector', 'matchLabels') AS labels
      FROM events
      WHERE api_group IN ('apps', 'batch')
        AND resource IN ('replicasets', 'statefulsets', 'daemonsets', 'jobs', 'deployments')
    )
    WHERE labels IS NOT NULL
  )
),
made AS (
  SELECT *
  FROM (
    SELECT
      seq,
      ts,
      type,
      certainty,
      api_group,
      kind,
      namespace,
      name,
      uid,
      owner_uid,
      labels,
      row_number() OVER (PARTITION BY api_group, resource, uid ORDER BY seq) AS number
    FROM events
    WHERE resource IN ('pods', 'replicasets') AND certainty <> 'reported'
  )
  WHERE number = 1 AND type = 'ADDED' AND certainty = 'seen' AND owner_uid IS NOT NULL
)
SELECT
  m.seq,
  m.ts,
  m.api_group,
  m.kind,
  m.namespace,
  m.name,
  m.uid,
  concat(
    'has ',
    CASE
      WHEN element_at(m.labels, s.key)[1] IS NULL THEN concat('no label ', s.key)
      ELSE concat('the label ', s.key, '=', element_at(m.labels, s.key)[1])
    END,
    ', but ', s.kind, ' ', s.name, ' selects ', s.key, '=', s.value
  ) AS detail
FROM made AS m
JOIN selectors AS s ON s.uid = m.owner_uid
WHERE coalesce(element_at(m.labels, s.key)[1], '') <> s.value
ORDER BY m.seq
