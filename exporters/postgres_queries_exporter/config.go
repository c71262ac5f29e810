package main

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// config is the file of --config.file. Unknown fields are errors.
type config struct {
	DataSources []dataSource      `yaml:"data_sources"`
	AuthModules map[string]module `yaml:"auth_modules"`
	Probe       probeConfig       `yaml:"probe"`
}

// dataSource is a server to scrape at /metrics. The connection string may lack
// the password, which then comes from the credentials.
type dataSource struct {
	DSN         secret            `yaml:"dsn"`
	DSNFile     string            `yaml:"dsn_file"`
	Credentials credentials       `yaml:",inline"`
	Labels      map[string]string `yaml:"labels"`
}

// credentials say where a password comes from.
type credentials struct {
	PasswordFile     string        `yaml:"password_file"`
	PasswordCommand  []string      `yaml:"password_command"`
	PasswordLifetime time.Duration `yaml:"password_lifetime"`
}

// module is how /probe signs in, in the form of postgres_exporter.
type module struct {
	Type     string `yaml:"type"`
	UserPass struct {
		Username string `yaml:"username"`
		Password secret `yaml:"password"`
	} `yaml:"userpass"`
	Options     map[string]string `yaml:"options"`
	Credentials credentials       `yaml:",inline"`
}

// probeConfig allows targets for /probe: patterns of host:port/database.
type probeConfig struct {
	Targets []string `yaml:"targets"`
}

// secret is a text that is never printed.
type secret string

// String hides the text from every kind of formatting.
func (secret) String() string { return "<secret>" }

// GoString hides the text from %#v.
func (secret) GoString() string { return "<secret>" }

// MarshalYAML hides the text from dumps.
func (secret) MarshalYAML() (any, error) { return "<secret>", nil }

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(file string) (*config, error) {
	c := &config{}
	if err := exporter.LoadConfig(file, c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func (c *config) check() error {
	for i, d := range c.DataSources {
		if (d.DSN == "") == (d.DSNFile == "") {
			return fmt.Errorf("data_sources[%d]: one of dsn and dsn_file is needed", i)
		}
		if err := d.Credentials.check(); err != nil {
			return fmt.Errorf("data_sources[%d]: %w", i, err)
		}
	}
	for name, m := range c.AuthModules {
		if m.Type != "userpass" {
			return fmt.Errorf("auth_modules.%s: type must be userpass", name)
		}
		if err := m.Credentials.check(); err != nil {
			return fmt.Errorf("auth_modules.%s: %w", name, err)
		}
	}
	for _, pattern := range c.Probe.Targets {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("probe.targets: pattern %q: %w", pattern, err)
		}
	}
	return nil
}

func (c credentials) check() error {
	if c.PasswordFile != "" && len(c.PasswordCommand) > 0 {
		return errors.New("password_file and password_command exclude each other")
	}
	if c.PasswordLifetime != 0 && len(c.PasswordCommand) == 0 {
		return errors.New("password_lifetime belongs to password_command")
	}
	return nil
}
