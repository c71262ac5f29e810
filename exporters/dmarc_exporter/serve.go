package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
	"github.com/dmarc-suite/dmarc-suite/internal/sender"
	"github.com/dmarc-suite/dmarc-suite/internal/web"
)

// service is the exporter at work.
type service struct {
	options    *serveOptions
	logger     *slog.Logger
	store      *store.Store
	archive    *reportfiles.Archive // nil without one
	dns        *collector.DNS
	pipeline   *ingest.Pipeline
	journal    *ingest.Journal
	supervisor ingest.Supervisor
	replica    ingest.Replica
	uploads    dmarcconfig.UploadRoutes
	auth       atomic.Pointer[ingest.Authenticator]
	senders    atomic.Pointer[sender.Names]
	access     atomic.Pointer[web.Access]
	hosts      *sender.Hosts
	initial    map[string]ingest.Source
	readiness  ingest.Readiness
	owners     string // whose domains are in force; for reload alone
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
	metrics := collector.New(s.store, collector.Config{Sources: s.sourceMetrics, Leads: s.leads(), Exposes: s.replica.Exposes})
	collectors := []exporter.ContextCollector{exporter.Named("dmarc", metrics)}
	if f.serve.compat {
		collectors = append(collectors, exporter.Named("compat", collector.NewCompat(s.store)))
	}
	pages := s.pages(f.MetricsPath())
	dns := append(slices.Clone(collectors), exporter.Named("dns", s.dns))
	err = exporter.Serve(ctx, f.Flags, exporter.Options{
		Name: "dmarc_exporter", Description: "DMARC aggregate, SMTP TLS and failure reports as metrics.", Logger: logger, PrivateLog: true,
		Collectors: func(url.Values) ([]exporter.ContextCollector, error) {
			switch {
			case !s.replica.Exposes():
				return collectors[:1], nil
			case s.dns.Watches():
				return dns, nil
			}
			return collectors, nil
		},
		Ready:    s.ready,
		Reload:   s.reload,
		Handlers: s.uploads.Handlers(),
		Pages:    pages.Handlers(), PagesAddress: f.serve.pagesAddress, PagesOnly: pages.Only,
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
	s := &service{options: o, logger: logger, owners: c.Owners(), supervisor: ingest.Supervisor{Logger: logger}}
	s.readiness.Supervisor, s.readiness.Logger = &s.supervisor, logger
	if s.dns, err = c.DNS.Collector(c.Domains.Strings()); err != nil {
		return nil, &usageError{err}
	}
	if s.store, s.replica.Lead, err = o.open(ctx, c); err != nil {
		return nil, err
	}
	s.replica.Supervisor, s.replica.Logger, s.replica.Reached = &s.supervisor, logger, s.store.Reached
	if o.compat {
		reportfiles.WarnCompat(logger, s.store.Snapshot())
	}
	if s.hosts, err = sender.OpenHosts(ctx, s.store); err != nil {
		return nil, errors.Join(err, s.close())
	}
	pipeline := o.pipeline(logger)
	pipeline.Authenticate, pipeline.Sender, pipeline.Keep.Sender = s.authenticate, s.labelSender, s.nameSender
	if o.archive.file != "" {
		if s.archive, err = o.archive.open(logger); err != nil {
			return nil, errors.Join(err, s.close())
		}
		pipeline.Archive = s.archive
	}
	s.pipeline = ingest.NewPipeline(s.store, pipeline)
	s.journal = ingest.NewJournal(logger, nil)
	parts, err := s.build(c)
	if err != nil {
		return nil, errors.Join(&usageError{err}, s.close())
	}
	s.initial = s.use(parts)
	return s, nil
}

// leads returns what tells whether this process leads, nil when it is alone.
func (s *service) leads() func() bool {
	if s.replica.Lead == nil {
		return nil
	}
	return s.replica.Leads
}

// ready is Readiness.Ready for the process that reads the sources.
func (s *service) ready() error {
	if !s.replica.Leads() {
		return nil
	}
	return s.readiness.Ready()
}

// close closes the files.
func (s *service) close() error {
	err := s.store.Close()
	if s.archive != nil {
		err = errors.Join(err, s.archive.Close())
	}
	return err
}

// parts is what a configuration describes, before it is in force.
type parts struct {
	sources map[string]ingest.Source
	uploads dmarcconfig.Uploads
	senders *sender.Names
	lookups *sender.Lookups
	auth    ingest.Authenticator
	access  web.Access
}

// build makes the parts of a configuration. It changes nothing.
func (s *service) build(c *dmarcconfig.File) (*parts, error) {
	sources, err := c.Sources.Build(s.pipeline, s.logger)
	if err != nil {
		return nil, err
	}
	uploads, err := c.Sources.HTTP.Uploads(s.logger)
	if err != nil {
		return nil, err
	}
	senders, err := c.Names(s.hosts)
	if err != nil {
		return nil, err
	}
	lookups, err := c.Addresses.Lookups()
	if err != nil {
		return nil, err
	}
	access, err := c.Viewers(s.options.users.Check)
	if err != nil {
		return nil, err
	}
	return &parts{sources, uploads, senders, lookups, c.Authenticator(), access}, nil
}

// use makes parts those in force, but for the sources, which it returns with the
// uploads among them.
func (s *service) use(p *parts) map[string]ingest.Source {
	s.uploads.Set(p.uploads, p.sources)
	s.senders.Store(p.senders)
	s.hosts.Use(p.lookups)
	s.auth.Store(&p.auth)
	s.access.Store(&p.access)
	return p.sources
}

// pages are the routes for people.
func (s *service) pages(metrics string) *web.Pages {
	engine, _ := s.options.engine(0) // It is the one of newService.
	return web.New(web.Config{
		Off: !s.options.pages, Engine: engine, Records: store.Records(s.options.records), Counts: s.store.Snapshot, Sources: s.supervisor.Sources, Stats: s.pipeline.Stats,
		MetricsPath: metrics, Apart: s.options.pagesAddress != "", Readiness: 100 * time.Millisecond, Version: exporter.Release(), Logger: s.logger,
		Access: func() web.Access { return *s.access.Load() }, Users: s.options.users.Of,
	})
}

// authenticate checks a mail by the current configuration.
func (s *service) authenticate(ctx context.Context, mail *unpack.Mail, kind unpack.Kind) ingest.Authentication {
	if auth := *s.auth.Load(); auth != nil {
		return auth(ctx, mail, kind)
	}
	return ingest.Authentication{}
}

// nameSender says who sent a record, by the current configuration.
func (s *service) nameSender(rec *dmarc.Record) store.Sender { return s.senders.Load().Of(rec) }

// labelSender is nameSender for a label.
func (s *service) labelSender(rec *dmarc.Record) string { return s.senders.Load().Label(rec) }

// run reads the sources until ctx ends.
func (s *service) run(ctx context.Context) error {
	s.logger.Info("reading reports", "sources", describe(slices.Collect(maps.Values(s.initial))), "state", cmp.Or(s.options.database, s.options.stateFile))
	var watch sync.WaitGroup
	if s.archive != nil {
		watch.Go(func() { s.archive.Run(ctx) })
	}
	watch.Go(func() { s.journal.Run(ctx) })
	watch.Go(func() { s.readiness.Run(ctx) })
	watch.Go(func() { s.hosts.Run(ctx) })
	s.replica.Run(ctx, s.journal.Deliver(s.pipeline.Deliver), s.initial, func(ctx context.Context) {
		watch.Go(func() { reportfiles.WatchUnreported(ctx, s.logger, s.store.Snapshot, s.supervisor.Busy) })
		s.dns.Run(ctx)
	})
	watch.Wait()
	return nil
}

// reload reads the configuration again and puts all of it in force, or with an
// error nothing of it. Sources that have not changed go on undisturbed.
func (s *service) reload(ctx context.Context) error {
	c, err := s.options.load()
	if err != nil {
		return err
	}
	parts, err := s.build(c)
	if err != nil {
		return err
	}
	dns, err := c.DNS.Collector(c.Domains.Strings())
	if err != nil {
		return err
	}
	// What may fail comes first. The database must answer for other domains alone:
	// while it is away, all else can be put right.
	if owners := c.Owners(); owners != s.owners {
		if err := s.store.SetDomains(ctx, c.Domains.Strings(), c.Tenants.Counts()...); err != nil {
			return fmt.Errorf("domains: %w", err)
		}
		s.owners = owners
	}
	s.dns.Change(dns)
	return s.replica.Exchange(ctx, s.use(parts))
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
			Listener: (*collector.Listener)(status.Listener),
			Name:     status.Name, Up: status.Up, Backlog: status.Backlog,
			Missed: status.Missed, Panics: status.Panics + s.supervisor.Panics(status.Name),
			LastSuccess: stats.LastSuccess, Inputs: inputs, Seconds: stats.Seconds,
		})
	}
	return out
}

// runLogin is the command login.
func runLogin(ctx context.Context, path, user string, stdout io.Writer) error {
	c, err := dmarcconfig.Load(path)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return c.Sources.Login(ctx, user, stdout)
}

// describe names the sources for the log.
func describe(sources []ingest.Source) string {
	var names []string
	for _, s := range sources {
		names = append(names, s.Status().Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
