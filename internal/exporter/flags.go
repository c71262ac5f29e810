package exporter

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/dmarc-suite/dmarc-suite/internal/yamlsyntax"
)

// Flags are the flags every binary has: --web.* and --log.*. They hold values
// once the application has parsed its arguments.
type Flags struct {
	// name and description are those of the application. The name is the prefix of
	// the exporter's own metrics.
	name, description string

	web   *web.FlagConfig
	log   promslog.Config
	stats *stats
	path  string
	// recent has what the loggers wrote last, from warnings on.
	recent *recent
	// ignored are settings of the established exporter that do nothing here.
	ignored []ignored
	// names are those of the flags of every binary.
	names []string

	scrapeTimeout time.Duration
	scrapeOffset  time.Duration
	maxRequests   int
	bare          bool
	created       bool
	pprof         bool
	lifecycle     bool
	processors    int
}

// AddFlags declares the flags that every binary has on app, gives it a version
// and a short help flag, and lets every flag be set by a variable of the
// environment (REDIS_EXPORTER_WEB_LISTEN_ADDRESS for an app "redis_exporter").
// The server listens on defaultAddress unless told otherwise.
func AddFlags(app *kingpin.Application, defaultAddress string) *Flags {
	f := &Flags{name: app.Name, description: app.Help, web: kingpinflag.AddFlags(app, defaultAddress), stats: newStats(app.Name), recent: &recent{}}
	app.Version(Version(app.Name))
	app.HelpFlag.Short('h').NoEnvar()
	app.GetFlag("version").NoEnvar()
	app.DefaultEnvars()
	app.UsageTemplate(usage)
	app.Flag("web.telemetry-path", "Path under which to expose metrics.").
		Default("/metrics").StringVar(&f.path)
	app.Flag("web.scrape-timeout", "Scrape timeout for scrapers that do not send theirs in X-Prometheus-Scrape-Timeout-Seconds.").
		Default("10s").DurationVar(&f.scrapeTimeout)
	app.Flag("web.scrape-timeout-offset", "How much earlier than the scrape timeout the response is sent.").
		Default("250ms").DurationVar(&f.scrapeOffset)
	app.Flag("web.max-requests", "Maximum number of parallel scrape requests. Further ones are answered with 503. Identical requests share one collection. Use 0 to disable.").
		Default("100").IntVar(&f.maxRequests)
	app.Flag("web.disable-exporter-metrics", "Exclude metrics about the exporter itself (promhttp_*, process_*, go_*).").
		BoolVar(&f.bare)
	app.Flag("web.created-timestamps", "Expose created timestamps (OpenMetrics).").
		Default("true").BoolVar(&f.created)
	app.Flag("web.enable-pprof", "Serve Go profiles under /debug/pprof/.").
		BoolVar(&f.pprof)
	app.Flag("web.enable-lifecycle", "Reload the configuration on POST /-/reload, as on SIGHUP. Whoever can reach the port can then reload.").
		BoolVar(&f.lifecycle)
	f.addHealthFlag(app)
	// A scrape is short: handing it from thread to thread costs more than it gains.
	app.Flag("runtime.gomaxprocs", "GOMAXPROCS: how many CPUs the exporter uses at the same time. Use 0 for all that are available.").
		Envar("GOMAXPROCS").Default("1").IntVar(&f.processors)
	promslogflag.AddFlags(app, &f.log)
	for _, flag := range app.Model().Flags {
		f.names = append(f.names, flag.Name)
	}
	return f
}

// MetricsPath returns the path of the metrics.
func (f *Flags) MetricsPath() string { return f.path }

// Logger returns a logger that writes to w at the level and in the format of
// the --log.* flags. The loggers of promslog keep the attribute source for the
// line of code that logs; here it is where reports come from.
func (f *Flags) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.log.Level, ReplaceAttr: replaceAttr}
	var written slog.Handler = slog.NewTextHandler(w, options)
	if f.log.Format.String() == "json" {
		written = slog.NewJSONHandler(w, options)
	}
	return slog.New(slog.NewMultiHandler(written, slog.NewTextHandler(f.recent, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: replaceAttr})))
}

// replaceAttr writes durations as 1m30s in JSON, too, and hides what errors of
// YAML packages quote: the toolkit logs them when it reads its file again.
func replaceAttr(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	if err, ok := a.Value.Any().(error); ok && strings.Contains(err.Error(), "yaml: ") {
		a.Value = slog.AnyValue(yamlsyntax.Plain(err))
	}
	return a
}

// exit is what a terminating flag such as --help is turned into.
type exit struct {
	code int
	err  error // to be told, or nil
}

// Parse parses args without ever ending the process. Help and version are
// written to stdout, usage errors to stderr. If ok is false, the program should
// end with code: 0 after --help and --version, 2 after a usage error, what
// --web.health-check found.
func Parse(app *kingpin.Application, args []string, stdout, stderr io.Writer) (command string, code int, ok bool) {
	app.UsageWriter(stdout).ErrorWriter(stderr).Terminate(func(code int) { panic(exit{code: code}) })
	defer func() {
		switch v := recover().(type) {
		case nil:
		case exit:
			if v.err != nil {
				fmt.Fprintf(stderr, "%s: %v\n", app.Name, v.err)
			}
			command, code, ok = "", v.code, false
		default:
			panic(v)
		}
	}()
	NameVariables(app)
	command, err := app.Parse(args)
	if err != nil {
		if !errors.Is(err, kingpin.ErrCommandNotSpecified) {
			fmt.Fprintf(stderr, "%s: %v, try --help\n", app.Name, explain(app, args, err))
		}
		return "", 2, false
	}
	return command, 0, true
}
