package nginx

import (
	"errors"
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// fileConfig is the file of --config.file.
type fileConfig struct {
	StubStatus []targetConfig `yaml:"stub_status"`
	AccessLog  *logConfig     `yaml:"access_log"`
	Probe      probeConfig    `yaml:"probe"`
}

// targetConfig is one stub_status location.
type targetConfig struct {
	URI           string            `yaml:"uri"`
	Labels        map[string]string `yaml:"labels"`
	Host          string            `yaml:"host"`
	ProxyProtocol bool              `yaml:"proxy_protocol"`
	BasicAuth     basicAuth         `yaml:"basic_auth"`
	TLS           config.TLS        `yaml:"tls"`
}

// Check reports what is wrong with the address.
func (t *targetConfig) Check() error {
	if t.URI == "" {
		return nil // A module of /probe has none.
	}
	if _, err := parseURI(t.URI); err != nil {
		return config.At("uri", err)
	}
	return nil
}

type basicAuth struct {
	Username     string      `yaml:"username"`
	PasswordFile config.Path `yaml:"password_file"`
}

// Check reads the password.
func (b *basicAuth) Check() error {
	if err := config.SecretFile(b.PasswordFile).Check(); err != nil {
		return config.At("password_file", err)
	}
	return nil
}

// logConfig says which access logs are read, and how lines become labels.
type logConfig struct {
	Inputs           []inputConfig `yaml:"inputs"`
	Servers          []string      `yaml:"servers"`
	Routes           []nginx.Route `yaml:"routes"`
	Buckets          []float64     `yaml:"buckets"`
	NativeHistograms bool          `yaml:"native_histograms"`
	MaxSeries        int           `yaml:"max_series"`
	StateFile        config.Path   `yaml:"state_file"`
	FromStart        bool          `yaml:"from_start"`
	ReceiveBuffer    int           `yaml:"receive_buffer_bytes"`
}

type inputConfig struct {
	File   config.Path `yaml:"file"`
	Listen string      `yaml:"listen"`
	Format string      `yaml:"format"`
}

// probeConfig allows targets for /probe.
type probeConfig struct {
	Targets []string                `yaml:"targets"`
	Modules map[string]targetConfig `yaml:"modules"`
}

// formats are the formats known by name.
var formats = map[string]string{
	"":            nginx.FormatKeyValue,
	"key_value":   nginx.FormatKeyValue,
	"json":        nginx.FormatJSON,
	"json_strict": nginx.FormatJSONStrict,
	"combined":    nginx.FormatCombined,
}

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(path string) (*fileConfig, error) {
	c := &fileConfig{}
	_, err := config.Load(path, c)
	return c, err
}

// Check finds targets without an address.
func (c *fileConfig) Check() error {
	for i, t := range c.StubStatus {
		if t.URI == "" {
			return config.At(fmt.Sprintf("stub_status[%d]", i), errors.New("uri is missing"))
		}
	}
	return nil
}

// Check finds what the collector would refuse.
func (l *logConfig) Check() error { return l.collector().Check() }

// collector returns what the access log collector is made from.
func (l *logConfig) collector() nginx.AccessLogConfig {
	out := nginx.AccessLogConfig{
		Servers: l.Servers, Routes: l.Routes, Buckets: l.Buckets, NativeHistograms: l.NativeHistograms,
		MaxSeries: l.MaxSeries, StateFile: string(l.StateFile), FromStart: l.FromStart, ReceiveBuffer: l.ReceiveBuffer,
	}
	for _, in := range l.Inputs {
		format, known := formats[in.Format]
		if !known {
			format = in.Format
		}
		out.Inputs = append(out.Inputs, nginx.Input{File: string(in.File), Listen: in.Listen, Format: format})
	}
	return out
}
