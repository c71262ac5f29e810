package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
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
	if file == "" {
		return c, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", file, safeYAMLError(err))
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// safeYAMLError returns the text of an error without the value it is about,
// which may be a password.
func safeYAMLError(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n")
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if before, rest, found := strings.Cut(line, "`"); found {
			_, after, _ := strings.Cut(rest, "`")
			line = before + "a value" + after
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
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
