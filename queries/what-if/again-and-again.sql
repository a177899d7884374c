-- Question:   What would a longer run of the same load look like?
-- Assumes:    The trace is seen again and again, each time as it was: a day becomes a week.
-- Read with:  `scheduling-throughput` and `node-hours`: the same figures for each time.
-- Parameters: times (7 for a week of days)
REPEAT $times TIMES;
