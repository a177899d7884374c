-- Question:   What did one team's objects do, and nothing else?
-- Assumes:    A team is a label. Its objects come with all that they own and all that owns them.
-- Read with:  `pod-startup`, `restarts` and `rollouts`, as of a cluster that has this team alone.
-- Parameters: selector (a label selector, such as `team=search,tier!=cache`)
KEEP OBJECTS WHERE matches(labels, $selector) OR kind IN ('Node', 'Namespace') WITH OWNERS AND OWNED;
