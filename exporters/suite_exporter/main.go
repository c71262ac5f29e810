// Command suite_exporter is all exporters in one process, for hosts that want
// one unit.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const (
	// heapLimit keeps the process small when there is much garbage to collect.
	heapLimit = 32 << 20
	// garbage is how much there may be in percent of what is in use: a scrape of all
	// parts makes more than the parts have.
	garbage = 40
)

// run is the program; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	app, f := newApp()
	if _, code, ok := exporter.Parse(app, args, stdout, stderr); !ok {
		return code
	}
	c, err := f.load()
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	}
	parts, code, ok := c.parts(stdout, stderr)
	if !ok {
		return code
	}
	if f.configCheck {
		fmt.Fprintln(stdout, "the configuration is valid")
		return 0
	}
	exporter.LimitMemory(heapLimit)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	logger := f.Logger(stderr)
	err = exporter.Serve(context.Background(), f.Flags, exporter.Parts(f.Flags, exporter.Options{
		Logger: logger, PrivateLog: true, Reload: func(context.Context) error { return f.reload(c) },
		Links: []exporter.Link{{Address: "/overview", Text: "Reports", Description: "pages of the part dmarc, if it runs"}},
	}, parts))
	if err != nil {
		logger.Error("stopped", "err", err)
		return 1
	}
	return 0
}

// load returns what is to run.
func (f *flags) load() (*fileConfig, error) {
	c, err := loadConfig(f.configFile)
	if err == nil {
		err = c.choose(f.collect)
	}
	return c, err
}

// reload reports why the configuration file is not in force as it is now.
func (f *flags) reload(running *fileConfig) error {
	now, err := f.load()
	if err != nil {
		return err
	}
	return exporter.SameParts(running.Parts, now.Parts)
}

// parts makes the parts.
func (c *fileConfig) parts(stdout, stderr io.Writer) (parts []exporter.Part, code int, ok bool) {
	for _, known := range programs {
		args, chosen := c.Parts[known.name]
		if !chosen {
			continue
		}
		part, code, ok := known.program().Part(known.name, args, stdout, stderr)
		if !ok {
			return nil, code, false
		}
		parts = append(parts, part)
	}
	return parts, 0, true
}
