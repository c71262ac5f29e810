package main

import (
	"fmt"
	"path"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// config is the file of --config.file. Unknown fields are errors.
type config struct {
	Probe probeConfig `yaml:"probe"`
}

// probeConfig allows targets for /probe and says how to introduce oneself.
type probeConfig struct {
	Targets []string          `yaml:"targets"`
	Modules map[string]module `yaml:"modules"`
}

// module is a way to introduce oneself, chosen by the parameter module.
type module struct {
	Username             string    `yaml:"username"`
	PasswordFile         string    `yaml:"password_file"`
	SentinelPasswordFile string    `yaml:"sentinel_password_file"`
	TLS                  tlsConfig `yaml:"tls"`
}

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(file string) (*config, error) {
	c := &config{}
	if err := exporter.LoadConfig(file, c); err != nil {
		return nil, err
	}
	for i, pattern := range c.Probe.Targets {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%s: probe.targets[%d]: %w", file, i, err)
		}
	}
	for name, m := range c.Probe.Modules {
		if m.PasswordFile != "" {
			if _, err := newSecret("", m.PasswordFile).read(); err != nil {
				return nil, fmt.Errorf("%s: probe.modules.%s: %w", file, name, err)
			}
		}
	}
	return c, nil
}
