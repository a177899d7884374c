-- Question: Which warnings did Kubernetes give, how often, and about what?
-- Columns:  reason; object_kind; times (as the Events count them); objects; first, last (of them);
--           example (a message).
-- Unit:     Events
-- Clock:    the recorder's. Events are rate-limited and expire, so there may have been more.
-- Source:   none
SELECT
  reason,
  object_kind,
  sum(times) AS times,
  count(DISTINCT object_uid) AS objects,
  min(first) AS first,
  max(last) AS last,
  min(message) AS example
FROM (
  SELECT
    uid,
    max(reason) AS reason,
    max(object_kind) AS object_kind,
    max(object_uid) AS object_uid,
    max(count) AS times,
    min(valid_from) AS first,
    max(valid_from) AS last,
    min(message) AS message
  FROM k8s_events
  WHERE type = 'Warning'
  GROUP BY uid
)
GROUP BY reason, object_kind
ORDER BY times DESC, reason
