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

// CoreQuery is an entry of the core pack.
type CoreQuery struct {
	Name    string
	Help    string // one sentence
	Default bool   // whether it runs unless it is turned off
}

// coreQueries are the entries of core.yaml in their order.
var coreQueries = []CoreQuery{
	{"server", "Version, start time, recovery and open transactions.", true},
	{"settings", "About forty server parameters that dashboards and alerts use.", true},
	{"database", "Size, connection limit and wraparound age of each database.", true},
	{"stat_database", "Activity and conflicts of each database.", true},
	{"stat_activity", "Connections by state, user and application.", true},
	{"locks", "Locks by database and mode.", true},
	{"stat_bgwriter", "Background writer, checkpoints and archiver.", true},
	{"wal", "Number and size of WAL files.", true},
	{"replication_slot", "Replication slots and standbys.", true},
	{"roles", "Connection limits of roles.", true},
	{"stat_user_tables", "Activity, size and blocks of each table.", true},
	{"stat_statements", "The statements that took most time, where pg_stat_statements is installed.", true},
	{"settings_all", "All server parameters that are numbers, instead of settings.", false},
	{"process_idle", "Idle time of server processes.", false},
	{"statio_user_indexes", "Blocks of each index.", false},
	{"stat_statements_query", "Texts of the statements that took most time.", false},
}

// CoreQueries lists the entries of the core pack.
func CoreQueries() []CoreQuery { return slices.Clone(coreQueries) }

// CoreConfig chooses from the core pack. Its zero value is what runs by default.
type CoreConfig struct {
	// Enabled decides by the name of a query; nil means CoreQuery.Default.
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
)

// Core returns queries of the core pack. They belong to the caller.
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
		if !c.Enabled(q.Name) || q.Name == "settings" && c.Enabled("settings_all") {
			continue
		}
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
	return out
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
		if q.Settings || slices.ContainsFunc(kept.Columns, func(c Column) bool { return c.IsValue() }) {
			left = append(left, &kept)
		}
	}
	return left, dropped
}
