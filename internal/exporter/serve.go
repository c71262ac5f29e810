package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// stopTimeout is how long scrapes may take to finish after a signal to stop.
const stopTimeout = 5 * time.Second

// Serve serves metrics until ctx is done or SIGINT or SIGTERM arrives, and then
// returns nil once the scrapes under way and Options.Background have ended. It
// logs the URL it listens on. A second signal ends the process at once.
func Serve(ctx context.Context, f *Flags, o Options) error {
	log := o.logger()
	if err := web.Validate(*f.web.WebConfigFile); err != nil {
		return fmt.Errorf("read --web.config.file %s: %w", *f.web.WebConfigFile, err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	handler, err := newHandler(f, o)
	if err != nil {
		return err
	}
	listening := make(chan struct{})
	var once sync.Once
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	server.BaseContext = func(l net.Listener) context.Context {
		log.Info("serving metrics", "url", listenURL(l.Addr(), server.TLSConfig != nil)+f.path)
		once.Do(func() { close(listening) })
		return context.WithoutCancel(ctx)
	}
	served := make(chan error, 1)
	go func() { served <- web.ListenAndServe(server, f.web, log) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-listening:
	}
	bgCtx, bgCancel := context.WithCancel(context.WithoutCancel(ctx))
	defer bgCancel()
	bg := make(chan error, 1)
	if o.Background == nil {
		o.Background = func(ctx context.Context) error { <-ctx.Done(); return nil }
	}
	go func() { bg <- o.Background(bgCtx) }()

	var failure error
	select {
	case err := <-served:
		failure = fmt.Errorf("serve: %w", err)
	case err := <-bg:
		failure = err
		bg <- nil
	case <-ctx.Done():
		log.Info("stopping")
	}
	stop()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		_ = server.Close()
	}
	bgCancel()
	if err := <-bg; err != nil && !errors.Is(err, context.Canceled) {
		failure = errors.Join(failure, err)
	}
	return failure
}

// listenURL returns a URL a person can open for addr.
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

func newHandler(f *Flags, o Options) (http.Handler, error) {
	mux := http.NewServeMux()
	self := newSelfMetrics(o.Name, f.bare, o.logger())
	mux.Handle(f.path, newScraper(f, self, func(_ context.Context, q url.Values) ([]ContextCollector, func(), error) {
		c, err := o.Collectors(q)
		return c, nil, err
	}))
	for pattern, h := range o.Handlers {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if o.Ready != nil {
			if err := o.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "OK")
	})
	return mux, nil
}
