-- Question:   What if jobs took twice as long?
-- Assumes:    All that happens in a job takes longer by the same factor: to get a node, to start, to run.
-- Read with:  `job-times`: twice the time to run; `allocation`: what they hold for longer.
-- Parameters: factor (2 for twice as long)
STRETCH LIFETIMES BY $factor WHERE kind = 'Job';
