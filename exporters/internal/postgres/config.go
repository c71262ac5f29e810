package postgres

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// fileConfig is the file of --config.file.
type fileConfig struct {
	DataSources []dataSource      `yaml:"data_sources"`
	AuthModules map[string]module `yaml:"auth_modules"`
	Probe       probeConfig       `yaml:"probe"`
}

// dataSource is a server to scrape at /metrics. The connection string may lack
// the password, which then comes from the credentials.
type dataSource struct {
	DSN         config.Secret     `yaml:"dsn"`
	DSNFile     config.Path       `yaml:"dsn_file"`
	Credentials credentials       `yaml:",inline"`
	Labels      map[string]string `yaml:"labels"`
}

// credentials say where a password comes from.
type credentials struct {
	PasswordFile     config.Path   `yaml:"password_file"`
	PasswordCommand  []string      `yaml:"password_command"`
	PasswordLifetime time.Duration `yaml:"password_lifetime"`
}

// module is how /probe signs in, in the form of postgres_exporter.
type module struct {
	Type     string `yaml:"type"`
	UserPass struct {
		Username string        `yaml:"username"`
		Password config.Secret `yaml:"password"`
	} `yaml:"userpass"`
	Options     map[string]string `yaml:"options"`
	Credentials credentials       `yaml:",inline"`
}

// probeConfig allows targets for /probe: patterns of host:port/database.
type probeConfig struct {
	Targets []string `yaml:"targets"`
}

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(file string) (*fileConfig, error) {
	c := &fileConfig{}
	_, err := config.Load(file, c)
	return c, err
}

// Check holds that a data source has one connection string.
func (d *dataSource) Check() error {
	if d.DSN.IsSet() == (d.DSNFile != "") {
		return errors.New("give either dsn or dsn_file")
	}
	if err := config.SecretFile(d.DSNFile).Check(); err != nil {
		return config.At("dsn_file", err)
	}
	return d.Credentials.check()
}

// Check holds that a module is of the kind that there is.
func (m *module) Check() error {
	if m.Type != "userpass" {
		return config.At("type", errors.New("must be userpass"))
	}
	return m.Credentials.check()
}

// Check finds broken patterns.
func (c *probeConfig) Check() error {
	for i, pattern := range c.Targets {
		if _, err := path.Match(pattern, ""); err != nil {
			return config.At(fmt.Sprintf("targets[%d]", i), err)
		}
	}
	return nil
}

// check is called by what inlines the credentials.
func (c *credentials) check() error {
	switch {
	case c.PasswordFile != "" && len(c.PasswordCommand) > 0:
		return errors.New("password_file and password_command exclude each other")
	case c.PasswordLifetime != 0 && len(c.PasswordCommand) == 0:
		return errors.New("password_lifetime belongs to password_command")
	}
	if err := config.SecretFile(c.PasswordFile).Check(); err != nil {
		return config.At("password_file", err)
	}
	return nil
}
