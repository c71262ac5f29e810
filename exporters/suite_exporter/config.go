package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/exporters/internal/nginx"
	"github.com/dmarc-suite/dmarc-suite/exporters/internal/node"
	"github.com/dmarc-suite/dmarc-suite/exporters/internal/postgres"
	"github.com/dmarc-suite/dmarc-suite/exporters/internal/redis"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

const (
	name        = "suite_exporter"
	description = "All exporters of the suite in one process: dmarc, node, postgres, redis and nginx."
)

// programs are the exporters that can be parts.
var programs = []struct {
	name    string
	program func() *exporter.Program
}{
	{"dmarc", dmarc.Program},
	{"node", node.Program},
	{"postgres", postgres.Program},
	{"redis", redis.Program},
	{"nginx", nginx.Program},
}

// names are the names of the parts.
func names() []string {
	var all []string
	for _, p := range programs {
		all = append(all, p.name)
	}
	return all
}

// flags are the flags of this binary.
type flags struct {
	*exporter.Flags
	configFile  string
	configCheck bool
	collect     string
}

func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New(name, description)
	f := &flags{Flags: exporter.AddFlags(app, ":9799")}
	app.Flag("config.file", "YAML file with the parts and the arguments of each.").StringVar(&f.configFile)
	app.Flag("config.check", "Check the configuration file and the arguments of the parts, and exit. Files that these name are not read.").BoolVar(&f.configCheck)
	app.Flag("collect", "Parts to run, separated by commas: "+strings.Join(names(), ", ")+". The default is those in the configuration file.").StringVar(&f.collect)
	return app, f
}

// fileConfig is the file of --config.file.
type fileConfig struct {
	// Parts are the arguments of each part, as its own program takes them.
	Parts map[string][]string `yaml:"parts"`
}

// loadConfig reads a configuration file; an empty path gives an empty one.
func loadConfig(path string) (*fileConfig, error) {
	c := &fileConfig{}
	_, err := config.Load(path, c)
	return c, err
}

// Check finds parts that do not exist.
func (c *fileConfig) Check() error {
	for part := range c.Parts {
		if !slices.Contains(names(), part) {
			return config.At("parts."+part, unknownPart(part))
		}
	}
	return nil
}

func unknownPart(part string) error {
	return fmt.Errorf("there is no part %q; the parts are %s", part, strings.Join(names(), ", "))
}

// choose leaves the parts of a list separated by commas, if it has any.
func (c *fileConfig) choose(list string) error {
	if list != "" {
		chosen := map[string][]string{}
		for part := range strings.SplitSeq(list, ",") {
			part = strings.TrimSpace(part)
			if !slices.Contains(names(), part) {
				return fmt.Errorf("--collect: %w", unknownPart(part))
			}
			chosen[part] = c.Parts[part]
		}
		c.Parts = chosen
	}
	if len(c.Parts) == 0 {
		return errors.New("nothing is collected: name parts with --collect, or in a file with --config.file")
	}
	return nil
}
