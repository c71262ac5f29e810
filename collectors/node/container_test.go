package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// An id of a container for each of the runtimes in the fixture.
var (
	dockerID  = strings.Repeat("d0", 32)
	plainID   = strings.Repeat("e1", 32)
	podmanID  = strings.Repeat("f2", 32)
	podID     = strings.Repeat("a3", 32)
	unknownID = strings.Repeat("b4", 32)
)

// cgroupFiles are the files of a container with limits.
func cgroupFiles() map[string]string {
	return map[string]string{
		"cpu.stat":            "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\nnr_periods 40\nnr_throttled 4\nthrottled_usec 250000\n",
		"cpu.max":             "50000 100000\n",
		"memory.current":      "104857600\n",
		"memory.peak":         "209715200\n",
		"memory.max":          "268435456\n",
		"memory.swap.current": "4096\n",
		"memory.stat":         "anon 52428800\nfile 41943040\nfile_mapped 8388608\ninactive_file 20971520\n",
		"memory.events":       "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n",
		"io.stat":             "8:0 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=0 dios=0\n",
		"pids.current":        "7\n",
	}
}

// write makes a tree of files below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// below returns files with names below dir.
func below(dir string, files map[string]string) map[string]string {
	all := map[string]string{}
	for name, text := range files {
		all[dir+"/"+name] = text
	}
	return all
}

// newFixture returns a sysfs with containers of four runtimes, and the files by
// which they have names.
func newFixture(t *testing.T) (sysfs, rootfs string) {
	t.Helper()
	sysfs, rootfs = t.TempDir(), t.TempDir()
	cgroups := filepath.Join(sysfs, "fs/cgroup")
	unlimited := maps.Clone(cgroupFiles())
	unlimited["cpu.max"] = "max 100000\n"
	unlimited["memory.max"] = "max\n"
	write(t, cgroups, map[string]string{"cgroup.controllers": "cpu io memory pids\n", "system.slice/cron.service/cpu.stat": "usage_usec 1\n"})
	for _, files := range []map[string]string{
		below("system.slice/docker-"+dockerID+".scope", cgroupFiles()),
		// What is within a container is part of it.
		below("system.slice/docker-"+dockerID+".scope/docker/"+unknownID, cgroupFiles()),
		below("docker/"+plainID, unlimited),
		below("machine.slice/libpod-"+podmanID+".scope", map[string]string{"cpu.stat": "usage_usec 1000000\n"}),
		below("machine.slice/libpod-conmon-"+podmanID+".scope", cgroupFiles()),
		below("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-"+podID+".scope", cgroupFiles()),
	} {
		write(t, cgroups, files)
	}
	write(t, rootfs, map[string]string{
		"var/lib/docker/containers/" + dockerID + "/config.v2.json":           `{"ID":"` + dockerID + `","Name":"/dmarc-backend"}`,
		"var/lib/containers/storage/overlay-containers/containers.json":       `[{"id":"` + podmanID + `","names":["redis"]},{"id":"` + unknownID + `","names":["gone"]}]`,
		"var/log/containers/backend-7d9f_dmarc_backend-web-" + podID + ".log": "",
	})
	if err := os.MkdirAll(filepath.Join(sysfs, "dev/block"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../devices/pci0000:00/block/sda", filepath.Join(sysfs, "dev/block/8:0")); err != nil {
		t.Fatal(err)
	}
	return sysfs, rootfs
}

// alone is an updater as a prometheus.Collector that keeps its error.
type alone struct {
	updater
	err *error
}

func (a alone) Describe(chan<- *prometheus.Desc) {}

func (a alone) Collect(ch chan<- prometheus.Metric) { *a.err = a.Update(context.Background(), ch) }

func TestContainers(t *testing.T) {
	sysfs, rootfs := newFixture(t)
	c := newContainers(sysfs, rootfs, 0)
	for range 2 { // The second time names are known.
		var failure error
		metrictest.Golden(t, alone{c, &failure}, "testdata/container/metrics.prom")
		if failure != nil {
			t.Error(failure)
		}
	}
	if got := len(c.names.known); got != 3 {
		t.Errorf("%d names are kept, want those of 3 containers", got)
	}
}

func TestContainersLimit(t *testing.T) {
	sysfs, rootfs := newFixture(t)
	for limit, want := range map[int]string{3: "node_containers_left_out 1", 4: "node_containers_left_out 0", 5: "node_containers_left_out 0"} {
		var failure error
		text := string(metrictest.Exposition(t, alone{newContainers(sysfs, rootfs, limit), &failure}))
		if failure != nil {
			t.Error(failure)
		}
		if !strings.Contains(text, "node_containers 4\n") || !strings.Contains(text, want+"\n") {
			t.Errorf("limit %d: want %s in\n%s", limit, want, text)
		}
		if got := strings.Count(text, "\ncontainer_cpu_usage_seconds_total{"); got != min(limit, 4) {
			t.Errorf("limit %d: %d containers have metrics", limit, got)
		}
	}
}

// TestContainerDamage holds that one bad file costs its own metrics only, and
// that a container that goes is no failure.
func TestContainerDamage(t *testing.T) {
	sysfs, rootfs := newFixture(t)
	group := filepath.Join(sysfs, "fs/cgroup/docker", plainID)
	write(t, group, map[string]string{"memory.stat": "anon many\n"})
	var failure error
	text := string(metrictest.Exposition(t, alone{newContainers(sysfs, rootfs, 0), &failure}))
	if failure == nil || !strings.Contains(failure.Error(), `memory.stat of a container: "anon many"`) {
		t.Errorf("error = %v", failure)
	}
	for _, name := range []string{"container_memory_rss", "container_memory_working_set_bytes"} {
		if got := strings.Count(text, "\n"+name+"{"); got != 2 {
			t.Errorf("%d containers have %s, want the other 2", got, name)
		}
	}
	if got := strings.Count(text, "\ncontainer_cpu_usage_seconds_total{"); got != 4 {
		t.Errorf("%d containers have CPU time, want 4", got)
	}
	write(t, group, map[string]string{"memory.stat": strings.Repeat("a 1\n", maxCgroupFile/4) + "b"})
	if _, err := readUsage(group); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v, want one about the size", err)
	}
	write(t, group, map[string]string{"memory.stat": strings.Repeat("a 1\n", maxCgroupFile/4)})
	if _, err := readUsage(group); err != nil {
		t.Error(err)
	}
	if u, err := readUsage(filepath.Join(sysfs, "gone")); err != nil || u.cpu != nil {
		t.Errorf("a container that has gone: %v, %v", u, err)
	}
}

func TestNoCgroups(t *testing.T) {
	err := newContainers(t.TempDir(), "/", 0).Update(t.Context(), nil)
	if !errors.Is(err, errNoData) {
		t.Errorf("error = %v, want errNoData", err)
	}
}

// TestLiveCgroup makes a cgroup as a runtime does, burns CPU in it and finds it:
// in the hierarchy of v2, or in those of the controllers of v1.
func TestLiveCgroup(t *testing.T) {
	groups, err := findHierarchy("/sys")
	if err != nil {
		t.Skip(err)
	}
	roots := []string{groups.root}
	if groups.v1 != nil {
		roots = slices.Compact(slices.Sorted(maps.Values(groups.v1)))
	}
	id := fmt.Sprintf("%064x", os.Getpid())
	script := ""
	for _, root := range roots {
		parent := filepath.Join(root, "node-test-"+strconv.Itoa(os.Getpid()))
		group := filepath.Join(parent, "docker-"+id+".scope")
		if err := os.MkdirAll(group, 0o755); err != nil {
			t.Skipf("cgroups cannot be made here: %v", err)
		}
		t.Cleanup(func() {
			if err := errors.Join(os.Remove(group), os.Remove(parent)); err != nil {
				t.Error(err)
			}
		})
		script += `echo $$ > "` + group + `/cgroup.procs" && `
	}
	out, err := exec.Command("sh", "-c", script+"i=0 && while [ $i -lt 20000 ]; do i=$((i+1)); done").CombinedOutput()
	if err != nil {
		t.Skipf("no process can be put into a cgroup here: %v: %s", err, out)
	}
	var failure error
	reg := prometheus.NewRegistry()
	reg.MustRegister(alone{newContainers("/sys", "/", 0), &failure})
	families, err := reg.Gather()
	if err := errors.Join(failure, err); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if hasLabel(m, "name", id[:shortID]) && m.GetCounter().GetValue()+m.GetGauge().GetValue() > 0 {
				found[f.GetName()] = true
			}
		}
	}
	if !found["container_cpu_usage_seconds_total"] || groups.v1["memory"] != "" && !found["container_memory_max_usage_bytes"] {
		t.Errorf("no CPU time or memory of %s in %v", id, families)
	}
}

func hasLabel(m *dto.Metric, name, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == name && l.GetValue() == value {
			return true
		}
	}
	return false
}
