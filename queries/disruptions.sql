-- Question: Which pods were evicted, preempted or otherwise disrupted?
-- Columns:  reason (of the condition DisruptionTarget, or of the pod's status); namespace; pods;
--           first, last (seen).
-- Unit:     pods
-- Clock:    the recorder's
-- Source:   Kubernetes' condition DisruptionTarget (KEP-3329); pods that were evicted before it was
--           there have the reason Evicted in their status.
SELECT
  reason,
  namespace,
  count(DISTINCT uid) AS pods,
  min(valid_from) AS first,
  max(valid_from) AS last
FROM (
  SELECT
    namespace,
    uid,
    valid_from,
    CASE
      WHEN condition(object, 'DisruptionTarget')['status'] = 'True'
        THEN condition(object, 'DisruptionTarget')['reason']
      WHEN reason IN ('Evicted', 'Preempting', 'NodeLost') THEN reason
    END AS reason
  FROM pods
)
WHERE reason IS NOT NULL
GROUP BY reason, namespace
ORDER BY pods DESC, reason, namespace
