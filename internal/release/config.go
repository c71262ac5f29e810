package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// config is the part of promu's file format that a release needs.
type config struct {
	Build struct {
		Binaries []binary `yaml:"binaries"`
		Flags    string   `yaml:"flags"`
		LDFlags  string   `yaml:"ldflags"`
	} `yaml:"build"`
	Tarball struct {
		Files []string `yaml:"files"`
	} `yaml:"tarball"`
	Crossbuild struct {
		Platforms []string `yaml:"platforms"`
	} `yaml:"crossbuild"`
}

type binary struct {
	Name string `yaml:"name"`
	Path string `yaml:"path"`
}

func loadConfig(path string) (*config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c config
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(c.Build.Binaries) == 0 || len(c.Crossbuild.Platforms) == 0 {
		return nil, fmt.Errorf("%s: no binaries or no platforms", path)
	}
	return &c, nil
}

// buildArgs are the arguments of go build, with promu's template fields filled in.
func (c *config) buildArgs(h head, pkg, out string) []string {
	ldflags := strings.NewReplacer("{{.Version}}", h.version, "{{.Revision}}", h.revision, "{{.Branch}}", h.branch).
		Replace(strings.Join(strings.Fields(c.Build.LDFlags), " "))
	args := append([]string{"build"}, strings.Fields(c.Build.Flags)...)
	return append(args, "-ldflags", ldflags, "-o", out, pkg)
}
