-- Question: When was which resource not fully observed, and why?
-- Columns:  resource (empty: every one); scope; state; cause; from_ts and to_ts (empty: it lasts);
--           seconds.
-- Unit:     seconds.
-- Clock:    the recorder's (`coverage.from_ts`, `coverage.to_ts`).
-- Source:   `coverage`.
SELECT
  resource,
  scope,
  state,
  cause,
  from_ts,
  to_ts,
  (CAST(to_ts AS BIGINT) - CAST(from_ts AS BIGINT)) / 1e9 AS seconds
FROM coverage
WHERE state <> 'observed'
ORDER BY from_ts, resource
