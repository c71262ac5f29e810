package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
	"github.com/dmarc-suite/dmarc-suite/internal/state"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	configFile string
	dirs       []string
	maildirs   []string
	mboxes     []string
	after      string
	refused    string
	rescan     time.Duration
	stateFile  string
	database   string
	horizon    model.Duration
	domains    config.Domains
	series     int
	conflicts  string
	twins      string
	maxBytes   units.Base2Bytes
	compat     bool
	records    string
	retention  model.Duration
	originals  bool
	archive    archiveOptions
}

// addFlags declares the flags.
func (o *serveOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("config.file", "YAML file with sources, in addition to those of the flags. It is reloaded on SIGHUP and POST /-/reload.").StringVar(&o.configFile)
	c.Flag("source.dir", "Directory with report files. Repeatable.").StringsVar(&o.dirs)
	c.Flag("source.maildir", "Maildir with report mails. Repeatable.").StringsVar(&o.maildirs)
	c.Flag("source.mbox", "File with report mails in mbox format. It is never modified. Repeatable.").StringsVar(&o.mboxes)
	c.Flag("source.after", "What happens to files of directories and Maildirs after they are counted: keep them, move them to done/, or delete them.").
		Default(string(ingest.AfterKeep)).EnumVar(&o.after, string(ingest.AfterKeep), string(ingest.AfterMove), string(ingest.AfterDelete))
	c.Flag("source.refused", "What happens to files without a valid report: move them to invalid/<reason>/, or keep them.").
		Default(string(refusedMove)).EnumVar(&o.refused, string(refusedMove), string(refusedKeep))
	c.Flag("source.rescan", "How often all files are scanned, in addition to file notifications.").
		Default("30s").DurationVar(&o.rescan)
	c.Flag("state.file", "State file, an SQLite database with the counts and the reports. It is created if it does not exist.").Default("dmarc_exporter.db").StringVar(&o.stateFile)
	c.Flag("state.database", "PostgreSQL database that is used instead of the state file, as postgres://user@host/name. The password comes from PGPASSFILE or PGPASSWORD.").StringVar(&o.database)
	c.Flag("state.horizon", "How long reports are remembered. Older reports are not counted.").Default("400d").SetValue(&o.horizon)
	c.Flag("state.max-bytes", "Maximum size of the state file, such as 512MB. Nothing is counted while it is exceeded. Use 0 for no limit.").Default("0").BytesVar(&o.maxBytes)
	c.Flag("records", "Records of aggregate reports that are kept in the state file: all, those without an aligned pass, or none. With off, no report is kept at all, only counts.").
		Default(string(store.RecordsAll)).EnumVar(&o.records, string(store.RecordsOff), string(store.RecordsFailing), string(store.RecordsAll))
	c.Flag("records.retention", "How long reports are kept after the end of their period. Counts do not change when reports are deleted.").
		Default("400d").SetValue(&o.retention)
	c.Flag("records.originals", "Keep failure reports as they were received. They hold addresses and contents of private mail; without this flag only domains are kept.").
		BoolVar(&o.originals)
	c.Flag("domain", "Domain that you own. Reports about other domains are counted with domain=\"foreign\". Repeatable. Without it, domains are learned from the reports.").SetValue(&o.domains)
	c.Flag("budget.series", "Maximum number of series of domains, reporters and senders together. Further label values are replaced by \"other\".").Default("2000").IntVar(&o.series)
	c.Flag("dedupe.conflicts", "Skip or count a report that is already known with different content.").Default("skip").EnumVar(&o.conflicts, "skip", "count")
	c.Flag("dedupe.twins", "Skip or count a report that differs from a known one only in its id.").Default("count").EnumVar(&o.twins, "skip", "count")
	o.archive.addFlags(c)
	c.Flag("compat.dmarc-metrics-exporter", "Also expose the metrics of dmarc-metrics-exporter, with its names and labels.").BoolVar(&o.compat)
}

// errNoSources is why serve would have nothing to do.
var errNoSources = errors.New("there is no source of reports: name one under sources in the configuration file, or with --source.dir, --source.maildir or --source.mbox of serve")

// service is the exporter at work.
type service struct {
	options    *serveOptions
	logger     *slog.Logger
	store      *store.Store
	archive    *reportfiles.Archive // nil without one
	dns        *collector.DNS       // nil when nothing is watched
	pipeline   *ingest.Pipeline
	supervisor ingest.Supervisor
	uploads    uploads
	auth       atomic.Pointer[ingest.Authenticator]
	senders    atomic.Pointer[ingest.Senders]
	initial    map[string]ingest.Source
}

// runServe is the command serve.
func runServe(ctx context.Context, f *flags, stderr io.Writer) int {
	logger := f.Logger(stderr)
	s, err := newService(ctx, &f.serve, logger)
	if err != nil {
		logger.Error("cannot start", "err", err)
		var usage *usageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitRefused
	}
	metrics := collector.New(s.store, collector.Config{Sources: s.sourceMetrics})
	collectors := []exporter.ContextCollector{exporter.Named("dmarc", metrics)}
	if f.serve.compat {
		collectors = append(collectors, exporter.Named("compat", collector.NewCompat(s.store)))
	}
	if s.dns != nil {
		collectors = append(collectors, exporter.Named("dns", s.dns))
	}
	err = exporter.Serve(ctx, f.Flags, exporter.Options{
		Name: "dmarc_exporter", Description: "DMARC aggregate, SMTP TLS and failure reports as metrics.", Logger: logger,
		Collectors: func(url.Values) ([]exporter.ContextCollector, error) { return collectors, nil },
		Reload:     s.reload,
		Handlers:   s.uploads.handlers(),
		Background: s.run,
	})
	if err = errors.Join(err, s.close()); err != nil {
		logger.Error("stopped", "err", err)
		return exitRefused
	}
	return exitOK
}

// usageError is a mistake in the flags or in the configuration.
type usageError struct{ err error }

// Error returns the mistake.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

// newService opens the state and makes the sources. Mistakes are found before the state is touched.
func newService(ctx context.Context, o *serveOptions, logger *slog.Logger) (*service, error) {
	c, err := o.load()
	if err != nil {
		return nil, &usageError{err}
	}
	if c.Sources.empty() {
		return nil, &usageError{errNoSources}
	}
	if err := o.archive.check(&c.Sources); err != nil {
		return nil, &usageError{err}
	}
	domains := append(c.Domains, o.domains...)
	s := &service{options: o, logger: logger, supervisor: ingest.Supervisor{Logger: logger}}
	if s.dns, err = c.DNS.watch(domains.Strings()); err != nil {
		return nil, &usageError{err}
	}
	engine, err := state.Engine(o.stateFile, int64(o.maxBytes), o.database)
	if err != nil {
		return nil, &usageError{err}
	}
	s.store, err = store.Open(ctx, engine, store.Config{
		Counts: tally.Config{
			Horizon: time.Duration(o.horizon), Domains: domains.Strings(), Budget: o.series,
			CountConflicts: o.conflicts == "count", SkipTwins: o.twins == "skip", Signers: o.compat,
		},
		Records: store.Records(o.records), Retention: time.Duration(o.retention),
	})
	if err != nil {
		return nil, err
	}
	pipeline := ingest.PipelineConfig{Logger: logger, Signers: o.compat, Authenticate: s.authenticate, Sender: s.nameSender}
	pipeline.Keep = store.DraftConfig{Records: store.Records(o.records), Dir: filepath.Dir(o.stateFile)}
	pipeline.Originals = o.originals
	if o.archive.file != "" {
		if s.archive, err = o.archive.open(); err != nil {
			return nil, errors.Join(err, s.close())
		}
		pipeline.Archive = s.archive
	}
	s.pipeline = ingest.NewPipeline(s.store, pipeline)
	if s.initial, err = s.build(c); err != nil {
		return nil, errors.Join(&usageError{err}, s.close())
	}
	return s, nil
}

// close closes the files.
func (s *service) close() error {
	err := s.store.Close()
	if s.archive != nil {
		err = errors.Join(err, s.archive.Close())
	}
	return err
}

// load returns the configuration: the file, if there is one, and the flags.
func (o *serveOptions) load() (*fileConfig, error) {
	c, err := loadConfig(o.configFile)
	if err != nil {
		return nil, err
	}
	f := o.flagSources()
	// Those of the file come first: errors name them by their index.
	c.Sources.Directories = append(c.Sources.Directories, f.Directories...)
	c.Sources.Maildirs = append(c.Sources.Maildirs, f.Maildirs...)
	c.Sources.Mboxes = append(c.Sources.Mboxes, f.Mboxes...)
	return c, nil
}

// build makes the sources of a configuration and sets the uploads.
func (s *service) build(c *fileConfig) (map[string]ingest.Source, error) {
	sources, err := build(&c.Sources, s.pipeline, s.logger)
	if err != nil {
		return nil, err
	}
	uploads, err := newUploads(c.Sources.HTTP, s.logger)
	if err != nil {
		return nil, err
	}
	senders, err := c.Senders.senders()
	if err != nil {
		return nil, err
	}
	s.uploads.set(uploads, sources)
	s.senders.Store(senders)
	auth := c.Trust.authenticator()
	s.auth.Store(&auth)
	return sources, nil
}

// authenticate checks a mail by the current configuration.
func (s *service) authenticate(ctx context.Context, mail *unpack.Mail, kind unpack.Kind) ingest.Authentication {
	if auth := *s.auth.Load(); auth != nil {
		return auth(ctx, mail, kind)
	}
	return ingest.Authentication{}
}

// nameSender asks the senders of the current configuration.
func (s *service) nameSender(a netip.Addr) string { return s.senders.Load().Name(a) }

// run reads the sources until ctx ends.
func (s *service) run(ctx context.Context) error {
	s.logger.Info("reading reports", "sources", describe(s.initial), "state", cmp.Or(s.options.database, s.options.stateFile))
	var watch sync.WaitGroup
	if s.dns != nil {
		watch.Go(func() { s.dns.Run(ctx) })
	}
	s.supervisor.Run(ctx, s.pipeline.Deliver, s.initial)
	watch.Wait()
	return nil
}

// reload reads the configuration again and exchanges the sources that changed.
func (s *service) reload(ctx context.Context) error {
	c, err := s.options.load()
	if err != nil {
		return err
	}
	sources, err := s.build(c)
	if err != nil {
		return err
	}
	return s.supervisor.Exchange(ctx, sources)
}

// sourceMetrics returns the state of the sources for /metrics.
func (s *service) sourceMetrics() []collector.Source {
	var out []collector.Source
	for _, source := range s.supervisor.Sources() {
		status := source.Status()
		stats := s.pipeline.Stats(status.Name)
		inputs := make(map[string]uint64)
		for _, class := range []ingest.Class{ingest.ClassCounted, ingest.ClassKnown, ingest.ClassRefused} {
			inputs[string(class)] = stats.Deliveries[class]
		}
		for _, failure := range []ingest.Failure{ingest.FailureInput, ingest.FailureUnsettled, ingest.FailureStore} {
			inputs["failed_"+string(failure)] = stats.Failures[failure]
		}
		out = append(out, collector.Source{
			Name: status.Name, Up: status.Up, Backlog: status.Backlog,
			Missed: status.Missed, Panics: status.Panics + s.supervisor.Panics(status.Name),
			LastSuccess: stats.LastSuccess, Inputs: inputs, Seconds: stats.Seconds,
		})
	}
	return out
}

// uploads are the sources that clients send reports to. Which of them are
// open may change with the configuration, so each has a route all the time.
type uploads struct {
	reports, tlsReports atomic.Pointer[ingest.Upload]
}

// openUploads are the uploads of one configuration; nil ones are closed.
type openUploads struct{ reports, tlsReports *ingest.Upload }

func newUploads(c *httpConfig, logger *slog.Logger) (openUploads, error) {
	if c == nil {
		return openUploads{}, nil
	}
	token, err := c.Token.Read()
	if err != nil {
		return openUploads{}, err
	}
	upload := ingest.UploadConfig{
		Name: "http:/v1/reports", Token: token, MaxBytes: c.MaxBytes, Timeout: c.Timeout, Logger: logger,
	}
	open := openUploads{reports: ingest.NewUpload(upload)}
	if c.TLSReports {
		upload.Name, upload.Token, upload.Only = "http:/v1/tlsrpt", "", unpack.KindTLS
		open.tlsReports = ingest.NewUpload(upload)
	}
	return open, nil
}

// set opens and closes uploads and adds the open ones to the sources. An
// upload has nothing to lose by a restart, so that each gets a new key.
func (u *uploads) set(open openUploads, sources map[string]ingest.Source) {
	u.reports.Store(open.reports)
	u.tlsReports.Store(open.tlsReports)
	for _, one := range []*ingest.Upload{open.reports, open.tlsReports} {
		if one != nil {
			sources[fmt.Sprintf("%p", one)] = one
		}
	}
}

// handlers are the routes of the uploads.
func (u *uploads) handlers() map[string]http.Handler {
	route := func(p *atomic.Pointer[ingest.Upload]) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if upload := p.Load(); upload != nil {
				upload.ServeHTTP(w, r)
				return
			}
			http.NotFound(w, r)
		})
	}
	return map[string]http.Handler{"/v1/reports": route(&u.reports), "/v1/tlsrpt": route(&u.tlsReports)}
}

// runCheckConfig is the command check-config.
func runCheckConfig(path string, stdout, stderr io.Writer) int {
	c, err := loadConfig(path)
	if err == nil {
		_, err = build(&c.Sources, nil, slog.New(slog.DiscardHandler))
	}
	if err == nil && c.Sources.empty() && c.Sources.file.Has("sources") {
		err = c.Sources.file.Wrap("sources", errNoSources)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitRefused
	}
	fmt.Fprintln(stdout, "the configuration is valid")
	if c.Sources.empty() {
		fmt.Fprintf(stderr, "%s: %v\n", path, errNoSources)
	}
	return exitOK
}
