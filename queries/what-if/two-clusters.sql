-- Question:   What if the load of two clusters came to one?
-- Assumes:    The other cluster comes with its nodes, and nothing moves from one to the other. The path of the
--             other trace begins at the script: beside it, or where kymo runs if the script comes as `-f -`.
-- Read with:  `allocation` and `scheduling-rate`: what both ask for together of what both have.
-- Parameters: other (the path of a trace), prefix (of its namespaces, such as b-)
MERGE TRACE $other AT '0' PREFIX NAMESPACES $prefix;
