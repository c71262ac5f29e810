package queryfile

import (
	"cmp"
	_ "embed"
	"slices"
	"strconv"
	"strings"
)

//go:embed core.yaml
var coreFile []byte

// CoreQuery is an entry of the core pack, or a part of one.
type CoreQuery struct {
	Name    string
	Help    string // one sentence
	Default bool   // whether it runs unless it is turned off

	query, prefix string // of a part: the entry, and what its metric names begin with
}

// coreQueries are the entries of core.yaml in their order, and the parts that
// postgres_exporter has collectors of their own for.
var coreQueries = []CoreQuery{
	{Name: "server", Help: "Version of the server.", Default: true},
	{Name: "settings", Help: "About fifty server parameters that dashboards and alerts use.", Default: true},
	{Name: "database", Help: "Size and connection limit of each database.", Default: true},
	{Name: "stat_database", Help: "Activity and conflicts of each database.", Default: true},
	{Name: "stat_activity", Help: "Connections by state, user and application.", Default: true},
	{Name: "locks", Help: "Locks by database and mode.", Default: true},
	{Name: "stat_bgwriter", Help: "Background writer, and until PostgreSQL 16 checkpoints.", Default: true},
	{Name: "wal", Help: "Number and size of WAL files.", Default: true},
	{Name: "replication_slot", Help: "Replication slots.", Default: true},
	{Name: "roles", Help: "Connection limits of roles.", Default: true},
	{Name: "stat_user_tables", Help: "Activity and size of each table.", Default: true},
	{Name: "stat_statements", Help: "The statements that took most time, where pg_stat_statements is installed.", Default: true},
	{Name: "settings_all", Help: "All server parameters that are numbers, instead of settings."},
	{Name: "process_idle", Help: "Idle time of server processes."},
	{Name: "statio_user_indexes", Help: "Blocks of each index."},
	{Name: "stat_statements_query", Help: "Texts of the statements that took most time."},
	{Name: "stat_activity_autovacuum", Help: "Tables that autovacuum is at."},
	{Name: "buffercache_summary", Help: "Use of the shared buffers, where pg_buffercache is installed, since PostgreSQL 16."},
	{Name: "stat_io", Help: "Input and output by kind of process, object and context, since PostgreSQL 16."},
	{Name: "stat_slru", Help: "Caches of transaction states and the like."},
	{Name: "stat_subscription", Help: "Subscriptions of logical replication."},
	{Name: "stat_progress_analyze", Help: "Progress of ANALYZE."},
	{Name: "stat_progress_create_index", Help: "Progress of CREATE INDEX and REINDEX."},
	{Name: "stat_progress_copy", Help: "Progress of COPY."},
	{Name: "stat_progress_basebackup", Help: "Progress of base backups."},
	{Name: "stat_progress_cluster", Help: "Progress of CLUSTER and VACUUM FULL."},
	{Name: "pgbouncer.stats", Help: "Totals of each database of PgBouncer, on its admin console.", Default: true},
	{Name: "pgbouncer.pools", Help: "Pools of PgBouncer, on its admin console.", Default: true},
	{Name: "pgbouncer.databases", Help: "Databases of PgBouncer, on its admin console.", Default: true},
	{Name: "pgbouncer.lists", Help: "What PgBouncer counts, on its admin console.", Default: true},
	{Name: "pgbouncer.config", Help: "Limits of PgBouncer, on its admin console.", Default: true},
	{Name: "pgbouncer.clients", Help: "Clients of PgBouncer by state, on its admin console, which lists each of them for it."},

	{"postmaster", "Start time of the server.", true, "server", "pg_postmaster_"},
	{"replication", "Recovery, and how far a replica is behind.", true, "server", "pg_replication_"},
	{"stat_wal_receiver", "What a replica receives.", true, "server", "pg_stat_wal_receiver_"},
	{"long_running_transactions", "Open transactions.", true, "server", "pg_long_running_transactions"},
	{"database_wraparound", "Wraparound age of each database.", true, "database", "pg_database_wraparound_"},
	{"stat_progress_vacuum", "Progress of VACUUM.", true, "stat_activity", "pg_stat_progress_vacuum_"},
	{"stat_checkpointer", "Checkpoints since PostgreSQL 17.", true, "stat_bgwriter", "pg_stat_checkpointer_"},
	{"stat_archiver", "Archiver of WAL files.", true, "stat_bgwriter", "pg_stat_archiver_"},
	{"stat_wal", "WAL that was generated, since PostgreSQL 14.", true, "stat_bgwriter", "pg_stat_wal_"},
	{"stat_replication", "Standbys.", true, "replication_slot", "pg_stat_replication_"},
	{"statio_user_tables", "Blocks of each table.", true, "stat_user_tables", "pg_statio_user_tables_"},
}

// CoreQueries lists the entries of the core pack and their parts.
func CoreQueries() []CoreQuery { return slices.Clone(coreQueries) }

// CoreConfig chooses from the core pack. Its zero value is what runs by default.
type CoreConfig struct {
	// Enabled decides by the name of a query or part; nil means CoreQuery.Default.
	Enabled func(name string) bool
	// Databases are patterns (path.Match) of databases whose tables are looked
	// at; those with an exclamation mark in front exclude. Nil means the
	// target's own.
	Databases []string
	// Statements is how many statements of pg_stat_statements are shown; 0: 50.
	Statements int
	// Tables is how many tables of a database are shown, the largest; 0: 2000.
	Tables int
}

const (
	defaultStatements = 50
	statementsLimit   = "LIMIT 50" // as it stands in the file
	defaultTables     = 2000
	tablesLimit       = "2000" // the same
	// packRows bounds the rows of other queries, which grow with the server: there
	// are nine of locks for each database, and six of sessions.
	packRows = 20_000
)

// Core returns queries of the core pack, and those for the admin console of
// PgBouncer, which run nowhere else. They belong to the caller.
func Core(c CoreConfig) []*Query {
	files, err := Parse("core.yaml", coreFile)
	if err != nil {
		panic(err) // The file is part of the program.
	}
	if c.Enabled == nil {
		c.Enabled = enabledByDefault
	}
	limit := "LIMIT " + strconv.Itoa(cmp.Or(c.Statements, defaultStatements))
	var out []*Query
	for _, q := range files.Queries {
		if !q.keepParts(c.Enabled) || q.Name == "settings" && c.Enabled("settings_all") {
			continue
		}
		q.MaxRows = cmp.Or(q.MaxRows, packRows)
		switch q.Name {
		case "settings", "settings_all":
			q.Settings = true
		case "stat_user_tables":
			q.Databases, q.SkipsLocked = c.Databases, true
			q.MaxRows = cmp.Or(c.Tables, defaultTables)
			q.SQL = strings.ReplaceAll(q.SQL, tablesLimit, strconv.Itoa(q.MaxRows))
		case "statio_user_indexes":
			q.Databases = c.Databases
		case "stat_statements", "stat_statements_query":
			q.SQL = strings.ReplaceAll(q.SQL, statementsLimit, limit)
			for i := range q.Alternatives {
				q.Alternatives[i].SQL = strings.ReplaceAll(q.Alternatives[i].SQL, statementsLimit, limit)
			}
		}
		out = append(out, q)
	}
	for _, q := range console() {
		if c.Enabled(q.Name) {
			out = append(out, q)
		}
	}
	return out
}

// keepParts discards the metrics of q that are not enabled, and reports whether
// any is left.
func (q *Query) keepParts(enabled func(name string) bool) (left bool) {
	for i := range q.Columns {
		c := &q.Columns[i]
		if !c.IsValue() {
			continue
		}
		if !enabled(partOf(q, c)) {
			c.Usage = UsageDiscard
			continue
		}
		left = true
	}
	return left || len(q.Columns) == 0 && enabled(q.Name) // settings declare none
}

// partOf returns the name of the part that a metric of q belongs to, or that of q.
func partOf(q *Query, c *Column) string {
	for _, p := range coreQueries {
		if p.query == q.Name && strings.HasPrefix(q.MetricName(c), p.prefix) {
			return p.Name
		}
	}
	return q.Name
}

func enabledByDefault(name string) bool {
	return slices.ContainsFunc(coreQueries, func(q CoreQuery) bool { return q.Name == name && q.Default })
}

// Override leaves out of core what custom queries define as well: the whole
// query if one has its name, otherwise the metrics whose names are taken. It
// returns what is left and the names that were left out.
func Override(core, custom []*Query) (left []*Query, dropped []string) {
	names, metrics := map[string]bool{}, map[string]bool{}
	for _, q := range custom {
		names[q.Name] = true
		for i := range q.Columns {
			if c := &q.Columns[i]; c.IsValue() {
				metrics[q.MetricName(c)] = true
			}
		}
	}
	for _, q := range core {
		if names[q.Name] {
			dropped = append(dropped, q.Name)
			continue
		}
		kept := *q
		kept.Columns = slices.Clone(q.Columns)
		for i := range kept.Columns {
			c := &kept.Columns[i]
			if c.IsValue() && metrics[q.MetricName(c)] {
				dropped = append(dropped, q.MetricName(c))
				*c = Column{Name: c.Name, Usage: UsageDiscard, At: c.At}
			}
		}
		if q.Settings || q.Keys != nil || q.Count.Metric != "" || slices.ContainsFunc(kept.Columns, func(c Column) bool { return c.IsValue() }) {
			left = append(left, &kept)
		}
	}
	return left, dropped
}
