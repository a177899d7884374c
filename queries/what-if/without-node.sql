-- Question:   Which pods need another place when a node is not there?
-- Assumes:    The node and all that ran on it were never seen. What owns these pods keeps its counts, so that
--             what is missing can be told.
-- Read with:  `under-provisioning` and `slo-misses`: what is missing of what was asked for.
-- Parameters: node (its name)
DELETE FROM OBJECTS WHERE kind = 'Pod' AND uid IN (SELECT uid FROM pods WHERE node = $node);
DELETE FROM OBJECTS WHERE kind = 'Node' AND name = $node CASCADE;
