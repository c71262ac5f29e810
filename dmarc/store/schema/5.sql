-- What arrived last is found by when it did, and the few reports of other kinds
-- without reading all those that are aggregate reports.
CREATE INDEX reports_received ON reports (received);
CREATE INDEX reports_other ON reports (kind, day) WHERE kind <> 'aggregate';
