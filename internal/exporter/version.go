package exporter

import (
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
)

// Version returns the text of --version for the binary called name. It has
// what the release build stamped into prometheus/common/version, and else what
// the Go toolchain recorded, so that a plain "go install" knows its version
// too. What neither knows is left out.
func Version(name string) string {
	text := strings.Replace(version.Print(name), "version  (", "version "+buildVersion()+" (", 1)
	text = strings.Replace(text, "(branch: , ", "(", 1)
	if version.BuildDate == "" {
		text = strings.Replace(text, "build date:       ", "build date:       "+commitDate(), 1)
	}
	var known []string
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(strings.TrimSpace(line), ":") {
			known = append(known, line)
		}
	}
	return strings.Join(known, "")
}

// written is when this was written, for binaries that do not know when they
// were built.
const written = "2026-11-28T00:00:00Z"

// Built returns a time that is not after the build, as well as the binary knows.
func Built() time.Time {
	built, _ := time.Parse(time.RFC3339, written)
	for layout, text := range map[string]string{time.RFC3339: commitDate(), "20060102-15:04:05": version.BuildDate} {
		if t, err := time.Parse(layout, text); err == nil && t.After(built) {
			built = t
		}
	}
	return built
}

// commitDate returns the date of the commit that was built, or "".
func commitDate() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				return s.Value
			}
		}
	}
	return ""
}

// Release returns the version of the running binary, without anything else.
func Release() string { return buildVersion() }

// buildVersion returns the version of the running binary without a leading v.
func buildVersion() string {
	if version.Version != "" {
		return version.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "(devel)"
}

// newBuildInfo returns the <name>_build_info metric.
func newBuildInfo(name string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: name,
		Name:      "build_info",
		Help:      "Constant 1, labelled with the version, revision, branch and Go version the exporter was built from.",
		ConstLabels: prometheus.Labels{
			"version":   buildVersion(),
			"revision":  version.GetRevision(),
			"branch":    version.Branch,
			"goversion": version.GoVersion,
			"goos":      runtime.GOOS,
			"goarch":    runtime.GOARCH,
			"tags":      version.GetTags(),
		},
	}, func() float64 { return 1 })
}
