-- Question:   What would the same day be without the batch jobs of a team?
-- Assumes:    Jobs and what they own had no effect on others: pods that waited for them wait as long as before.
-- Read with:  `allocation` and `pending-pods`, beside those of the trace as it was.
-- Parameters: namespace
DELETE FROM EVENTS WHERE kind = 'Event' AND namespace = $namespace
  AND object -> 'involvedObject' ->> 'uid' IN (
    SELECT uid FROM objects WHERE kind IN ('Job', 'CronJob')
    UNION SELECT uid FROM owners WHERE root_kind IN ('Job', 'CronJob'));
DELETE FROM OBJECTS WHERE kind IN ('Job', 'CronJob') AND namespace = $namespace CASCADE;
