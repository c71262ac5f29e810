// Package postgres is postgres_queries_exporter, as a program and as a part of one.
package postgres

import (
	"context"
	_ "embed"
	"io"
	"log/slog"
	"net/http"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

const name = "postgres_queries_exporter"

// dmarcPack is the query file for the tables of the DMARC dashboard.
//
//go:embed postgres-queries.yaml
var dmarcPack []byte

// upstreamSettings says what becomes of the flags and variables of
// postgres_exporter.
//
//go:embed upstream.tsv
var upstreamSettings string

// flags are the flags of this binary. Names and variables of the environment
// are those of postgres_exporter where it has them.
type flags struct {
	*exporter.Flags
	configFile string
	queryPaths string
	dmarc      bool
	core       map[string]*bool // by the name of the query
	statements int
	tables     int
	noCore     bool
	noSettings bool
	discover   bool
	include    string
	exclude    string
	labels     string
	sessions   postgres.SessionsConfig

	checkFiles   []string
	checkConnect bool
	convertFile  string
}

func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New(name, "Metrics of PostgreSQL: SQL queries of your own, its statistics, and the DMARC dashboard's tables.")
	f := &flags{core: map[string]*bool{}}
	f.Flags = exporter.AddFlags(app, ":9187")
	app.Flag("config.file", "YAML file with data sources, modules and targets of /probe.").StringVar(&f.configFile)
	app.Flag("extend.query-path", "Query files: paths or patterns, separated by commas.").Envar("PG_EXPORTER_EXTEND_QUERY_PATH").StringVar(&f.queryPaths)
	app.Flag("queries.dmarc", "Run the built-in queries on the tables of the DMARC dashboard, where they exist.").Default("true").BoolVar(&f.dmarc)
	app.Flag("disable-default-metrics", "Exclude the built-in metrics pg_*, except pg_up and others about the exporter itself.").Envar("PG_EXPORTER_DISABLE_DEFAULT_METRICS").BoolVar(&f.noCore)
	app.Flag("disable-settings-metrics", "Exclude pg_settings_*.").Envar("PG_EXPORTER_DISABLE_SETTINGS_METRICS").BoolVar(&f.noSettings)
	app.Flag("auto-discover-databases", "Run queries that are not marked master in every database of the server.").Envar("PG_EXPORTER_AUTO_DISCOVER_DATABASES").BoolVar(&f.discover)
	app.Flag("include-databases", "Databases to discover: names or patterns, separated by commas. The default is all.").Envar("PG_EXPORTER_INCLUDE_DATABASES").StringVar(&f.include)
	app.Flag("exclude-databases", "Databases to exclude from discovery: names or patterns, separated by commas.").Envar("PG_EXPORTER_EXCLUDE_DATABASES").StringVar(&f.exclude)
	app.Flag("constantLabels", "Constant labels of all metrics, as name=value, separated by commas.").Envar("PG_EXPORTER_CONSTANT_LABELS").StringVar(&f.labels)
	app.Flag("postgres.max-sessions", "Maximum number of connections to each server, including those that cancel statements.").Default("3").IntVar(&f.sessions.Max)
	app.Flag("postgres.statement-timeout", "statement_timeout of the sessions, which ends statements that outlive their scrape. The timeout of a query raises it.").Default("30s").DurationVar(&f.sessions.StatementTimeout)
	app.Flag("postgres.lock-timeout", "lock_timeout of the sessions.").Default("1s").DurationVar(&f.sessions.LockTimeout)
	app.Flag("postgres.session-lifetime", "Maximum age of a session before it is replaced.").Default("1h").DurationVar(&f.sessions.Lifetime)
	app.Flag("postgres.simple-protocol", "Use the simple query protocol, for poolers that support no other. Queries with a cursor do not work with it.").BoolVar(&f.sessions.Simple)
	for _, q := range queryfile.CoreQueries() {
		value := new(bool)
		f.core[q.Name] = value
		preset := "false"
		if q.Default {
			preset = "true"
		}
		app.Flag("collector."+q.Name, q.Help).Default(preset).BoolVar(value)
	}
	app.Flag("collector.stat_statements.limit", "Maximum number of statements of pg_stat_statements to expose.").Default("50").IntVar(&f.statements)
	app.Flag("collector.stat_user_tables.limit", "Maximum number of tables of a database to expose, the largest ones.").Default("2000").IntVar(&f.tables)
	f.AddSettings(app, upstreamSettings)
	app.Command("serve", "Serve metrics.").Default()
	check := app.Command("check", "Check the configuration and query files. With --connect, also run the queries on the server of the data source, read-only.")
	check.Arg("file", "Query files: paths or patterns. Without any, those of --extend.query-path.").StringsVar(&f.checkFiles)
	check.Flag("connect", "Run the queries once on the first data source and print the results.").BoolVar(&f.checkConnect)
	convert := app.Command("convert", "Turn a file of sql_exporter into a query file, which is printed, with notes of what cannot be turned. Files of postgres_exporter stay as they are.")
	convert.Arg("file", "File to turn.").Required().StringVar(&f.convertFile)
	return app, f
}

// memoryLimit is for databases of thousands of tables; the others stay far below.
const memoryLimit = 28 << 20

// Program returns the exporter before it has parsed its arguments.
func Program() *exporter.Program {
	app, f := newApp()
	return &exporter.Program{App: app, Flags: f.Flags, Before: f.before, Start: f.start}
}

// before does the commands but for that which serves.
func (f *flags) before(command string, logger *slog.Logger, stdout, stderr io.Writer) (code int, done bool) {
	switch command {
	case "check":
		return check(f, logger, stdout, stderr), true
	case "convert":
		return convert(f.convertFile, stdout, stderr), true
	}
	exporter.LimitMemory(memoryLimit)
	return 0, false
}

// start prepares the service.
func (f *flags) start(ctx context.Context, logger *slog.Logger) (exporter.Options, error) {
	s := newService(f, logger)
	if err := s.reload(ctx); err != nil {
		return exporter.Options{}, err
	}
	return exporter.Options{
		Collectors: s.collectors,
		Reload:     s.reload,
		Background: s.background,
		Handlers:   map[string]http.Handler{"/probe": s.probed},
		Links:      []exporter.Link{{Address: "/probe", Text: "Probe", Description: "another server of the allowed targets"}},
	}, nil
}
