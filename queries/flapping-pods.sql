-- Question: Which pods went from ready to not ready, more than once?
-- Columns:  namespace, name, node; flaps (times that Ready went from True to False); not_ready
--           (time after it was first ready in which it was not).
-- Unit:     flaps, seconds
-- Clock:    the recorder's; what lasts to the end of the trace ends there.
-- Source:   none
WITH steps AS (
  SELECT
    namespace,
    name,
    uid,
    node,
    ready,
    lag(ready) OVER life AS before,
    bool_or(ready = 'True') OVER life AS was_ready,
    (CAST(coalesce(valid_to, at('-0s')) AS BIGINT) - CAST(valid_from AS BIGINT)) / 1e9 AS seconds
  FROM pods
  WHERE phase = 'Running'
  WINDOW life AS (PARTITION BY uid ORDER BY valid_from)
)
SELECT
  namespace,
  name,
  max(node) AS node,
  count(*) FILTER (WHERE ready = 'False' AND before = 'True') AS flaps,
  sum(seconds) FILTER (WHERE was_ready AND ready <> 'True') AS not_ready
FROM steps
GROUP BY namespace, name, uid
HAVING count(*) FILTER (WHERE ready = 'False' AND before = 'True') > 1
ORDER BY flaps DESC, namespace, name
