-- Question: Who changed this field, when, and from what to what?
-- Columns:  ts; namespace, name; path; op; old, new (JSON); manager (field manager, where
--           managedFields tell); username, verb (where an audit log tells).
-- Parameters: kind; path (a prefix of a JSON Pointer, such as `/spec`)
-- Example:  kind=Deployment path=/spec
-- Unit:     changes
-- Clock:    the recorder's
-- Source:   none
SELECT ts, namespace, name, path, op, old, new, manager, username, verb
FROM changes
WHERE kind = $kind AND starts_with(path, $path)
ORDER BY ts, path
