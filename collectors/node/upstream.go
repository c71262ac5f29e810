//go:build linux || (darwin && cgo)

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

// configured remembers how kingpin.CommandLine was parsed. It is as global as
// kingpin.CommandLine itself, which does not know.
var configured struct {
	sync.Mutex
	args []string // nil until then
	err  error    // what came of it
}

// Flags returns the flags that the arguments of New may hold, --collector.* and
// --path.*, as upstream declares them. Their values belong to upstream.
func Flags() []*kingpin.FlagModel {
	var flags []*kingpin.FlagModel
	for _, f := range kingpin.CommandLine.Model().Flags {
		if strings.HasPrefix(f.Name, "collector.") || strings.HasPrefix(f.Name, "path.") {
			flags = append(flags, f)
		}
	}
	return flags
}

// path returns the value of a flag of upstream after configure.
func path(name string) string {
	return kingpin.CommandLine.GetFlag(name).Model().Value.String()
}

// configure parses args into the global flags, once.
func configure(args []string, disableDefaults bool) error {
	key := append([]string{fmt.Sprint(disableDefaults)}, args...)
	configured.Lock()
	defer configured.Unlock()
	if configured.args != nil {
		if !slices.Equal(configured.args, key) {
			return ErrConfigured
		}
		return configured.err
	}
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--") || strings.HasPrefix(arg, "--help") {
			return fmt.Errorf("%q is not a flag of a collector", arg)
		}
	}
	// From here on values are set, so that there is no second try.
	configured.args = key
	if _, err := kingpin.CommandLine.Parse(args); err != nil {
		configured.err = fmt.Errorf("flags of the collectors: %w", err)
	} else if disableDefaults {
		collector.DisableDefaultCollectors()
	}
	return configured.err
}

// hostUpdaters returns the collectors that are turned on.
func hostUpdaters(log *slog.Logger) (map[string]updater, error) {
	updaters := map[string]updater{}
	for _, f := range Flags() {
		name := strings.TrimPrefix(f.Name, "collector.")
		if !strings.HasPrefix(f.Help, "Enable the "+name+" collector") || f.Value.String() != "true" {
			continue
		}
		h := &host{name: name, log: log}
		err := h.open()
		switch {
		case isEnvironment(err):
			log.Warn("collector cannot start yet", "collector", name, "err", err)
		case err != nil:
			return nil, fmt.Errorf("collector %s: %w", name, err)
		}
		if updaters[name], err = reader(h); err != nil {
			return nil, fmt.Errorf("collector %s: %w", name, err)
		}
	}
	return updaters, nil
}

// reader returns what reads in place of h: one of this package where upstream's can be
// held up by a single file or mount, or takes much longer than it has to, else h
// itself. Upstream's has been opened
// before and so has checked the flags.
func reader(h *host) (updater, error) {
	log := h.log.With("collector", h.name)
	switch h.name {
	case "filesystem":
		return filesystemReader(h, log)
	case "netclass":
		return netclassReader(h)
	case "netstat":
		return netstatReader(h)
	case "textfile":
		directories, ok := kingpin.CommandLine.GetFlag("collector.textfile.directory").Model().Value.(kingpin.Getter).Get().(*[]string)
		if !ok {
			return nil, errors.New("its directories are not a list")
		}
		return newTextfiles(*directories, log), nil
	}
	return h, nil
}

// isEnvironment reports whether an error comes from the host, where upstream
// would not start, and not from a flag.
func isEnvironment(err error) bool {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return true
	}
	_, ok := errors.AsType[syscall.Errno](err)
	return ok
}

// host is a collector of upstream.
type host struct {
	name   string
	log    *slog.Logger
	opened collector.Collector // nil until it could be opened
}

// open builds the collector. Upstream panics on some wrong flags.
func (h *host) open() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	n, err := collector.NewNodeCollector(h.log, h.name)
	if err != nil {
		return err
	}
	h.opened = n.Collectors[h.name]
	return nil
}

// Update implements updater.
func (h *host) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	if h.opened == nil {
		if err := h.open(); err != nil {
			return err
		}
	}
	err := h.opened.Update(ch)
	if errors.Is(err, collector.ErrNoData) {
		return errNoData
	}
	return err
}
