package redis

import (
	"fmt"
	"path"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// fileConfig is the file of --config.file.
type fileConfig struct {
	Probe probeConfig `yaml:"probe"`
}

// probeConfig allows targets for /probe and says how to log in to them.
type probeConfig struct {
	Targets []string          `yaml:"targets"`
	Modules map[string]module `yaml:"modules"`
}

// Check finds patterns that match nothing because they are broken.
func (c *probeConfig) Check() error {
	for i, pattern := range c.Targets {
		if _, err := path.Match(pattern, ""); err != nil {
			return config.At(fmt.Sprintf("targets[%d]", i), err)
		}
	}
	return nil
}

// module is a way to log in, chosen by the parameter module.
type module struct {
	Username             string      `yaml:"username"`
	PasswordFile         config.Path `yaml:"password_file"`
	SentinelPasswordFile config.Path `yaml:"sentinel_password_file"`
	TLS                  config.TLS  `yaml:"tls"`
}

// Check reads the password.
func (m *module) Check() error {
	if _, err := passwordFor(config.SecretFile(m.PasswordFile)); err != nil {
		return config.At("password_file", err)
	}
	return nil
}

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(file string) (*fileConfig, error) {
	c := &fileConfig{}
	_, err := config.Load(file, c)
	return c, err
}
