// Package node runs the collectors of node_exporter so that none of them can
// hold up a scrape, and adds two of its own: containers, read from cgroup v2
// under the names of cAdvisor, and the expiry of local certificate files.
//
// Metrics, their names and the flags that choose them are those of
// github.com/prometheus/node_exporter/collector. Only the running is different:
// each collector has one run under way at most, which every scrape that needs it
// shares; a scrape waits for it until its deadline and then answers without it;
// a run that has lasted longer than a scrape may is not waited for at all.
//
// File systems and textfiles are read by code of this package, with upstream's
// names and flags: a mount that hangs, or a file that is no regular file, costs
// only itself.
//
// # Global state
//
// Upstream's package is configured by flags on the global kingpin.CommandLine and
// keeps its collectors in package variables. Hence there is one configuration a
// process. [New] parses its arguments into kingpin.CommandLine the first time;
// later calls must bring the same ones or fail with [ErrConfigured]. A program
// that uses this package must not use kingpin.CommandLine itself: its
// application is one of kingpin.New. Nothing else of this state is visible
// outside this package.
//
// # Platforms
//
// Upstream's collectors build on Linux, and on macOS with cgo. Elsewhere [New]
// returns [ErrPlatform].
package node
