package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	shortID      = 12       // characters of an id that people use
	maxNamesFile = 16 << 20 // bytes of a file with names
)

// name is what people call a container. Outside Kubernetes only name is set.
type name struct{ name, namespace, pod, container string }

// names knows the names of containers by their ids, from the files that
// runtimes keep, or from runtimes that may be asked. Where neither knows one the
// start of the id is the name.
type names struct {
	rootfs   string
	runtimes []*runtimeAPI
	known    map[string]name
}

// refresh learns the names of found and forgets those of others. An error is that
// of a runtime that did not tell them.
func (n *names) refresh(ctx context.Context, found []cgroup) error {
	old := n.known
	n.known = make(map[string]name, len(found))
	missing := map[string]bool{} // by runtime
	for _, g := range found {
		if known, ok := old[g.id]; ok {
			n.known[g.id] = known
			continue
		}
		missing[g.runtime] = true
		if known := n.docker(g); known != "" {
			n.known[g.id] = name{name: known}
		}
	}
	if missing["libpod"] {
		n.podman(found)
	}
	if missing["cri-containerd"] || missing[""] {
		n.nerdctl(found)
	}
	if len(missing) > 0 {
		n.kubernetes(found)
	}
	return n.ask(ctx, found)
}

// ask learns the names that no file told from runtimes.
func (n *names) ask(ctx context.Context, found []cgroup) error {
	unknown := func(g cgroup) bool { _, known := n.known[g.id]; return !known }
	var errs []error
	for _, r := range n.runtimes {
		if !slices.ContainsFunc(found, unknown) {
			break
		}
		all, err := r.containers(ctx, time.Now())
		errs = append(errs, err)
		for _, c := range all {
			if called := c.name(c.ID); called.name != "" && isFound(found, c.ID) && unknown(cgroup{id: c.ID}) {
				n.known[c.ID] = called
			}
		}
	}
	return errors.Join(errs...)
}

// of returns the name of a container.
func (n *names) of(g cgroup) name {
	if known, ok := n.known[g.id]; ok {
		return known
	}
	return name{name: g.id[:shortID]}
}

// docker returns the name that dockerd has written down, or "".
func (n *names) docker(g cgroup) string {
	if g.runtime != "docker" && g.runtime != "" {
		return ""
	}
	var c struct{ Name string }
	readJSON(filepath.Join(n.rootfs, "var/lib/docker/containers", g.id, "config.v2.json"), &c)
	return strings.TrimPrefix(c.Name, "/")
}

// podman learns the names that Podman has written down for the machine.
func (n *names) podman(found []cgroup) {
	var all []struct {
		ID    string
		Names []string
	}
	readJSON(filepath.Join(n.rootfs, "var/lib/containers/storage/overlay-containers/containers.json"), &all)
	for _, c := range all {
		if len(c.Names) > 0 && isFound(found, c.ID) {
			n.known[c.ID] = name{name: c.Names[0]}
		}
	}
}

// nerdctl learns the names that nerdctl has written down: files that hold an id.
func (n *names) nerdctl(found []cgroup) {
	files, err := filepath.Glob(filepath.Join(n.rootfs, "var/lib/nerdctl/*/names/*/*"))
	if err != nil || len(files) > maxCgroups {
		return
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if id := strings.TrimSpace(string(b)); err == nil && isFound(found, id) {
			n.known[id] = name{name: filepath.Base(file)}
		}
	}
}

// podLog matches the link the kubelet makes for the log of each container:
// <pod>_<namespace>_<container>-<id>.log.
var podLog = regexp.MustCompile(`^([^_]+)_([^_]+)_(.+)-([0-9a-f]{64})\.log$`)

// kubernetes learns the names of the containers of pods.
func (n *names) kubernetes(found []cgroup) {
	links, err := os.ReadDir(filepath.Join(n.rootfs, "var/log/containers"))
	if err != nil {
		return // No Kubernetes here.
	}
	for _, l := range links {
		m := podLog.FindStringSubmatch(l.Name())
		if m != nil && isFound(found, m[4]) {
			n.known[m[4]] = name{name: m[4][:shortID], namespace: m[2], pod: m[1], container: m[3]}
		}
	}
}

func isFound(found []cgroup, id string) bool {
	return slices.ContainsFunc(found, func(g cgroup) bool { return g.id == id })
}

// readJSON reads a file into v, or leaves v as it is.
func readJSON(file string, v any) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	_ = json.NewDecoder(io.LimitReader(f, maxNamesFile)).Decode(v) // A name less is no failure.
}
