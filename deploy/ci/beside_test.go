package ci

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// slot is the container of a service that is there twice: it answers with the
// word of its image while compose has it up.
func (h host) slot(name string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		image, err := os.ReadFile(filepath.Join(h.dir, ".up-"+name))
		switch version := word(string(image)); {
		case err != nil:
			panic(http.ErrAbortHandler) // The container is not there.
		case version == "bad":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, version) // A client that has gone sees an error of its own.
		}
	}))
	h.t.Cleanup(server.Close)
	return server
}

// besideHost is a host whose application is behind a real nginx.
func besideHost(t *testing.T) (h host, nginx *realtest.NginxServer, url string) {
	t.Helper()
	realtest.Need(t, "nginx", "curl")
	h = newHost(t)
	a, b := h.slot("a"), h.slot("b")
	address := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	h.write("upstream.conf", "upstream app { server "+address(a)+"; }\n")
	nginx = realtest.Nginx(t, fmt.Sprintf(`  include %s/upstream.conf;
  server {
    listen 127.0.0.1:%%[1]d;
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`, h.dir))
	hook, err := os.ReadFile("hooks/reload")
	if err != nil {
		t.Fatal(err)
	}
	h.write("hooks/reload", strings.Replace(string(hook), "set -euo", fmt.Sprintf(
		"NGINX='nginx -p %[1]s -e %[1]s/error.log -c %[1]s/nginx.conf' NGINX_PID_FILE=%[1]s/nginx.pid\nset -euo", nginx.Dir,
	), 1))
	h.write("deploy.conf", fmt.Sprintf("# Two slots.\nSLOT_A=web-a %s\nSLOT_B=web-b %s\nUPSTREAM_FILE=%s/upstream.conf\nDRAIN_SECONDS=0\nOTHERS=worker beat\n", address(a), address(b), h.dir))
	h.write(".real", "")
	return h, nginx, nginx.URL("/")
}

// answers asks until it is stopped, and counts the answers and what went wrong.
type answers struct {
	stop, done chan struct{}
	good       atomic.Int64
	bad        atomic.Pointer[string]
}

func ask(url string) *answers {
	a := &answers{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for {
			select {
			case <-a.stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			if text, err := get(url); err != nil {
				message := err.Error()
				a.bad.Store(&message)
			} else if text == "a" || text == "b" {
				a.good.Add(1)
			} else {
				a.bad.Store(&text)
			}
		}
	}()
	return a
}

func (a *answers) want(t *testing.T) {
	t.Helper()
	close(a.stop)
	<-a.done
	if bad := a.bad.Load(); bad != nil {
		t.Errorf("after %d answers: %s", a.good.Load(), *bad)
	}
	if a.good.Load() == 0 {
		t.Error("nothing was answered")
	}
}

func get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %q", resp.Status, text)
	}
	return string(text), err
}

// TestBesideNoRequestFails holds that a version is replaced, and a bad one
// refused, while every request is answered.
func TestBesideNoRequestFails(t *testing.T) {
	t.Parallel()
	h, nginx, url := besideHost(t)
	_, a, _ := strings.Cut(strings.Split(h.read("deploy.conf"), "\n")[1], " ")
	deploy := func(args ...string) (string, bool) { return h.runWith([]string{"HEALTH_URL=" + url}, args...) }
	want := func(version string) {
		t.Helper()
		if got, err := get(url); err != nil || got != version {
			t.Errorf("%q answers, %v, want %s", got, err, version)
		}
	}
	if out, ok := deploy("release", "--image", image("a")); !ok {
		t.Fatal(out, nginx.Output())
	}
	want("a")
	asked := ask(url)
	if out, ok := deploy("release", "--image", image("b")); !ok {
		t.Fatal(out)
	}
	want("b")
	if out, ok := deploy("release", "--image", image("bad")); ok || !strings.Contains(out, image("b")+" is back in force") {
		t.Errorf("an unhealthy version: ok %t: %s", ok, out)
	}
	want("b")
	// nginx refuses the file: nothing is switched.
	reload := h.read("hooks/reload")
	h.write("hooks/reload", "#!/bin/sh\n! grep -q "+a+" upstream.conf || { echo 'host not found in upstream' >&2; exit 1; }\n")
	if out, ok := deploy("release", "--image", image("c")); ok || !strings.Contains(out, "host not found in upstream") {
		t.Errorf("a reload that fails: ok %t: %s", ok, out)
	}
	h.write("hooks/reload", reload)
	want("b")
	if out, ok := deploy("rollback"); !ok {
		t.Error(out)
	}
	want("a")
	asked.want(t)
	var ups []string
	for _, call := range h.calls() {
		if strings.Contains(call, " up ") {
			ups = append(ups, call[strings.LastIndex(call, " ")+1:])
		}
	}
	if got := strings.Join(ups[:4], " "); got != "web-a beat web-b beat" {
		t.Errorf("started %q", got)
	}
}

// TestBesideIsUndone kills the host's part at each call, or lets it fail, and
// wants the next run to leave one version, which answers.
func TestBesideIsUndone(t *testing.T) {
	t.Parallel()
	before, _, url := besideHost(t)
	env := []string{"HEALTH_URL=" + url}
	if out, ok := before.runWith(env, "release", "--image", image("a")); !ok {
		t.Fatal(out)
	}
	before.breakAt(0, "")
	if out, ok := before.runWith(env, "release", "--image", image("b")); !ok {
		t.Fatal(out)
	}
	calls, stride := before.calls(), every()
	for i := len(calls) % stride; i < len(calls); i += stride {
		// The slots and nginx are one for all, so the faults follow each other.
		old, next := "b", "a"
		if word(before.read("image.current")) == "a" {
			old, next = next, old
		}
		kind := []string{"kill", "fail"}[i/stride%2]
		before.breakAt(i+1, kind)
		out, ok := before.runWith(env, "release", "--image", image(next))
		before.mend()
		if err := exec.Command("flock", before.dir+"/deploy.running", "true").Run(); err != nil {
			t.Fatal(err)
		}
		if again, ok := before.runWith(env, "release", "--image", image(old)); !ok {
			t.Fatalf("release after %s at %s: %s", kind, calls[i], again)
		}
		if got, err := get(url); err != nil || got != old || word(before.read("image.current")) != old {
			t.Errorf("after %s at %s (ok %t, %s): %q answers, %v, want %s", kind, calls[i], ok, out, got, err, old)
		}
	}
}
