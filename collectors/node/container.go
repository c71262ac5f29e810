package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// defaultContainers is how many containers get metrics by default.
const defaultContainers = 500

// containers is the collector of containers. Names, types, units and labels are
// those of cAdvisor; labels that only the API of a runtime knows are left out.
type containers struct {
	sysfs string
	limit int
	names names
	table *collect.Table[*census]
}

// census is what one run knows of the containers of a host.
type census struct {
	found, leftOut int
	shown          []container
}

// container is one of them with the values of containerLabels.
type container struct {
	*usage
	labels []string
}

var containerLabels = []string{"id", "name", "namespace", "pod", "container"}

func newContainers(sysfs, rootfs string, limit int, sockets ...string) *containers {
	if limit <= 0 {
		limit = defaultContainers
	}
	c := &containers{sysfs: sysfs, limit: limit, names: names{rootfs: rootfs}, table: collect.NewTable(containerRows(), nil)}
	for _, socket := range sockets {
		c.names.runtimes = append(c.names.runtimes, newRuntimeAPI(socket))
	}
	return c
}

// containerRows are the metrics of containers.
func containerRows() []collect.Row[*census] {
	return []collect.Row[*census]{
		collect.Gauge("node_containers", "Containers that were found.", func(c *census, s collect.Series) { s.Value(float64(c.found)) }),
		collect.Gauge("node_containers_left_out", "Containers that were found but got no metrics, because there are more than the limit.",
			func(c *census, s collect.Series) { s.Value(float64(c.leftOut)) }),
		collect.Counter("container_cpu_usage_seconds_total", "CPU time the container has used.",
			func(c *census, s collect.Series) {
				for _, one := range c.shown {
					if v, ok := micros(cpuStat("usage_usec"))(one.usage); ok {
						s.Value(v, append(slices.Clone(one.labels), "total")...)
					}
				}
			}, append(slices.Clone(containerLabels), "cpu")...),
		counterOf("container_cpu_user_seconds_total", "CPU time the container has used in user mode.", micros(cpuStat("user_usec"))),
		counterOf("container_cpu_system_seconds_total", "CPU time the container has used in kernel mode.", micros(cpuStat("system_usec"))),
		counterOf("container_cpu_cfs_periods_total", "Periods in which the container's CPU quota was enforced.", cpuStat("nr_periods")),
		counterOf("container_cpu_cfs_throttled_periods_total", "Periods in which the container was throttled.", cpuStat("nr_throttled")),
		counterOf("container_cpu_cfs_throttled_seconds_total", "Time the container was throttled.", micros(cpuStat("throttled_usec"))),
		gaugeOf("container_spec_cpu_quota", "CPU time the container may use in a period, in microseconds. Absent without a quota.", quota(0)),
		gaugeOf("container_spec_cpu_period", "Length of a period of the CPU quota, in microseconds. Absent without a quota.", quota(1)),
		gaugeOf("container_memory_usage_bytes", "Memory the container uses, caches included.", single("memory.current")),
		gaugeOf("container_memory_working_set_bytes", "Memory the container uses without inactive caches of files.", workingSet),
		gaugeOf("container_memory_rss", "Anonymous memory of the container, in bytes.", memoryStat("anon")),
		gaugeOf("container_memory_cache", "Memory of the container that caches files, in bytes.", memoryStat("file")),
		gaugeOf("container_memory_mapped_file", "Memory of the container that maps files, in bytes.", memoryStat("file_mapped")),
		gaugeOf("container_memory_swap", "Swap the container uses, in bytes.", single("memory.swap.current")),
		gaugeOf("container_memory_max_usage_bytes", "Most memory the container has used.", single("memory.peak")),
		gaugeOf("container_spec_memory_limit_bytes", "Memory the container may use, 0 without a limit.", memoryLimit),
		counterOf("container_oom_events_total", "Processes of the container that were killed for lack of memory.", oomKills),
		gaugeOf("container_threads", "Threads of the container.", single("pids.current")),
		perDevice("container_fs_reads_bytes_total", "Bytes the container has read from a block device.", "rbytes"),
		perDevice("container_fs_writes_bytes_total", "Bytes the container has written to a block device.", "wbytes"),
		perDevice("container_fs_reads_total", "Reads of the container from a block device.", "rios"),
		perDevice("container_fs_writes_total", "Writes of the container to a block device.", "wios"),
	}
}

// gaugeOf and counterOf are metrics of which a container has one, if get knows it.
func gaugeOf(name, help string, get func(*usage) (float64, bool)) collect.Row[*census] {
	return collect.Gauge(name, help, each(get), containerLabels...)
}

func counterOf(name, help string, get func(*usage) (float64, bool)) collect.Row[*census] {
	return collect.Counter(name, help, each(get), containerLabels...)
}

func each(get func(*usage) (float64, bool)) func(*census, collect.Series) {
	return func(c *census, s collect.Series) {
		for _, one := range c.shown {
			if v, ok := get(one.usage); ok {
				s.Value(v, one.labels...)
			}
		}
	}
}

// perDevice is a metric of which a container has one per block device.
func perDevice(name, help, key string) collect.Row[*census] {
	return collect.Counter(name, help, func(c *census, s collect.Series) {
		for _, one := range c.shown {
			for _, d := range one.io {
				if v, ok := d.values[key]; ok {
					s.Value(float64(v), append(slices.Clone(one.labels), d.device)...)
				}
			}
		}
	}, append(slices.Clone(containerLabels), "device")...)
}

// Update implements updater.
func (c *containers) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	groups, err := findHierarchy(c.sysfs)
	if err != nil {
		return err
	}
	found, err := findContainers(groups.root)
	if err != nil {
		return fmt.Errorf("look for containers: %w", err)
	}
	all := &census{found: len(found), leftOut: max(0, len(found)-c.limit)}
	found = found[:min(len(found), c.limit)]
	errs := []error{c.names.refresh(ctx, found)}
	for _, g := range found {
		u, err := groups.usage(g.path)
		errs = append(errs, err)
		for i := range u.io {
			u.io[i].device = c.device(u.io[i].device)
		}
		n := c.names.of(g)
		all.shown = append(all.shown, container{u, []string{g.path, n.name, n.namespace, n.pod, n.container}})
	}
	c.table.Collect(all, ch)
	return errors.Join(errs...)
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
