-- Question:   What if the same day happened in an hour?
-- Assumes:    Everything is faster by the same factor: arrivals, start-ups, heartbeats. Grace periods,
--             deadlines and schedules stay what they are.
-- Read with:  `scheduling-rate` and `busiest-objects`: what an API server and a scheduler would have to bear.
-- Parameters: factor (1/24 as 0.0416666667, 0.5 for half the time)
STRETCH TIME BY $factor;
