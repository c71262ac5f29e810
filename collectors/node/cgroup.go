package node

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

const (
	maxCgroupFile  = 64 << 10 // bytes of one file of a cgroup
	maxCgroupDepth = 10       // of the folders above a container
	maxCgroups     = 20_000   // folders looked at
)

// containerFolder matches the cgroup of a container: docker/<id>,
// docker-<id>.scope, libpod-<id>.scope, cri-containerd-<id>.scope,
// crio-<id>.scope and kubepods/…/<id>. The monitors of Podman and CRI-O
// ("libpod-conmon-…") are no containers.
var containerFolder = regexp.MustCompile(`^(?:(docker|libpod|cri-containerd|crio)-)?([0-9a-f]{64})(?:\.scope)?$`)

// cgroup is the folder of a container.
type cgroup struct {
	path    string // as in /proc/PID/cgroup, with a leading slash
	id      string // of the container
	runtime string // "docker", "libpod" and so on, or ""
}

// hierarchy is where the cgroups of a host are.
type hierarchy struct {
	root string            // with the folders of containers
	v1   map[string]string // folders of the controllers of cgroup v1; nil where it is v2
}

// findHierarchy returns the cgroups below sysfs. On hybrid machines the
// controllers are those of v1, and v2 counts no more than CPU time.
func findHierarchy(sysfs string) (hierarchy, error) {
	isV2 := func(root string) bool {
		_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
		return err == nil
	}
	root := filepath.Join(sysfs, "fs/cgroup")
	if isV2(root) {
		return hierarchy{root: root}, nil
	}
	v1 := controllerRoots(sysfs)
	for _, name := range controllers {
		if v1[name] != "" {
			return hierarchy{root: v1[name], v1: v1}, nil
		}
	}
	if root = filepath.Join(root, "unified"); isV2(root) {
		return hierarchy{root: root}, nil
	}
	return hierarchy{}, fmt.Errorf("%w: no cgroups below %s", errNoData, sysfs)
}

// usage reads the files of the cgroup at a path.
func (h hierarchy) usage(path string) (*usage, error) {
	if h.v1 != nil {
		return readUsageV1(h.v1, path)
	}
	return readUsage(filepath.Join(h.root, path))
}

// findContainers returns the cgroups of containers below root, sorted by path.
// Containers within containers belong to theirs.
func findContainers(root string) ([]cgroup, error) {
	var found []cgroup
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return err
		case err != nil: // It has just vanished, or is not ours to see.
			return fs.SkipDir
		case !d.IsDir():
			return nil
		}
		if seen++; seen > maxCgroups {
			return fmt.Errorf("more than %d cgroups below %s", maxCgroups, root)
		}
		relative := strings.TrimPrefix(path, root)
		if m := containerFolder.FindStringSubmatch(d.Name()); m != nil {
			found = append(found, cgroup{path: relative, id: m[2], runtime: m[1]})
			return fs.SkipDir
		}
		if strings.Count(relative, "/") >= maxCgroupDepth {
			return fs.SkipDir
		}
		return nil
	})
	return found, err
}

// usage is what the files of a cgroup hold, under the names of cgroup v2. A file
// that the kernel does not have leaves a nil map.
type usage struct {
	cpu    map[string]uint64 // cpu.stat
	memory map[string]uint64 // memory.stat
	events map[string]uint64 // memory.events
	single map[string]uint64 // files of one number, by name; "max" is left out
	quota  []uint64          // quota and period of cpu.max, in microseconds; nil without a quota
	io     []ioStat
}

// ioStat is one line of io.stat.
type ioStat struct {
	device string // "8:0"
	values map[string]uint64
}

// readUsage reads the files of one cgroup.
func readUsage(dir string) (*usage, error) {
	u := &usage{single: map[string]uint64{}}
	errs := []error{
		readFile(dir, "cpu.stat", func(r io.Reader) (err error) { u.cpu, err = parseFlat(r); return err }),
		readFile(dir, "cpu.max", func(r io.Reader) (err error) { u.quota, err = parseQuota(r); return err }),
		readFile(dir, "memory.stat", func(r io.Reader) (err error) { u.memory, err = parseFlat(r); return err }),
		readFile(dir, "memory.events", func(r io.Reader) (err error) { u.events, err = parseFlat(r); return err }),
		readFile(dir, "io.stat", func(r io.Reader) (err error) { u.io, err = parseIO(r); return err }),
	}
	for _, name := range []string{"memory.current", "memory.peak", "memory.max", "memory.swap.current", "pids.current"} {
		errs = append(errs, readFile(dir, name, func(r io.Reader) error {
			value, limited, err := parseSingle(r)
			if err == nil && limited {
				u.single[name] = value
			}
			return err
		}))
	}
	return u, errors.Join(errs...)
}

// readFile gives the start of a file to parse. A file that is not there, or
// whose cgroup has gone, is nothing to parse.
func readFile(dir, name string, parse func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCgroupFile+1))
	switch {
	case errors.Is(err, syscall.ENODEV):
		return nil
	case err != nil:
		return err
	case len(b) > maxCgroupFile:
		return fmt.Errorf("%s of a container is larger than %d bytes", name, maxCgroupFile)
	}
	if err := parse(bytes.NewReader(b)); err != nil {
		return fmt.Errorf("%s of a container: %w", name, err)
	}
	return nil
}

// parseFlat reads lines of a key and a number.
func parseFlat(r io.Reader) (map[string]uint64, error) {
	values := map[string]uint64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, number, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseUint(number, 10, 64)
		if err != nil || key == "" {
			return nil, fmt.Errorf("%.40q is no key and number", lines.Text())
		}
		values[key] = value
	}
	return values, lines.Err()
}

// parseSingle reads one number, or "max" for no limit.
func parseSingle(r io.Reader) (value uint64, limited bool, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return 0, false, err
	}
	text := strings.TrimSpace(string(b))
	if text == "max" {
		return 0, false, nil
	}
	value, err = strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("%.40q is no number", text)
	}
	return value, true, nil
}

// parseQuota reads a quota, or "max" for none, and a period.
func parseQuota(r io.Reader) ([]uint64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	quota, period, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	p, err := strconv.ParseUint(period, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is no quota and period", b)
	}
	if quota == "max" {
		return nil, nil
	}
	q, err := strconv.ParseUint(quota, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is no quota and period", b)
	}
	return []uint64{q, p}, nil
}

// parseIO reads lines of a device and its key=number pairs. Controllers of
// latency and cost add values that are no counters, which are skipped.
func parseIO(r io.Reader) ([]ioStat, error) {
	var all []ioStat
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 { // A device that is still being set up.
			continue
		}
		s := ioStat{device: fields[0], values: map[string]uint64{}}
		for _, field := range fields[1:] {
			key, number, _ := strings.Cut(field, "=")
			if value, err := strconv.ParseUint(number, 10, 64); err == nil {
				s.values[key] = value
			}
		}
		all = append(all, s)
	}
	return all, lines.Err()
}
