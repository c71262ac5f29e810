package queryfile

import (
	"cmp"
	"strings"
)

// microseconds is the factor that makes seconds of them.
const microseconds = 1e-6

// consoleLists are the rows of SHOW LISTS.
var consoleLists = map[string]Column{
	"databases":     {Metric: "pgbouncer_databases", Help: "Databases."},
	"users":         {Metric: "pgbouncer_users", Help: "Users."},
	"pools":         {Metric: "pgbouncer_pools", Help: "Pools."},
	"free_clients":  {Metric: "pgbouncer_free_clients", Help: "Clients that are free: memory that is kept for others to come."},
	"used_clients":  {Metric: "pgbouncer_used_clients", Help: "Clients in use."},
	"login_clients": {Metric: "pgbouncer_login_clients", Help: "Clients that are logging in."},
	"free_servers":  {Metric: "pgbouncer_free_servers", Help: "Servers that are free: memory that is kept for others to come."},
	"used_servers":  {Metric: "pgbouncer_used_servers", Help: "Servers in use."},
	"dns_names":     {Metric: "pgbouncer_cached_dns_names", Help: "DNS names in the cache."},
	"dns_zones":     {Metric: "pgbouncer_cached_dns_zones", Help: "DNS zones in the cache."},
	"dns_queries":   {Metric: "pgbouncer_in_flight_dns_queries", Help: "DNS queries under way."},
}

// consoleConfig are the rows of SHOW CONFIG that are shown.
var consoleConfig = map[string]Column{
	"max_client_conn":      {Metric: "pgbouncer_config_max_client_connections", Help: "Maximum number of client connections."},
	"max_user_connections": {Metric: "pgbouncer_config_max_user_connections", Help: "Maximum number of server connections of a user."},
}

// console returns the queries for the admin console of PgBouncer, with the names
// of pgbouncer_exporter.
func console() []*Query {
	gauge := func(column, metric, help string) Column {
		return Column{Name: column, Usage: UsageGauge, Metric: metric, Help: help}
	}
	total := func(column, metric, help string, factor float64) Column {
		return Column{Name: column, Usage: UsageCounter, Metric: metric, Help: help, Factor: factor}
	}
	since := func(minor int, c Column) Column {
		c.Versions = AtLeast(Version{1, minor}) // of PgBouncer
		return c
	}
	label := func(name string) Column { return Column{Name: name, Usage: UsageLabel} }
	queries := []*Query{
		{Name: "pgbouncer.stats", SQL: "SHOW STATS_TOTALS", Columns: []Column{
			label("database"),
			total("query_count", "pgbouncer_stats_totals_queries_pooled_total", "SQL commands pooled.", 1),
			total("query_time", "pgbouncer_stats_totals_queries_duration_seconds_total", "Time spent executing queries.", microseconds),
			total("bytes_received", "pgbouncer_stats_totals_received_bytes_total", "Network traffic received, in bytes.", 1),
			total("bytes_sent", "pgbouncer_stats_totals_sent_bytes_total", "Network traffic sent, in bytes.", 1),
			total("wait_time", "pgbouncer_stats_totals_client_wait_seconds_total", "Time clients have waited for a server.", microseconds),
			total("xact_count", "pgbouncer_stats_totals_sql_transactions_pooled_total", "SQL transactions pooled.", 1),
			total("xact_time", "pgbouncer_stats_totals_server_in_transaction_seconds_total", "Time spent in transactions, executing queries or idle.", microseconds),
			since(24, total("client_parse_count", "pgbouncer_stats_totals_client_parses_total", "Prepared statements that clients have sent.", 1)),
			since(24, total("server_parse_count", "pgbouncer_stats_totals_server_parses_total", "Prepared statements that were sent to servers.", 1)),
			since(24, total("bind_count", "pgbouncer_stats_totals_binds_total", "Prepared statements that were made ready to be executed.", 1)),
		}},
		{Name: "pgbouncer.pools", SQL: "SHOW POOLS", Columns: []Column{
			label("database"), label("user"),
			gauge("cl_active", "pgbouncer_pools_client_active_connections", "Client connections that are linked to a server connection or idle."),
			since(18, gauge("cl_active_cancel_req", "pgbouncer_pools_client_active_cancel_connections", "Client connections whose cancellation was forwarded and not answered yet.")),
			gauge("cl_waiting", "pgbouncer_pools_client_waiting_connections", "Client connections that wait for a server connection."),
			since(18, gauge("cl_waiting_cancel_req", "pgbouncer_pools_client_waiting_cancel_connections", "Client connections whose cancellation was not forwarded yet.")),
			gauge("sv_active", "pgbouncer_pools_server_active_connections", "Server connections that are linked to a client connection."),
			since(18, gauge("sv_active_cancel", "pgbouncer_pools_server_active_cancel_connections", "Server connections that forward a cancellation.")),
			since(18, gauge("sv_being_canceled", "pgbouncer_pools_server_being_canceled_connections", "Server connections that wait for cancellations of their query to end.")),
			gauge("sv_idle", "pgbouncer_pools_server_idle_connections", "Server connections that are idle and ready."),
			gauge("sv_used", "pgbouncer_pools_server_used_connections", "Server connections that were idle for so long that they must be checked."),
			gauge("sv_tested", "pgbouncer_pools_server_testing_connections", "Server connections that are reset or checked."),
			gauge("sv_login", "pgbouncer_pools_server_login_connections", "Server connections that are logging in."),
			gauge("maxwait", "pgbouncer_pools_client_maxwait_seconds", "How long the first client of the queue has waited."),
		}},
		{Name: "pgbouncer.databases", SQL: "SHOW DATABASES", Columns: []Column{
			label("name"), label("host"), label("port"), label("database"), label("force_user"), label("pool_mode"),
			gauge("pool_size", "pgbouncer_databases_pool_size", "Maximum number of server connections."),
			gauge("reserve_pool", "pgbouncer_databases_reserve_pool", "Maximum number of additional connections for this database."),
			gauge("max_connections", "pgbouncer_databases_max_connections", "Maximum number of connections allowed for this database."),
			gauge("current_connections", "pgbouncer_databases_current_connections", "Connections for this database."),
			gauge("paused", "pgbouncer_databases_paused", "Whether the database is paused."),
			gauge("disabled", "pgbouncer_databases_disabled", "Whether the database is disabled."),
		}},
		{Name: "pgbouncer.lists", SQL: "SHOW LISTS", Keys: consoleLists},
		{Name: "pgbouncer.config", SQL: "SHOW CONFIG", Keys: consoleConfig},
		{
			Name: "pgbouncer.clients", SQL: "SHOW CLIENTS", MaxRows: maxClients, Columns: []Column{label("database"), label("user"), label("state")},
			Count: Column{Metric: "pgbouncer_clients_connections", Help: "Client connections by state."},
		},
	}
	for _, q := range queries {
		q.Prefix, q.Null, q.Console = "pgbouncer", NullSkip, true
		q.MaxRows = cmp.Or(q.MaxRows, packRows)
	}
	return queries
}

// maxClients is how many clients are counted.
const maxClients = 100_000

// OnConsole reports whether a query can run on the admin console of a pooler,
// which knows no SQL.
func (q *Query) OnConsole(v Version) bool { return IsShow(q.Statement(v)) }

// IsShow reports whether a statement only shows something.
func IsShow(sql string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	return strings.EqualFold(word, "show")
}
