-- What counting keeps. Times are in UTC: milliseconds since 1970 here, seconds
-- in the tables of reports; days are numbered since 1970.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Which reports were counted: the key starts with the day that the report ends on.
CREATE TABLE identities (key BLOB PRIMARY KEY, digests BLOB NOT NULL) WITHOUT ROWID; -- sqlite
CREATE TABLE identities (key BYTEA PRIMARY KEY, digests BYTEA NOT NULL); -- postgres

CREATE TABLE identity_days (
  day BIGINT PRIMARY KEY, identities BIGINT NOT NULL, checksums BIGINT NOT NULL, guard BIGINT NOT NULL
);
CREATE TABLE sums (
  family TEXT NOT NULL, labels TEXT NOT NULL, value BIGINT NOT NULL, created BIGINT NOT NULL, guard BIGINT NOT NULL,
  PRIMARY KEY (family, labels)
) WITHOUT ROWID; -- sqlite
); -- postgres
CREATE TABLE days (
  day BIGINT NOT NULL, domain TEXT NOT NULL, class TEXT NOT NULL, messages BIGINT NOT NULL, guard BIGINT NOT NULL,
  PRIMARY KEY (day, domain, class)
) WITHOUT ROWID; -- sqlite
); -- postgres
CREATE TABLE domains (domain TEXT PRIMARY KEY, last_end BIGINT NOT NULL, policy TEXT NOT NULL, guard BIGINT NOT NULL);
CREATE TABLE names (pool TEXT NOT NULL, name TEXT NOT NULL, guard BIGINT NOT NULL, PRIMARY KEY (pool, name));
CREATE TABLE sources (source TEXT PRIMARY KEY, last_delivery BIGINT NOT NULL, guard BIGINT NOT NULL);
CREATE TABLE totals (name TEXT PRIMARY KEY, value BIGINT NOT NULL, guard BIGINT NOT NULL);

-- What sources noted about inputs that are done.
CREATE TABLE marks (
  source TEXT NOT NULL, input TEXT NOT NULL, value TEXT NOT NULL, guard BIGINT NOT NULL,
  PRIMARY KEY (source, input)
) WITHOUT ROWID; -- sqlite
); -- postgres
