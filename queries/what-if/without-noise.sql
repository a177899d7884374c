-- Question:   How much of a trace is heartbeats and messages?
-- Assumes:    Leases and Events say nothing that objects do not say themselves.
-- Read with:  `events-per-kind`, of the trace as it was and of this one; `kymo inspect` tells the sizes.
DELETE FROM EVENTS WHERE kind IN ('Lease', 'Event');
