package node

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// newFixtureV1 returns a sysfs with a container in the controllers of cgroup v1.
func newFixtureV1(t *testing.T) (sysfs string) {
	t.Helper()
	sysfs = t.TempDir()
	root := filepath.Join(sysfs, "fs/cgroup")
	for controller, files := range map[string]map[string]string{
		"cpu,cpuacct": {
			"cpuacct.usage": "2500000000\n", "cpuacct.stat": "user 150\nsystem 100\n",
			"cpu.stat": "nr_periods 40\nnr_throttled 4\nthrottled_time 250000000\n", "cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n",
		},
		"memory": {
			"memory.usage_in_bytes": "104857600\n", "memory.max_usage_in_bytes": "209715200\n", "memory.limit_in_bytes": "268435456\n",
			"memory.stat":        "cache 1\nrss 2\ntotal_cache 41943040\ntotal_rss 52428800\ntotal_mapped_file 8388608\ntotal_swap 4096\ntotal_inactive_file 20971520\n",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
		},
		"blkio": {
			"blkio.throttle.io_service_bytes_recursive": "8:0 Read 1024\n8:0 Write 2048\n8:0 Sync 3072\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 3072\nTotal 3072\n",
			"blkio.throttle.io_serviced_recursive":      "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n",
		},
		"pids": {"pids.current": "7\n"},
	} {
		write(t, filepath.Join(root, controller), below("docker/"+dockerID, files))
		write(t, filepath.Join(root, controller), map[string]string{"cgroup.procs": "1\n"})
	}
	for _, link := range []string{"cpu", "cpuacct"} {
		if err := os.Symlink("cpu,cpuacct", filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	// A hybrid machine has v2, too, without controllers.
	write(t, root, map[string]string{"unified/cgroup.controllers": ""})
	return sysfs
}

// TestCgroupV1 holds that a container shows the same by v1 as by v2.
func TestCgroupV1(t *testing.T) {
	v2 := t.TempDir()
	write(t, filepath.Join(v2, "fs/cgroup"), below("docker/"+dockerID, cgroupFiles()))
	write(t, filepath.Join(v2, "fs/cgroup"), map[string]string{"cgroup.controllers": "cpu io memory pids\n"})
	var shown []string
	for _, sysfs := range []string{newFixtureV1(t), v2} {
		var failure error
		shown = append(shown, string(metrictest.Exposition(t, alone{newContainers(sysfs, "/none", 0), &failure})))
		if failure != nil {
			t.Error(failure)
		}
	}
	if shown[0] != shown[1] || !strings.Contains(shown[0], "container_fs_reads_bytes_total{") {
		t.Errorf("by v1:\n%s\nby v2:\n%s", shown[0], shown[1])
	}
}

// TestCgroupV1Without holds what is left out without limits and controllers, and
// that a bad file costs its own metrics only.
func TestCgroupV1Without(t *testing.T) {
	sysfs := newFixtureV1(t)
	root := filepath.Join(sysfs, "fs/cgroup")
	write(t, filepath.Join(root, "memory/docker", dockerID), map[string]string{"memory.limit_in_bytes": "9223372036854771712\n"})
	write(t, filepath.Join(root, "cpu,cpuacct/docker", dockerID), map[string]string{"cpu.cfs_quota_us": "-1\n"})
	if err := os.RemoveAll(filepath.Join(root, "blkio")); err != nil {
		t.Fatal(err)
	}
	groups, err := findHierarchy(sysfs)
	if err != nil {
		t.Fatal(err)
	}
	path := "/docker/" + dockerID
	u, err := groups.usage(path)
	if _, limited := u.single["memory.max"]; err != nil || limited || u.quota != nil || u.io != nil {
		t.Errorf("a container without limits: %+v, %v", u, err)
	}
	for file, text := range map[string]string{
		"memory/docker/" + dockerID + "/memory.stat":           "total_rss many\n",
		"cpuacct/docker/" + dockerID + "/cpu.cfs_quota_us":     "half\n",
		"pids/docker/" + dockerID + "/pids.current":            "few\n",
		"cpuacct/docker/" + dockerID + "/cpuacct.usage":        "-1\n",
		"memory/docker/" + dockerID + "/memory.usage_in_bytes": "",
	} {
		good := newFixtureV1(t)
		write(t, filepath.Join(good, "fs/cgroup"), map[string]string{file: text})
		groups, err := findHierarchy(good)
		if err != nil {
			t.Fatal(err)
		}
		u, err := groups.usage(path)
		if err == nil || !strings.Contains(err.Error(), filepath.Base(file)+" of a container") || u.io == nil {
			t.Errorf("%s: %v, and %+v is left", file, err, u)
		}
	}
	if u, err := groups.usage("/docker/" + unknownID); err != nil || u.cpu != nil {
		t.Errorf("a container that has gone: %v, %v", u, err)
	}
	onlyUnified := t.TempDir()
	write(t, filepath.Join(onlyUnified, "fs/cgroup"), map[string]string{"unified/cgroup.controllers": "", "memory/README": ""})
	if h, err := findHierarchy(onlyUnified); err != nil || h.v1 != nil {
		t.Errorf("v2 beside empty folders: %+v, %v", h, err)
	}
}

// FuzzAddIO holds that what is read of a device is one of four numbers.
func FuzzAddIO(f *testing.F) {
	f.Add("8:0 Read 1024\n8:0 Write 2048\nTotal 3072\n")
	f.Fuzz(func(t *testing.T, text string) {
		u := &usage{}
		err := u.addIO(strings.NewReader(text), "bytes")
		for _, d := range u.io {
			for key := range maps.Keys(d.values) {
				if key != "rbytes" && key != "wbytes" {
					t.Errorf("%q: %q of %q, error %v", text, key, d.device, errors.Unwrap(err))
				}
			}
		}
	})
}
