-- Question: Which images came into use, when, and where?
-- Columns:  image; first_seen (in a pod); namespaces, pods, nodes (that used it); last_seen (null:
--           it is in use at the end).
-- Unit:     pods, nodes
-- Clock:    the recorder's
-- Source:   none
SELECT
  image,
  min(valid_from) AS first_seen,
  array_sort(array_agg(DISTINCT namespace)) AS namespaces,
  count(DISTINCT uid) AS pods,
  count(DISTINCT node) AS nodes,
  CASE WHEN bool_or(valid_to IS NULL) THEN NULL ELSE max(valid_to) END AS last_seen
FROM (SELECT namespace, uid, node, valid_from, valid_to, unnest(images) AS image FROM pods)
GROUP BY image
ORDER BY first_seen, image
