// Package queryfile reads query files: SQL statements and what the columns of
// their results become. The format is that of postgres_exporter, of which this
// package reads a strict superset; see docs/postgres.md. Mistakes come with their
// places, all at once.
//
// A core pack is part of the package: the statements behind the metrics that
// dashboards expect of a PostgreSQL server; see [Core].
package queryfile
