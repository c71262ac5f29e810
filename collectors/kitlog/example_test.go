package kitlog_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/kitlog"
	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
)

func Example() {
	// A host has a go-kit logger with its own filter and fields.
	logger := log.NewLogfmtLogger(log.NewSyncWriter(os.Stdout))
	logger = level.NewFilter(logger, level.AllowWarn())
	logger = log.With(logger, "component", "nginx")

	// It embeds a collector, which takes a *slog.Logger.
	collector := nginx.New([]nginx.Target{{
		URL:    "http://web.example/stub_status",
		Client: &http.Client{Transport: forbidden{}},
	}}, nginx.Config{
		Logger: slog.New(kitlog.New(logger, kitlog.Config{})),
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)

	// The collector finds nginx down and says so in the host's way.
	if _, err := registry.Gather(); err != nil {
		panic(err)
	}
	// Output:
	// component=nginx level=warn msg="nginx is down" url=http://web.example/stub_status reason=auth err="answered 403 Forbidden"
}

// forbidden is an nginx that does not let us in.
type forbidden struct{}

func (forbidden) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Code = http.StatusForbidden
	return w.Result(), nil
}
