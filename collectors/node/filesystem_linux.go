package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// maxHung is how many mounts may hang at the same time, since each holds a
// thread. While there are as many, mounts are not asked.
const maxHung = 256

// Errors of a mount that was not asked, or did not answer. They are values of the
// label device_error; the first is upstream's.
var (
	errMountTimeout = errors.New("mountpoint timeout")
	errTooManyHung  = errors.New("too many mounts hang")
)

// filesystems is the collector of file systems with upstream's names and flags.
// Upstream's own waits for all mounts, so that one that hangs takes the others
// with it. This one asks each by itself: a mount that does not answer is named in
// device_error, and the others stay.
type filesystems struct {
	procfs, rootfs string
	points, types  filter
	timeout        time.Duration // for all mounts together
	statfs         func(path string, into *unix.Statfs_t) error
	log            *slog.Logger
	table          *collect.Table[[]mount]

	asked collect.Flights[string, *mountAnswer]    // by mount point
	hung  map[string]*collect.Flight[*mountAnswer] // those that have not answered in time
}

// mount is one line of mountinfo, and what the mount answered.
type mount struct {
	mountLabels
	major, minor string
	readOnly     bool
	mountAnswer
}

// mountLabels are the labels that tell mounts apart.
type mountLabels struct{ device, point, fsType string }

// mountAnswer is what statfs returns.
type mountAnswer struct {
	stat unix.Statfs_t
	err  error
}

// filesystemReader returns the reader of file systems.
func filesystemReader(_ *host, log *slog.Logger) (updater, error) { return newFilesystems(log) }

func newFilesystems(log *slog.Logger) (*filesystems, error) {
	points, err := newFilter("collector.filesystem.mount-points-exclude", "collector.filesystem.mount-points-include")
	if err != nil {
		return nil, err
	}
	types, err := newFilter("collector.filesystem.fs-types-exclude", "collector.filesystem.fs-types-include")
	if err != nil {
		return nil, err
	}
	timeout, err := time.ParseDuration(path("collector.filesystem.mount-timeout"))
	if err != nil {
		return nil, fmt.Errorf("timeout of a mount: %w", err)
	}
	return &filesystems{
		procfs: path("path.procfs"), rootfs: path("path.rootfs"), points: points, types: types, timeout: timeout,
		statfs: unix.Statfs, log: log, table: collect.NewTable(filesystemRows(), nil),
		hung: map[string]*collect.Flight[*mountAnswer]{},
	}, nil
}

// Update implements updater.
func (c *filesystems) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	mounts, err := c.mounts()
	if err != nil {
		return err
	}
	c.forgetHung()
	flights := make([]*collect.Flight[*mountAnswer], len(mounts))
	for i := range mounts {
		if point := mounts[i].point; len(c.hung) < maxHung || c.hung[point] != nil {
			flights[i] = c.ask(ctx, point)
		}
	}
	timer := time.NewTimer(c.patience(ctx))
	defer timer.Stop()
	late := false
	for i, f := range flights {
		if f != nil && !late && c.hung[mounts[i].point] == nil {
			select {
			case <-f.Done:
			case <-timer.C:
				late = true
			}
		}
		mounts[i].mountAnswer = c.answer(mounts[i].point, f)
	}
	c.table.Collect(mounts, ch)
	return nil
}

// patience returns how long to wait for the mounts. Half of the time of the
// scrape is left for those that wait for this run.
func (c *filesystems) patience(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return c.timeout
	}
	return min(c.timeout, time.Until(deadline)/2)
}

// ask asks a mount, or joins the question that it has not answered yet.
func (c *filesystems) ask(ctx context.Context, point string) *collect.Flight[*mountAnswer] {
	return c.asked.Join(ctx, point, nil, &mountAnswer{}, func(_ context.Context, a *mountAnswer) {
		a.err = c.statfs(filepath.Join(c.rootfs, point), &a.stat)
	})
}

// answer returns what a mount has answered by now.
func (c *filesystems) answer(point string, f *collect.Flight[*mountAnswer]) mountAnswer {
	switch {
	case f == nil:
		return mountAnswer{err: errTooManyHung}
	case f.Over():
		return *f.State
	}
	if c.hung[point] == nil {
		c.hung[point] = f
		c.log.Warn("mount does not answer, the others are shown without it", "mountpoint", point)
	}
	return mountAnswer{err: errMountTimeout}
}

// forgetHung forgets mounts that have answered at last.
func (c *filesystems) forgetHung() {
	for point, f := range c.hung {
		if f.Over() {
			delete(c.hung, point)
			c.log.Info("mount answers again", "mountpoint", point)
		}
	}
}

// mounts returns the mounts that the flags select, each once.
func (c *filesystems) mounts() ([]mount, error) {
	proc, err := procfs.NewFS(c.procfs)
	if err != nil {
		return nil, fmt.Errorf("open procfs: %w", err)
	}
	lines, err := proc.GetProcMounts(1)
	if errors.Is(err, fs.ErrNotExist) { // hidden by the mount option hidepid
		lines, err = proc.GetMounts()
	}
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	var mounts []mount
	seen := map[mountLabels]int{}
	for _, line := range lines {
		m := c.mount(line)
		if c.points.excludes(m.point) || c.types.excludes(m.fsType) {
			continue
		}
		if earlier, again := seen[m.mountLabels]; again {
			mounts[earlier] = m // One that is mounted over another of its kind is the one that answers.
			continue
		}
		seen[m.mountLabels] = len(mounts)
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// unescapeMount replaces the octal numbers that the kernel writes for characters which
// would break a line of mountinfo.
var unescapeMount = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// mount reads a line of mountinfo.
func (c *filesystems) mount(line *procfs.MountInfo) mount {
	point := unescapeMount.Replace(line.MountPoint)
	if c.rootfs != "/" {
		if point = strings.TrimPrefix(point, c.rootfs); point == "" {
			point = "/"
		}
	}
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	m := mount{mountLabels: mountLabels{device: valid(line.Source), point: valid(point), fsType: valid(line.FSType)}}
	m.major, m.minor, _ = strings.Cut(line.MajorMinorVer, ":")
	for _, options := range []map[string]string{line.Options, line.SuperOptions} {
		if value, ok := options["ro"]; ok && value == "" {
			m.readOnly = true
		}
	}
	if _, ok := line.SuperOptions["emergency_ro"]; ok {
		m.readOnly = true
	}
	return m
}
