package node

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// serveRuntime answers on a socket like Docker, with a body.
func serveRuntime(t *testing.T, status int, body string) (socket string, asked *atomic.Int64) {
	t.Helper()
	socket, asked = filepath.Join(t.TempDir(), "s"), &atomic.Int64{}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodGet || r.URL.Path != "/containers/json" {
			t.Errorf("the runtime is asked to %s %s", r.Method, r.URL)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done })
	return socket, asked
}

// shown returns what a collector shows, and its error.
func shown(t *testing.T, c *containers) (string, error) {
	t.Helper()
	var failure error
	return string(metrictest.Exposition(t, alone{c, &failure})), failure
}

// TestRuntimeSockets names containers by the answers of runtimes, each of which is
// asked only for what no file and no earlier one told.
func TestRuntimeSockets(t *testing.T) {
	sysfs, _ := newFixture(t)
	docker, askedDocker := serveRuntime(t, http.StatusOK, fmt.Sprintf(
		`[{"Id":%q,"Names":["/other/link","/web"]},{"Id":%q,"Names":["/plain"]},{"Id":%q,"Names":["/elsewhere"]},{"Id":"x","Names":["/short"]}]`, dockerID, plainID, unknownID))
	podman, _ := serveRuntime(t, http.StatusOK, fmt.Sprintf(
		`[{"Id":%q,"Names":["repeated"]},{"Id":%q,"Names":["redis"]},{"Id":%q,"Labels":{"io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"ns","io.kubernetes.container.name":"c"}}]`,
		dockerID, podmanID, podID))
	c := newContainers(sysfs, t.TempDir(), 0, docker, podman)
	for range 2 {
		text, err := shown(t, c)
		if err != nil {
			t.Error(err)
		}
		for _, want := range []string{`name="web"`, `name="plain"`, `name="redis"`, `container="c",cpu="total"`, `namespace="ns",pod="p"`} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
		for _, bad := range []string{"repeated", "elsewhere", "link"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s is a name", bad)
			}
		}
	}
	if n := askedDocker.Load(); n != 1 {
		t.Errorf("the first runtime was asked %d times, want once: all names are known", n)
	}
}

// TestRuntimeFailures holds that a runtime that does not answer costs names, and
// is left alone for a while.
func TestRuntimeFailures(t *testing.T) {
	sysfs, rootfs := newFixture(t)
	hanging, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	denied, asked := serveRuntime(t, http.StatusForbidden, "no")
	garbage, _ := serveRuntime(t, http.StatusOK, "<html>")
	for socket, want := range map[string]string{
		hanging.Addr().String(): "deadline exceeded", denied: "answered 403", garbage: "read the answer", "/none": "no such file",
	} {
		c := newContainers(sysfs, rootfs, 0, socket)
		for range 2 {
			text, err := shown(t, c)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %s", socket, err, want)
			}
			if !strings.Contains(text, `name="dmarc-backend"`) || !strings.Contains(text, `name="`+plainID[:shortID]+`"`) {
				t.Errorf("%s: names are missing in\n%s", socket, text)
			}
		}
		r := c.names.runtimes[0]
		if _, err := r.containers(t.Context(), time.Now().Add(2*runtimeRest)); err == nil {
			t.Errorf("%s: no second try", socket)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("a runtime that refuses was asked %d times, want 2", n)
	}
}

// TestNerdctlNames reads the files that nerdctl keeps names in.
func TestNerdctlNames(t *testing.T) {
	sysfs, rootfs := newFixture(t)
	write(t, rootfs, map[string]string{"var/lib/nerdctl/1935db59/names/default/shop": plainID, "var/lib/nerdctl/1935db59/names/default/gone": unknownID})
	text, err := shown(t, newContainers(sysfs, rootfs, 0))
	if err != nil || !strings.Contains(text, `name="shop"`) || strings.Contains(text, "gone") {
		t.Errorf("error %v, no name of nerdctl in\n%s", err, text)
	}
}
