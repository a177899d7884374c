-- Question:   What if jobs came four times as often and took as long as they do?
-- Assumes:    Jobs that were made while the trace was recorded come sooner, with their pods; nodes are there for
--             them. What was there from the beginning stays.
-- Read with:  `scheduling-throughput` and `job-times`: the same jobs, closer together.
-- Parameters: factor (0.25 for four times as often)
STRETCH ARRIVALS BY $factor WHERE kind = 'Job';
