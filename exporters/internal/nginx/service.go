package nginx

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"sync"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// service holds what a reload replaces.
type service struct {
	flags  *flags
	logger *slog.Logger
	failed chan error // receives why a reader ended that should not have

	mu     sync.Mutex
	config *fileConfig
	prober http.Handler
	stub   *nginx.StubStatus // nil without targets
	logs   *runningLog       // nil without access log
}

// runningLog is an access log collector and what stops its readers.
type runningLog struct {
	*nginx.AccessLog
	config nginx.AccessLogConfig
	stop   context.CancelFunc
	done   chan struct{}
}

// newService loads the configuration for the first time.
func newService(f *flags, logger *slog.Logger) (*service, error) {
	s := &service{flags: f, logger: logger, config: &fileConfig{}, failed: make(chan error, 1)}
	return s, s.reload(context.Background())
}

// reload replaces the configuration as a whole or leaves it as it is. Access
// logs are read on without interruption when nothing about them has changed.
func (s *service) reload(context.Context) error {
	c, err := loadConfig(s.flags.configFile)
	if err != nil {
		return err
	}
	s.flags.complete(c)
	targets, err := newTargets(c.StubStatus)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.replaceLogs(c.AccessLog); err != nil {
		return err
	}
	s.config, s.stub = c, nil
	s.prober = exporter.Probe(s.flags.Flags, c.Probe.Targets, s.probe)
	if len(targets) > 0 {
		config := nginx.Config{Timeout: s.flags.timeout, Logger: s.logger}
		if s.logs != nil {
			config.Lines = s.logs.Lines
		}
		s.stub = nginx.New(targets, config)
	}
	return nil
}

// replaceLogs runs the access logs of c in place of those that run. Files and
// sockets have one reader at a time, so the old one is stopped first; when the
// new one cannot start the old one is started again.
func (s *service) replaceLogs(c *logConfig) error {
	var want nginx.AccessLogConfig
	if c != nil {
		want = c.collector()
	}
	if s.logs != nil && reflect.DeepEqual(s.logs.config, want) {
		return nil
	}
	old := s.logs
	if old != nil {
		old.stop()
		<-old.done
		s.logs = nil
	}
	if c == nil {
		return nil
	}
	started, err := s.startLogs(want)
	if err == nil {
		s.logs = started
		return nil
	}
	err = fmt.Errorf("access_log: %w", err)
	if old == nil {
		return err
	}
	restarted, again := s.startLogs(old.config)
	if again != nil {
		return fmt.Errorf("%w; and the access logs of before do not start again: %w", err, again)
	}
	s.logs = restarted
	return err
}

func (s *service) startLogs(config nginx.AccessLogConfig) (*runningLog, error) {
	withLogger := config
	withLogger.Logger = s.logger
	a, err := nginx.NewAccessLog(withLogger)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningLog{AccessLog: a, config: config, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		err := a.Run(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			select {
			case s.failed <- fmt.Errorf("access_log: %w", err):
			default: // One is enough.
			}
		case err != nil:
			s.logger.Error("the access log state could not be saved", "err", err)
		}
	}()
	return r, nil
}

// background waits for the end and stops the readers, or for one that fails.
func (s *service) background(ctx context.Context) (err error) {
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs != nil {
		s.logs.stop()
		<-s.logs.done
	}
	return err
}

// collectors returns the collectors of a scrape.
func (s *service) collectors(url.Values) ([]exporter.ContextCollector, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []exporter.ContextCollector
	if s.stub != nil {
		all = append(all, exporter.Named("stub_status", s.stub))
	}
	if s.logs != nil {
		all = append(all, exporter.Named("access_log", s.logs.AccessLog))
	}
	return all, nil
}

// ServeHTTP answers /probe by the configuration in force.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	prober := s.prober
	s.mu.Unlock()
	prober.ServeHTTP(w, r)
}

// probe returns the collector of one target of /probe.
func (s *service) probe(_ context.Context, target, module string) (exporter.ContextCollector, func(), error) {
	s.mu.Lock()
	c, ok := s.config.Probe.Modules[module]
	s.mu.Unlock()
	if module != "" && !ok {
		return nil, nil, fmt.Errorf("module %q is not configured", module)
	}
	c.URI, c.Labels = target, nil
	t, err := newTarget(c)
	if err != nil {
		return nil, nil, err
	}
	return nginx.New([]nginx.Target{t}, nginx.Config{Timeout: s.flags.timeout, Logger: s.logger}), t.Client.CloseIdleConnections, nil
}
