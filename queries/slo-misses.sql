-- Question: Which share of the pods was not ready within a bound?
-- Columns:  namespace; pods (that are known to have made it or not); missed (that took longer, or
--           were not ready after that time); share; unknown (pods left out because they were deleted
--           or ended, or the trace did, before the bound); existed_before (pods left out because
--           their creation was not seen).
-- Parameters: bound (seconds)
-- Example:  bound=2
-- Unit:     pods; the share has none.
-- Clock:    the recorder's: from first seen to first seen Ready, or ended well. Pods of DaemonSets
--           and static ones are left out.
-- Source:   none
WITH lives AS (
  SELECT
    namespace,
    bool_and(creation_seen) AS creation_seen,
    (CAST(min(valid_from) FILTER (WHERE ready = 'True' OR phase = 'Succeeded') AS BIGINT)
      - CAST(min(valid_from) AS BIGINT)) / 1e9 AS took,
    (CAST(coalesce(min(valid_from) FILTER (WHERE phase = 'Failed'), max(coalesce(valid_to, at('-0s')))) AS BIGINT)
      - CAST(min(valid_from) AS BIGINT)) / 1e9 AS watched
  FROM pods
  WHERE coalesce(owner_kind, '') NOT IN ('DaemonSet', 'Node')
  GROUP BY namespace, uid
),
judged AS (
  SELECT
    namespace,
    creation_seen,
    CASE
      WHEN took <= $bound THEN false
      WHEN took > $bound OR watched > $bound THEN true
    END AS missed
  FROM lives
)
SELECT
  namespace,
  count(missed) FILTER (WHERE creation_seen) AS pods,
  count(*) FILTER (WHERE creation_seen AND missed) AS missed,
  count(*) FILTER (WHERE creation_seen AND missed) / nullif(CAST(count(missed) FILTER (WHERE creation_seen) AS DOUBLE), 0) AS share,
  count(*) FILTER (WHERE creation_seen AND missed IS NULL) AS unknown,
  count(*) FILTER (WHERE NOT creation_seen) AS existed_before
FROM judged
GROUP BY namespace
ORDER BY missed DESC, namespace
