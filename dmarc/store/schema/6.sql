-- Rollups say of contents what groups by source add up. Those that do not are
-- made again, soon after the start. Questions about all domains find them by day.
DELETE FROM rollups;
CREATE INDEX rollups_day ON rollups (day);
-- Which days of domains have reports that no rollup has is found by this index alone.
-- PostgreSQL reads the few months faster.
CREATE INDEX reports_day_domain ON reports (day, domain); -- sqlite
