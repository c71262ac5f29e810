package main

import (
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// config is the file of --config.file. Unknown fields are errors.
type config struct {
	StubStatus []targetConfig `yaml:"stub_status"`
	AccessLog  *logConfig     `yaml:"access_log"`
	Probe      probeConfig    `yaml:"probe"`
}

// targetConfig is one stub_status location.
type targetConfig struct {
	URI       string            `yaml:"uri"`
	Labels    map[string]string `yaml:"labels"`
	BasicAuth basicAuth         `yaml:"basic_auth"`
	TLS       tlsConfig         `yaml:"tls"`
}

type basicAuth struct {
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
}

type tlsConfig struct {
	CAFile             string `yaml:"ca_file"`
	CertFile           string `yaml:"cert_file"`
	KeyFile            string `yaml:"key_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// logConfig says which access logs are read, and how lines become labels.
type logConfig struct {
	Inputs           []inputConfig `yaml:"inputs"`
	Servers          []string      `yaml:"servers"`
	Routes           []nginx.Route `yaml:"routes"`
	Buckets          []float64     `yaml:"buckets"`
	NativeHistograms bool          `yaml:"native_histograms"`
	MaxSeries        int           `yaml:"max_series"`
	StateFile        string        `yaml:"state_file"`
	FromStart        bool          `yaml:"from_start"`
	ReceiveBuffer    int           `yaml:"receive_buffer_bytes"`
}

type inputConfig struct {
	File   string `yaml:"file"`
	Listen string `yaml:"listen"`
	Format string `yaml:"format"`
}

// probeConfig allows targets for /probe.
type probeConfig struct {
	Targets []string                `yaml:"targets"`
	Modules map[string]targetConfig `yaml:"modules"`
}

// formats are the formats known by name.
var formats = map[string]string{
	"":          nginx.FormatKeyValue,
	"key_value": nginx.FormatKeyValue,
	"json":      nginx.FormatJSON,
	"combined":  nginx.FormatCombined,
}

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(path string) (*config, error) {
	c := &config{}
	if err := exporter.LoadConfig(path, c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c *config) check() error {
	for i, t := range c.StubStatus {
		if _, err := parseURI(t.URI); err != nil {
			return fmt.Errorf("stub_status[%d].uri: %w", i, err)
		}
	}
	if c.AccessLog == nil {
		return nil
	}
	if err := c.AccessLog.collector().Check(); err != nil {
		return fmt.Errorf("access_log: %w", err)
	}
	return nil
}

// collector returns what the access log collector is made from.
func (l *logConfig) collector() nginx.AccessLogConfig {
	out := nginx.AccessLogConfig{
		Servers: l.Servers, Routes: l.Routes, Buckets: l.Buckets, NativeHistograms: l.NativeHistograms,
		MaxSeries: l.MaxSeries, StateFile: l.StateFile, FromStart: l.FromStart, ReceiveBuffer: l.ReceiveBuffer,
	}
	for _, in := range l.Inputs {
		format, known := formats[in.Format]
		if !known {
			format = in.Format
		}
		out.Inputs = append(out.Inputs, nginx.Input{File: in.File, Listen: in.Listen, Format: format})
	}
	return out
}
