// Package nginx is nginx_exporter, as a program and as a part of one.
package nginx

import (
	"context"
	_ "embed"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// upstreamSettings says what becomes of the flags and variables of
// nginx-prometheus-exporter.
//
//go:embed upstream.tsv
var upstreamSettings string

// flags are the flags of this binary. Names and variables of the environment
// are those of nginx-prometheus-exporter where it has them.
type flags struct {
	*exporter.Flags
	configFile  string
	configCheck bool
	uris        []string
	verify      bool
	caFile      string
	certFile    string
	keyFile     string
	timeout     time.Duration
	proxy       bool
	constLabels map[string]string
	accessLogs  []string
}

func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New("nginx_exporter", "Metrics of nginx: stub_status and access logs.")
	f := &flags{constLabels: map[string]string{}}
	f.Flags = exporter.AddFlags(app, ":9113")
	app.Flag("config.file", "YAML file with targets, access logs, routes and probe modules.").StringVar(&f.configFile)
	app.Flag("config.check", "Check the configuration file and exit.").BoolVar(&f.configCheck)
	app.Flag("nginx.scrape-uri", "URI of stub_status, if the configuration file has none: http://…, https://… or unix:/socket:/path. Repeatable. Without any target or access log it is "+defaultURI+".").
		Envar("SCRAPE_URI").StringsVar(&f.uris)
	app.Flag("nginx.ssl-verify", "Verify the certificate of https targets. --no-nginx.ssl-verify is insecure.").
		Envar("SSL_VERIFY").Default("true").BoolVar(&f.verify)
	app.Flag("nginx.ssl-ca-cert", "CA certificates (PEM) to verify https targets with.").Envar("SSL_CA_CERT").StringVar(&f.caFile)
	app.Flag("nginx.ssl-client-cert", "Client certificate (PEM) for https targets.").Envar("SSL_CLIENT_CERT").StringVar(&f.certFile)
	app.Flag("nginx.ssl-client-key", "Key (PEM) of the client certificate.").Envar("SSL_CLIENT_KEY").StringVar(&f.keyFile)
	app.Flag("nginx.timeout", "Timeout for one target, within the scrape timeout.").Envar("TIMEOUT").Default("5s").DurationVar(&f.timeout)
	app.Flag("nginx.proxy-protocol", "Begin connections with a header of the PROXY protocol, for listeners that want one.").Envar("PROXY_PROTOCOL").BoolVar(&f.proxy)
	app.Flag("prometheus.const-label", "Constant label of all stub_status metrics, as name=value. Repeatable.").Envar("CONST_LABELS").StringMapVar(&f.constLabels)
	app.Flag("nginx.access-log", "Access log file in the provided key=value format, if the configuration file has none. Repeatable.").StringsVar(&f.accessLogs)
	f.AddSettings(app, upstreamSettings)
	return app, f
}

// defaultURI is what nginx-prometheus-exporter scrapes by default.
const defaultURI = "http://127.0.0.1:8080/stub_status"

// complete fills what the configuration file leaves to the flags.
func (f *flags) complete(c *fileConfig) {
	if c.AccessLog == nil && len(f.accessLogs) > 0 {
		c.AccessLog = &logConfig{}
		for _, file := range f.accessLogs {
			c.AccessLog.Inputs = append(c.AccessLog.Inputs, inputConfig{File: config.Path(file)})
		}
	}
	if len(c.StubStatus) > 0 {
		return
	}
	uris := f.uris
	if len(uris) == 0 && c.AccessLog == nil {
		uris = []string{defaultURI}
	}
	for _, uri := range uris {
		c.StubStatus = append(c.StubStatus, targetConfig{
			URI: uri, Labels: f.constLabels, ProxyProtocol: f.proxy,
			TLS: config.TLS{CAFile: config.Path(f.caFile), CertFile: config.Path(f.certFile), KeyFile: config.Path(f.keyFile), InsecureSkipVerify: !f.verify},
		})
	}
}

// Program returns the exporter before it has parsed its arguments.
func Program() *exporter.Program {
	app, f := newApp()
	return &exporter.Program{App: app, Flags: f.Flags, Args: exporter.UpstreamArgs, Before: f.check, Start: f.start}
}

// check is --config.check.
func (f *flags) check(_ string, _ *slog.Logger, stdout, stderr io.Writer) (code int, done bool) {
	if !f.configCheck {
		return 0, false
	}
	_, err := loadConfig(f.configFile)
	return exporter.Checked(err, stdout, stderr), true
}

// start prepares the service.
func (f *flags) start(_ context.Context, logger *slog.Logger) (exporter.Options, error) {
	s, err := newService(f, logger)
	if err != nil {
		return exporter.Options{}, err
	}
	return exporter.Options{
		Collectors: s.collectors,
		Reload:     s.reload,
		Background: s.background,
		Handlers:   map[string]http.Handler{"/probe": s},
		Links:      []exporter.Link{{Address: "/probe", Text: "Probe", Description: "stub_status of an allowed target"}},
	}, nil
}
