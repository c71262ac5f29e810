// Package dmarc is what dmarc_exporter serves, for the program and for a part of one.
package dmarc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kingpin/v2"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
	"github.com/dmarc-suite/dmarc-suite/internal/sender"
	"github.com/dmarc-suite/dmarc-suite/internal/web"
)

const (
	name = "dmarc_exporter"
	// Description is one sentence about the exporter.
	Description = "DMARC aggregate, SMTP TLS and failure reports as metrics."
)

// Service is the exporter at work.
type Service struct {
	Options    *ServeOptions
	logger     *slog.Logger
	Store      *store.Store
	Archive    *reportfiles.Archive // nil without one
	DNS        *collector.DNS
	Pipeline   *ingest.Pipeline
	journal    *ingest.Journal
	Supervisor ingest.Supervisor
	replica    ingest.Replica
	uploads    dmarcconfig.UploadRoutes
	Auth       atomic.Pointer[ingest.Authenticator]
	senders    atomic.Pointer[sender.Names]
	Access     atomic.Pointer[web.Access]
	Hosts      *sender.Hosts
	Initial    map[string]ingest.Source
	Readiness  ingest.Readiness
	owners     string // whose domains are in force; for reload alone
}

// Program returns the exporter with serve as its only command, before it has
// parsed its arguments.
func Program() *exporter.Program {
	app := kingpin.New(name, Description)
	f := exporter.AddFlags(app, ":9797")
	o := &ServeOptions{Users: f.Users()}
	o.AddFlags(app.Command("serve", "Read reports from the sources and serve metrics.").Default())
	return &exporter.Program{App: app, Flags: f, Start: o.Start(f), Restrict: o.restrict}
}

// restrict says who may see pages alone by the configuration as it is now: nobody
// who has a name may see more while it cannot be read.
func (o *ServeOptions) restrict() func(*http.Request) bool {
	var access web.Access
	c, err := o.Load()
	if err == nil {
		access, err = c.Viewers(o.Users.Check)
	}
	if err != nil {
		return func(*http.Request) bool { return o.Users.Given() }
	}
	return func(r *http.Request) bool { return access.Only(o.Users.Of(r)) }
}

// Start returns what prepares the service, for exporter.Program.
func (o *ServeOptions) Start(f *exporter.Flags) func(context.Context, *slog.Logger) (exporter.Options, error) {
	return func(ctx context.Context, logger *slog.Logger) (exporter.Options, error) {
		s, err := NewService(ctx, o, logger)
		if err != nil {
			return exporter.Options{}, err
		}
		return s.served(f.MetricsPath()), nil
	}
}

// served returns what is served, and what is done meanwhile.
func (s *Service) served(metricsPath string) exporter.Options {
	metrics := collector.New(s.Store, collector.Config{Sources: s.sourceMetrics, Leads: s.leads(), Exposes: s.replica.Exposes})
	collectors := []exporter.ContextCollector{exporter.Named("dmarc", metrics)}
	if s.Options.Compat {
		collectors = append(collectors, exporter.Named("compat", collector.NewCompat(s.Store)))
	}
	pages := s.Pages(metricsPath)
	dns := append(slices.Clone(collectors), exporter.Named("dns", s.DNS))
	return exporter.Options{
		PrivateLog: true,
		Collectors: func(url.Values) ([]exporter.ContextCollector, error) {
			switch {
			case !s.replica.Exposes():
				return collectors[:1], nil
			case s.DNS.Watches():
				return dns, nil
			}
			return collectors, nil
		},
		Ready:    s.ready,
		Reload:   s.Reload,
		Handlers: s.uploads.Handlers(),
		Pages:    pages.Handlers(), PagesAddress: s.Options.pagesAddress, PagesOnly: pages.Only,
		Background: s.Run,
		Close:      s.Close,
	}
}

// UsageError is a mistake in the flags or in the configuration.
type UsageError struct{ Err error }

// Error returns the mistake.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// NewService opens the state and makes the sources. Mistakes are found before the state is touched.
func NewService(ctx context.Context, o *ServeOptions, logger *slog.Logger) (*Service, error) {
	c, err := o.Load()
	if err != nil {
		return nil, &UsageError{err}
	}
	s := &Service{Options: o, logger: logger, owners: c.Owners(), Supervisor: ingest.Supervisor{Logger: logger}}
	s.Readiness.Supervisor, s.Readiness.Logger = &s.Supervisor, logger
	if s.DNS, err = c.DNS.Collector(c.Domains.Strings()); err != nil {
		return nil, &UsageError{err}
	}
	if s.Store, s.replica.Lead, err = o.Open(ctx, c); err != nil {
		return nil, err
	}
	s.replica.Supervisor, s.replica.Logger, s.replica.Reached = &s.Supervisor, logger, s.Store.Reached
	if o.Compat {
		reportfiles.WarnCompat(logger, s.Store.Snapshot())
	}
	if s.Hosts, err = sender.OpenHosts(ctx, s.Store); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	pipeline := o.Pipeline(logger)
	pipeline.Authenticate, pipeline.Sender, pipeline.Keep.Sender = s.authenticate, s.LabelSender, s.nameSender
	if o.Archive.File != "" {
		if s.Archive, err = o.Archive.open(logger); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		pipeline.Archive = s.Archive
	}
	s.Pipeline = ingest.NewPipeline(s.Store, pipeline)
	s.journal = ingest.NewJournal(logger, nil)
	parts, err := s.Build(c)
	if err != nil {
		return nil, errors.Join(&UsageError{err}, s.Close())
	}
	s.Initial = s.Use(parts)
	return s, nil
}

// leads returns what tells whether this process leads, nil when it is alone.
func (s *Service) leads() func() bool {
	if s.replica.Lead == nil {
		return nil
	}
	return s.replica.Leads
}

// ready is Readiness.Ready for the process that reads the sources.
func (s *Service) ready() error {
	if !s.replica.Leads() {
		return nil
	}
	return s.Readiness.Ready()
}

// Close closes the files.
func (s *Service) Close() error {
	err := s.Store.Close()
	if s.Archive != nil {
		err = errors.Join(err, s.Archive.Close())
	}
	return err
}

// Parts is what a configuration describes, before it is in force.
type Parts struct {
	sources map[string]ingest.Source
	uploads dmarcconfig.Uploads
	senders *sender.Names
	lookups *sender.Lookups
	auth    ingest.Authenticator
	access  web.Access
}

// Build makes the parts of a configuration. It changes nothing.
func (s *Service) Build(c *dmarcconfig.File) (*Parts, error) {
	sources, err := c.Sources.Build(s.Pipeline, s.logger)
	if err != nil {
		return nil, err
	}
	uploads, err := c.Sources.HTTP.Uploads(s.logger)
	if err != nil {
		return nil, err
	}
	senders, err := c.Names(s.Hosts)
	if err != nil {
		return nil, err
	}
	lookups, err := c.Addresses.Lookups()
	if err != nil {
		return nil, err
	}
	access, err := c.Viewers(s.Options.Users.Check)
	if err != nil {
		return nil, err
	}
	return &Parts{sources, uploads, senders, lookups, c.Authenticator(), access}, nil
}

// Use makes parts those in force, but for the sources, which it returns with the
// uploads among them.
func (s *Service) Use(p *Parts) map[string]ingest.Source {
	s.uploads.Set(p.uploads, p.sources)
	s.senders.Store(p.senders)
	s.Hosts.Use(p.lookups)
	s.Auth.Store(&p.auth)
	s.Access.Store(&p.access)
	return p.sources
}

// Pages are the routes for people.
func (s *Service) Pages(metrics string) *web.Pages {
	engine, _ := s.Options.Engine(0) // It is the one of newService.
	return web.New(web.Config{
		Off: !s.Options.Pages, Engine: engine, Records: store.Records(s.Options.Records), Counts: s.Store.Snapshot, Sources: s.Supervisor.Sources, Stats: s.Pipeline.Stats,
		MetricsPath: metrics, Apart: s.Options.pagesAddress != "", Readiness: 100 * time.Millisecond, Version: exporter.Release(), Logger: s.logger,
		Access: func() web.Access { return *s.Access.Load() }, Users: s.Options.Users.Of,
	})
}

// authenticate checks a mail by the current configuration.
func (s *Service) authenticate(ctx context.Context, mail *unpack.Mail, kind unpack.Kind) ingest.Authentication {
	if auth := *s.Auth.Load(); auth != nil {
		return auth(ctx, mail, kind)
	}
	return ingest.Authentication{}
}

// nameSender says who sent a record, by the current configuration.
func (s *Service) nameSender(rec *dmarc.Record) store.Sender { return s.senders.Load().Of(rec) }

// LabelSender is nameSender for a label.
func (s *Service) LabelSender(rec *dmarc.Record) string { return s.senders.Load().Label(rec) }

// Run reads the sources until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	s.logger.Info("reading reports", "sources", Describe(slices.Collect(maps.Values(s.Initial))), "state", cmp.Or(s.Options.Database, s.Options.StateFile))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	lead := func(ctx context.Context) {
		stopFor(stop, collect.Together(ctx, s.DNS.Run, func(ctx context.Context) {
			reportfiles.WatchUnreported(ctx, s.logger, s.Store.Snapshot, s.Supervisor.Busy)
		}))
	}
	work := []func(context.Context){s.journal.Run, s.Readiness.Run, s.Hosts.Run, func(ctx context.Context) {
		s.replica.Run(ctx, s.journal.Deliver(s.Pipeline.Deliver), s.Initial, lead)
	}}
	if s.Archive != nil {
		work = append(work, s.Archive.Run)
	}
	stopFor(stop, collect.Together(ctx, work...))
	if cause := context.Cause(ctx); ctx.Err() != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// stopFor stops everything for an error.
func stopFor(stop context.CancelCauseFunc, err error) {
	if err != nil {
		stop(err)
	}
}

// Reload reads the configuration again and puts all of it in force, or with an
// error nothing of it. Sources that have not changed go on undisturbed.
func (s *Service) Reload(ctx context.Context) error {
	c, err := s.Options.Load()
	if err != nil {
		return err
	}
	parts, err := s.Build(c)
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
		if err := s.Store.SetDomains(ctx, c.Domains.Strings(), c.Tenants.Counts()...); err != nil {
			return fmt.Errorf("domains: %w", err)
		}
		s.owners = owners
	}
	s.DNS.Change(dns)
	return s.replica.Exchange(ctx, s.Use(parts))
}

// sourceMetrics returns the state of the sources for /metrics.
func (s *Service) sourceMetrics() []collector.Source {
	var out []collector.Source
	for _, source := range s.Supervisor.Sources() {
		status := source.Status()
		stats := s.Pipeline.Stats(status.Name)
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
			Missed: status.Missed, Panics: status.Panics + s.Supervisor.Panics(status.Name),
			LastSuccess: stats.LastSuccess, Inputs: inputs, Seconds: stats.Seconds,
		})
	}
	return out
}

// Describe names sources for the log.
func Describe(sources []ingest.Source) string {
	var names []string
	for _, s := range sources {
		names = append(names, s.Status().Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
