-- Question: When was which resource not fully observed, and why?
-- Columns:  resource (empty: every one); scope; state; cause; from_ts and to_ts (empty: it lasts);
--           seconds. The time after a recording was stopped for good is left out.
-- Unit:     seconds.
-- Clock:    the recorder's (`coverage.from_ts`, `coverage.to_ts`).
-- Source:   `coverage`.
WITH last_observed AS (
  SELECT feed, max(from_ts) AS ts
  FROM coverage
  WHERE state = 'observed'
  GROUP BY feed
)
SELECT
  resource,
  scope,
  state,
  cause,
  from_ts,
  to_ts,
  (CAST(to_ts AS BIGINT) - CAST(from_ts AS BIGINT)) / 1e9 AS seconds
FROM coverage
LEFT JOIN last_observed ON coverage.feed = last_observed.feed
WHERE state <> 'observed'
  AND NOT (cause = 'stop' AND (last_observed.ts IS NULL OR last_observed.ts < from_ts))
ORDER BY from_ts, resource
