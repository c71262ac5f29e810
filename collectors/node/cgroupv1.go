package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// controllers are the controllers of cgroup v1 that are read, the first of which
// to be there is where containers are looked for.
var controllers = []string{"memory", "cpuacct", "pids", "cpu", "blkio"}

// unlimited is a limit of memory of cgroup v1 that is none: the kernel rounds
// the largest number there is down to a page, whatever its size.
const unlimited = 1 << 62

// controllerRoots returns the folders of the controllers of cgroup v1 below
// sysfs. Those that are mounted together are links to one folder.
func controllerRoots(sysfs string) map[string]string {
	roots := map[string]string{}
	for _, name := range controllers {
		root, err := filepath.EvalSymlinks(filepath.Join(sysfs, "fs/cgroup", name))
		if err != nil {
			continue
		}
		// A folder alone is where an initial file system has made place for it.
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots[name] = root
		}
	}
	return roots
}

// readUsageV1 reads the files of one cgroup of every controller into what
// cgroup v2 calls them.
func readUsageV1(roots map[string]string, path string) (*usage, error) {
	u := &usage{single: map[string]uint64{}}
	var errs []error
	read := func(controller, name string, parse func(io.Reader) error) {
		if root, ok := roots[controller]; ok {
			errs = append(errs, readFile(filepath.Join(root, path), name, parse))
		}
	}
	number := func(controller, name string, keep func(uint64)) {
		read(controller, name, func(r io.Reader) error {
			value, limited, err := parseSingle(r)
			if err == nil && limited {
				keep(value)
			}
			return err
		})
	}
	cpu := func(key string, value uint64) {
		if u.cpu == nil {
			u.cpu = map[string]uint64{}
		}
		u.cpu[key] = value
	}
	number("cpuacct", "cpuacct.usage", func(v uint64) { cpu("usage_usec", v/1e3) })
	read("cpuacct", "cpuacct.stat", func(r io.Reader) error {
		const tick = 10_000 // microseconds, of every architecture of Linux that Go runs on
		stat, err := parseFlat(r)
		for key, value := range stat {
			cpu(key+"_usec", value*tick)
		}
		return err
	})
	read("cpu", "cpu.stat", func(r io.Reader) error {
		stat, err := parseFlat(r)
		for key, value := range stat {
			if key == "throttled_time" {
				key, value = "throttled_usec", value/1e3
			}
			cpu(key, value)
		}
		return err
	})
	number("cpu", "cpu.cfs_period_us", func(period uint64) {
		read("cpu", "cpu.cfs_quota_us", func(r io.Reader) (err error) { u.quota, err = parseQuotaV1(r, period); return err })
	})
	read("memory", "memory.stat", func(r io.Reader) error {
		stat, err := parseFlat(r)
		if err != nil {
			return err
		}
		u.memory = map[string]uint64{
			"anon": stat["total_rss"], "file": stat["total_cache"],
			"file_mapped": stat["total_mapped_file"], "inactive_file": stat["total_inactive_file"],
		}
		if swap, ok := stat["total_swap"]; ok {
			u.single["memory.swap.current"] = swap
		}
		return nil
	})
	read("memory", "memory.oom_control", func(r io.Reader) (err error) { u.events, err = parseFlat(r); return err })
	number("memory", "memory.usage_in_bytes", func(v uint64) { u.single["memory.current"] = v })
	number("memory", "memory.max_usage_in_bytes", func(v uint64) { u.single["memory.peak"] = v })
	number("memory", "memory.limit_in_bytes", func(v uint64) {
		if v < unlimited {
			u.single["memory.max"] = v
		}
	})
	number("pids", "pids.current", func(v uint64) { u.single["pids.current"] = v })
	for _, suffix := range []string{"_recursive", ""} {
		if u.io == nil { // Old kernels do not sum up what is below.
			read("blkio", "blkio.throttle.io_service_bytes"+suffix, func(r io.Reader) error { return u.addIO(r, "bytes") })
			read("blkio", "blkio.throttle.io_serviced"+suffix, func(r io.Reader) error { return u.addIO(r, "ios") })
		}
	}
	return u, errors.Join(errs...)
}

// parseQuotaV1 reads a quota, or -1 for none.
func parseQuotaV1(r io.Reader, period uint64) ([]uint64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	quota, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is no quota", b)
	}
	if quota < 0 {
		return nil, nil
	}
	return []uint64{uint64(quota), period}, nil
}

// addIO reads lines of a device, an operation and a number.
func (u *usage) addIO(r io.Reader, what string) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) != 3 || words[1] != "Read" && words[1] != "Write" {
			continue // Other operations, and the sum of all devices.
		}
		value, err := strconv.ParseUint(words[2], 10, 64)
		if err != nil {
			return fmt.Errorf("%.40q is no device, operation and number", lines.Text())
		}
		u.device(words[0])[strings.ToLower(words[1][:1])+what] = value
	}
	return lines.Err()
}

// device returns the numbers of a block device.
func (u *usage) device(number string) map[string]uint64 {
	for _, d := range u.io {
		if d.device == number {
			return d.values
		}
	}
	u.io = append(u.io, ioStat{number, map[string]uint64{}})
	return u.io[len(u.io)-1].values
}
