package node

import (
	"regexp"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// filesystemRows are the metrics of file systems. Their help is upstream's.
func filesystemRows() []collect.Row[[]mount] {
	labels := []string{"device", "mountpoint", "fstype", "device_error"}
	gauge := func(name, help string, get func(*mount) float64) collect.Row[[]mount] {
		return collect.Gauge("node_filesystem_"+name, help, func(mounts []mount, s collect.Series) {
			for i := range mounts {
				if m := &mounts[i]; m.err == nil {
					s.Value(get(m), m.device, m.point, m.fsType, "")
				}
			}
		}, labels...)
	}
	flag := func(name, help string, get func(*mount) bool) collect.Row[[]mount] {
		return collect.Gauge("node_filesystem_"+name, help, func(mounts []mount, s collect.Series) {
			for i := range mounts {
				m := &mounts[i]
				s.Flag(get(m), m.device, m.point, m.fsType, m.deviceError())
			}
		}, labels...)
	}
	blocks := func(m *mount, n uint64) float64 { return float64(n) * float64(m.stat.Bsize) }
	return []collect.Row[[]mount]{
		flag("device_error", "Whether an error occurred while getting statistics for the given device.", func(m *mount) bool { return m.err != nil }),
		flag("readonly", "Filesystem read-only status.", func(m *mount) bool { return m.readOnly }),
		gauge("size_bytes", "Filesystem size in bytes.", func(m *mount) float64 { return blocks(m, m.stat.Blocks) }),
		gauge("free_bytes", "Filesystem free space in bytes.", func(m *mount) float64 { return blocks(m, m.stat.Bfree) }),
		gauge("avail_bytes", "Filesystem space available to non-root users in bytes.", func(m *mount) float64 { return blocks(m, m.stat.Bavail) }),
		gauge("files", "Filesystem total file nodes.", func(m *mount) float64 { return float64(m.stat.Files) }),
		gauge("files_free", "Filesystem total free file nodes.", func(m *mount) float64 { return float64(m.stat.Ffree) }),
		gauge("purgeable_bytes", "Filesystem space available including purgeable space (MacOS specific).", func(*mount) float64 { return 0 }),
		collect.Gauge("node_filesystem_mount_info", "Filesystem mount information.", func(mounts []mount, s collect.Series) {
			for i := range mounts {
				if m := &mounts[i]; m.err == nil {
					s.Value(1, m.device, m.major, m.minor, m.point)
				}
			}
		}, "device", "major", "minor", "mountpoint"),
	}
}

// deviceError is why the mount did not answer, "" if it did: the text of an errno
// or one of our own two.
func (m *mount) deviceError() string {
	if m.err == nil {
		return ""
	}
	return m.err.Error()
}

// filter chooses by name.
type filter struct{ exclude, include *regexp.Regexp }

// newFilter returns the filter of two flags of upstream, which has checked them.
func newFilter(exclude, include string) (f filter, err error) {
	for _, one := range []struct {
		flag string
		into **regexp.Regexp
	}{{exclude, &f.exclude}, {include, &f.include}} {
		if text := path(one.flag); text != "" {
			if *one.into, err = regexp.Compile(text); err != nil {
				return filter{}, err
			}
		}
	}
	return f, nil
}

func (f filter) excludes(name string) bool {
	return f.exclude != nil && f.exclude.MatchString(name) || f.include != nil && !f.include.MatchString(name)
}
