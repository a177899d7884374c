-- Question: Who changed which resources, when, how and by which program?
-- Columns:  username (the one in whose name it was done); authenticated (who did it, where that is
--           another); api_group; resource; verb; subresource (empty: the object itself); user_agent;
--           changes (events); requests (one can change several objects); objects; unseen (changes
--           after which it is not known what the object was); first and last (time of the first and
--           last change). Changes that no audit log tells of are left out.
-- Unit:     changes, requests, objects.
-- Clock:    the API server's, from the audit log (`events.ts`).
-- Source:   `events`.
SELECT
  coalesce(impersonated_username, username) AS username,
  CASE WHEN impersonated_username IS NOT NULL THEN username END AS authenticated,
  api_group,
  resource,
  verb,
  subresource,
  user_agent,
  count(*) AS changes,
  count(DISTINCT audit_id) AS requests,
  count(DISTINCT concat(namespace, '/', name)) AS objects,
  count(*) FILTER (WHERE certainty = 'reported') AS unseen,
  min(ts) AS first,
  max(ts) AS last
FROM events
WHERE verb IS NOT NULL
GROUP BY username, impersonated_username, api_group, resource, verb, subresource, user_agent
ORDER BY changes DESC, username, resource, verb, subresource, user_agent, first
