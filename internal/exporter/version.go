package exporter

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
)

// Version returns the text of --version for the binary called name. It tells
// what the release build stamped into prometheus/common/version, and else what
// the Go toolchain recorded, so that a plain "go install" knows its version too.
func Version(name string) string {
	text := version.Print(name)
	if version.Version == "" {
		text = strings.Replace(text, "version  (", "version "+buildVersion()+" (", 1)
	}
	return text
}

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
