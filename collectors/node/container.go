package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// defaultContainers is how many containers get metrics unless told otherwise.
const defaultContainers = 500

// containers is the collector of containers. Names, types, units and labels are
// those of cAdvisor; labels that only the API of a runtime knows are left out.
type containers struct {
	sysfs    string
	limit    int
	names    names
	single   []containerMetric
	io       []ioMetric
	seen     *prometheus.Desc
	leftOut  *prometheus.Desc
	cpuTotal *prometheus.Desc
}

// containerMetric is a metric of which a container has one.
type containerMetric struct {
	desc      *prometheus.Desc
	valueType prometheus.ValueType
	get       func(*usage) (float64, bool)
}

// ioMetric is a metric of which a container has one per block device.
type ioMetric struct {
	desc *prometheus.Desc
	key  string
}

var containerLabels = []string{"id", "name", "namespace", "pod", "container"}

func newContainers(sysfs, rootfs string, limit int) *containers {
	if limit <= 0 {
		limit = defaultContainers
	}
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append(slices.Clone(containerLabels), more...), nil)
	}
	counter := func(name, help string, get func(*usage) (float64, bool)) containerMetric {
		return containerMetric{desc(name, help), prometheus.CounterValue, get}
	}
	gauge := func(name, help string, get func(*usage) (float64, bool)) containerMetric {
		return containerMetric{desc(name, help), prometheus.GaugeValue, get}
	}
	return &containers{
		sysfs: sysfs, limit: limit, names: names{rootfs: rootfs},
		seen:     prometheus.NewDesc("node_containers", "Containers that were found.", nil, nil),
		leftOut:  prometheus.NewDesc("node_containers_left_out", "Containers that were found but got no metrics, because there are more than the limit.", nil, nil),
		cpuTotal: desc("container_cpu_usage_seconds_total", "CPU time the container has used.", "cpu"),
		single: []containerMetric{
			counter("container_cpu_user_seconds_total", "CPU time the container has used in user mode.", micros(cpuStat("user_usec"))),
			counter("container_cpu_system_seconds_total", "CPU time the container has used in kernel mode.", micros(cpuStat("system_usec"))),
			counter("container_cpu_cfs_periods_total", "Periods in which the container's CPU quota was enforced.", cpuStat("nr_periods")),
			counter("container_cpu_cfs_throttled_periods_total", "Periods in which the container was throttled.", cpuStat("nr_throttled")),
			counter("container_cpu_cfs_throttled_seconds_total", "Time the container was throttled.", micros(cpuStat("throttled_usec"))),
			gauge("container_spec_cpu_quota", "CPU time the container may use in a period, in microseconds. Absent without a quota.", quota(0)),
			gauge("container_spec_cpu_period", "Length of a period of the CPU quota, in microseconds. Absent without a quota.", quota(1)),
			gauge("container_memory_usage_bytes", "Memory the container uses, caches included.", single("memory.current")),
			gauge("container_memory_working_set_bytes", "Memory the container uses without inactive caches of files.", workingSet),
			gauge("container_memory_rss", "Anonymous memory of the container, in bytes.", memoryStat("anon")),
			gauge("container_memory_cache", "Memory of the container that caches files, in bytes.", memoryStat("file")),
			gauge("container_memory_mapped_file", "Memory of the container that maps files, in bytes.", memoryStat("file_mapped")),
			gauge("container_memory_swap", "Swap the container uses, in bytes.", single("memory.swap.current")),
			gauge("container_memory_max_usage_bytes", "Most memory the container has used.", single("memory.peak")),
			gauge("container_spec_memory_limit_bytes", "Memory the container may use, 0 without a limit.", memoryLimit),
			counter("container_oom_events_total", "Processes of the container that were killed for lack of memory.", oomKills),
			gauge("container_threads", "Threads of the container.", single("pids.current")),
		},
		io: []ioMetric{
			{desc("container_fs_reads_bytes_total", "Bytes the container has read from a block device.", "device"), "rbytes"},
			{desc("container_fs_writes_bytes_total", "Bytes the container has written to a block device.", "device"), "wbytes"},
			{desc("container_fs_reads_total", "Reads of the container from a block device.", "device"), "rios"},
			{desc("container_fs_writes_total", "Writes of the container to a block device.", "device"), "wios"},
		},
	}
}

// Update implements updater.
func (c *containers) Update(ch chan<- prometheus.Metric) error {
	root, err := hierarchy(c.sysfs)
	if err != nil {
		return err
	}
	found, err := findContainers(root)
	if err != nil {
		return fmt.Errorf("look for containers: %w", err)
	}
	ch <- prometheus.MustNewConstMetric(c.seen, prometheus.GaugeValue, float64(len(found)))
	ch <- prometheus.MustNewConstMetric(c.leftOut, prometheus.GaugeValue, float64(max(0, len(found)-c.limit)))
	found = found[:min(len(found), c.limit)]
	c.names.refresh(found)
	var errs []error
	for _, g := range found {
		u, err := readUsage(filepath.Join(root, g.path))
		errs = append(errs, err)
		n := c.names.of(g)
		c.send(u, []string{g.path, n.name, n.namespace, n.pod, n.container}, ch)
	}
	return errors.Join(errs...)
}

// send sends what is known of one container.
func (c *containers) send(u *usage, labels []string, ch chan<- prometheus.Metric) {
	if v, ok := micros(cpuStat("usage_usec"))(u); ok {
		ch <- prometheus.MustNewConstMetric(c.cpuTotal, prometheus.CounterValue, v, append(slices.Clone(labels), "total")...)
	}
	for _, m := range c.single {
		if v, ok := m.get(u); ok {
			ch <- prometheus.MustNewConstMetric(m.desc, m.valueType, v, labels...)
		}
	}
	for _, s := range u.io {
		withDevice := append(slices.Clone(labels), c.device(s.device))
		for _, m := range c.io {
			if v, ok := s.values[m.key]; ok {
				ch <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(v), withDevice...)
			}
		}
	}
}

// device names a block device, such as /dev/sda for 8:0.
func (c *containers) device(number string) string {
	target, err := os.Readlink(filepath.Join(c.sysfs, "dev/block", number))
	if err != nil {
		return number
	}
	return "/dev/" + filepath.Base(target)
}

func cpuStat(key string) func(*usage) (float64, bool) {
	return func(u *usage) (float64, bool) { v, ok := u.cpu[key]; return float64(v), ok }
}

func memoryStat(key string) func(*usage) (float64, bool) {
	return func(u *usage) (float64, bool) { v, ok := u.memory[key]; return float64(v), ok }
}

func single(file string) func(*usage) (float64, bool) {
	return func(u *usage) (float64, bool) { v, ok := u.single[file]; return float64(v), ok }
}

// micros turns microseconds into seconds.
func micros(get func(*usage) (float64, bool)) func(*usage) (float64, bool) {
	return func(u *usage) (float64, bool) { v, ok := get(u); return v / 1e6, ok }
}

func quota(i int) func(*usage) (float64, bool) {
	return func(u *usage) (float64, bool) {
		if u.quota == nil {
			return 0, false
		}
		return float64(u.quota[i]), true
	}
}

// workingSet is what the kubelet evicts by.
func workingSet(u *usage) (float64, bool) {
	current, known := u.single["memory.current"]
	inactive, too := u.memory["inactive_file"]
	// The two files are not read at the same moment.
	return float64(current - min(current, inactive)), known && too
}

func memoryLimit(u *usage) (float64, bool) {
	// Without the memory controller there is no usage either.
	_, ok := u.single["memory.current"]
	return float64(u.single["memory.max"]), ok
}

func oomKills(u *usage) (float64, bool) { v, ok := u.events["oom_kill"]; return float64(v), ok }
