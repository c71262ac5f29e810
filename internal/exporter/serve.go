package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/dmarc-suite/dmarc-suite/internal/yamlsyntax"
)

const (
	// requestGrace is how long requests under way may take after a signal to stop.
	requestGrace = 5 * time.Second
	// backgroundGrace is how long Options.Background may take after that.
	backgroundGrace = 20 * time.Second
)

// Serve serves metrics until ctx is done or SIGINT or SIGTERM arrives, and then
// returns nil once the requests under way and Options.Background have ended, or
// an error if they took too long. It logs the URLs it listens on. A second
// signal ends the process at once.
func Serve(ctx context.Context, f *Flags, o Options) error {
	log := o.logger()
	f.stats.log = log
	runtime.GOMAXPROCS(f.processors)
	if err := web.Validate(*f.web.WebConfigFile); err != nil {
		err = yamlsyntax.Plain(err)
		if strings.Contains(err.Error(), "crypto/bcrypt") {
			err = errors.New("a password of basic_auth_users is not a bcrypt hash, such as htpasswd -nB NAME makes")
		}
		return fmt.Errorf("read %s of --web.config.file: %w", *f.web.WebConfigFile, err)
	}
	reload := newReloader(f, &o)
	handler, err := newHandler(f, &o, reload)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	hup := reload.signals(ctx)
	defer func() { stop(); <-hup }()

	log.Info("starting", "name", f.name, "version", buildVersion())
	f.WarnIgnored(log)
	servers, served, err := listenAll(context.WithoutCancel(ctx), handler, f, &o, log)
	if err != nil {
		return err
	}
	background := begin(context.WithoutCancel(ctx), o.Background)

	var failure error
	select {
	case failure = <-served:
	case failure = <-background.failed:
	case <-ctx.Done():
	}
	log.Info("stopping")
	stop() // From here on a signal ends the process at once.
	shutdown(servers...)
	return errors.Join(failure, background.end())
}

// newServer returns a server that slow clients cannot exhaust.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// listenAll listens for metrics, and for pages that have an address of their own.
// It returns when connections are accepted; served receives why a server ended.
func listenAll(ctx context.Context, handler http.Handler, f *Flags, o *Options, log *slog.Logger) (servers []*http.Server, served chan error, err error) {
	const most = 2 // servers, each of which ends once
	served = make(chan error, most)
	start := func(h http.Handler, address *web.FlagConfig, what, path string) error {
		server := newServer(h)
		servers = append(servers, server)
		select {
		case err := <-served:
			shutdown(servers...)
			return err
		case <-listen(ctx, server, address, served, log, "serving "+what, path):
			return nil
		}
	}
	if err := start(handler, f.web, "metrics", f.path); err != nil {
		return nil, nil, err
	}
	if o.PagesAddress == "" || len(o.Pages) == 0 {
		return servers, served, nil
	}
	pages, err := newPagesHandler(o)
	if err != nil {
		return nil, nil, err
	}
	socket := false
	address := &web.FlagConfig{WebListenAddresses: &[]string{o.PagesAddress}, WebSystemdSocket: &socket, WebConfigFile: f.web.WebConfigFile}
	err = start(pages, address, "pages", "/")
	return servers, served, err
}

// listen serves in the background, with ctx as the base of every request. The
// channel that it returns is closed when connections are accepted; served
// receives why the server ended.
func listen(ctx context.Context, server *http.Server, address *web.FlagConfig, served chan<- error, log *slog.Logger, message, path string) (listening <-chan struct{}) {
	up := make(chan struct{})
	var once sync.Once
	server.BaseContext = func(l net.Listener) context.Context {
		// The toolkit sets this callback when TLS is on.
		tls := server.TLSConfig != nil && server.TLSConfig.GetConfigForClient != nil
		log.Info(message, "url", listenURL(l.Addr(), tls)+path)
		once.Do(func() { close(up) })
		return ctx
	}
	go func() { served <- fmt.Errorf("serve: %w", web.ListenAndServe(server, address, log)) }()
	return up
}

// listenURL returns a URL that a person can open for addr.
func listenURL(addr net.Addr, tls bool) string {
	scheme, host := "http", addr.String()
	if tls {
		scheme = "https"
	}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return scheme + "://" + host
}

// shutdown accepts no more connections and lets requests under way finish, or
// breaks them off when they take too long.
func shutdown(servers ...*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), requestGrace)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close() // Nothing more can be done for these clients.
		}
	}
}

// task is Options.Background at work.
type task struct {
	cancel context.CancelFunc
	failed chan error // receives the error that ended it, if any
	done   chan struct{}
}

// begin starts f, which may be nil.
func begin(ctx context.Context, f func(context.Context) error) *task {
	ctx, cancel := context.WithCancel(ctx)
	t := &task{cancel: cancel, failed: make(chan error, 1), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		if f == nil {
			return
		}
		err := f(ctx)
		if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
			t.failed <- err
		}
	}()
	return t
}

// end cancels the task, waits for it and returns its error, if any.
func (t *task) end() error {
	t.cancel()
	timer := time.NewTimer(backgroundGrace)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
		return fmt.Errorf("work in the background did not stop within %v", backgroundGrace)
	}
	select {
	case err := <-t.failed:
		return err
	default:
		return nil
	}
}
