-- Question:   What if there were three such tenants?
-- Assumes:    A tenant is a namespace. Each copy does what the recorded one did, at the same times and on the
--             same nodes.
-- Read with:  `allocation` and `scheduling-rate`: what three of them ask for together.
-- Parameters: namespace, count (of tenants in the end)
SCALE NAMESPACE $namespace TO $count;
